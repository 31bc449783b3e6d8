"""The sandbox ends what it has started, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rotation_lab.sandbox import interpreters
from rotation_lab.sandbox.client import Sandbox, SandboxError
from tests.lab.conftest import LOGS, Function, Secret, _create, permit
from tests.lab.evidence import own
from tests.lab.test_runtime import needs_mounts

pytestmark = own("its processes and files")
Make = Callable[..., Function]
PID = "import os\ndef lambda_handler(event, context):\n    return os.getpid()\n"


def gone(pid: int, seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.05)
    return not Path(f"/proc/{pid}").exists()


def test_deleting_a_function_ends_its_processes(make_function: Make, aws: Sandbox) -> None:
    function = make_function(PID)
    pid = int(function.invoke()["payload"])
    aws.client("lambda").delete_function(FunctionName=function.name)
    assert gone(pid)


STARTS = """
import os, subprocess
def lambda_handler(event, context):
    started = subprocess.Popen(["sleep", "600"], start_new_session=True).pid
    read, write = os.pipe()
    if os.fork() == 0:
        os.setsid()
        os.write(write, str(os.getpid()).encode())
        os.execvp("sleep", ["sleep", "600"])
    return [started, int(os.read(read, 20))]
"""


@needs_mounts
@pytest.mark.parametrize("end", ["deleted", "timed out"])
def test_what_a_function_has_started_in_sessions_of_its_own_ends_with_it(
    end: str, make_function: Make, aws: Sandbox
) -> None:
    function = make_function(STARTS.replace("return", "import time; time.sleep(event.get('wait', 0)); return"))
    function.configure(Timeout=3)
    pids = function.invoke()["payload"]
    assert all(Path(f"/proc/{pid}").exists() for pid in pids)
    if end == "deleted":
        aws.client("lambda").delete_function(FunctionName=function.name)
    else:
        assert "timed out" in str(function.invoke({"wait": 60})["payload"])
    assert all(gone(pid) for pid in pids)


def test_a_function_that_deletes_itself_ends_too(make_function: Make) -> None:
    source = PID.replace(
        "return", "import boto3; boto3.client('lambda').delete_function(FunctionName=context.function_name); return"
    )
    function = make_function(source)
    function.allow({"Action": "lambda:DeleteFunction", "Resource": "*"}, LOGS)
    assert gone(int(function.invoke()["payload"]))


def test_an_idle_environment_ends(tmp_path: Path) -> None:
    with Sandbox.start(idle=0.5, log=tmp_path / "log") as brief:
        function = Function(brief, "f", _create(brief, "f", PID, {}, {}), "f")
        pid = int(function.invoke()["payload"])
        assert gone(pid)
        assert int(function.invoke()["payload"]) != pid


def test_no_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with Sandbox.start() as brief:
        function = Function(brief, "f", _create(brief, "f", PID, {}, {}), "f")
        function.allow(LOGS)
        permit(function)
        brief.client("secretsmanager").create_secret(Name="s", SecretString="x")
        Secret(brief, "s", "s").rotated(function)
        assert list(tmp_path.iterdir())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("port", ["70000", "-1", "http"])
def test_a_port_that_is_none_is_one_clear_line(port: str) -> None:
    command = [sys.executable, "-m", "rotation_lab.sandbox", f"--port={port}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert port in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    with pytest.raises(SandboxError, match=port):
        Sandbox.start(port=port)  # type: ignore[arg-type]


def test_a_python_without_a_runtime_client_runs_in_the_prepared_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As python3.8 on a machine that has it: there is no wheel of the runtime client for it."""
    prepared = tmp_path / "prepared"
    monkeypatch.setattr(interpreters, "find", lambda runtime: Path("/usr/bin/python3.8"))
    monkeypatch.setattr(
        interpreters.Interpreters,
        "_prepare",
        lambda self, python: prepared if python == Path(sys.executable) else None,
    )
    found = interpreters.Interpreters(tmp_path).get("python3.8")
    assert found.path == prepared
    assert "python3.8" in found.note
    assert os.fspath(sys.executable) not in os.fspath(found.path)
