"""IAM users and their access keys in memory, and STS, behind real boto3 clients.

    iam = Iam()
    service = iam.credential("app")                 # the user app with one key
    user = iam.add_user("other")                    # its ARN
    client = iam.client("iam")                      # for the function under test
    iam.client("sts", aws_access_key_id=…, aws_secret_access_key=…)
    iam.unknown_for = 2                             # STS does not know a new key for so many calls
    iam.hooks.append(lambda moment, action: …)      # raise here: "before" nothing is done, "after" the answer is lost

Like AWS, it allows a user two keys, shows a secret once, and refuses a key that is unknown, inactive, or whose secret
is another.
"""

import contextlib
import json
import secrets
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import boto3
from botocore.model import OperationModel

from rotation_lab import amazon
from rotation_lab.leaks import made
from rotation_lab.model.secrets_manager import ACCOUNT, REGION, Data, Hook, ServiceError

from .base import USER, ReadSecret, Service, Values

QUOTA = 2
KEYS = ("access_key_id", "secret_access_key")
UNKNOWN = "a new key is unknown at first"


@dataclass
class Key:
    """An access key of a user."""

    user: str
    key_id: str
    secret: str = field(repr=False)
    status: str = "Active"
    created: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    used: datetime | None = None
    refusals: int = 0
    """STS does not know the key yet for so many calls."""


@dataclass
class User:
    """An IAM user."""

    name: str
    arn: str


class Iam:
    """The two services. ``calls`` has the names of the actions that clients called."""

    def __init__(self) -> None:
        self.users: dict[str, User] = {}
        self.keys: dict[str, Key] = {}
        self.calls: list[str] = []
        self.hooks: list[Hook] = []
        self.unknown_for = 0

    def credential(self, name: str = USER, path: str = "/") -> "AccessKey":
        """A user of its own with one key, which was made a month ago."""
        return AccessKey(self, name, path)

    def add_user(self, name: str, path: str = "/") -> str:
        """Make a user and return its ARN."""
        self.users[name] = User(name, f"arn:aws:iam::{ACCOUNT}:user{path}{name}")
        return self.users[name].arn

    def add_key(self, user: str) -> Key:
        """Make a key that is known everywhere, however many there are."""
        key_id = "AKIA" + "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(16))
        self.keys[key_id] = Key(user, key_id, made(secrets.token_urlsafe(30)))
        return self.keys[key_id]

    def of(self, user: str) -> list[Key]:
        """The keys of a user, oldest first."""
        return [key for key in self.keys.values() if key.user == user]

    def client(self, service: str, **credentials: str) -> Any:
        """A boto3 client for ``iam`` or ``sts`` whose requests are answered here."""

        def answer(model: OperationModel, params: Data, **_: object) -> tuple[Any, Data]:
            try:
                return SimpleNamespace(status_code=200), self.answer(model.name, params["body"], credentials)
            except ServiceError as error:
                return SimpleNamespace(status_code=400), {"Error": {"Code": error.code, "Message": error.message}}

        made = _session().client(service)
        made.meta.events.register(f"before-call.{service}", answer)
        return made

    def answer(self, action: str, request: Data, credentials: Mapping[str, str]) -> Data:
        """Answer a request that is signed with these credentials."""
        self.calls.append(action)
        self._tell("before", action)
        if action == "GetCallerIdentity":
            result = self._identify(credentials["aws_access_key_id"], credentials["aws_secret_access_key"])
        else:
            run: Callable[[Data], Data] = getattr(self, f"_{action}")
            result = run(request)
        self._tell("after", action)
        return result

    def _tell(self, moment: str, action: str) -> None:
        for hook in self.hooks:
            hook(moment, action)

    def _identify(self, key_id: str, secret: str) -> Data:
        key = self.keys.get(key_id)
        if key is not None and key.refusals:
            key.refusals -= 1
            key = None
        if key is None or key.status != "Active":
            raise ServiceError("InvalidClientTokenId", "The security token included in the request is invalid.")
        if key.secret != secret:
            raise ServiceError("SignatureDoesNotMatch")
        key.used = datetime.now(UTC)
        return {"Arn": self.users[key.user].arn, "Account": ACCOUNT, "UserId": "AIDA"}

    # The actions, named as AWS names them.

    def _ListAccessKeys(self, request: Data) -> Data:  # noqa: N802
        return {"AccessKeyMetadata": [_public(key) for key in self.of(self._user(request))], "IsTruncated": False}

    def _CreateAccessKey(self, request: Data) -> Data:  # noqa: N802
        user = self._user(request)
        if len(self.of(user)) >= QUOTA:
            raise ServiceError("LimitExceeded", f"Cannot exceed quota for AccessKeysPerUser: {QUOTA}")
        key = self.add_key(user)
        key.refusals = self.unknown_for
        return {"AccessKey": {**_public(key), "SecretAccessKey": key.secret}}

    def _DeleteAccessKey(self, request: Data) -> Data:  # noqa: N802
        self._user(request)
        if self.keys.pop(request["AccessKeyId"], None) is None:
            raise ServiceError("NoSuchEntity")
        return {}

    def _GetAccessKeyLastUsed(self, request: Data) -> Data:  # noqa: N802
        key = self.keys[request["AccessKeyId"]]
        seen = {"LastUsedDate": key.used, "ServiceName": "sts", "Region": REGION}
        return {"UserName": key.user, "AccessKeyLastUsed": seen if key.used else {"ServiceName": "N/A"}}

    def _user(self, request: Data) -> str:
        name: str = request["UserName"]
        if name not in self.users:
            raise ServiceError("NoSuchEntity")
        return name


class AccessKey(Service):
    """A user's access key, which IAM issues, and of which it keeps two at most."""

    worlds = (UNKNOWN,)

    def __init__(self, iam: Iam, name: str, path: str) -> None:
        self.iam, self.name = iam, name
        self.user_arn, self._made = iam.add_user(name, path), 0
        self.reset()

    def known(self, host: str, port: int) -> Mapping[str, Any]:
        """Where the key is used."""
        return {"region": REGION}

    def reset(self) -> Values:
        self.lock_out()
        self._made = self.iam.calls.count("CreateAccessKey")
        key = self.iam.add_key(self.name)
        key.created -= timedelta(days=30)
        return values(key)

    def opens(self, text: str) -> bool:
        """Whether the key is the user's, and active."""
        found = json.loads(text)
        key = self.iam.keys.get(found["access_key_id"])
        return key is not None and key.status == "Active" and key.secret == found["secret_access_key"]

    def change(self) -> Values:
        """A person makes a key, in the place of the newest if there are two."""
        keys = self.iam.of(self.name)
        if len(keys) >= QUOTA:
            del self.iam.keys[keys[-1].key_id]
        return values(self.iam.add_key(self.name))

    def lock_out(self) -> None:
        """The user has no key."""
        for key in self.iam.of(self.name):
            del self.iam.keys[key.key_id]

    def follow(self, message: str) -> bool:
        """Delete the keys that the function names as held by no version."""
        named = [key_id for key_id in self.iam.keys if key_id in message]
        for key_id in named:
            del self.iam.keys[key_id]
        return bool(named)

    def issued(self) -> int:
        return self.iam.calls.count("CreateAccessKey") - self._made

    def later(self, time: timedelta) -> None:
        for key in self.iam.keys.values():
            key.created -= time

    def apis(self, read: ReadSecret) -> Mapping[str, amazon.Api]:
        """Both services."""
        return {"iam": self._answer, "sts": self._answer}

    @contextlib.contextmanager
    def misbehave(self, name: str) -> Iterator[None]:
        if name != UNKNOWN:
            raise KeyError(name)
        self.iam.unknown_for = 2
        try:
            yield
        finally:
            self.iam.unknown_for = 0

    def _answer(self, request: amazon.Request) -> amazon.Answer:
        key = self.iam.keys.get(request.access_key)
        login = {
            "aws_access_key_id": request.access_key,
            # A signature is not verified: an id is enough, since no two keys share one.
            "aws_secret_access_key": key.secret if key else "",
        }
        try:
            found = self.iam.answer(request.action, dict(parse_qsl(request.body.decode())), login)
        except ServiceError as error:
            said = f"<Error><Code>{error.code}</Code><Message>{escape(error.message)}</Message></Error>"
            return _xml(400, f"<ErrorResponse>{said}</ErrorResponse>")
        name = request.action
        return _xml(200, f"<{name}Response><{name}Result>{_members(found)}</{name}Result></{name}Response>")


def values(key: Key) -> dict[str, str]:
    """The key as the secret holds it."""
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


def _public(key: Key) -> Data:
    return {"UserName": key.user, "AccessKeyId": key.key_id, "Status": key.status, "CreateDate": key.created}


@cache
def _session() -> Any:
    return boto3.Session(region_name=REGION, aws_access_key_id="testing", aws_secret_access_key="testing")
