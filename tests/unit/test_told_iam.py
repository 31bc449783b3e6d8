"""What the target iam_access_key tells, word for word: the permission that lacks, and what it did to keys."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from secret_rotation.errors import AccessDeniedError, ConfigurationError
from secret_rotation.targets import iam_access_key
from secret_rotation.targets.base import Credential
from tests.support import contexts
from tests.support.iam import Iam, Key
from tests.support.secrets_manager import SecretsManager, ServiceError

KEYS = ("access_key_id", "secret_access_key")


def text(key: Key) -> str:
    return json.dumps(dict(zip(KEYS, (key.key_id, key.secret), strict=True)))


class Case:
    """A user with keys, the first of which is current, and a context for createSecret."""

    def __init__(self, keys: int, *, stored: int | None = None) -> None:
        self.iam, self.manager = Iam(), SecretsManager()
        self.user = self.iam.add_user("app")
        self.keys = [self.iam.add_key("app") for _ in range(keys)]
        for key in self.keys[: keys if stored is None else stored]:
            key.created -= timedelta(days=1)
        values = [Credential(key.key_id, text(key), KEYS) for key in self.keys]
        older = values[1:] if stored is None else values[1:stored]
        self.context = contexts.context(None, values[0], older, client=self.client, user_arn=self.user)

    def client(self, service: str, **_: str) -> object:
        return self.manager.client() if service == "secretsmanager" else self.iam.client(service)

    def deny(self, action: str) -> None:
        self.iam.hooks.append(_denied(action))


def _denied(action: str) -> Callable[[str, str], None]:
    def hook(moment: str, called: str) -> None:
        if (moment, called) == ("before", action):
            raise ServiceError("AccessDenied", "Said by AWS.")

    return hook


@pytest.mark.parametrize(("action", "keys"), [("ListAccessKeys", 1), ("CreateAccessKey", 1), ("DeleteAccessKey", 2)])
def test_the_permission_that_lacks_is_named(action: str, keys: int) -> None:
    case = Case(keys)
    case.deny(action)
    with pytest.raises(AccessDeniedError) as raised:
        iam_access_key.create_secret(case.context)
    assert str(raised.value) == f"iam:{action}: not allowed. Said by AWS."


def test_what_is_done_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    iam_access_key.create_secret(Case(2).context)
    assert [json.loads(line)["message"] for line in capsys.readouterr().out.splitlines()] == [
        "The access key before the current one is deleted.",
        "A new access key is issued.",
    ]


def test_other_keys_than_the_two_are_told_how_to_rotate() -> None:
    case = Case(1)
    case.context.current = Credential("v", '{"a": "b"}', ("a",))
    with pytest.raises(ConfigurationError) as raised:
        iam_access_key.create_secret(case.context)
    assert str(raised.value) == (
        'An access key is two values of a JSON secret: set keys = ["access_key_id", "secret_access_key"]. Other names '
        "are the settings 'access_key_id_key' and 'secret_access_key_key'; other keys rotate with another call of the "
        "module."
    )
