"""What a context gives to a target: the versions of its values, and which of them it offers."""

import json
from contextlib import suppress

import pytest

from rotation_lab.model.secrets_manager import CURRENT, SecretsManager
from secret_rotation.errors import NoValueError, RotationError
from secret_rotation.target import Context, Credential
from tests.support.function import RotationFunction
from tests.support.recorder import Recorder


@pytest.fixture
def manager() -> SecretsManager:
    return SecretsManager()


def test_a_context_has_the_versions_of_its_values(manager: SecretsManager) -> None:
    recorder, text = Recorder(), '{"host": "a", "username": "b", "password": "first-password"}'
    arn = manager.create(text)
    current = manager.secrets[arn].holder(CURRENT)
    token = RotationFunction(manager, recorder, SECRET_KEYS='["password"]').rotate(arn)
    seen = {name: [(_version(c.pending_or_none), _version(c.current)) for c in found]
            for name, found in recorder.contexts.items()}  # fmt: skip
    assert seen == {
        "create_secret": [(None, current)],
        "set_secret": [(token, current)],
        "test_secret": [(token, current), (token, current)],
        "finish_secret": [(token, token)],
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
    assert [c.pending.version for c in recorder.contexts["test_secret"]] == [token, token]


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
    assert ", ".join(["[hidden]"] * 5) in capsys.readouterr().out


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
