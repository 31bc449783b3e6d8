"""What operators and targets are told, word for word: log lines, messages, and what a context says of its step."""

import base64
import json
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

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
from secret_rotation.target import Context, Credential
from tests.support.function import RotationFunction
from tests.support.secrets_manager import CURRENT, PENDING, STEPS, SecretsManager, ServiceError


class Recorder:
    """A target with every function; it remembers the contexts that it was given."""

    def __init__(self) -> None:
        self.contexts: dict[str, list[Context]] = {}
        self.issued: object = {}

    def create_secret(self, context: Context) -> Any:
        self._note("create_secret", context)
        return self.issued

    def set_secret(self, context: Context) -> None:
        self._note("set_secret", context)

    def test_secret(self, context: Context) -> None:
        self._note("test_secret", context)

    def finish_secret(self, context: Context) -> None:
        self._note("finish_secret", context)

    def identity(self, credential: Credential) -> dict[str, str]:
        return {name: credential.get(name) or "" for name in ("host", "username")}

    def _note(self, name: str, context: Context) -> None:
        list(context.candidates())
        self.contexts.setdefault(name, []).append(context)


@pytest.fixture
def manager() -> SecretsManager:
    return SecretsManager()


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [json.loads(line)["message"] for line in capsys.readouterr().out.splitlines()]


def failure(function: RotationFunction, step: str, arn: str, token: str) -> tuple[type[RotationError], str]:
    with pytest.raises(RotationError) as raised:
        function(step, arn, token)
    return raised.type, str(raised.value)


# Log lines.


def test_each_step_says_what_it_did(manager: SecretsManager, capsys: pytest.CaptureFixture[str]) -> None:
    arn = manager.create("old-password")
    RotationFunction(manager, Recorder()).rotate(arn)
    assert lines(capsys) == [
        "A new value is stored.",
        "The step is done.",
        "The target accepts the new value.",
        "The step is done.",
        "The value is accepted.",
        "The step is done.",
        "The new value is current.",
        "The step is done.",
    ]


def test_a_second_delivery_says_that_there_is_nothing_to_do(
    manager: SecretsManager, capsys: pytest.CaptureFixture[str]
) -> None:
    arn = manager.create("old-password")
    function = RotationFunction(manager, Recorder())
    token = manager.rotate(arn)
    function("createSecret", arn, token)
    function("createSecret", arn, token)
    assert lines(capsys)[2:] == ["The version has its value already.", "The step is done."]
    for step in STEPS[1:]:
        function(step, arn, token)
    capsys.readouterr()
    for step in STEPS:
        function(step, arn, token)
    assert lines(capsys) == ["The version is current already: nothing to do.", "The step is done."] * 4


def test_a_test_without_any_value_says_so(manager: SecretsManager, capsys: pytest.CaptureFixture[str]) -> None:
    arn = manager.create()
    token = manager.rotate(arn)
    recorder = Recorder()
    RotationFunction(manager, recorder)("testSecret", arn, token)
    assert lines(capsys) == ["There is no value to test yet.", "The step is done."]
    assert recorder.contexts == {}


# Messages.


@pytest.mark.parametrize("target", [None, Recorder()])
def test_a_finish_before_there_is_a_value_says_so(manager: SecretsManager, target: Recorder | None) -> None:
    arn = manager.create("old-password")
    token = manager.rotate(arn)
    stored = "createSecret did not store one."
    kind, message = failure(RotationFunction(manager, target), "finishSecret", arn, token)
    assert kind is NoValueError
    assert message in (
        f"The AWSPENDING version has no value: {stored}",
        f"The AWSPENDING version has no value yet: {stored}",
    )


def test_a_current_version_without_a_value_is_said(manager: SecretsManager) -> None:
    arn = manager.create("old-password")
    manager.secrets[arn].versions[manager.secrets[arn].holder(CURRENT) or ""].data = {}
    assert failure(RotationFunction(manager), "createSecret", arn, manager.rotate(arn)) == (
        NoValueError,
        "The AWSCURRENT version has no value. Put a value by hand and rotate again.",
    )


def test_a_json_secret_without_a_value_says_what_to_put(manager: SecretsManager) -> None:
    arn = manager.create()
    function = RotationFunction(manager, SECRET_KEYS='["user", "password"]')
    assert failure(function, "createSecret", arn, manager.rotate(arn)) == (
        NoValueError,
        "The secret has no value yet. Put a JSON object with the keys first: "
        '{"user": "to-be-rotated", "password": "to-be-rotated"}.',
    )


def test_a_rotation_that_is_not_in_progress_is_told_by_its_state(manager: SecretsManager) -> None:
    arn = manager.create("old-password")
    function, token = RotationFunction(manager), manager.rotate(arn)
    stranger = manager.token()
    assert failure(function, "createSecret", arn, stranger) == (
        UnknownVersionError,
        "The event's ClientRequestToken is not a version of the secret, or one that lost its labels, because "
        "the rotation was abandoned. Rotate again.",
    )
    function("createSecret", arn, token)
    manager.secrets[arn].move("AWSOTHER", token)
    manager.clear(arn)
    assert failure(function, "finishSecret", arn, token) == (
        NotPendingError,
        "The version is not AWSPENDING: the rotation was abandoned, or its label was moved. Rotate again.",
    )
    manager.cancel(arn)
    assert failure(function, "finishSecret", arn, token) == (
        RotationDisabledError,
        "Rotation is not enabled for the secret. Turn it on and rotate again.",
    )


def test_a_binary_secret_says_how_to_put_it(manager: SecretsManager) -> None:
    arn = manager.create(b"\x00")
    assert failure(RotationFunction(manager), "createSecret", arn, manager.rotate(arn)) == (
        SecretBinaryError,
        "The secret holds SecretBinary. Only SecretString can be rotated: put it as text.",
    )


def test_a_pending_value_for_another_user_and_host_names_both(manager: SecretsManager) -> None:
    text = '{"host": "a", "username": "b", "password": "c"}'
    arn = manager.create(text)
    token = manager.rotate(arn)
    request = {"SecretId": arn, "ClientRequestToken": token, "VersionStages": [PENDING]}
    manager.client().put_secret_value(**request, SecretString=text.replace('"a"', '"x"').replace('"b"', '"y"'))
    for step in STEPS[1:]:
        assert failure(RotationFunction(manager, Recorder(), SECRET_KEYS='["password"]'), step, arn, token) == (
            IdentityMismatchError,
            "The pending value differs from the current one in host, username. It is not used. "
            "Put a value by hand to abandon this rotation.",
        )


@pytest.mark.parametrize("issued", [None, "text", {"": 1}, {1: "a"}, [("", "a")]])
def test_a_target_that_issues_something_else_is_told_what_to_return(manager: SecretsManager, issued: object) -> None:
    recorder = Recorder()
    recorder.issued = issued
    arn = manager.create("old-password")
    assert failure(RotationFunction(manager, recorder), "createSecret", arn, manager.rotate(arn)) == (
        TargetError,
        "The target's create_secret(context) must return a mapping of keys to strings.",
    )


def test_a_plain_text_secret_has_no_keys_to_issue(manager: SecretsManager) -> None:
    recorder = Recorder()
    recorder.issued = {"": "a", "other": "b"}
    arn = manager.create("old-password")
    assert failure(RotationFunction(manager, recorder), "createSecret", arn, manager.rotate(arn)) == (
        TargetError,
        'The secret is plain text: create_secret(context) may return a value only for the key "".',
    )


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
def test_the_call_that_failed_is_named_as_iam_names_it(manager: SecretsManager, action: str) -> None:
    arn = manager.create("old-password")
    function = RotationFunction(manager, Recorder())
    token = manager.rotate(arn)
    for step in STEPS[: STEPS.index(ACTIONS[action])]:
        function(step, arn, token)
    manager.hooks.append(broken(action, "AccessDeniedException"))
    denied = failure(function, ACTIONS[action], arn, token)
    assert denied == (AccessDeniedError, f"secretsmanager:{action}: not allowed. Said by AWS.")
    manager.hooks[:] = [broken(action, "InternalServiceError")]
    failed = failure(function, ACTIONS[action], arn, token)
    assert failed == (StoreError, f"secretsmanager:{action}: AWS answered InternalServiceError.")


# What a target is given.


def test_a_context_names_its_step_and_the_versions_of_its_values(manager: SecretsManager) -> None:
    recorder, text = Recorder(), '{"host": "a", "username": "b", "password": "first-password"}'
    arn = manager.create(text)
    current = manager.secrets[arn].holder(CURRENT)
    token = RotationFunction(manager, recorder, SECRET_KEYS='["password"]').rotate(arn)
    seen = {name: [(c.step, _version(c.pending_or_none), _version(c.current)) for c in found]
            for name, found in recorder.contexts.items()}  # fmt: skip
    assert seen == {
        "create_secret": [("createSecret", None, current)],
        "set_secret": [("setSecret", token, current)],
        "test_secret": [("testSecret", token, current), ("finishSecret", token, current)],
        "finish_secret": [("finishSecret", token, token)],
    }
    assert all(c.secret_id == arn for found in recorder.contexts.values() for c in found)


def _version(credential: Credential | None) -> str | None:
    return None if credential is None else credential.version


def test_an_older_value_keeps_its_version(manager: SecretsManager) -> None:
    recorder = Recorder()
    arn = manager.create("oldest-password")
    oldest = manager.secrets[arn].holder(CURRENT)
    manager.put(arn, "second-password")
    token = manager.rotate(arn)
    function = RotationFunction(manager, recorder)
    function("createSecret", arn, token)
    function("setSecret", arn, token)
    (context,) = recorder.contexts["set_secret"]
    assert [credential.version for credential in context.older()] == [oldest]


def test_older_values_for_another_host_than_the_pending_one_are_not_offered(manager: SecretsManager) -> None:
    recorder = Recorder()

    def text(host: str, password: str) -> str:
        return json.dumps({"host": host, "username": "app", "password": password})

    arn = manager.create(text("old-host", "first-password"))
    manager.put(arn, text("new-host", "second-password"))
    token = manager.rotate(arn)
    function = RotationFunction(manager, recorder, SECRET_KEYS='["password"]')
    function("createSecret", arn, token)
    function("setSecret", arn, token)
    created, (context,) = recorder.contexts["create_secret"], recorder.contexts["set_secret"]
    assert [list(c.older()) for c in (*created, context)] == [[], []]


def test_a_target_that_issues_is_not_kept_waiting_for_a_value_that_cannot_be_there(manager: SecretsManager) -> None:
    recorder = Recorder()
    recorder.issued = {"": "issued-by-service"}
    arn = manager.create("old-password")
    function = RotationFunction(manager, recorder)
    function("createSecret", arn, manager.rotate(arn))
    assert function.slept == []


def test_the_first_value_of_a_secret_is_current_at_once_and_its_steps_still_run(manager: SecretsManager) -> None:
    recorder = Recorder()
    arn = manager.create()
    token = RotationFunction(manager, recorder).rotate(arn)
    assert [c.pending.version for c in recorder.contexts["set_secret"]] == [token]
    assert [c.step for c in recorder.contexts["test_secret"]] == ["testSecret", "finishSecret"]


def test_a_test_that_comes_alone_compares_nothing_with_a_value_that_is_not_there(manager: SecretsManager) -> None:
    recorder = Recorder()
    arn = manager.create('{"host": "a", "username": "b", "password": "first-password"}')
    RotationFunction(manager, recorder, SECRET_KEYS='["password"]')("testSecret", arn, manager.rotate(arn))
    (context,) = recorder.contexts["test_secret"]
    assert context.subject is context.current


def test_texts_at_any_depth_of_a_secret_are_hidden(manager: SecretsManager, capsys: pytest.CaptureFixture[str]) -> None:
    hidden = [f"{n}-deeply-hidden" for n in range(5)]
    document = {"password": hidden[0], "x": [[hidden[1]], [{"y": hidden[2]}, hidden[3]]], "z": {"w": hidden[4]}}

    class Talking(Recorder):
        def set_secret(self, context: Context) -> None:
            context.log.info(", ".join(hidden))

    arn = manager.create(json.dumps(document))
    RotationFunction(manager, Talking(), SECRET_KEYS='["password"]').rotate(arn)
    assert ", ".join(["[hidden]"] * 5) in lines(capsys)


# Waiting for a value that should be there.


def test_a_value_that_should_be_there_is_read_three_times_with_growing_pauses(manager: SecretsManager) -> None:
    arn = manager.create("old-password")
    function = RotationFunction(manager)
    with suppress(NoValueError):
        function("finishSecret", arn, manager.rotate(arn))
    assert function.slept == [0.2, 0.4]
    assert manager.calls.count("GetSecretValue") == 3


def test_no_pause_is_longer_than_the_time_that_is_left(manager: SecretsManager) -> None:
    arn = manager.create("old-password")
    function = RotationFunction(manager)
    step = {"Step": "finishSecret", "SecretId": arn, "ClientRequestToken": manager.rotate(arn)}
    with pytest.raises(RotationError):
        function.handle(step, seconds=0.5 + 0.3)  # 0.5 s are kept back
    assert function.slept == [0.2]


# Key pairs.


class Kms:
    """GenerateDataKeyPair."""

    def __init__(self) -> None:
        self.requests: list[dict[str, str]] = []

    def generate_data_key_pair(self, **request: str) -> dict[str, bytes]:
        self.requests.append(request)
        return {"PrivateKeyPlaintext": b"private half", "PublicKey": b"public half"}


@pytest.fixture
def pairs(manager: SecretsManager) -> SimpleNamespace:
    generators = {"private": {"type": "rsa", "bits": 3072, "kms_key_arn": "arn:key", "public_key": "public"}}
    keys = json.dumps(["private", "public"])
    function = RotationFunction(manager, GENERATORS=json.dumps(generators), SECRET_KEYS=keys)
    arn = manager.create('{"private": "", "public": "", "other": 1.0}')
    return SimpleNamespace(function=function, arn=arn, token=manager.rotate(arn))


def test_a_key_pair_comes_from_kms_and_goes_to_its_two_keys(manager: SecretsManager, pairs: SimpleNamespace) -> None:
    kms = pairs.function.clients["kms"] = Kms()
    pairs.function("createSecret", pairs.arn, pairs.token)
    assert kms.requests == [{"KeyId": "arn:key", "KeyPairSpec": "RSA_3072"}]
    stored = json.loads(manager.secrets[pairs.arn].text(PENDING) or "")
    assert base64.b64decode(stored["private"].splitlines()[1]) == b"private half"
    assert base64.b64decode(stored["public"].splitlines()[1]) == b"public half"
    assert stored["other"] == 1.0


def test_a_key_pair_that_kms_refuses_is_told_by_its_action(pairs: SimpleNamespace) -> None:
    class Refusing:
        def generate_data_key_pair(self, **request: str) -> None:
            raise pairs.function.clients["secretsmanager"].exceptions.ClientError(
                {"Error": {"Code": "AccessDeniedException", "Message": "No kms for you."}}, "GenerateDataKeyPair"
            )

    pairs.function.clients["kms"] = Refusing()
    assert failure(pairs.function, "createSecret", pairs.arn, pairs.token) == (
        AccessDeniedError,
        "kms:GenerateDataKeyPair: not allowed. No kms for you.",
    )
