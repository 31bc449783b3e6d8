"""Processes of functions: forked from one that has boto3 already, or started plainly where that would show.

A forked process differs from a plain one in what is imported already and in what is read when an interpreter starts.
So a function gets a plain one that brings a module of a name that is imported already (its own boto3, or a file
``secrets.py``), libraries for the dynamic linker, or settings of the interpreter.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import shutil
import signal
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import botocore

from rotation_lab.sandbox.reaper import Reaper

_log = logging.getLogger("sandbox")
_SERVER = Path(__file__).with_name("fork_server.py")
_MOUNTS = Path(__file__).with_name("mounts.py")
_START_SECONDS = 30.0
_ROUNDS = 5


@dataclass(frozen=True)
class Start:
    """What a process of a function is started with. ``path`` leads ``sys.path``; ``modules`` are names it brings."""

    python: Path
    handler: str
    folder: Path
    log: Path
    environment: Mapping[str, str]
    path: tuple[str, ...]
    modules: frozenset[str]
    has_libraries: bool
    mounts: Mapping[str, Any]
    """What ``mounts.isolate`` is given."""

    @property
    def is_plain(self) -> bool:
        """Whether it needs an interpreter that starts for it."""
        return self.has_libraries or any(name.startswith("PYTHON") and name not in _OURS for name in self.environment)


_OURS = {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}


class Process(Protocol):
    """What an environment asks of its process."""

    pid: int

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""

    def poll(self) -> int | None:
        """The same, asked anew."""

    def wait(self) -> int:
        """Wait for the end."""


class Forked:
    """A process that a fork server has started."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._over = threading.Event()

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        return self.returncode

    def wait(self) -> int:
        """Wait for the end."""
        self._over.wait()
        return self.returncode or 0

    def ended(self, code: int) -> None:
        """The server has seen it end."""
        self.returncode = code
        self._over.set()


class ForkServer:
    """One for each interpreter."""

    def __init__(self, python: Path, reaper: Reaper) -> None:
        self._server = subprocess.Popen(
            [str(python), "-s", str(_SERVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"LANG": "en_US.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", "PATH": "/usr/local/bin:/usr/bin:/bin"},
            start_new_session=True,
        )
        reaper.add(self._server.pid)
        self._lock = threading.Lock()
        self._started: queue.Queue[Forked | None] = queue.Queue()
        self._running: dict[int, Forked] = {}
        self._modules: queue.Queue[frozenset[str] | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        self.modules = self._modules.get(timeout=_START_SECONDS)
        """The names of what is imported already; None when it did not start."""

    def start(self, start: Start) -> Forked | None:
        """Fork a process; None when the server is gone."""
        request = {"environment": dict(start.environment), "folder": str(start.folder), "log": str(start.log)}
        request |= {"path": list(start.path), "handler": start.handler, "mounts": start.mounts}
        with self._lock:
            try:
                self._send(json.dumps(request).encode() + b"\n")
                return self._started.get(timeout=_START_SECONDS)
            except (OSError, ValueError, queue.Empty):
                return None

    def _send(self, line: bytes) -> None:
        if self._server.stdin is not None:
            self._server.stdin.write(line)
            self._server.stdin.flush()

    def _listen(self) -> None:
        for line in self._server.stdout or ():
            self._heard(json.loads(line))
        self._modules.put(None)
        self._started.put(None)

    def _heard(self, answer: dict[str, Any]) -> None:
        if "modules" in answer:
            self._modules.put(frozenset(answer["modules"]))
        elif "pid" in answer:
            process = self._running[answer["pid"]] = Forked(answer["pid"])
            self._started.put(process)
        else:
            self._running.pop(answer["ended"]).ended(answer["status"])

    def close(self) -> None:
        """End it; what it has forked is ended by those who have it."""
        if self._server.stdin is not None:
            self._server.stdin.close()
        self._server.kill()
        self._server.wait()


class Processes:
    """Starts the processes of functions."""

    def __init__(self, reaper: Reaper) -> None:
        self._reaper = reaper
        self._servers: dict[Path, ForkServer] = {}
        self._lock = threading.Lock()
        self.etc = _etc()
        """What functions see in /etc beside what the host has there."""

    def start(self, start: Start) -> Process:
        """A process, in a group of its own."""
        process = None if start.is_plain else self._fork(start)
        process = process or _plain(start)
        self._reaper.add(process.pid)
        return process

    def _fork(self, start: Start) -> Process | None:
        with self._lock:
            if start.python not in self._servers:
                self._servers[start.python] = ForkServer(start.python, self._reaper)
            server = self._servers[start.python]
        if server.modules is None or start.modules & server.modules:
            return None
        return server.start(start)

    def ended(self, pid: int) -> None:
        """A process is gone."""
        self._reaper.remove(pid)

    def close(self) -> None:
        """End the servers."""
        with self._lock:
            for server in self._servers.values():
                server.close()
            self._servers.clear()


def space_of(pid: int) -> int | None:
    """The mount namespace that a process has for itself, opened; None where it has none, or is gone.

    As long as it is open, no other namespace gets its number: the processes of a later environment are safe.
    """
    try:
        space = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    if os.fstat(space).st_ino != _space(os.getpid()):
        return space
    os.close(space)
    return None


def kill_space(space: int) -> None:
    """Kill all that is in a namespace, and close it: a child that has left the process group is still in there."""
    number = os.fstat(space).st_ino
    for _ in range(_ROUNDS):  # one may fork while the others are killed
        found = [int(path.name) for path in Path("/proc").glob("[0-9]*") if _space(int(path.name)) == number]
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            break
    os.close(space)


def _space(pid: int) -> int:
    try:
        return os.stat(f"/proc/{pid}/ns/mnt").st_ino  # noqa: PTH116 - no path
    except OSError:
        return 0


def _plain(start: Start) -> Process:
    isolated = [str(start.python), "-I", "-S", str(_MOUNTS), json.dumps(start.mounts)]
    with start.log.open("ab") as log:  # a file: a pipe that nobody reads would stop the function
        return subprocess.Popen(
            [*isolated, str(start.python), "-s", "-m", "awslambdaric", start.handler],
            cwd=start.folder,
            env=dict(start.environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # so that it can be killed with all its children
        )


def _etc() -> Path:
    """A folder with the certificates at the path that they have in Lambda's image."""
    folder = Path(tempfile.mkdtemp(prefix="etc-"))
    folder.chmod(0o755)  # /etc gets its mode
    (folder / "pki/tls").mkdir(parents=True)
    own, debian = ssl.get_default_verify_paths().cafile, Path("/etc/ssl/certs/ca-certificates.crt")
    known = [Path(own)] if own else [debian] if debian.exists() else [Path(botocore.__file__).with_name("cacert.pem")]
    shutil.copyfile(known[0], folder / "pki/tls/cert.pem")
    return folder


def modules_in(folders: Iterable[Path]) -> frozenset[str]:
    """The names under which what is in these folders can be imported."""
    return frozenset(path.name.partition(".")[0] for folder in folders if folder.is_dir() for path in folder.iterdir())
