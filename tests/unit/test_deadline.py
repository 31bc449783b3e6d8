"""The time that is left, and what calls make of it."""

import io
import json
import os
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
)

from rotation_lab.model.secrets_manager import REGION
from secret_rotation import aws, errors
from secret_rotation.deadline import MARGIN, Deadline
from tests.support.function import LambdaContext
from tests.unit.kit.servers import Talk, serving


def started(seconds: float) -> Deadline:
    deadline = Deadline()
    deadline.start(LambdaContext(seconds))
    return deadline


def client(deadline: Deadline, port: int = 1, **options: int) -> Any:
    return aws.client(
        "secretsmanager",
        deadline,
        attempts=options.get("attempts"),
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name=REGION,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


def explained(error: pytest.ExceptionInfo[Exception]) -> errors.RotationError:
    return aws.explain(error.value, "secretsmanager:DescribeSecret")


def test_a_margin_is_kept_to_log_what_happened() -> None:
    assert started(3).remaining() == 3 - MARGIN


def test_a_timeout_is_what_is_asked_for_or_what_is_left() -> None:
    assert started(30).timeout(5) == 5
    assert started(3).timeout(5) == 3 - MARGIN


@pytest.mark.parametrize("seconds", [10, 60, 900])
def test_an_exchange_leaves_a_quarter_of_the_time_for_another_one(seconds: float) -> None:
    assert started(seconds).share() == (seconds - MARGIN) * 3 / 4


def test_without_time_no_exchange_is_begun() -> None:
    with pytest.raises(errors.DeadlineError, match=r"function\.timeout"):
        started(0.5).share()


@pytest.mark.parametrize("seconds", [0, 0.5, 0.55])
def test_without_time_no_call_is_begun(seconds: float) -> None:
    with pytest.raises(errors.DeadlineError, match=r"function\.timeout"):
        started(seconds).timeout()


def test_the_whole_time_is_that_of_the_first_invocation() -> None:
    deadline = started(10)
    deadline.start(LambdaContext(4))
    assert deadline.total == 10 - MARGIN
    assert deadline.remaining() == 4 - MARGIN


@pytest.mark.parametrize(("seconds", "connect", "read"), [(3.5, 0.25, 0.5), (60.5, 5, 10), (900.5, 75, 150)])
def test_timeouts_of_a_client_fit_the_function_s_time(seconds: float, connect: float, read: float) -> None:
    config = client(started(seconds)).meta.config
    assert (config.connect_timeout, config.read_timeout) == (connect, read)
    assert config.retries == {"mode": "standard", "total_max_attempts": 3}


def test_what_issues_something_is_sent_once() -> None:
    """And clients with another number of attempts are kept apart."""
    make = aws.clients(started(30), None)
    assert make("iam", attempts=1).meta.config.retries["total_max_attempts"] == 1
    assert make("iam").meta.config.retries["total_max_attempts"] == 3


class Body(io.BytesIO):
    """The body of an answer, as urllib3 has it."""

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        yield self.read()


def attempts_at(code: str, seconds: float, monkeypatch: pytest.MonkeyPatch, **options: int) -> int:
    """How often a call is sent that Secrets Manager always answers with this code; pauses take their time."""
    context, sent = LambdaContext(60), 0
    deadline = Deadline()
    deadline.start(context)
    made = client(deadline, **options)
    context.seconds = seconds

    def sleep(pause: float) -> None:
        context.seconds -= pause

    def answer(request: Any, **_: object) -> AWSResponse:
        nonlocal sent
        sent += 1
        body = Body(json.dumps({"__type": code}).encode())
        return AWSResponse(request.url, 500 if code.startswith("Internal") else 400, {}, body)  # type: ignore[arg-type]

    monkeypatch.setattr("time.sleep", sleep)
    made.meta.events.register_last("before-send", answer)
    with pytest.raises((ClientError, errors.DeadlineError)) as caught:
        made.describe_secret(SecretId="x")
    assert isinstance(caught.value, ClientError), "it is not told what AWS answered"
    return sent


def test_a_throttled_call_is_sent_again_while_there_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda least, most: most)
    assert attempts_at("ThrottlingException", 60, monkeypatch) == 6
    assert attempts_at("ThrottlingException", 25, monkeypatch) == 4
    assert attempts_at("InternalServiceError", 60, monkeypatch) == 3
    assert attempts_at("InvalidRequestException", 60, monkeypatch) == 1


def test_what_is_sent_once_is_sent_once_when_it_is_throttled_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert attempts_at("ThrottlingException", 60, monkeypatch, attempts=1) == 1


def test_a_call_that_would_outlast_the_function_is_not_begun() -> None:
    deadline = started(30)
    made = client(deadline)
    deadline.start(LambdaContext(7))
    with pytest.raises(errors.DeadlineError):
        made.describe_secret(SecretId="x")


def test_a_retry_that_would_outlast_the_function_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    context = LambdaContext(30)
    deadline = Deadline()
    deadline.start(context)
    made = client(deadline)
    attempts = []

    def lose_time(**_: object) -> None:
        attempts.append(context.seconds)
        context.seconds = 1

    made.meta.events.register_last("before-send", lose_time)
    with pytest.raises(errors.DeadlineError):
        made.describe_secret(SecretId="x")
    assert attempts == [30]


def answering_after(seconds: float) -> Talk:
    def talk(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(1 << 16)
        over.wait(seconds)
        body = b'{"Name": "slow"}'
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    return talk


def test_an_endpoint_that_needs_six_seconds_is_used_by_a_function_that_has_sixty() -> None:
    with serving(answering_after(6)) as port:
        assert client(started(60), port).describe_secret(SecretId="x")["Name"] == "slow"


@pytest.mark.parametrize("seconds", [2])
def test_an_endpoint_that_is_too_slow_is_given_up_within_the_time(seconds: float) -> None:
    began = time.monotonic()
    with serving(answering_after(30)) as port, pytest.raises(Exception, match=r"timeout|time left") as caught:
        client(started(seconds), port).describe_secret(SecretId="x")
    assert time.monotonic() - began < seconds + 10  # a busy machine
    assert isinstance(explained(caught), errors.NetworkError | errors.DeadlineError)


@pytest.mark.parametrize(("seconds", "options"), [(10, "1"), (60.5, "2"), (900, "5")])
def test_name_resolution_has_a_share_of_the_time_too(
    seconds: float, options: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RES_OPTIONS", raising=False)
    client(started(seconds))
    assert os.environ["RES_OPTIONS"] == f"timeout:{options} attempts:2"


def test_options_of_the_resolver_may_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RES_OPTIONS", "rotate")
    client(started(60))
    assert os.environ["RES_OPTIONS"] == "rotate"


def test_an_endpoint_that_does_not_answer_is_a_network_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        made = client(started(1.3), listener.getsockname()[1])  # its attempts wait 0.13 s each
        with pytest.raises(Exception, match="timeout") as caught:
            made.describe_secret(SecretId="x")
    assert type(explained(caught)) is errors.NetworkError


def test_an_endpoint_that_is_not_there_is_a_network_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(Exception, match="connect") as caught:
        client(started(30), port).describe_secret(SecretId="x")
    error = explained(caught)
    assert type(error) is errors.NetworkError
    assert f"http://127.0.0.1:{port}," in str(error)
    assert "`endpoint_url`" in str(error)


@pytest.mark.parametrize(
    "url",
    ["https://secretsmanager.eu-west-1.amazonaws.com/", "https://secretsmanager.cn-north-1.amazonaws.com.cn/", ""],
)
def test_an_address_of_aws_that_does_not_answer_needs_a_route(url: str) -> None:
    error = aws.explain(ConnectTimeoutError(endpoint_url=url), "secretsmanager:DescribeSecret")
    assert type(error) is errors.NetworkError
    assert "VPC endpoint" in str(error)
    assert "endpoint_url" not in str(error)


@pytest.mark.parametrize("error", [NoCredentialsError(), NoRegionError()])
def test_a_function_without_credentials_or_region_is_a_configuration_fault(error: Exception) -> None:
    assert type(aws.explain(error, "x")) is errors.ConfigurationError


def test_a_parameter_that_boto3_refuses_is_not_repeated() -> None:
    error = aws.explain(ParamValidationError(report="value: old-password"), "secretsmanager:PutSecretValue")
    assert type(error) is errors.StoreError
    assert "old-password" not in str(error)


def test_a_failed_call_is_explained_without_a_chain() -> None:
    with pytest.raises(errors.StoreError) as caught, aws.calling("secretsmanager:PutSecretValue"):
        raise ParamValidationError(report="value: old-password")
    assert caught.value.__context__ is None
    assert "old-password" not in "".join(traceback.format_exception(caught.value))


def test_only_the_errors_of_secrets_manager_are_of_the_store() -> None:
    with pytest.raises(errors.AwsError) as caught, aws.calling("iam:CreateAccessKey"):
        raise ParamValidationError(report="x")
    assert type(caught.value) is errors.AwsError


def test_an_error_that_is_not_of_aws_is_not_explained_away() -> None:
    with pytest.raises(ZeroDivisionError), aws.calling("x"):
        _ = 1 // 0
