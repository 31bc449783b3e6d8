"""Mutation check: mutmut changes the function's code in small ways; a change that no test notices is a survivor.

    make mutants                    # rotation.py, store.py and all targets
    make mutants FILE=store.py      # one file, or several
    make mutants DOCS=1             # and write the figures into docs/safety.md

mutmut wants its sources in `src`, and writes beside them; so it runs in a copy, in `build/mutants`. Real servers are
started once, before mutmut, and not again in each of its processes; so these run one after the other, lest a mutant be
killed by what another one does to the server, and two files are done at the same time.
"""

import argparse
import contextlib
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = "secret_rotation"
DOCUMENT = ROOT / "docs/safety.md"
REQUIREMENTS = ROOT / "tools/requirements/mutants.txt"
CORE = (
    "test_rotation",
    "test_store",
    "test_handler",
    "test_target_interface",
    "test_rotation_context",
    "test_rotation_messages",
    "test_key_pairs",
)
TESTS = {
    "rotation.py": tuple(f"unit/{name}.py" for name in CORE),
    "store.py": tuple(f"unit/{name}.py" for name in CORE),
    "targets/databases/strategies.py": (
        "unit/test_strategies.py",
        "unit/targets/test_postgresql.py",
        "targets/test_postgresql.py",
        "targets/test_mysql.py",
    ),
    "kit/address.py": ("unit/test_strategies.py", "unit/targets/test_redis.py"),
    "targets/postgresql.py": ("unit/targets/test_postgresql.py", "targets/test_postgresql.py"),
    "targets/mysql.py": ("unit/targets/test_mysql.py", "targets/test_mysql.py"),
    "targets/redis.py": ("unit/targets/test_redis.py", "targets/test_redis.py"),
    "targets/http.py": ("unit/targets/test_http.py", "targets/test_http.py"),
    "targets/iam_access_key.py": ("unit/targets/test_iam_access_key.py", "targets/test_iam_access_key.py"),
    "targets/rds_data.py": ("unit/targets/test_rds_data.py", "targets/test_rds_data.py"),
    "targets/python.py": ("targets/test_python.py", "unit/test_target_interface.py"),
    "targets/__init__.py": ("unit/test_target_interface.py",),
    "target.py": ("unit/test_target_interface.py", "unit/test_rotation.py"),
}
"""File of the function → the tests that are to notice changes of it."""
SERVERS: Mapping[str, Mapping[str, Sequence[Mapping[str, bool]]]] = {
    "targets/test_postgresql.py": {"postgresql": [{}]},
    "targets/test_mysql.py": {"mariadb": [{}, {"tls": False}]},
    "targets/test_rds_data.py": {"postgresql": [{}], "mariadb": [{"tls": False}]},
    "targets/test_http.py": {"rabbitmq": [{}]},
}
"""Tests → the servers that they start: the modules of rotation_lab.services, with the options of their ``start``."""
FILES_AT_ONCE = 2
KILLED = ("killed", "timeout")
CONFIGURATION = """
[tool.pytest.ini_options]
pythonpath = ["src", "."]
addopts = ["--import-mode=importlib", "-p", "tools.dev.mutants_servers", "-p", "no:cacheprovider"]
filterwarnings = ["ignore"]
markers = ["e2e: not here"]

[tool.mutmut]
source_paths = ["src"]
also_copy = ["tools", "examples", "docs", "README.md"]
track_dependencies = false
use_git_change_detection = false
"""


def main() -> int:
    """0 when mutmut ran, whatever survived: the figure is what matters."""
    options = _options()
    _install()
    found = Counter[str]()
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        for file, one in zip(options.file, pool.map(_check, options.file), strict=True):
            if options.docs:
                _document(file, one)
            found += one
    print(_line("all", found))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mutants")
    parser.add_argument("file", nargs="*", default=list(TESTS), help="the files to change (default: all)")
    parser.add_argument("--docs", action="store_true", help=f"write the figures into docs/{DOCUMENT.name}")
    options = parser.parse_args()
    if unknown := set(options.file) - set(TESTS):
        parser.error(f"no file {', '.join(sorted(unknown))}; there are: {', '.join(TESTS)}")
    return options


def _install() -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--requirement", str(REQUIREMENTS)]
    subprocess.run(command, check=True)


def _check(file: str) -> Counter[str]:
    """Mutate one file, print its survivors, and count what became of its mutants."""
    tests = [test for test in TESTS[file] if (ROOT / "tests" / test).exists()]
    work = ROOT / "build/mutants" / file.replace("/", ".")
    _copy(work, file, tests)
    with _servers(tests) as running, (work / "output.log").open("w") as log:
        command = [sys.executable, "-m", "mutmut", "run", "--max-children", "1"]
        environment = {**os.environ, "RUNNING_SERVERS": json.dumps(running)}
        done = subprocess.run(command, cwd=work, env=environment, stdout=log, stderr=log, check=False)
    found = _results(work, done.returncode)
    survivors = [f"{what}: {mutant}\n{_diff(work, mutant)}" for mutant, what in found if what not in KILLED]
    counted = Counter(what for _, what in found)
    print("\n".join([*survivors, _line(file, counted)]), flush=True)
    return counted


def _copy(work: Path, file: str, tests: Sequence[str]) -> None:
    shutil.rmtree(work, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "lambda_src", work / "src", ignore=ignored)
    for folder in ("tests", "tools", "examples", "docs"):
        shutil.copytree(ROOT / folder, work / folder, ignore=ignored)
    shutil.copy(ROOT / "README.md", work)
    only = json.dumps([f"src/{SOURCE}/{file}"])
    selection = json.dumps([f"tests/{test}" for test in tests])
    (work / "pyproject.toml").write_text(
        f"{CONFIGURATION}only_mutate = {only}\npytest_add_cli_args_test_selection = {selection}\n"
    )


@contextlib.contextmanager
def _servers(tests: Sequence[str]) -> Iterator[list[dict[str, object]]]:
    """Start the servers, and say where they are, for tools/dev/mutants_servers.py."""
    wanted = [(name, each) for test in tests for name, several in SERVERS.get(test, {}).items() for each in several]
    with contextlib.ExitStack() as stack:
        running: list[dict[str, object]] = []
        for name, options in wanted:
            server = stack.enter_context(importlib.import_module(f"rotation_lab.services.{name}").start(**options))
            place = [str(server.folder), server.port, server.ca]
            running.append({"module": name, "kind": type(server).__name__, "options": options, "place": place})
        yield running


def _results(work: Path, status: int) -> list[tuple[str, str]]:
    """Each mutant, and what became of it. Raises ``SystemExit`` when mutmut has not tried them."""
    command = [sys.executable, "-m", "mutmut", "results", "--all", "true"]
    results = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False).stdout
    found = re.findall(r"^\s*(\S+): ([a-z ]+)$", results, re.MULTILINE)
    if not found or "not checked" in dict(found).values():
        tail = (work / "output.log").read_text()[-3000:]
        raise SystemExit(f"mutants: mutmut failed in {work} (exit {status}); the end of its log:\n{tail}")
    return found


def _diff(work: Path, mutant: str) -> str:
    shown = subprocess.run(
        [sys.executable, "-m", "mutmut", "show", mutant], cwd=work, capture_output=True, text=True, check=False
    ).stdout
    lines = [line for line in shown.splitlines() if re.match(r"[-+](?![-+])", line)]
    return "\n".join(f"    {line}" for line in lines)


def _line(name: str, found: Counter[str]) -> str:
    killed, total, percent = _figures(found)
    return f"{name}: {killed} of {total} mutants killed ({percent} %)"


def _document(file: str, found: Counter[str]) -> None:
    """Replace the file's row in the documentation; there has to be one."""
    killed, total, percent = _figures(found)
    row = f"| `{file}` | {total} | {killed} ({percent} %) |"
    text, count = re.subn(rf"^\| `{re.escape(file)}` \|.*$", row, DOCUMENT.read_text("utf-8"), flags=re.MULTILINE)
    if not count:
        raise SystemExit(f"mutants: {DOCUMENT.name} has no row for {file}; it would be:\n{row}")
    DOCUMENT.write_text(text, "utf-8")


def _figures(found: Counter[str]) -> tuple[int, int, int]:
    """Killed, all, and the percentage."""
    killed, total = sum(found[what] for what in KILLED), sum(found.values())
    return killed, total, 100 * killed // max(total, 1)


if __name__ == "__main__":
    sys.exit(main())
