"""Mutation check: mutmut changes the function's code in small ways; a change that no test notices is a survivor.

    make mutants                    # every module of the function
    make mutants FILE=store.py      # one module, or several
    make mutants DOCS=1             # and keep the figures: docs/results/mutants.json, docs/safety.md, README.md

Modules and their tests are found by convention: all unit tests that use the function's code, and, for a module, the
tests of the same name in ``tests/targets``. mutmut runs only those of them that call the function it has changed.

A change of wording is not counted, since no test asserts sentences: a mutant that differs only in a string with two
adjacent words in small letters. What a message names is an expression or a short string, and counts.

mutmut wants its sources in ``src``, and writes beside them; so it runs in a copy, in ``build/mutants``. Real servers
are started once, before mutmut, and not again in each of its processes. So the mutants of a file run one after the
other: otherwise one could be killed by what another does to the server. Two files are done at the same time.
"""

import argparse
import ast
import contextlib
import difflib
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
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from tools.dev import mutants_page

ROOT = mutants_page.ROOT
SOURCE = "secret_rotation"
REQUIREMENTS = ROOT / "tools/requirements/mutants.txt"
CODE = ROOT / "lambda_src" / SOURCE
SERVERS: Mapping[str, Mapping[str, Sequence[Mapping[str, bool]]]] = {
    "targets/test_postgresql.py": {"postgresql": [{}]},
    "targets/test_mysql.py": {"mariadb": [{}, {"tls": False}]},
    "targets/test_rds_data.py": {"postgresql": [{}], "mariadb": [{"tls": False}]},
    "targets/test_http.py": {"rabbitmq": [{}]},
}
"""Tests → the servers that they start: the modules of rotation_lab.services, with the options of their ``start``."""
FILES_AT_ONCE = 2
KILLED = ("killed", "timeout")
PROSE = re.compile(r"\b[a-z]+,? [a-z]+\b")
IMPORTS = re.compile(rf"^(?:from|import) (?:{SOURCE}|tests\.support)\b", re.MULTILINE)
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
                mutants_page.record(file, *_figures(one), modules())
            found += one
    print(_line("all", found))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mutants")
    parser.add_argument("file", nargs="*", default=modules(), help="the modules to change (default: all)")
    parser.add_argument("--docs", action="store_true", help="keep the figures, and write them into the documents")
    options = parser.parse_args()
    if unknown := set(options.file) - set(modules()):
        parser.error(f"no file {', '.join(sorted(unknown))}; there are: {', '.join(modules())}")
    return options


def modules() -> list[str]:
    """The function's modules that have functions."""
    files = [file for file in sorted(CODE.rglob("*.py")) if re.search(r"^ *def ", file.read_text(), re.MULTILINE)]
    return [file.relative_to(CODE).as_posix() for file in files]


def examiners(module: str) -> list[str]:
    """The tests that are to notice changes of ``module``, relative to ``tests``."""
    tests = ROOT / "tests"
    unit = [file for file in sorted(tests.glob("unit/**/test_*.py")) if IMPORTS.search(file.read_text())]
    named = sorted(tests.glob(f"targets/test_{Path(module).stem}.py"))
    return [file.relative_to(tests).as_posix() for file in (*unit, *named)]


def _install() -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--requirement", str(REQUIREMENTS)]
    subprocess.run(command, check=True)


def _check(file: str) -> Counter[str]:
    """Mutate one file, print its survivors, and count what became of its mutants."""
    tests = examiners(file)
    work = ROOT / "build/mutants" / file.replace("/", ".")
    _copy(work, file, tests)
    with _servers(tests) as running, (work / "output.log").open("w") as log:
        command = [sys.executable, "-m", "mutmut", "run", "--max-children", "1"]
        environment = {**os.environ, "RUNNING_SERVERS": json.dumps(running)}
        done = subprocess.run(command, cwd=work, env=environment, stdout=log, stderr=log, check=False)
    mutated = (work / "mutants/src" / SOURCE / file).read_text()
    mutants = [each for each in read_mutants(mutated, _results(work, done.returncode)) if not each.is_wording]
    survivors = [str(each) for each in mutants if each.outcome not in KILLED]
    counted = Counter(each.outcome for each in mutants)
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


@dataclass(frozen=True)
class Mutant:
    """A changed function, and what became of it."""

    name: str
    outcome: str
    before: ast.FunctionDef
    after: ast.FunctionDef

    @property
    def is_wording(self) -> bool:
        """Whether nothing but the wording of a message changed."""
        before, after = _Strings(self.before), _Strings(self.after)
        changed = [PROSE.search(old) for old, new in zip(before.found, after.found, strict=False) if old != new]
        return bool(changed) and all(changed) and before.rest == after.rest

    def __str__(self) -> str:
        before, after = (ast.unparse(each).splitlines() for each in (self.before, self.after))
        lines = difflib.unified_diff(before, after, n=0)
        changed = [line for line in lines if re.match(r"[-+](?![-+])", line) and "__mutmut_" not in line]
        return "\n".join([f"{self.outcome}: {self.name}", *(f"    {line}" for line in changed)])


def read_mutants(mutated: str, outcomes: Sequence[tuple[str, str]]) -> list[Mutant]:
    """The mutants by their names. mutmut writes all mutants of a function beside it, each with a number."""
    functions = {node.name: node for node in ast.walk(ast.parse(mutated)) if isinstance(node, ast.FunctionDef)}
    found = []
    for name, outcome in outcomes:
        function = name.rpartition(".")[2]
        original = f"{function.rpartition('__')[0]}__mutmut_orig"
        found.append(Mutant(name, outcome, functions[original], functions[function]))
    return found


class _Strings(ast.NodeTransformer):
    """The strings that were ``found`` in a function, and the ``rest`` of its code."""

    def __init__(self, function: ast.FunctionDef) -> None:
        self.found: list[str] = []
        copy = deepcopy(function)
        self.rest = [ast.dump(self.visit(node)) for node in (copy.args, *copy.body)]

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if not isinstance(node.value, str):
            return node
        self.found.append(node.value)
        return ast.Constant("")


def _line(name: str, found: Counter[str]) -> str:
    total, killed = _figures(found)
    return f"{name}: {killed} of {total} mutants killed ({mutants_page.percent(killed, total)} %)"


def _figures(found: Counter[str]) -> tuple[int, int]:
    """All, and killed."""
    return sum(found.values()), sum(found[what] for what in KILLED)


if __name__ == "__main__":
    sys.exit(main())
