"""The target iam_access_key: the permission that is missing, and which keys it deletes or leaves alone."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from rotation_lab.model.secrets_manager import SecretsManager, ServiceError
from rotation_lab.services.iam import Iam, Key
from secret_rotation.deadline import Deadline
from secret_rotation.errors import (
    AccessDeniedError,
    AuthenticationError,
    ConfigurationError,
    DeadlineError,
    SecretError,
)
from secret_rotation.target import Credential
from secret_rotation.targets import iam_access_key
from tests.messages import refused
from tests.support import contexts
from tests.support.function import LambdaContext

KEYS = ("access_key_id", "secret_access_key")


def text(key: Key) -> str:
    return json.dumps(dict(zip(KEYS, (key.key_id, key.secret), strict=True)))


class Case:
    """A user with keys, the first of which is current, and a context for createSecret."""

    def __init__(self, keys: int, *, stored: int | None = None) -> None:
        self.iam, self.manager, self.attempts = Iam(), SecretsManager(), list[int]()
        self.user = self.iam.add_user("app")
        self.keys = [self.iam.add_key("app") for _ in range(keys)]
        for key in self.keys[: keys if stored is None else stored]:
            key.created -= timedelta(days=1)
        values = [Credential(key.key_id, text(key), KEYS) for key in self.keys]
        older = values[1:] if stored is None else values[1:stored]
        self.context = contexts.of("iam_access_key")(None, values[0], older, client=self.client, user_arn=self.user)

    def client(self, service: str, *, attempts: int = 3, **credentials: str) -> object:
        self.attempts.append(attempts)
        return self.manager.client() if service == "secretsmanager" else self.iam.client(service, **credentials)

    def deny(self, action: str) -> None:
        for service in (self.iam, self.manager):
            service.hooks.append(_denied(action))

    def began(self) -> None:
        """Secrets Manager has made the version of a rotation, an hour ago, before the newest key."""
        arn = self.context.secret_id = self.manager.create("{}")
        self.manager.secrets[arn].versions[self.manager.rotate(arn)].created = self.keys[-1].created

    def create(self) -> object:
        return iam_access_key.create_secret(self.context)


def _denied(action: str) -> Callable[[str, str], None]:
    def hook(moment: str, called: str) -> None:
        if (moment, called) == ("before", action):
            raise ServiceError("AccessDenied", "Said by AWS.")

    return hook


@pytest.mark.parametrize(("action", "keys"), [("ListAccessKeys", 1), ("CreateAccessKey", 1), ("DeleteAccessKey", 2)])
def test_the_missing_permission_is_named(action: str, keys: int) -> None:
    case = Case(keys)
    case.deny(action)
    with refused(AccessDeniedError, f"iam:{action}", "Said by AWS."):
        case.create()


@pytest.mark.parametrize("action", ["iam:GetAccessKeyLastUsed", "secretsmanager:ListSecretVersionIds"])
def test_the_missing_permission_to_examine_a_key_that_no_version_holds_is_named(action: str) -> None:
    case = Case(2, stored=1)
    case.began()
    case.deny(action.partition(":")[2])
    with refused(AccessDeniedError, action, "Said by AWS."):
        case.create()


def test_the_missing_permission_to_test_a_key_is_named() -> None:
    case = Case(1)
    case.deny("GetCallerIdentity")
    with refused(AccessDeniedError, "sts:GetCallerIdentity", "Said by AWS."):
        iam_access_key.test_secret(case.context)


def test_the_request_for_a_key_is_sent_once() -> None:
    """After a late answer a second attempt would make a second key, and the quota is two."""
    case = Case(1)
    attempts: list[int] = []
    case.iam.hooks.append(lambda _, action: attempts.append(case.attempts[-1]) if action == "CreateAccessKey" else None)
    case.create()
    assert set(attempts) == {1}


def logged(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, bool, bool]]:
    """Level of each line, and whether it is about a key that is deleted, or issued."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [(line["level"], "deleted" in line["message"], "issued" in line["message"]) for line in lines]


def test_what_is_done_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    Case(2).create()
    assert logged(capsys) == [("INFO", True, False), ("INFO", False, True)]


def test_the_deletion_of_a_key_that_an_earlier_run_lost_is_a_warning(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(iam_access_key, "CLOCK_SKEW", -timedelta(days=1))
    case = Case(2, stored=1)
    case.began()
    case.create()
    assert logged(capsys)[0] == ("WARN", True, False)


def test_a_key_that_another_run_may_be_about_to_store_is_left_for_some_seconds() -> None:
    case = Case(2, stored=1)
    case.began()
    with refused(SecretError, " 34 s "):
        case.create()
    assert len(case.iam.keys) == 2


@pytest.mark.parametrize("stored", [1, 0])
def test_keys_that_no_version_holds_are_named_and_not_deleted(stored: int) -> None:
    case = Case(2, stored=stored)
    if not stored:
        case.context.current = Credential("v", json.dumps(dict.fromkeys(KEYS, "to-be-rotated")), KEYS)
    case.manager.create()
    case.context.secret_id = next(iter(case.manager.secrets))
    with refused(SecretError, "user app", " and ".join(key.key_id for key in case.keys[stored:])):
        case.create()
    assert len(case.iam.keys) == 2


def test_a_key_that_a_version_holds_is_not_blamed() -> None:
    case = Case(2, stored=1)
    case.manager.create()
    case.context.secret_id = next(iter(case.manager.secrets))
    with pytest.raises(SecretError) as raised:
        case.create()
    assert case.keys[0].key_id not in str(raised.value)
    assert not any(key.secret in str(raised.value) for key in case.keys)


def test_too_little_time_names_the_time_and_the_setting_that_raises_it() -> None:
    case = Case(1)
    deadline = case.context.deadline = Deadline()
    deadline.start(LambdaContext(60))
    deadline.start(LambdaContext(8))
    with refused(DeadlineError, "7.5 s", "`function.timeout`", "access key"):
        case.create()
    assert len(case.iam.keys) == 1


def test_a_key_that_sts_does_not_accept_says_how_to_abandon_the_rotation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iam_access_key, "PAUSES", ())
    case = Case(1)
    case.iam.keys.clear()
    with refused(AuthenticationError, "STS", "AWSPENDING"):
        iam_access_key.test_secret(case.context)


def test_other_keys_than_the_two_are_refused_with_the_setting_to_give() -> None:
    case = Case(1)
    case.context.current = Credential("v", '{"a": "b"}', ("a",))
    with refused(
        ConfigurationError,
        'keys = ["access_key_id", "secret_access_key"]',
        "'access_key_id_key'",
        "'secret_access_key_key'",
    ):
        case.create()
