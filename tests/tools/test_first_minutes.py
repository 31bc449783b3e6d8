"""The first minutes on a fresh clone: what is missing is named in one line, and the demo has what it imports."""

from __future__ import annotations

import ast
import io
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tools.dev.console import Console, Held

ROOT = Path(__file__).parents[2]
SMALL = ROOT / "tools/requirements/demo.txt"


def test_the_packages_of_the_demo_are_enough_for_what_it_imports() -> None:
    pinned = {_name(line.partition("==")[0]) for line in SMALL.read_text().splitlines() if "==" in line}
    distributions = packages_distributions()
    imported = {name for path in _programs() for name in _imported(path)}
    outside = {name for name in imported if name not in sys.stdlib_module_names and name in distributions}
    assert {"boto3", "ministack", "tf"} <= outside
    ours = {"rotation_lab", "pytest"}  # pytest: of the contract, which no command of these imports
    missing = {name for name in outside - ours if not {_name(each) for each in distributions[name]} & pinned}
    assert missing == set(), "name the distribution in tools/requirements/demo.txt"


def _programs() -> Iterator[Path]:
    lab = ROOT / "tools/rotation_lab/src/rotation_lab"
    yield from (path for path in lab.rglob("*.py") if not {"contract", "crash"} & set(path.relative_to(lab).parts))
    yield from (ROOT / "tools/dev" / f"{name}.py" for name in ("demo", "examples", "try_target"))
    yield from (ROOT / "tools/dev/archive_standin").glob("*.py")


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (each.name.partition(".")[0] for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _name(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def test_without_terraform_the_demo_says_so_in_one_line_before_it_installs_anything(tmp_path: Path) -> None:
    for program in ("make", "bash", "sh", "env"):
        (tmp_path / program).symlink_to(str(shutil.which(program)))
    made = subprocess.run(
        ["make", "demo"], cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert made.returncode == 2
    said = made.stderr.splitlines()[0]
    assert said.startswith("terraform is not on PATH")
    page = re.search(r"docs/[\w-]+\.md", said)
    assert page
    assert (ROOT / page[0]).exists()
    assert "install:" not in made.stdout


def test_a_port_in_use_is_named_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        started = subprocess.run(
            [sys.executable, "-m", "rotation_lab.sandbox", "--port", str(port)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert started.returncode == 1
    (line,) = started.stderr.splitlines()
    assert str(port) in line
    assert "PORT=" in line


def test_without_a_package_index_the_installation_says_so_in_one_line(tmp_path: Path) -> None:
    nowhere = {"UV_INDEX_URL": "http://127.0.0.1:9/", "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0"}
    nowhere |= {
        "UV_HTTP_RETRIES": "0",
        "UV_CACHE_DIR": str(tmp_path / "cache"),
        "PIP_FIND_LINKS": "",
        "TMPDIR": str(tmp_path),
    }
    (tmp_path / "requirements.txt").write_text("a-package-that-is-in-no-cache==1\n")
    installed = subprocess.run(
        ["bash", "tools/dev/venv.sh", str(tmp_path / "venv"), str(tmp_path / "requirements.txt")],
        cwd=ROOT,
        env={**os.environ, **nowhere, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert installed.returncode == 1
    (line,) = installed.stderr.splitlines()
    assert "index cannot be reached" in line


@pytest.mark.parametrize("terminal", [False, True])
def test_output_that_is_held_comes_whole_and_in_order(terminal: bool) -> None:
    class Stream(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    stream = Stream()
    held = Held(stream)
    console = Console(held)
    console.line("first")
    held.write("\rmoving 1")
    held.write("\rmoving 2")
    assert stream.getvalue() == ""
    held.release()
    console.line("last")
    assert stream.getvalue() == "first\n\rmoving 2last\n"
