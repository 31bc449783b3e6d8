"""The fault harness as tests run it: in a process of its own, for one case."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from rotation_lab.crash.cases import Case
from rotation_lab.crash.invariants import NAMES

ROOT = Path(__file__).parents[2]


def examine(case: str, folder: Path, function: Path | None = None, only: str | None = None) -> dict[str, Any]:
    """The result of one case in the quick way; ``folder`` gets it.

    ``function``: another one than ours. ``only``: the runs whose description has this text, in the thorough way; ""
    for a clean run only.
    """
    found = folder / "result.json"
    command = [sys.executable, "-m", "rotation_lab.crash", "--case", case, "--json", str(found)]
    command += ["--quick"] if only is None else ["--only", only]
    command += ["--function", str(function)] if function else []
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(found.read_text())
    assert set(result["by_invariant"]) <= set(NAMES)
    return result


def name(case: Case) -> str:
    """For pytest."""
    return case.name
