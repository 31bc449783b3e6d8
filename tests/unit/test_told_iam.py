"""What the target iam_access_key tells, word for word: the permission that lacks, and what it did to keys."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from secret_rotation.deadline import Deadline
from secret_rotation.errors import (
    AccessDeniedError,
    AuthenticationError,
    ConfigurationError,
    DeadlineError,
    RotationError,
    SecretError,
)
from secret_rotation.target import Credential
from secret_rotation.targets import iam_access_key
from tests.support import contexts
from tests.support.function import LambdaContext
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

    def client(self, service: str, **credentials: str) -> object:
        return self.manager.client() if service == "secretsmanager" else self.iam.client(service, **credentials)

    def deny(self, action: str) -> None:
        for service in (self.iam, self.manager):
            service.hooks.append(_denied(action))

    def began(self) -> None:
        """Secrets Manager has made the version of a rotation, an hour ago, before the newest key."""
        arn = self.context.secret_id = self.manager.create("{}")
        self.manager.secrets[arn].versions[self.manager.rotate(arn)].created = self.keys[-1].created

    def refused(self, kind: type[RotationError]) -> str:
        """What createSecret says."""
        with pytest.raises(kind) as raised:
            iam_access_key.create_secret(self.context)
        return str(raised.value)


def _denied(action: str) -> Callable[[str, str], None]:
    def hook(moment: str, called: str) -> None:
        if (moment, called) == ("before", action):
            raise ServiceError("AccessDenied", "Said by AWS.")

    return hook


@pytest.mark.parametrize(("action", "keys"), [("ListAccessKeys", 1), ("CreateAccessKey", 1), ("DeleteAccessKey", 2)])
def test_the_permission_that_lacks_is_named(action: str, keys: int) -> None:
    case = Case(keys)
    case.deny(action)
    assert case.refused(AccessDeniedError) == f"iam:{action}: not allowed. Said by AWS."


@pytest.mark.parametrize("action", ["iam:GetAccessKeyLastUsed", "secretsmanager:ListSecretVersionIds"])
def test_the_permission_that_lacks_to_look_at_a_key_that_no_version_holds_is_named(action: str) -> None:
    case = Case(2, stored=1)
    case.began()
    case.deny(action.partition(":")[2])
    assert case.refused(AccessDeniedError) == f"{action}: not allowed. Said by AWS."


def test_the_permission_that_lacks_to_test_a_key_is_named() -> None:
    case = Case(1)
    case.deny("GetCallerIdentity")
    with pytest.raises(AccessDeniedError) as raised:
        iam_access_key.test_secret(case.context)
    assert str(raised.value) == "sts:GetCallerIdentity: not allowed. Said by AWS."


def test_what_is_done_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    iam_access_key.create_secret(Case(2).context)
    assert [json.loads(line)["message"] for line in capsys.readouterr().out.splitlines()] == [
        "The access key before the current one is deleted.",
        "A new access key is issued.",
    ]


def test_a_key_that_an_earlier_run_lost_is_told_when_it_is_deleted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(iam_access_key, "CLOCK_SKEW", -timedelta(days=1))
    case = Case(2, stored=1)
    case.began()
    iam_access_key.create_secret(case.context)
    told = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (told["level"], told["message"]) == (
        "WARN",
        "An access key that an earlier run made and could not store is deleted.",
    )


def test_a_key_that_a_run_may_be_about_to_store_is_told() -> None:
    case = Case(2, stored=1)
    case.began()
    assert case.refused(SecretError) == (
        "Another run of this rotation has just issued an access key, and may be about to store it. The rotation is "
        "tried again; after 34 s a key that is still not stored is deleted."
    )


@pytest.mark.parametrize("stored", [1, 0])
def test_keys_that_no_version_holds_are_named_with_what_to_do(stored: int) -> None:
    case = Case(2, stored=stored)
    if not stored:
        case.context.current = Credential("v", json.dumps(dict.fromkeys(KEYS, "to-be-rotated")), KEYS)
    case.manager.create()
    case.context.secret_id = next(iter(case.manager.secrets))
    named = " and ".join(key.key_id for key in case.keys[stored:])
    assert case.refused(SecretError) == (
        f"The user app has two access keys, and no version of the secret holds {named}. It may be in use elsewhere, "
        "so it is not deleted. Put it into the secret, or delete it in IAM, and rotate again. A user whose keys rotate "
        "has its keys in one secret only."
    )


def test_too_little_time_is_told_with_what_it_would_be_for() -> None:
    case = Case(1)
    deadline = case.context.deadline = Deadline()
    deadline.start(LambdaContext(60))
    deadline.start(LambdaContext(8))
    assert case.refused(DeadlineError) == (
        "Not enough time left to issue an access key and store it: 7.5 s of the function's timeout. Nothing is lost: "
        "the rotation is tried again. If this repeats, raise `function.timeout`."
    )


def test_a_key_that_sts_does_not_accept_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iam_access_key, "PAUSES", ())
    case = Case(1)
    case.iam.keys.clear()
    with pytest.raises(AuthenticationError) as raised:
        iam_access_key.test_secret(case.context)
    assert str(raised.value) == (
        "STS does not accept the access key. If it is new, the rotation is tried again. If somebody deleted or "
        "deactivated it in IAM: remove AWSPENDING from its version and rotate again."
    )


def test_other_keys_than_the_two_are_told_how_to_rotate() -> None:
    case = Case(1)
    case.context.current = Credential("v", '{"a": "b"}', ("a",))
    assert case.refused(ConfigurationError) == (
        'An access key is two values of a JSON secret: set keys = ["access_key_id", "secret_access_key"]. Other names '
        "are the settings 'access_key_id_key' and 'secret_access_key_key'; other keys rotate with another call of the "
        "module."
    )
