"""The sandbox's own interface: calls, faults, state, start and stop."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from rotation_lab.sandbox.client import Sandbox, SandboxError
from tests.lab.conftest import Function, Secret, _create, permit
from tests.lab.evidence import own

pytestmark = own("its control routes, its start and its end")

Make = Callable[..., Function]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def once(aws: Sandbox) -> Any:
    """A client that does not try again."""
    client = aws.client("secretsmanager", config=Config(retries={"total_max_attempts": 1}))
    yield client
    client.close()


def test_every_call_of_a_rotation_is_counted_with_its_function(
    secret: Secret, template: Function, aws: Sandbox
) -> None:
    secret.rotated(template)
    aws.reset_calls()
    secret.rotated()
    calls = [call for call in aws.calls() if call["function"] == template.name]
    assert [call["action"] for call in calls] == [
        "DescribeSecret",
        "GetSecretValue",
        "GetSecretValue",
        "GetRandomPassword",
        "PutSecretValue",
        "DescribeSecret",
        "UpdateSecretVersionStage",
    ]
    assert [call["error"] for call in calls][2] == "ResourceNotFoundException"
    assert sum(call["n"] for call in calls) == 9  # four times DescribeSecret, three of them in a row
    assert {call["service"] for call in calls} == {"secretsmanager"}
    assert f"assumed-role/{template.role}/{template.name}" in calls[0]["principal"]
    assert calls[0]["resource"] == secret.arn


def test_a_refused_call_is_counted_with_its_error(aws: Sandbox) -> None:
    aws.reset_calls()
    with pytest.raises(ClientError):
        aws.client("iam").get_user(UserName="nobody at all")
    call = aws.calls()[-1]
    assert (call["service"], call["action"], call["error"], call["n"]) == ("iam", "GetUser", "NoSuchEntity", 1)
    assert call["function"] is None
    assert call["principal"] == "arn:aws:iam::123456789012:root"


@pytest.mark.parametrize(("moment", "value"), [("before", "initial"), ("after", "two")])
def test_a_fault_answers_with_an_error_before_or_after_the_effect(
    moment: str, value: str, secret: Secret, aws: Sandbox, once: Any
) -> None:
    aws.add_fault(action="secretsmanager:PutSecretValue", moment=moment, effect="error:ThrottlingException")
    with pytest.raises(ClientError, match="ThrottlingException"):
        once.put_secret_value(SecretId=secret.name, SecretString="two")
    assert secret.value() == value
    assert aws.faults() == []


@pytest.mark.parametrize(("moment", "value"), [("before", "initial"), ("after", "two")])
def test_a_fault_takes_the_answer_away(moment: str, value: str, secret: Secret, aws: Sandbox, once: Any) -> None:
    aws.add_fault(action="secretsmanager:PutSecretValue", moment=moment, effect="drop")
    with pytest.raises(ConnectionClosedError):
        once.put_secret_value(SecretId=secret.name, SecretString="two")
    assert secret.value() == value
    assert [call["error"] for call in aws.calls() if call["action"] == "PutSecretValue"][-1] == "lost"


def test_a_fault_delays(secret: Secret, aws: Sandbox) -> None:
    aws.add_fault(action="secretsmanager:*", effect="delay:0.3")
    started = time.monotonic()
    secret.value()
    assert time.monotonic() - started >= 0.3


def test_a_fault_strikes_the_nth_call_of_its_principal_once(secret: Secret, template: Function, aws: Sandbox) -> None:
    rule = {
        "action": "secretsmanager:GetSecretValue",
        "turn": 2,
        "effect": "error:AccessDeniedException",
        "principal": template.name,
    }
    aws.add_fault(**rule)
    secret.value()
    secret.value()  # not its principal
    state = secret.rotated(template)
    assert "AccessDeniedException" in state["log"][0]["error"]
    assert state["result"] == "ok"  # at the second attempt
    assert aws.faults() == []


def test_a_fault_kills_the_function(secret: Secret, template: Function, aws: Sandbox) -> None:
    aws.add_fault(action="secretsmanager:PutSecretValue", moment="after", effect="kill")
    with pytest.raises(ConnectionClosedError):  # nobody to kill: the answer is lost
        secret.aws.client("secretsmanager", config=Config(retries={"total_max_attempts": 1})).put_secret_value(
            SecretId=secret.name, SecretString="two"
        )
    aws.add_fault(action="secretsmanager:PutSecretValue", moment="after", effect="kill", principal=template.name)
    state = secret.rotated(template)
    assert "signal: killed" in state["log"][0]["error"]
    assert state["result"] == "ok"


@pytest.mark.parametrize(
    "rule",
    [{"moment": "during"}, {"effect": "explode"}, {"turn": 0}, {"colour": "red"}, {"action": "PutSecretValue"}],
    ids=str,
)
def test_a_rule_that_makes_no_sense_is_refused(rule: dict[str, Any], aws: Sandbox) -> None:
    with pytest.raises(SandboxError, match="faults"):
        aws.add_fault(**{"action": "secretsmanager:PutSecretValue", **rule})


def test_add_permission_sent_again_for_a_lost_answer_is_not_a_conflict(make_function: Make, aws: Sandbox) -> None:
    function = make_function()
    aws.add_fault(action="lambda:AddPermission", moment="after", effect="drop")
    permit(function)  # boto3 sends it twice
    with pytest.raises(ClientError, match="ResourceConflictException"):
        permit(function)


def test_a_role_whose_creation_is_sent_again_is_not_there_already(aws: Sandbox) -> None:
    aws.add_fault(action="iam:CreateRole", moment="after", effect="drop")
    try:
        aws.client("iam").create_role(  # boto3 sends it twice
            RoleName="sent-twice", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []})
        )
    finally:
        aws.clear_faults()
    assert aws.client("iam").get_role(RoleName="sent-twice")["Role"]["RoleName"] == "sent-twice"


def test_the_state_of_one_secret_by_name_or_arn(secret: Secret, template: Function, aws: Sandbox) -> None:
    token = secret.rotate(template, RotationRules={"AutomaticallyAfterDays": 3})["VersionId"]
    state = secret.settle()
    assert state == aws.state(secret.arn)
    assert state["stages"][token] == ["AWSCURRENT"]
    assert state["next"][0] < state["next"][1]
    assert state["log"][0]["error"] is None
    aws.client("secretsmanager").cancel_rotate_secret(SecretId=secret.name)
    with pytest.raises(SandboxError, match="no such"):
        aws.state("no such")


def test_the_clock_does_not_go_back(aws: Sandbox) -> None:
    with pytest.raises(SandboxError, match="forward"):
        aws.advance(days=-1)


def test_only_this_machine_can_reach_it(aws: Sandbox) -> None:
    port = int(aws.endpoint.rpartition(":")[2])
    listening = Path("/proc/net/tcp").read_text() if Path("/proc/net/tcp").exists() else ""
    assert f"00000000:{port:04X}" not in listening


def test_a_port_that_is_taken_is_told_with_the_log(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SandboxError, match=f"cannot listen on 127.0.0.1:{port}"):
            Sandbox.start(port=port, log=tmp_path / "log")


def test_another_version_of_ministack_is_refused(tmp_path: Path) -> None:
    code = "import rotation_lab.sandbox.emulator as e; e.replace(e.kms, 'no_such_name', lambda old: old)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "no_such_name any more" in done.stderr
    code = "import importlib.metadata as m; m.version = lambda name: '9.9'; import rotation_lab.sandbox.emulator"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "9.9 is installed" in done.stderr


SLEEPER = """
import os, subprocess, time
def lambda_handler(event, context):
    child = subprocess.Popen(["sleep", "600"])
    print("PIDS", os.getpid(), child.pid)
    time.sleep(600)
"""


def _alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] not in "ZX"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are read from /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_everything_ends_with_the_sandbox_however_it_ends(number: signal.Signals, tmp_path: Path) -> None:
    with Sandbox.start(log=tmp_path / "log") as own:
        process = own._process.pid
        children = _start_sleeper(own)
        assert all(_alive(child) for child in children)
        os.kill(process, number)
        assert own._process.wait(20) in (0, -number)
        end = time.monotonic() + 10
        while any(_alive(child) for child in children) and time.monotonic() < end:
            time.sleep(0.05)
        assert not any(_alive(child) for child in children)


def _start_sleeper(own: Sandbox) -> list[int]:
    """Invokes a function that sleeps, and returns its process and that of its child."""
    arn = _create(own, "sleeper", SLEEPER, {}, {"Timeout": 300})
    own.client("lambda").invoke(FunctionName=arn, InvocationType="Event", Payload="{}")
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_bytes()
                command = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if command == b"sleep\x00600\x00" and f"AWS_ENDPOINT_URL={own.endpoint}\x00".encode() in environment:
                parent = int((folder / "stat").read_text().split()[3])
                return [int(folder.name), parent]
        time.sleep(0.05)
    raise AssertionError(own.log_path.read_text())


def test_python_m_sandbox_says_how_to_use_it_and_stops_at_ctrl_c() -> None:
    command = [sys.executable, "-m", "rotation_lab.sandbox", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if "advance" in line:
                break
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(20) == 0
    assert "Traceback" not in said + rest
    for name in ("AWS_ENDPOINT_URL=http://127.0.0.1:", "AWS_ACCESS_KEY_ID=test", "AWS_REGION=us-east-1"):
        assert f"export {name}" in said


def test_the_aws_cli_works(secret: Secret, aws: Sandbox) -> None:
    environment = {**os.environ, **aws.environment}
    command = ["aws", "secretsmanager", "describe-secret", "--secret-id", secret.name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ARN"] == secret.arn


def test_the_log_has_no_secret_value(secret: Secret, template: Function, aws: Sandbox) -> None:
    secret.put("marker-value-1")
    secret.rotated(template)
    with pytest.raises(ClientError):
        secret.put("marker-value-2", ClientRequestToken=str(secret.holder("AWSCURRENT")))
    text = Path(aws.log_path).read_text() + json.dumps([aws.state(secret.name), aws.calls()])
    assert "marker-value" not in text
    assert secret.value() not in text
