"""Python interpreters for functions: one virtual environment for each version, made once and kept in a cache.

python -m rotation_lab.sandbox.interpreters [python3.13 ...]      # make them now
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_log = logging.getLogger("sandbox")
REQUIREMENTS = Path(__file__).with_name("runtime-requirements.txt")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rotation-lab"
OWN = "python{}.{}".format(*sys.version_info[:2])
_PROBE_SECONDS, _INSTALL_SECONDS = 30, 600


@dataclass(frozen=True)
class Interpreter:
    """``path`` has the runtime client and boto3. ``note`` says how it differs from what was asked for, or is empty."""

    path: Path
    note: str = ""


class Interpreters:
    """Finds and prepares interpreters; each version once."""

    def __init__(self, cache: Path = CACHE) -> None:
        self._cache, self._known = cache, dict[str, Interpreter]()
        self._locks: dict[str, threading.Lock] = {}

    def get(self, runtime: str) -> Interpreter:
        """The interpreter for a runtime such as "python3.13"; waits while it is prepared."""
        with self._locks.setdefault(runtime, threading.Lock()):
            if runtime not in self._known:
                self._known[runtime] = self._find(runtime)
            return self._known[runtime]

    def _find(self, runtime: str) -> Interpreter:
        python, note = find(runtime), ""
        if python is None:
            python, note = Path(sys.executable), f"SANDBOX no {runtime} on this machine; the function runs in {OWN}"
        prepared = self._prepare(python)
        if prepared is None and note == "" and runtime != OWN:  # awslambdaric has no wheel for it
            prepared = self._prepare(Path(sys.executable))
            note = f"SANDBOX the runtime client is not to be had for {runtime}; the function runs in {OWN}"
        if prepared is None:
            # Its packages are those of the tests too: an import can work here that fails on AWS.
            note = f"SANDBOX no environment for {runtime} could be made (see the sandbox's log); it runs in {OWN}"
        return Interpreter(prepared or Path(sys.executable), note)

    def _prepare(self, python: Path) -> Path | None:
        """The interpreter of a virtual environment with the requirements; None when it cannot be made."""
        folder = self._cache / _key(python)
        ready = folder / "bin" / "python"
        try:
            self._cache.mkdir(parents=True, exist_ok=True)
            with _locked(folder.with_name(f"{folder.name}.lock")):
                if not _works(ready):
                    _build(python, folder)
        except (OSError, subprocess.SubprocessError) as error:
            _log.error("no environment for %s: %s", python, _said(error))
            return None
        return ready


def find(runtime: str) -> Path | None:
    """An interpreter of exactly that version: our own, one on PATH, one of pyenv or of uv."""
    if runtime == OWN:
        return Path(sys.executable)
    return next((path for path in _candidates(runtime) if _is(path, runtime)), None)


def _candidates(runtime: str) -> Iterator[Path]:
    version = runtime.removeprefix("python")
    if not re.fullmatch(r"3\.\d+", version):
        return
    if on_path := shutil.which(runtime):
        yield Path(on_path)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob(f"versions/{version}.*/bin/{runtime}"), reverse=True)
    uv = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "uv/python"
    yield from sorted(uv.glob(f"cpython-{version}.*/bin/{runtime}"), reverse=True)


def _is(python: Path, runtime: str) -> bool:
    # By running it: a shim of pyenv is on PATH for versions that are not installed.
    return _output(python, "import sys; print('python%d.%d' % sys.version_info[:2])") == runtime


def _works(python: Path) -> bool:
    return python.exists() and _output(python, "import awslambdaric, boto3; print('yes')") == "yes"


def _output(python: Path, code: str) -> str | None:
    try:
        command = [str(python), "-I", "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_PROBE_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _key(python: Path) -> str:
    about = f"{python.resolve()}\n{REQUIREMENTS.read_text()}"
    return f"{python.resolve().name}-{hashlib.sha256(about.encode()).hexdigest()[:12]}"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Between processes: several test runs may want the same environment at the same time."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(python: Path, folder: Path) -> None:
    """Made beside its place and then moved there, so that a build that was interrupted is never used."""
    _log.info("making %s for %s", folder, python)
    temporary = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        _run(str(python), "-m", "venv", "--without-pip", str(temporary))
        pip = [sys.executable, "-m", "pip", "--python", str(temporary / "bin" / "python"), "install"]
        _run(
            *pip,
            "--quiet",
            "--no-deps",
            "--disable-pip-version-check",
            "--retries",
            "1",
            "--requirement",
            str(REQUIREMENTS),
        )
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)  # only bin/pip and its like hold the old path, and there are none
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _run(*command: str) -> None:
    # pip keeps its environment; PYTHONPATH and the like of the caller must not get in.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INSTALL_SECONDS, env=environment)


def _said(error: Exception) -> str:
    text = getattr(error, "stderr", None) or str(error)
    return str(text).strip()[-2000:]


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for _runtime in sys.argv[1:] or [OWN]:
        _found = Interpreters().get(_runtime)
        print(f"{_runtime}: {_found.path}{' (' + _found.note + ')' if _found.note else ''}")
