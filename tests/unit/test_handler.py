"""From Lambda's event to a step: what is refused, what is logged, and what an exception may say."""

import base64
import json
import os
import subprocess
import sys
import traceback
import types
import urllib.parse
from typing import Any

import pytest

import lambda_function
from rotation_lab.model.secrets_manager import STEPS, SecretsManager, ServiceError
from secret_rotation import document, errors, handler
from secret_rotation.target import Context
from tests.support.function import ROTATION_TOKEN, LambdaContext, RotationFunction, Service

OLD = "mArKeR-old-p@ss/w0rd+\"'é"
TOKEN = "00000000-0000-4000-8000-000000000000"
ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:secret-000000"
EVENT = {"Step": "createSecret", "SecretId": ARN, "ClientRequestToken": TOKEN}


@pytest.fixture
def manager() -> SecretsManager:
    return SecretsManager()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def fail(function: RotationFunction, *event: str, **more: object) -> errors.RotationError:
    with pytest.raises(errors.RotationError) as caught:
        function(*event, **more)  # type: ignore[arg-type]
    return caught.value


def test_the_zip_has_the_handler_under_the_default_name() -> None:
    assert lambda_function.lambda_handler is handler.lambda_handler


# Events.


@pytest.mark.parametrize("event", [None, 5, "createSecret", [], {}, [EVENT]])
def test_an_event_of_another_shape_is_refused(event: object) -> None:
    with pytest.raises(errors.MalformedEventError):
        handler.parse(event)


@pytest.mark.parametrize("name", ["Step", "SecretId", "ClientRequestToken"])
@pytest.mark.parametrize("value", [None, 5, "", [], {}, "with space " * 5, "x" * 5000, "\ud800" * 40, "é" * 40])
def test_an_event_with_a_part_missing_or_malformed_is_refused_and_not_repeated(name: str, value: object) -> None:
    event = {**EVENT, name: value}
    with pytest.raises(errors.MalformedEventError, match=name) as caught:
        handler.parse(event)
    assert str(value) == "" or str(value) not in str(caught.value)


def test_a_part_that_is_absent_is_refused() -> None:
    with pytest.raises(errors.MalformedEventError, match="SecretId"):
        handler.parse({"Step": "createSecret", "ClientRequestToken": TOKEN})


@pytest.mark.parametrize("token", ["x" * 31, "x" * 65, "x" * 32 + "\n"])
def test_a_token_of_another_length_is_refused(token: str) -> None:
    with pytest.raises(errors.MalformedEventError, match="ClientRequestToken"):
        handler.parse({**EVENT, "ClientRequestToken": token})


@pytest.mark.parametrize("token", ["x" * 32, "x" * 64])
def test_a_token_of_the_shortest_and_longest_length_is_taken(token: str) -> None:
    assert handler.parse({**EVENT, "ClientRequestToken": token}).token == token


def test_an_unknown_step_names_the_four() -> None:
    with pytest.raises(errors.UnknownStepError, match=", ".join(STEPS)):
        handler.parse({**EVENT, "Step": "dropSecret"})


def test_a_rotation_token_that_is_no_text_is_refused() -> None:
    with pytest.raises(errors.MalformedEventError, match="RotationToken"):
        handler.parse({**EVENT, "RotationToken": 5})


# The log.


def test_each_line_has_step_secret_version_and_the_last_one_the_duration(
    manager: SecretsManager, capsys: pytest.CaptureFixture[str]
) -> None:
    arn = manager.create(OLD)
    token = RotationFunction(manager).rotate(arn)
    found = lines(capsys)
    assert {line["step"] for line in found} == set(STEPS)
    assert {(line["secret_arn"], line["version_id"], line["level"]) for line in found} == {(arn, token, "INFO")}
    done = [line for line in found if "duration_ms" in line]
    assert len(done) == 4
    assert all(type(line["duration_ms"]) is int for line in done)


def test_a_failure_is_logged_with_its_class_and_duration(
    manager: SecretsManager, capsys: pytest.CaptureFixture[str]
) -> None:
    arn = manager.create(OLD)
    token = manager.rotate(arn)
    error = fail(RotationFunction(manager), "finishSecret", arn, token)
    last = lines(capsys)[-1]
    assert (last["level"], last["error"], last["message"]) == ("ERROR", "NoValueError", str(error))
    assert (last["secret_arn"], last["step"]) == (arn, "finishSecret")
    assert "duration_ms" in last


def test_a_malformed_event_is_logged_too(manager: SecretsManager, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(errors.MalformedEventError):
        RotationFunction(manager).handle({"Step": "createSecret"})
    assert lines(capsys)[-1]["error"] == "MalformedEventError"


def test_a_secret_named_like_one_of_its_values_is_still_named_in_the_log(
    manager: SecretsManager, capsys: pytest.CaptureFixture[str]
) -> None:
    arn = manager.create('{"password": "old-password", "environment": "secret"}')
    RotationFunction(manager, SECRET_KEYS='["password"]').rotate(arn)
    assert {line["secret_arn"] for line in lines(capsys)} == {arn}


# What may be said of a failure.


def forms(text: str) -> set[str]:
    """The text and its pieces of eight characters, as they are and encoded."""
    raw = text.encode()
    whole = {text, json.dumps(text)[1:-1], urllib.parse.quote(text), urllib.parse.quote_plus(text), repr(text)[1:-1]}
    whole |= {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode(), raw.hex()}
    return {form[at : at + 8] for form in whole for at in range(len(form) - 7)}


def said(error: BaseException, capsys: pytest.CaptureFixture[str]) -> str:
    """All that a failed step tells: the exception as Lambda prints it, and the log, decoded."""
    out, err = capsys.readouterr()
    return "".join(traceback.format_exception(error)) + repr(error) + out + err + out.encode().decode("unicode_escape")


class Leaky(Service):
    """A target whose exceptions, and what it logs, repeat everything that it was given."""

    def __init__(self, raised: type[BaseException], *, ours: bool) -> None:
        super().__init__("")
        self.raised, self.ours = raised, ours

    def set_secret(self, context: Context) -> None:
        text = " ".join(c.text for c in context.candidates())
        encoded = [f(text.encode()).decode() for f in (base64.b64encode, base64.urlsafe_b64encode)]
        quoted = [urllib.parse.quote(text), urllib.parse.quote_plus(text)]
        every = " ".join([text, repr(text), json.dumps(text), *quoted, *encoded])
        if self.ours:
            context.log.info(every, texts=[text], **{text: 1})
        try:
            raise KeyError(every)
        except KeyError as error:
            raise self.raised(every) from error


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (ValueError, errors.InternalError),
        (KeyError, errors.InternalError),
        (SystemExit, errors.InternalError),
        (ExceptionGroup, errors.InternalError),
        (errors.AuthenticationError, errors.AuthenticationError),
        (errors.NetworkError, errors.NetworkError),
        (type("Own", (errors.ConfigurationError,), {}), errors.ConfigurationError),
    ],
)
def test_a_target_that_repeats_values_in_its_exception_leaks_none(
    manager: SecretsManager, capsys: pytest.CaptureFixture[str], raised: type[BaseException], expected: type[Exception]
) -> None:
    arn = manager.create(OLD)
    target = Leaky(raised, ours=expected is not errors.InternalError)
    function = RotationFunction(manager, target)
    token = manager.rotate(arn)
    function("createSecret", arn, token)
    error = fail(function, "setSecret", arn, token, RotationToken=ROTATION_TOKEN)
    assert type(error) is expected
    text = said(error, capsys)
    secrets = forms(OLD) | forms(manager.made[0]) | forms(ROTATION_TOKEN)
    assert not {piece for piece in secrets if piece in text}
    assert error.__cause__ is None
    assert error.__context__ is None


def test_an_exception_of_our_own_kinds_keeps_its_message(manager: SecretsManager) -> None:
    arn = manager.create(OLD)
    service = Service("something else")
    function = RotationFunction(manager, service)
    token = manager.rotate(arn)
    function("createSecret", arn, token)
    assert "none of the stored values" in str(fail(function, "setSecret", arn, token))


def test_an_unknown_exception_is_reported_by_its_class_and_place(
    manager: SecretsManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: str) -> None:
        raise ValueError(OLD)

    monkeypatch.setattr(document.Document, "check_size", broken)
    arn = manager.create(OLD)
    error = fail(RotationFunction(manager), "createSecret", arn, manager.rotate(arn))
    assert type(error) is errors.InternalError
    assert str(error).startswith("ValueError in rotation.py line ")


def test_a_value_just_made_is_hidden_too(manager: SecretsManager, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(new: document.Document) -> None:
        raise errors.ValueTooLargeError(f"The value is {new.text}.")

    monkeypatch.setattr(document.Document, "check_size", refuse)
    arn = manager.create(OLD)
    error = fail(RotationFunction(manager), "createSecret", arn, manager.rotate(arn))
    assert str(error) == "The value is [hidden]."


def test_an_unknown_exception_of_a_target_is_a_target_s(manager: SecretsManager, tmp_path: Any) -> None:
    file = handler._CODE / "custom_target.py"
    module = types.ModuleType("custom_target")
    exec(compile("def set_secret(c):\n  1/0\ndef test_secret(c): pass\n", str(file), "exec"), module.__dict__)
    arn = manager.create(OLD)
    function = RotationFunction(manager, module)
    token = manager.rotate(arn)
    function("createSecret", arn, token)
    error = fail(function, "setSecret", arn, token)
    assert type(error) is errors.TargetError
    assert str(error).startswith("ZeroDivisionError in custom_target.py line 2.")


@pytest.mark.parametrize(
    ("code", "message", "expected", "told"),
    [
        ("AccessDeniedException", "not authorized to perform: x", errors.AccessDeniedError, "not authorized"),
        ("AccessDeniedException", "Access to KMS is not allowed", errors.AccessDeniedError, "kms_key_arns"),
        ("ExpiredTokenException", OLD, errors.AuthenticationError, "ExpiredTokenException"),
        ("ThrottlingException", OLD, errors.StoreError, "ThrottlingException"),
        ("ValidationException", OLD, errors.StoreError, "ValidationException"),
        ("DecryptionFailure", OLD, errors.StoreError, "DecryptionFailure"),
    ],
)
@pytest.mark.parametrize(
    ("step", "action"),
    [
        ("createSecret", "DescribeSecret"),
        ("createSecret", "GetSecretValue"),
        ("createSecret", "GetRandomPassword"),
        ("createSecret", "PutSecretValue"),
        ("finishSecret", "UpdateSecretVersionStage"),
    ],
)
def test_an_error_of_secrets_manager_names_the_action_and_what_is_wrong(
    manager: SecretsManager,
    capsys: pytest.CaptureFixture[str],
    step: str,
    action: str,
    code: str,
    message: str,
    expected: type[Exception],
    told: str,
) -> None:
    def answer(moment: str, name: str) -> None:
        if (moment, name) == ("before", action):
            raise ServiceError(code, message)

    arn = manager.create(OLD)
    function = RotationFunction(manager)
    token = manager.rotate(arn)
    if step == "finishSecret":
        function("createSecret", arn, token)
    manager.hooks.append(answer)
    error = fail(function, step, arn, token)
    assert type(error) is expected
    assert f"secretsmanager:{action}" in str(error)
    assert told in str(error)
    assert not {piece for piece in forms(OLD) if piece in said(error, capsys)}
    assert error.__context__ is None


def test_a_rotation_token_that_aws_repeats_is_hidden(manager: SecretsManager) -> None:
    def repeat(moment: str, action: str) -> None:
        if action == "PutSecretValue":
            raise ServiceError("AccessDeniedException", f"no right to use {ROTATION_TOKEN}")

    arn = manager.create(OLD)
    manager.hooks.append(repeat)
    error = fail(RotationFunction(manager), "createSecret", arn, manager.rotate(arn), RotationToken=ROTATION_TOKEN)
    assert "no right to use [hidden]" in str(error)


NESTED = json.dumps({"password": OLD, "nested": {"deep": ["nEsTeD-value"]}}, ensure_ascii=False)


@pytest.mark.parametrize("text", [OLD, NESTED])
def test_a_rotation_logs_no_value(manager: SecretsManager, capsys: pytest.CaptureFixture[str], text: str) -> None:
    class Chatty(Service):
        def set_secret(self, context: Context) -> None:
            for credential in context.candidates():
                context.log.info(f"trying {credential.text} or {credential.value}", all=credential.fields)

        def test_secret(self, context: Context) -> None:
            context.log.debug(context.subject.text)

    arn = manager.create(text)
    keys = {"SECRET_KEYS": '["password"]'} if text.startswith("{") else {}
    RotationFunction(manager, Chatty(""), **keys).rotate(arn, RotationToken=ROTATION_TOKEN)
    out = capsys.readouterr().out
    shown = out + out.encode().decode("unicode_escape")
    for secret in (OLD, manager.made[0], ROTATION_TOKEN, "nEsTeD-value"):
        assert not {piece for piece in forms(secret) if piece in shown}


@pytest.mark.parametrize(("keys", "shown"), [('["password"]', True), ('["password", "username"]', False)])
def test_a_user_name_is_shown_unless_it_is_rotated(
    manager: SecretsManager, capsys: pytest.CaptureFixture[str], keys: str, shown: bool
) -> None:
    class Chatty(Service):
        def set_secret(self, context: Context) -> None:
            context.log.info(f"user {context.current.get('username')}")  # type: ignore[union-attr]

    arn = manager.create('{"username": "application", "password": "old-password"}')
    function = RotationFunction(manager, Chatty(""), SECRET_KEYS=keys)
    token = manager.rotate(arn)
    function("createSecret", arn, token)
    function("setSecret", arn, token)
    assert ("application" in capsys.readouterr().out) is shown


# The function's own settings.


def test_a_malformed_setting_is_reported_at_each_invocation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD_LENGTH", "long")
    handler._function.cache_clear()
    for _ in range(2):
        with pytest.raises(errors.SettingError, match="PASSWORD_LENGTH"):
            handler.lambda_handler(EVENT, LambdaContext())


def test_clients_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    handler._DEADLINE.start(LambdaContext())
    function = handler._function.__wrapped__()
    first = function.client("secretsmanager")
    assert function.client("secretsmanager") is first


def test_only_secrets_manager_has_the_endpoint_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("SECRETS_MANAGER_ENDPOINT", "http://127.0.0.1:1")
    handler._DEADLINE.start(LambdaContext())
    function = handler._function.__wrapped__()
    assert function.client("secretsmanager").meta.endpoint_url == "http://127.0.0.1:1"
    assert "127.0.0.1" not in function.client("kms").meta.endpoint_url


def test_a_client_with_other_credentials_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    handler._DEADLINE.start(LambdaContext())
    function = handler._function.__wrapped__()
    given = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    assert function.client("iam", **given) is not function.client("iam", **given)


def test_debug_lines_of_libraries_stay_out_of_the_log(
    manager: SecretsManager, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")  # as Lambda does when the function's log level is DEBUG
    arn = manager.create(OLD)
    function = RotationFunction(manager)
    caplog.clear()  # the client of the test is made before the function
    function.rotate(arn)
    assert caplog.records == []


def test_the_caller_s_own_target_is_used(manager: SecretsManager) -> None:
    assert "custom_target" not in sys.modules
    assert RotationFunction(manager, Service("")).function.target is not None
    assert RotationFunction(manager).function.target is None


# Lambda's init phase.


def test_the_target_is_loaded_in_lambda_s_init_phase() -> None:
    code = "import sys, secret_rotation.handler; print('secret_rotation.targets.http' in sys.modules)"
    settings = '{"set_url": "https://a.test", "test_url": "https://a.test"}'
    given = {"TARGET": "http", "SECRET_KEYS": '["password"]', "TARGET_SETTINGS": settings}
    assert _imported(code, given) == "False"
    assert _imported(code, {**given, "AWS_LAMBDA_FUNCTION_NAME": "rotation"}) == "True"


def test_what_fails_in_the_init_phase_is_reported_by_the_invocation() -> None:
    code = """
from secret_rotation import errors, handler
class Context:
    invoked_function_arn = ""
    def get_remaining_time_in_millis(self): return 30000
try:
    handler.lambda_handler({"Step": "createSecret", "SecretId": "arn", "ClientRequestToken": "0" * 36}, Context())
except errors.SettingError as error:
    print("reported", "PASSWORD_LENGTH" in str(error))
"""
    given = {"PASSWORD_LENGTH": "long", "AWS_LAMBDA_FUNCTION_NAME": "rotation"}
    assert _imported(code, given).splitlines()[-1] == "reported True"


def _imported(code: str, variables: dict[str, str]) -> str:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(handler._CODE), **variables}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()
