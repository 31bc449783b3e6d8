"""``rotation-lab crash --function FOLDER``: breaks a rotation function at every call, and prints a line for each case.

A case is a service and the secret that opens it. Without ``--cases`` there are those that need nothing of the function
but what AWS documents: choose the one that it rotates, such as ``--case postgresql``.
"""

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
from .case import Case, CasesError, chosen, load
from .run import Function, FunctionError, run

GENERIC = "rotation_lab.crash.generic"


def main() -> int:
    """0 when no invariant was breached, 1 when one was, 2 when something could not be examined."""
    options = _options()
    try:
        function, cases = Function.of(options.function, options.handler, options.env), _cases(options)
        if options.alone:
            _alone(cases[0], function, options)
            return 0
    except (CasesError, FunctionError) as error:
        print(f"crash: {error}", file=sys.stderr)
        return 2
    return _examine(cases, options)


def _examine(cases: list[Case], options: argparse.Namespace) -> int:
    results = _all(cases, options)
    print(report.table(results))
    for line in report.findings(results):
        print(line)
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1))
    return report.status(results)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="rotation-lab crash", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--function", metavar="FOLDER", required=True, help="the folder with the handler's module")
    parser.add_argument("--handler", default="lambda_function.lambda_handler", help="default: %(default)s")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="one of its variables")
    parser.add_argument("--cases", default=GENERIC, metavar="FILE", help="a Python file or module that has CASES")
    parser.add_argument("--case", action="append", default=[], help='such as "key-value", or the first part of a name')
    parser.add_argument("--all", action="store_true", help="each fault with each way of going on, not one in turn")
    parser.add_argument("--quick", action="store_true", help="fewer faults at a point, and fewer cases")
    parser.add_argument("--rest", action="store_true", help="what --quick leaves out, with one fault at each point")
    parser.add_argument("--only", metavar="TEXT", help='only runs whose description has the text; "" for a clean run')
    parser.add_argument("--jobs", type=int, default=2, help="cases examined at the same time (default: 2)")
    parser.add_argument("--json", metavar="FILE", help="write the results there too")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _cases(options: argparse.Namespace) -> list[Case]:
    known = load(options.cases)
    if options.cases == GENERIC and not options.case:
        names = ", ".join(case.name for case in known)
        raise CasesError(f"Say with --case which secret the function rotates: {names}.")
    found = chosen(known, options.case)
    return [case for case in found if case.name in options.case or _is_wanted(case, options)]


def _is_wanted(case: Case, options: argparse.Namespace) -> bool:
    return not case.quick if options.rest else case.quick or not options.quick


def _alone(case: Case, function: Function, options: argparse.Namespace) -> None:
    """The process for one case: progress goes to stderr, the result to a file."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that its servers are stopped
    choice = Choice(options.all or options.only is not None, _is_thin(case, options), options.only)
    result = run(case, function, choice, tell=lambda text: print(text, file=sys.stderr, flush=True))
    summary: dict[str, Any] = asdict(result)
    summary["outcomes"] = [[*key, count] for key, count in sorted(result.outcomes.items())]
    summary["by_invariant"] = dict(result.by_invariant())
    Path(options.json).write_text(json.dumps(summary))


def _is_thin(case: Case, options: argparse.Namespace) -> bool:
    return options.rest or (options.quick and case.thin)


def _all(cases: list[Case], options: argparse.Namespace) -> list[dict[str, Any]]:
    waiting, running = list(enumerate(cases)), dict[int, subprocess.Popen[bytes]]()
    found: dict[int, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            while len(found) < len(cases):
                while waiting and len(running) < options.jobs:
                    number, case = waiting.pop(0)
                    running[number] = _start(case, options, Path(folder, f"{number}.json"))
                for number in [number for number, process in running.items() if process.poll() is not None]:
                    status = running.pop(number).returncode
                    found[number] = _result(cases[number].name, status, Path(folder, f"{number}.json"))
                    print(report.progress(found[number]), file=sys.stderr, flush=True)
                time.sleep(0.05)
        finally:
            for process in running.values():
                process.terminate()
    return [found[number] for number in range(len(cases))]


def _start(case: Case, options: argparse.Namespace, file: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "rotation_lab.crash", "--alone", "--case", case.name, "--json", str(file)]
    command += ["--function", options.function, "--handler", options.handler, "--cases", options.cases]
    command += [text for variable in options.env for text in ("--env", variable)]
    command += ["--quick"] if options.quick else []
    command += ["--rest"] if options.rest else []
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
