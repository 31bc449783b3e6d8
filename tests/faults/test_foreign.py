"""Functions that are not ours, with the installed command, from a folder that has nothing of this repository."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from rotation_lab.crash import invariants
from tests.lab.foreign import TEMPLATE

COMMAND = Path(sys.executable).parent / "rotation-lab"
POSTGRESQL = Path(__file__).parent / "foreign"
ENVIRONMENT = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
OWN_CASES = """
import contextlib
from rotation_lab.crash.case import Case
from rotation_lab.services.base import Nothing

CASES = (Case("tokens/two keys", lambda: contextlib.nullcontext(Nothing(("token",))), ("token",),
              environment=lambda host, port: {"KEY": "token"}),)
"""


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """The folder of a function for a key of a JSON secret."""
    folder = tmp_path / "function"
    folder.mkdir()
    (folder / "lambda_function.py").write_text(TEMPLATE)
    return folder


def crash(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``rotation-lab crash`` in this folder."""
    command = [str(COMMAND), "crash", *arguments]
    return subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)


def test_a_function_is_examined_from_another_folder(template: Path, tmp_path: Path) -> None:
    chosen = ["--case", "key-value", "--env", "KEY=password", "--only", "killed before"]
    done = crash(tmp_path, "--function", "function", *chosen, "--json", "found.json")
    assert done.returncode in (0, 1), done.stderr
    (result,) = json.loads((tmp_path / "found.json").read_text())
    assert (result["problem"], result["unreached"]) == ("", [])
    assert result["runs"] == 5 * len(result["calls"])
    assert "key-value" in done.stdout
    assert result["by_invariant"].get(invariants.SILENT, 0) == 0


def test_a_breach_is_named_and_ends_with_1(template: Path, tmp_path: Path) -> None:
    chosen = ["--case", "key-value", "--env", "KEY=password", "--only", "timeout before testSecret"]
    done = crash(tmp_path, "--function", "function", *chosen)
    assert done.returncode == 1, done.stderr
    assert invariants.IN_TIME in done.stdout  # boto3's default timeouts are longer than a function lives


def test_cases_of_ones_own_are_a_file(template: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN_CASES)
    done = crash(tmp_path, "--function", "function", "--cases", "mine.py", "--only", "")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tokens/two keys" in done.stdout


def test_a_function_for_a_database_is_examined_on_a_real_server(tmp_path: Path) -> None:
    """It rotates, and loses the password when AWSPENDING is cleared after setSecret: AWS's documented recovery."""
    chosen = ["--case", "postgresql", "--only", "killed before testSecret secretsmanager:DescribeSecret"]
    quiet = ["--env", "AWS_LAMBDA_LOG_LEVEL=INFO"]
    done = crash(tmp_path, "--function", str(POSTGRESQL), *chosen, *quiet, "--json", "found.json")
    (result,) = json.loads((tmp_path / "found.json").read_text())
    assert (done.returncode, result["problem"]) == (1, ""), done.stderr
    assert result["by_invariant"] == {invariants.CONVERGES: 2, invariants.CURRENT: 2}
    lost = [breach["run"] for breach in result["breaches"] if breach["invariant"] == invariants.CONVERGES]
    assert ["AWSPENDING cleared" in lost[0], "put by hand" in lost[1]] == [True, True]


def test_a_function_that_logs_values_at_the_most_verbose_level_is_caught(tmp_path: Path) -> None:
    """boto3 logs the parameters of each request then, and this function does not keep it from that."""
    done = crash(tmp_path, "--function", str(POSTGRESQL), "--case", "postgresql", "--only", "")
    assert done.returncode == 1
    assert invariants.SILENT in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--function", "none"], "none has no lambda_function.py"),
        (["--function", "function"], "--case.*plain text.*postgresql"),
        (["--function", "function", "--case", "oracle"], "no case 'oracle'.*key-value"),
        (["--function", "function", "--handler", "main.run"], "no main.py"),
        (["--function", "function", "--cases", "none.py"], "none.py is not a file"),
        (["--function", "function", "--cases", "no_such_module"], "no_such_module cannot be imported"),
        (["--function", "function", "--cases", "empty.py"], "empty.py has no CASES"),
        (["--function", "function", "--cases", "broken.py"], "broken.py cannot be imported: ZeroDivisionError"),
        (["--function", "function", "--case", "key-value", "--env", "KEY"], "--env KEY"),
    ],
)
def test_wrong_arguments_are_refused_with_2(arguments: list[str], told: str, template: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "broken.py").write_text("1 / 0")
    done = crash(tmp_path, *arguments)
    assert done.returncode == 2
    assert re.search(told, done.stderr), done.stderr
    assert "Traceback" not in done.stderr


@contextlib.contextmanager
def sandbox(folder: Path) -> Iterator[str]:
    """The address of a sandbox that the command has started."""
    command = [str(COMMAND), "sandbox", "--port", "0"]
    with subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield re.findall(r"http://[\d.:]+\d", process.stdout.readline())[0]
        finally:
            process.send_signal(signal.SIGINT)


def test_a_sandbox_is_started_from_another_folder(tmp_path: Path) -> None:
    with sandbox(tmp_path) as address, urllib.request.urlopen(f"{address}/_sandbox/state", timeout=60) as answer:
        assert json.loads(answer.read())["secrets"] == {}
