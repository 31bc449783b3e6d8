"""`python -m rotation_lab.crash`: examine this project's function, or another one, and print a line for each target."""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import report
from .campaign import Choice
from .cases import CASES, Case, chosen
from .run import run


def main() -> int:
    """0 when no invariant was breached, 1 when one was, 2 when something could not be examined."""
    options = _options()
    if options.case:
        _one(options)
        return 0
    cases = [case for case in chosen(options.target) if case.quick or not options.quick]
    function = Path(options.function).resolve() if options.function else None
    results = _all(cases, function, options)
    print(report.table(results))
    for line in report.findings(results):
        print(line)
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1))
    if options.docs:
        report.write(results)
    return report.status(results)


def _options() -> argparse.Namespace:
    names = ", ".join(dict.fromkeys(case.target for case in CASES))
    parser = argparse.ArgumentParser(prog="python -m rotation_lab.crash", description=__doc__)
    parser.add_argument("--function", metavar="FOLDER", help="a folder with lambda_function.py (default: ours)")
    parser.add_argument("--target", action="append", default=[], help=f"one of {names}, or a case such as none/one key")
    parser.add_argument("--all", action="store_true", help="each fault with each way of going on, not one in turn")
    parser.add_argument("--quick", action="store_true", help="the subset of the tests: fewer ways of dying at a point")
    parser.add_argument("--only", metavar="TEXT", help='only runs whose description has the text; "" for a clean run')
    parser.add_argument("--jobs", type=int, default=2, help="cases examined at the same time")
    parser.add_argument("--json", metavar="FILE", help="write the results there too")
    parser.add_argument("--docs", action="store_true", help="write the tables in docs/safety.md")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    return parser.parse_args()


def _one(options: argparse.Namespace) -> None:
    """The process for one case: progress goes to stderr, the result to a file."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that its servers are stopped
    (case,) = chosen([options.case])
    function = Path(options.function) if options.function else None
    choice = Choice(options.all or options.only is not None, options.quick and case.thin, options.only)
    result = run(case, function, choice, tell=lambda text: print(text, file=sys.stderr, flush=True))
    summary: dict[str, Any] = asdict(result)
    summary["outcomes"] = [[*key, count] for key, count in sorted(result.outcomes.items())]
    summary["by_invariant"] = dict(result.by_invariant())
    Path(options.json).write_text(json.dumps(summary))


def _all(cases: list[Case], function: Path | None, options: argparse.Namespace) -> list[dict[str, Any]]:
    waiting, running = list(enumerate(cases)), dict[int, subprocess.Popen[bytes]]()
    found: dict[int, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            while len(found) < len(cases):
                while waiting and len(running) < options.jobs:
                    number, case = waiting.pop(0)
                    running[number] = _start(case, function, options, Path(folder, f"{number}.json"))
                for number in [number for number, process in running.items() if process.poll() is not None]:
                    status = running.pop(number).returncode
                    found[number] = _result(cases[number].name, status, Path(folder, f"{number}.json"))
                    print(report.progress(found[number]), file=sys.stderr, flush=True)
                time.sleep(0.05)
        finally:
            for process in running.values():
                process.terminate()
    return [found[number] for number in range(len(cases))]


def _start(case: Case, function: Path | None, options: argparse.Namespace, file: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "rotation_lab.crash", "--case", case.name, "--json", str(file)]
    command += ["--function", str(function)] if function else []
    command += ["--quick"] if options.quick else []
    command += ["--all"] if options.all else []
    command += ["--only", options.only] if options.only is not None else []
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def _result(name: str, status: int, file: Path) -> dict[str, Any]:
    if status == 0 and file.exists():
        found: dict[str, Any] = json.loads(file.read_text())
        return found
    return {"case": name, "problem": f"the examination failed (exit {status})", "points": 0, "runs": 0,
            "breaches": [], "by_invariant": {}, "unreached": [], "helped": [], "outcomes": [], "calls": [],
            "seconds": 0.0}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
