"""What a rotation logs, and what its errors name."""

import json
from collections.abc import Callable

import pytest

from rotation_lab.model.secrets_manager import PENDING, STEPS, SecretsManager, ServiceError
from secret_rotation.errors import (
    AccessDeniedError,
    IdentityMismatchError,
    NotPendingError,
    NoValueError,
    RotationDisabledError,
    RotationError,
    SecretBinaryError,
    StoreError,
    TargetError,
    UnknownVersionError,
)
from tests.messages import refused
from tests.support.function import RotationFunction
from tests.support.recorder import Recorder


@pytest.fixture
def manager() -> SecretsManager:
    return SecretsManager()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


# Log lines.


def test_each_step_logs_what_it_did_and_its_end(manager: SecretsManager, capsys: pytest.CaptureFixture[str]) -> None:
    RotationFunction(manager, Recorder()).rotate(manager.create("s3cret-old"))
    logged = lines(capsys)
    assert [(line["step"], line["level"]) for line in logged] == [(step, "INFO") for step in STEPS for _ in range(2)]
    assert len({line["message"] for line in logged}) == 5  # four things done, and one line for the end of a step


def test_a_second_delivery_logs_that_it_changed_nothing(
    manager: SecretsManager, capsys: pytest.CaptureFixture[str]
) -> None:
    arn = manager.create("s3cret-old")
    function = RotationFunction(manager, Recorder())
    token = manager.rotate(arn)
    function("createSecret", arn, token)
    capsys.readouterr()
    for step in STEPS:
        function(step, arn, token)
    assert [line["step"] for line in lines(capsys) if "already" in line["message"]] == ["createSecret"]
    for step in STEPS:
        function(step, arn, token)
    assert ["already" in line["message"] for line in lines(capsys)] == [True, False] * 4


def test_a_test_without_any_value_calls_no_target_and_logs_it(
    manager: SecretsManager, capsys: pytest.CaptureFixture[str]
) -> None:
    arn = manager.create()
    recorder = Recorder()
    RotationFunction(manager, recorder)("testSecret", arn, manager.rotate(arn))
    assert "no value" in lines(capsys)[0]["message"]
    assert recorder.contexts == {}


# Errors.


@pytest.mark.parametrize("target", [None, Recorder()])
def test_a_finish_before_there_is_a_value_names_label_and_step(
    manager: SecretsManager, target: Recorder | None
) -> None:
    arn = manager.create("s3cret-old")
    with refused(NoValueError, "AWSPENDING", "createSecret"):
        RotationFunction(manager, target)("finishSecret", arn, manager.rotate(arn))


def test_a_current_version_without_a_value_is_refused_since_it_may_be_json(manager: SecretsManager) -> None:
    arn = manager.create("s3cret-old")
    token = manager.rotate(arn)
    manager.secrets[arn].versions[str(manager.secrets[arn].holder("AWSCURRENT"))].data = {}
    with refused(NoValueError, "AWSCURRENT"):
        RotationFunction(manager)("createSecret", arn, token)


def test_a_json_secret_without_a_value_gives_the_json_to_put_first(manager: SecretsManager) -> None:
    arn = manager.create()
    function = RotationFunction(manager, SECRET_KEYS='["user", "password"]')
    with refused(NoValueError, '{"user": "to-be-rotated", "password": "to-be-rotated"}'):
        function("createSecret", arn, manager.rotate(arn))


def test_a_rotation_that_is_not_in_progress_is_refused_by_its_state(manager: SecretsManager) -> None:
    arn = manager.create("s3cret-old")
    function, token = RotationFunction(manager), manager.rotate(arn)
    with refused(UnknownVersionError, "ClientRequestToken"):
        function("createSecret", arn, manager.token())
    function("createSecret", arn, token)
    manager.secrets[arn].move("AWSOTHER", token)
    manager.clear(arn)
    with refused(NotPendingError, "AWSPENDING"):
        function("finishSecret", arn, token)
    manager.cancel(arn)
    with refused(RotationDisabledError, "enabled"):
        function("finishSecret", arn, token)


def test_a_binary_secret_names_the_kind_of_value_that_can_be_rotated(manager: SecretsManager) -> None:
    arn = manager.create(b"\x00")
    with refused(SecretBinaryError, "SecretBinary", "SecretString"):
        RotationFunction(manager)("createSecret", arn, manager.rotate(arn))


@pytest.mark.parametrize("step", STEPS[1:])
def test_a_pending_value_for_another_user_and_host_names_both_keys(manager: SecretsManager, step: str) -> None:
    text = '{"host": "a", "username": "b", "password": "s3cret"}'
    arn = manager.create(text)
    token = manager.rotate(arn)
    request = {"SecretId": arn, "ClientRequestToken": token, "VersionStages": [PENDING]}
    manager.client().put_secret_value(**request, SecretString=text.replace('"a"', '"x"').replace('"b"', '"y"'))
    with refused(IdentityMismatchError, "host, username"):
        RotationFunction(manager, Recorder(), SECRET_KEYS='["password"]')(step, arn, token)


@pytest.mark.parametrize("issued", [None, "s3cret", {"": 1}, {1: "a"}, [("", "a")], ["s3cret"], {"": None}])
def test_a_target_that_issues_something_else_is_refused(manager: SecretsManager, issued: object) -> None:
    recorder = Recorder()
    recorder.issued = issued
    arn = manager.create("s3cret-old")
    with refused(TargetError, "create_secret(context)"):
        RotationFunction(manager, recorder)("createSecret", arn, manager.rotate(arn))
    assert "PutSecretValue" not in manager.calls


def test_a_plain_text_secret_has_one_key_to_issue(manager: SecretsManager) -> None:
    recorder = Recorder()
    recorder.issued = {"": "s3cret-a", "other": "b"}
    arn = manager.create("s3cret-old")
    with refused(TargetError, "plain text", '""'):
        RotationFunction(manager, recorder)("createSecret", arn, manager.rotate(arn))


ACTIONS = {
    "DescribeSecret": "createSecret",
    "GetSecretValue": "createSecret",
    "GetRandomPassword": "createSecret",
    "PutSecretValue": "createSecret",
    "UpdateSecretVersionStage": "finishSecret",
    "ListSecretVersionIds": "setSecret",
}


def broken(action: str, code: str) -> Callable[[str, str], None]:
    def hook(moment: str, called: str) -> None:
        if (moment, called) == ("before", action):
            raise ServiceError(code, "Said by AWS.")

    return hook


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("code", "kind", "named"),
    [
        ("AccessDeniedException", AccessDeniedError, "Said by AWS."),
        ("InternalServiceError", StoreError, "InternalServiceError"),
    ],
)
def test_the_call_that_failed_is_named_as_iam_names_it(
    manager: SecretsManager, action: str, code: str, kind: type[RotationError], named: str
) -> None:
    arn = manager.create("s3cret-old")
    function = RotationFunction(manager, Recorder())
    token = manager.rotate(arn)
    for step in STEPS[: STEPS.index(ACTIONS[action])]:
        function(step, arn, token)
    manager.hooks.append(broken(action, code))
    with refused(kind, f"secretsmanager:{action}", named):
        function(ACTIONS[action], arn, token)
