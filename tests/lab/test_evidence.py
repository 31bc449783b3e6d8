"""Each test of this folder says what verifies it; and the same tests run at another endpoint."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rotation_lab.sandbox.client import Sandbox
from tests.lab.evidence import own

FOLDER = Path(__file__).parent
SAID = {"verified", "unverified", "own"}
pytestmark = own("its tests")


def _tests(path: Path) -> Iterator[ast.FunctionDef]:
    return (
        node
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


def _names(nodes: list[ast.expr]) -> set[str]:
    calls = [call for node in nodes for call in ast.walk(node) if isinstance(call, ast.Call) and call.args]
    return {call.func.id for call in calls if isinstance(call.func, ast.Name)}


def _of_module(path: Path) -> set[str]:
    assigned = [node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.Assign)]
    return {
        name
        for node in assigned
        if any(isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets)
        for name in _names([node.value])
    }


@pytest.mark.parametrize("path", sorted(FOLDER.glob("test_*.py")), ids=lambda path: path.name)
def test_each_test_says_what_verifies_it(path: Path) -> None:
    module = SAID & _of_module(path)
    silent = [test.name for test in _tests(path) if not SAID & (module | _names(test.decorator_list))]
    assert not silent, f"add @verified(...), @unverified(...) or @own(...): {silent}"


def test_the_same_tests_run_at_another_endpoint(aws: Sandbox) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
    files = [str(FOLDER / name) for name in ("test_versions.py", "test_evidence.py")]
    done = subprocess.run(
        [*command, *files], capture_output=True, text=True, env={**os.environ, "ROTATION_LAB_ENDPOINT": aws.endpoint}
    )
    assert done.returncode == 0, done.stdout
    assert "SKIPPED" in done.stdout
    assert "needs the sandbox: its tests" in done.stdout
