"""IAM and STS over the tests' model: the service issues the value, and keeps two at most."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from rotation_lab.model.secrets_manager import SecretsManager, ServiceError
from rotation_lab.services.iam import QUOTA, Iam, Key

from .. import amazon

USER = "app"
KEYS = ("access_key_id", "secret_access_key")


class AccessKeys:
    """A user with one key, which was made a month ago."""

    upstream: tuple[str, int] | None = None

    def __init__(self) -> None:
        self._iam = Iam()
        self.user_arn = self._iam.add_user(USER)
        self._issued = 0

    def known(self, host: str, port: int) -> Mapping[str, Any]:
        """Where the key is used."""
        return {"region": "eu-west-1"}

    def reset(self) -> Mapping[str, str]:
        """One key."""
        self._iam.keys.clear()
        self._issued = 0
        self._iam.calls.clear()
        key = self._iam.add_key(USER)
        key.created -= timedelta(days=30)
        return _values(key)

    def opens(self, text: str) -> bool:
        """Whether the key is the user's, and active."""
        found = json.loads(text)
        key = self._iam.keys.get(found["access_key_id"])
        return key is not None and key.status == "Active" and key.secret == found["secret_access_key"]

    def by_hand(self) -> Mapping[str, str]:
        """A person makes a key, in the place of the newest if there are two."""
        keys = self._iam.of(USER)
        if len(keys) >= QUOTA:
            del self._iam.keys[keys[-1].key_id]
        return _values(self._iam.add_key(USER))

    def follow(self, message: str) -> bool:
        """Delete the keys that the function names as held by no version."""
        named = [key_id for key_id in self._iam.keys if key_id in message]
        for key_id in named:
            del self._iam.keys[key_id]
        return bool(named)

    def issued(self) -> int:
        """How many keys the function had made."""
        return self._iam.calls.count("CreateAccessKey")

    def later(self, time: timedelta) -> None:
        """Time passes: all keys are older."""
        for key in self._iam.keys.values():
            key.created -= time

    def apis(self, manager: SecretsManager) -> Mapping[str, amazon.Api]:
        """Both services."""
        return {"iam": self._answer, "sts": self._answer}

    def others(self, host: str, port: int) -> Mapping[str, str | None]:
        """None."""
        return {}

    def _answer(self, request: amazon.Request) -> amazon.Answer:
        key = self._iam.keys.get(request.access_key)
        login = {
            "aws_access_key_id": request.access_key,
            # A signature is not verified: an id is enough, since no two keys share one.
            "aws_secret_access_key": key.secret if key else "",
        }
        try:
            found = self._iam._answer(request.action, dict(parse_qsl(request.body.decode())), login)
        except ServiceError as error:
            said = f"<Error><Code>{error.code}</Code><Message>{escape(error.message)}</Message></Error>"
            return _xml(400, f"<ErrorResponse>{said}</ErrorResponse>")
        name = request.action
        return _xml(200, f"<{name}Response><{name}Result>{_members(found)}</{name}Result></{name}Response>")


@contextlib.contextmanager
def start() -> Iterator[AccessKeys]:
    """Nothing has to be started."""
    yield AccessKeys()


def _values(key: Key) -> dict[str, str]:
    return dict(zip(KEYS, (key.key_id, key.secret), strict=True))


def _xml(status: int, text: str) -> amazon.Answer:
    return status, {"content-type": "text/xml"}, text.encode()


def _members(found: Mapping[str, Any]) -> str:
    return "".join(f"<{name}>{_value(value)}</{name}>" for name, value in found.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return _members(value)
    if isinstance(value, list):
        return "".join(f"<member>{_value(one)}</member>" for one in value)
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value).lower() if isinstance(value, bool) else escape(str(value))
