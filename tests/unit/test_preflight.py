"""The test that comes alone, where a secret does not rotate at once: it checks what the first rotation needs."""

import json
from collections.abc import Callable

import pytest

from rotation_lab.model.secrets_manager import STEPS, SecretsManager
from secret_rotation import errors
from secret_rotation.target import Context
from tests.support.function import RotationFunction, Service

KEYS = {"SECRET_KEYS": '["password"]'}
WRITES = {"PutSecretValue", "UpdateSecretVersionStage", "GetRandomPassword"}


@pytest.fixture
def manager() -> SecretsManager:
    return SecretsManager()


def alone(manager: SecretsManager, text: str | bytes, target: object = None, **environment: str) -> None:
    """RotateSecret without rotating at once."""
    arn = manager.create(text)
    function = RotationFunction(manager, target, **environment)
    function("testSecret", arn, manager.test(arn))
    assert WRITES.isdisjoint(manager.calls)


@pytest.mark.parametrize(
    ("text", "environment", "error"),
    [
        ('{"username": "app"}', KEYS, errors.KeyMissingError),
        ('{"password": 5}', KEYS, errors.KeyNotStringError),
        ("plain", KEYS, errors.NotJsonError),
        ('{"password": "a", "password": "b"}', KEYS, errors.DuplicateKeyError),
        ('{"password": "a"}', {}, errors.JsonObjectError),
        (b"binary", {}, errors.SecretBinaryError),
        ('{"password": "a"}', {**KEYS, "PASSWORD_LENGTH": "many"}, errors.SettingError),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
@pytest.mark.parametrize("target", [None, Service("a")], ids=["none", "a target"])
def test_what_a_rotation_would_refuse_is_refused(
    manager: SecretsManager, target: object, text: str, environment: dict[str, str], error: type[Exception]
) -> None:
    with pytest.raises(error):
        alone(manager, text, target, **environment)


@pytest.mark.parametrize("target", [None, Service("a")], ids=["none", "a target"])
@pytest.mark.parametrize(("text", "environment"), [("a", {}), ('{"password": "a"}', KEYS)], ids=["plain text", "JSON"])
def test_what_can_rotate_passes(
    manager: SecretsManager, target: object, text: str, environment: dict[str, str]
) -> None:
    alone(manager, text, target, **environment)


def test_a_value_that_the_service_does_not_accept_is_refused(manager: SecretsManager) -> None:
    with pytest.raises(errors.AuthenticationError):
        alone(manager, "wrong", Service("right"))


class Checked(Service):
    """A target that can see before a rotation that it would fail."""

    seen: list[str | None]

    def check(self, context: Context) -> None:
        assert context.current is not None
        assert context.current.value == context.subject.value == "a"
        raise errors.ConfigurationError("The administrator may not do this.")


def test_the_targets_own_checks_are_made_and_only_then(manager: SecretsManager) -> None:
    with pytest.raises(errors.ConfigurationError, match="administrator"):
        alone(manager, json.dumps({"password": "a"}), Checked("a"), **KEYS)
    arn, function = manager.create('{"password": "a"}'), RotationFunction(manager, Checked("a"), **KEYS)
    token = manager.rotate(arn)
    for step in STEPS:
        function(step, arn, token)


def test_a_diagnosis_makes_the_targets_checks_if_it_may_log_in(manager: SecretsManager) -> None:
    arn = manager.create('{"password": "a"}')
    look: Callable[..., dict[str, str]] = RotationFunction(manager, Checked("a"), **KEYS).diagnose
    assert look(arn, Login=True)["verdict"] == "failed"
    assert "administrator" in look(arn, Login=True)["reason"]
    assert look(arn)["verdict"] == "healthy"


def test_a_real_test_in_another_environment_is_no_check_and_no_failure(manager: SecretsManager) -> None:
    arn, token = manager.create("a"), ""
    token = manager.rotate(arn)
    RotationFunction(manager)("createSecret", arn, token)
    RotationFunction(manager)("testSecret", arn, token)
