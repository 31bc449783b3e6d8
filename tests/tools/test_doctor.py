"""What `make doctor` and `make revoke` say and do, over the function and Secrets Manager in memory."""

import io
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError, NoRegionError

from rotation_lab.model.secrets_manager import CURRENT, PENDING, STEPS, SecretsManager
from secret_rotation import verdict
from secret_rotation.errors import RotationError
from tests.support.function import RotationFunction, Service
from tools.dev import doctor, revoke

KEYS = {"SECRET_KEYS": '["password"]'}


class GoneError(Exception):
    """ResourceNotFoundException of Lambda."""


class Account:
    """Secrets Manager and Lambda: RotateSecret goes through the steps, as the service does."""

    exceptions = type("exceptions", (), {"ResourceNotFoundException": GoneError})

    def __init__(self, service: Service) -> None:
        self.manager, self.service = SecretsManager(), service
        self.arn = self.manager.create('{"password": "old"}')
        self.function = RotationFunction(self.manager, service, **KEYS)
        self.rotations = 0
        self.answer: Any = None
        """What the function answers in place of its own report."""

    def __call__(self, service: str) -> Any:
        if service == "lambda":
            return self
        client = self.manager.client()
        client.meta.events.register("after-call.secretsmanager.RotateSecret", self._rotate)
        return client

    def _rotate(self, **_: object) -> None:
        self.rotations += 1
        token = str(self.manager.secrets[self.arn].holder(PENDING))
        try:
            for step in STEPS:
                self.function(step, self.arn, token)
        except RotationError:
            return
        self.manager.complete(self.arn)

    def get_function_configuration(self, **_: str) -> dict[str, str]:
        return {"FunctionArn": str(self.manager.secrets[self.arn].function)}

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        if FunctionName == "gone":
            raise GoneError
        if isinstance(self.answer, Exception):
            raise self.answer
        try:
            answer = self.answer or self.function.handle(json.loads(Payload))
        except RotationError as error:
            said = {"errorType": type(error).__name__, "errorMessage": str(error)}
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(said).encode())}
        return {"Payload": io.BytesIO(json.dumps(answer, default=str).encode())}


@pytest.fixture
def account() -> Account:
    return Account(Service("old"))


def test_the_statuses_are_those_of_all_verdicts() -> None:
    assert list(doctor.STATUS) == list(verdict.VERDICTS)


def test_a_healthy_secret_by_its_name_its_function_or_both(account: Account, capsys: Any) -> None:
    for arguments in (["secret"], [account.arn], ["--function", "f"], ["secret", "--function", "f", "--no-login"]):
        assert doctor.main(arguments, account) == 0
        assert f"{account.arn}: healthy" in capsys.readouterr().out


def test_a_state_that_is_not_healthy_is_shown_with_its_reason_and_command(account: Account, capsys: Any) -> None:
    account.manager.cancel(account.arn)
    assert doctor.main(["secret"], account) == doctor.STATUS["paused"] == 10
    said = capsys.readouterr().out
    assert "turned off" in said
    assert f"$ aws secretsmanager rotate-secret --secret-id {account.arn}" in said


def test_for_programs_it_is_the_report_itself(account: Account, capsys: Any) -> None:
    assert doctor.main(["secret", "--json"], account) == 0
    _, report = capsys.readouterr().out.split("\n", 1)  # the first line is the function's log
    assert json.loads(report)["secrets"][0]["verdict"] == "healthy"


def test_a_function_that_was_deleted_is_a_verdict(account: Account, capsys: Any) -> None:
    assert doctor.main(["secret", "--function", "gone"], account) == doctor.STATUS["failed"]
    assert "terraform apply" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "answer", "named"),
    [
        (["nothing"], None, "ResourceNotFoundException"),
        ([], None, "function"),
        (["secret"], "None", "diagnose"),
        (["secret"], ClientError({"Error": {"Code": "AccessDenied", "Message": "No."}}, "Invoke"), "AccessDenied"),
        (["secret", "--wait", "-1"], None, "Wait"),
    ],
)
def test_what_cannot_be_asked_is_said(
    account: Account, capsys: Any, arguments: list[str], answer: Any, named: str
) -> None:
    account.answer = answer
    assert doctor.main(arguments, account) == doctor.NOT_ASKED
    assert named in capsys.readouterr().err


@pytest.mark.parametrize(("error", "named"), [(NoRegionError(), "AWS_REGION"), (NoCredentialsError(), "AWS_PROFILE")])
@pytest.mark.parametrize("program", [doctor, revoke])
def test_without_a_region_or_credentials_it_is_said_what_to_set(
    program: Any, error: Exception, named: str, capsys: Any
) -> None:
    def make(_: str) -> Any:
        raise error

    assert program.main(["secret"], make) == 2
    assert named in capsys.readouterr().err


def test_revoke_in_the_middle_of_a_rotation_goes_on_with_it(account: Account) -> None:
    token = account.manager.rotate(account.arn)
    for step in ("createSecret", "setSecret"):
        account.function(step, account.arn, token)
    assert revoke.main(["secret"], account) == 0
    assert account.service.password == str(json.loads(str(account.manager.secrets[account.arn].text()))["password"])


def test_an_arn_is_asked_for_in_its_region() -> None:
    make = doctor.clients("arn:aws:secretsmanager:eu-north-1:123456789012:secret:app-AbCdEf", "f")
    assert make("secretsmanager").meta.region_name == "eu-north-1"


def test_a_secret_without_a_rotation_function_is_said(account: Account, capsys: Any) -> None:
    account.manager.create("x", "bare", rotation_enabled=False)
    assert doctor.main(["bare"], account) == doctor.NOT_ASKED
    assert "bare" in capsys.readouterr().err


class Overlapping(Service):
    """A service that also accepts the value before."""

    former = ""

    def login(self, credential: Any) -> bool:
        if super().login(credential):
            return True
        return bool(credential.value == self.former)

    def set_secret(self, context: Any) -> None:
        self.former = self.password
        super().set_secret(context)


def test_one_rotation_revokes_where_the_service_has_one_value(account: Account, capsys: Any) -> None:
    assert revoke.main(["secret"], account) == 0
    assert account.rotations == 1
    assert "rejects" in capsys.readouterr().out


def test_another_rotation_follows_while_the_service_accepts_the_value(monkeypatch: Any) -> None:
    account, asked = Account(Overlapping("old")), list[str]()
    monkeypatch.setattr("builtins.input", asked.append)
    assert revoke.main(["secret", "--after-consumers"], account) == 0
    assert (account.rotations, len(asked)) == (2, 1)


def test_a_value_that_is_never_rejected_is_said(account: Account, monkeypatch: Any) -> None:
    monkeypatch.setattr(Service, "login", lambda *_: True)
    assert revoke.main(["secret"], account) == 1
    assert account.rotations == revoke.MOST


def test_a_rotation_that_fails_is_said_with_what_to_do(capsys: Any) -> None:
    account = Account(Service("another"))
    assert revoke.main(["secret"], account) == 2
    assert "locked_out" in capsys.readouterr().err
    assert account.manager.secrets[account.arn].holder(CURRENT)
