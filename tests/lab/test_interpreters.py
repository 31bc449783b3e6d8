"""Interpreters for functions: found, verified, prepared once."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rotation_lab.sandbox import interpreters
from rotation_lab.sandbox.interpreters import OWN, Interpreters
from tests.lab.evidence import own

pytestmark = own("how it finds interpreters")


def _script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_our_own_version_is_our_own_interpreter() -> None:
    assert interpreters.find(OWN) == Path(sys.executable)


def test_an_interpreter_on_path_is_run_before_it_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _script(tmp_path / "bin" / "python3.77", "echo pyenv: python3.77: command not found >&2; exit 127")
    real = _script(tmp_path / "pyenv" / "versions" / "3.77.1" / "bin" / "python3.77", "echo python3.77")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    assert interpreters.find("python3.77") == real


def test_what_is_not_there_is_not_found() -> None:
    assert interpreters.find("python3.99") is None
    assert interpreters.find("nodejs22.x") is None


def test_an_environment_is_made_once_by_many_and_never_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Path] = []

    def build(python: Path, folder: Path) -> None:
        built.append(folder)
        _script(folder / "bin" / "python", "echo yes")

    monkeypatch.setattr(interpreters, "_build", build)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: Interpreters(tmp_path).get(OWN).path, range(4)))
    assert len(built) == 1
    assert set(found) == {built[0] / "bin" / "python"}


def test_a_build_that_fails_leaves_nothing_and_our_own_interpreter_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*command: str) -> None:
        raise subprocess.CalledProcessError(1, command, stderr="no network")

    monkeypatch.setattr(interpreters, "_run", fail)
    found = Interpreters(tmp_path).get(OWN)
    assert found.path == Path(sys.executable)
    assert "could be made" in found.note
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_the_pins_are_those_of_the_development_environment() -> None:
    pins = set((Path(__file__).parents[2] / "tools/requirements/demo.txt").read_text().splitlines())
    wanted = [line for line in interpreters.REQUIREMENTS.read_text().splitlines() if line and line[0] != "#"]
    assert wanted
    assert set(wanted) <= pins
