"""The fault harness as tests run it: in a process of its own, for one case."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from rotation_lab.crash.__main__ import GENERIC
from rotation_lab.crash.case import Case
from rotation_lab.crash.invariants import NAMES

ROOT = Path(__file__).parents[2]
OURS = ROOT / "lambda_src"
CASES = str(Path(__file__).parent / "cases.py")


def examine(case: str, folder: Path, function: Path = OURS, only: str | None = None) -> dict[str, Any]:
    """The result of one of our cases in the quick way; ``folder`` gets it.

    ``function``: a copy of ours. ``only``: the runs whose description has this text, in the thorough way; "" for a
    clean run only.
    """
    return _examine(case, folder, function, only, CASES)


def examine_any(case: str, folder: Path, function: Path, only: str | None = None) -> dict[str, Any]:
    """The same for a function that is not ours, with one of the lab's own cases."""
    return _examine(case, folder, function, only, GENERIC)


def _examine(case: str, folder: Path, function: Path, only: str | None, cases: str) -> dict[str, Any]:
    found = folder / "result.json"
    command = [sys.executable, "-m", "rotation_lab.crash", "--alone", "--case", case, "--json", str(found)]
    command += ["--function", str(function), "--cases", cases]
    command += ["--quick"] if only is None else ["--only", only]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(found.read_text())
    assert set(result["by_invariant"]) <= set(NAMES)
    return result


def name(case: Case) -> str:
    """For pytest."""
    return case.name
