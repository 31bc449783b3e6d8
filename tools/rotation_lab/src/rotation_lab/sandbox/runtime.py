"""Execution environments: a function's zip and layers, run by AWS's own runtime client in a process of its own.

An environment stays warm between invocations and survives an exception of the handler, as on AWS. A timeout, a crash,
an exceeded memory limit, a failed init and every change of code, configuration or role end it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import queue
import re
import secrets
import shutil
import signal
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rotation_lab.sandbox.interpreters import Interpreters
from rotation_lab.sandbox.processes import Processes, Start, kill_space, modules_in, space_of
from rotation_lab.sandbox.reaper import Reaper
from rotation_lab.sandbox.runtime_api import Invocation, RuntimeApi

_MOST_STARTING = 2 * (os.cpu_count() or 1)
_ENOUGH = 4 * (os.cpu_count() or 1)
_STILL_SECONDS, _LONGEST_SECONDS = 0.3, 5.0
"""Where enough environments of a function are at work, another one starts when none has become free for so long, or
when an invocation has waited for so long: the function waits for something. Else more would only share the same CPU."""
_INIT_SECONDS = 10  # on AWS; what takes longer goes on inside the invocation's time
_POLL_SECONDS = 0.05
IDLE_SECONDS = 300.0  # AWS does not publish its own; functions are seen to stay warm for minutes
_AWS_ENDPOINT = re.compile(r"https://[a-z0-9.-]+\.amazonaws\.com(\.cn)?/?")
_PEAK = re.compile(rb"VmHWM:\s+(\d+) kB")
_SPECIFIC = ["CodeSha256", "Handler", "Runtime", "Timeout", "MemorySize", "Environment", "Role", "Layers"]
_SPECIFIC += ["LoggingConfig", "Version"]

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Code:
    """What an environment is made of: the function's zip and its layers' zips, lowest first."""

    package: bytes
    layers: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How one invocation ended. ``body`` is the handler's answer, or an error object, as JSON."""

    ok: bool
    body: bytes
    log: str
    stream: str
    init_ms: float | None
    duration_ms: float
    peak_mb: int
    killed: str | None = None
    """The platform's words for a timeout, a crash or a memory kill."""
    note: str = ""


@dataclass(frozen=True)
class _Death:
    kind: str
    text: str

    def body(self) -> bytes:
        return json.dumps({"errorType": self.kind, "errorMessage": self.text}).encode()


class Environment:
    """One execution environment. ``invoke`` is for one thread at a time."""

    def __init__(
        self, config: Config, code: Code, aws: Mapping[str, str], interpreters: Interpreters, processes: Processes
    ) -> None:
        self._config, self._processes = config, processes
        interpreter = interpreters.get(config["Runtime"])
        self._root = Path(tempfile.mkdtemp(prefix="function-"))
        self.stream = time.strftime(f"%Y/%m/%d/[{_version(config)}]", time.gmtime()) + secrets.token_hex(16)
        _unpack(code, self._root)
        self._api = RuntimeApi()
        variables, replaced = _variables(config, aws, self._root)
        self._note = "\n".join([*([interpreter.note] if interpreter.note else []), *replaced])
        self._log_path, self._log_read = self._root / "log", 0
        self._log_path.touch()
        self._process = processes.start(self._how_to_start(interpreter.path, variables))

    def _how_to_start(self, python: Path, variables: dict[str, str]) -> Start:
        task, layers = self._root / "task", self._root / "opt"
        path = tuple(variables["PYTHONPATH"].split(os.pathsep))
        return Start(
            python=python,
            handler=self._config["Handler"],
            folder=task,
            log=self._log_path,
            environment=self._process_environment(str(python)) | variables,
            path=path,
            modules=modules_in(map(Path, path)),
            has_libraries=any(folder.is_dir() for folder in (task / "lib", layers / "lib")) or any(task.glob("*.so*")),
            mounts=self._mounts([task, layers, python.parent.parent]),
        )

    def _mounts(self, keep: list[Path]) -> dict[str, Any]:
        etc = self._processes.etc
        return {"tmp": str(self._root / "tmp"), "keep": [str(path) for path in keep], "etc": str(etc)}

    def _process_environment(self, python: str) -> dict[str, str]:
        return {
            "PATH": f"{Path(python).parent}:/usr/local/bin:/usr/bin:/bin:{self._root}/opt/bin",
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
            "AWS_LAMBDA_LOG_STREAM_NAME": self.stream,
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def invoke(self, request_id: str, payload: bytes, trace: str | None) -> Outcome:
        """Runs the handler once; the environment is ``dead`` after an end that AWS does not reuse it after."""
        init_ms, self._init_ms = self._init_ms, None
        started = time.time()
        timeout = int(self._config.get("Timeout", 3))
        deadline = started + timeout
        if self._alive() and self._api.answers.empty():
            arn = self._config["FunctionArn"]
            self._api.invocations.put(Invocation(request_id, payload, arn, int(deadline * 1000), trace))
        answer, peak = self._wait(request_id, deadline)
        duration = min(time.time() - started, timeout) * 1000
        death = answer if isinstance(answer, _Death) else None
        kind, body = ("error", answer.body()) if isinstance(answer, _Death) else answer
        self.dead = death is not None or kind == "init-error"
        if self.dead:
            self._kill()
        note, self._note = self._note, ""
        return Outcome(
            kind == "response", body, self._take_log(), self.stream, init_ms, duration, peak,
            death.text if death else None, note,
        )  # fmt: skip

    dead = False
    used = 0.0
    """When its last invocation ended."""
    _space: int | None = None
    """The mount namespace of its processes."""
    _init_ms: float | None = None
    """Milliseconds that the start took; the first outcome reports them."""

    def start(self) -> None:
        """Waits until the function has asked for work, or cannot."""
        started = time.time()
        end = started + _INIT_SECONDS + int(self._config.get("Timeout", 3))
        while not self._api.initialized.wait(_POLL_SECONDS) and self._alive() and time.time() < end:
            pass
        self._init_ms = (time.time() - started) * 1000
        self._space = space_of(self._process.pid)

    def _wait(self, request_id: str, deadline: float) -> tuple[tuple[str, bytes] | _Death, int]:
        limit, peak = int(self._config.get("MemorySize", 128)), 0
        while True:
            alive = self._alive()  # asked first: what a process answers before it ends, counts
            try:
                answer: tuple[str, bytes] | _Death | None = self._api.answers.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                answer = None if alive else _exit(request_id, self._process.returncode or 0)
            peak = max(peak, self._peak_mb())
            if peak > limit:
                return _Death("Runtime.OutOfMemory", _exited(request_id, "signal: killed")), limit
            if answer is None and time.time() >= deadline:
                answer = _Death("Sandbox.Timedout", _timed_out(request_id, self._config))
            if answer is not None:
                return answer, peak

    def _alive(self) -> bool:
        return self._process.poll() is None

    def _peak_mb(self) -> int:
        """The most memory that the process has had; 0 where the system does not tell (no /proc)."""
        try:
            with open(f"/proc/{self._process.pid}/status", "rb", buffering=0) as file:  # noqa: PTH123 - asked often
                found = _PEAK.search(file.read())
        except OSError:
            return 0
        return int(found[1]) // 1024 if found else 0

    def _take_log(self) -> str:
        with self._log_path.open("rb") as log:
            log.seek(self._log_read)
            data = log.read()
        self._log_read += len(data)
        return data.decode("utf-8", "replace")

    def kill(self) -> None:
        """Kills the process, and nothing else: for a test that wants the function to die."""
        if self._alive():
            os.killpg(self._process.pid, signal.SIGKILL)

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)  # the group: its children outlive the process itself
        space, self._space = self._space, None
        if space is not None:
            kill_space(space)
        self._process.wait()
        self._processes.ended(self._process.pid)

    def close(self) -> None:
        """Ends the process and removes its files."""
        self._kill()
        self._api.stop()
        for folder in [self._root, *self._root.rglob("*")]:
            if folder.is_dir() and not folder.is_symlink():
                folder.chmod(0o755)
        shutil.rmtree(self._root, ignore_errors=True)


class Pool:
    """Environments by function: the warm ones, and those at work."""

    def __init__(self, interpreters: Interpreters, reaper: Reaper, idle_seconds: float = IDLE_SECONDS) -> None:
        self._interpreters, self._processes, self._idle_seconds = interpreters, Processes(reaper), idle_seconds
        self._idle: dict[tuple[str, str], list[Environment]] = {}
        self._busy: dict[str, list[Environment]] = {}
        self._moved: dict[str, float] = {}
        """When an environment of a function became free last."""
        self._starting, self._closed = 0, False
        self._ended: set[str] = set()
        """The ARNs of functions that have been deleted."""
        self._lock = threading.Lock()
        self._changed: dict[tuple[str, str], threading.Condition] = {}
        """Notified when an environment is warm, or another one may start: one waiting invocation, the first."""

    def invoke(
        self, config: Config, code: Code, aws: Mapping[str, str], request_id: str, payload: bytes, trace: str | None
    ) -> Outcome:
        """Runs one invocation in a warm environment if there is one, else in a new one."""
        key, name = (_unqualified(config["FunctionArn"]), _fingerprint(config, aws)), str(config["FunctionName"])
        self._ended.discard(key[0])
        environment = self._take(key, name)
        if environment is None:
            environment = self._start(name, lambda: Environment(config, code, aws, self._interpreters, self._processes))
        try:
            return environment.invoke(request_id, payload, trace)
        finally:
            self._give_back(key, name, environment)

    def end(self, function_arn: str) -> None:
        """Ends all environments of a function: the idle ones now, the others with their invocation."""
        with self._lock:
            self._ended.add(function_arn)
            keys = [key for key in self._idle if key[0] == function_arn]
            idle = [environment for key in keys for environment in self._idle.pop(key)]
        for environment in idle:
            environment.close()

    def expire(self) -> None:
        """Ends the environments that have been idle for long."""
        since = time.monotonic() - self._idle_seconds
        with self._lock:
            old = [environment for kept in self._idle.values() for environment in kept if environment.used < since]
            for kept in self._idle.values():
                kept[:] = [environment for environment in kept if environment.used >= since]
        for environment in old:
            environment.close()

    def prepare(self, runtime: str) -> None:
        """Begins to make the interpreter for a runtime, so that the first invocation need not wait for it."""
        if runtime.startswith("python"):
            threading.Thread(target=self._interpreters.get, args=(runtime,), daemon=True).start()

    def kill(self, function_name: str) -> None:
        """Kills the processes of a function that are at work."""
        with self._lock:
            for environment in self._busy.get(function_name, []):
                environment.kill()

    def close(self) -> None:
        """Ends everything; what is at work ends with its process."""
        with self._lock:
            self._closed = True
            idle = [environment for environments in self._idle.values() for environment in environments]
            self._idle.clear()
            for environment in (e for environments in self._busy.values() for e in environments):
                environment.kill()
        for environment in idle:
            environment.close()
        self._processes.close()

    def _take(self, key: tuple[str, str], name: str) -> Environment | None:
        """A warm environment, or None once a new one may start, which ``_start`` then has to do.

        Only as many start at once as there is CPU for: in a burst the others get one that has become warm meanwhile,
        where a process for each would starve them all.
        """
        self._close_outdated(key)
        asked = time.monotonic()
        with self._lock:
            changed = self._changed.setdefault(key, threading.Condition(self._lock))
            while not self._idle.get(key) and not self._may_start(name, asked):
                changed.wait(_STILL_SECONDS)
            idle = self._idle.get(key)
            if not idle:
                self._starting += 1
                return None
            self._busy.setdefault(name, []).append(idle[-1])
            return idle.pop()

    def _may_start(self, name: str, asked: float) -> bool:
        now, moved = time.monotonic(), max(asked, self._moved.get(name, 0.0))
        is_still = now - moved >= _STILL_SECONDS or now - asked >= _LONGEST_SECONDS
        return self._starting < _MOST_STARTING and (is_still or len(self._busy.get(name, ())) < _ENOUGH)

    def _start(self, name: str, make: Callable[[], Environment]) -> Environment:
        try:
            environment = make()
            with self._lock:
                self._busy.setdefault(name, []).append(environment)
            environment.start()
            return environment
        finally:
            with self._lock:
                self._starting -= 1
                for changed in self._changed.values():
                    changed.notify()

    def _close_outdated(self, key: tuple[str, str]) -> None:
        with self._lock:
            outdated = [other for other in self._idle if other[0] == key[0] and other != key]
            stale = [environment for other in outdated for environment in self._idle.pop(other)]
            for other in outdated:
                self._changed.pop(other, None)
        for old in stale:
            old.close()

    def _give_back(self, key: tuple[str, str], name: str, environment: Environment) -> None:
        with self._lock:
            self._busy[name].remove(environment)
            self._moved[name] = time.monotonic()
            keep = not (environment.dead or self._closed or key[0] in self._ended)
            environment.used = time.monotonic()
            if keep:
                self._idle.setdefault(key, []).append(environment)
            if key in self._changed:
                self._changed[key].notify()
        if not keep:
            environment.close()


def _fingerprint(config: Config, aws: Mapping[str, str]) -> str:
    """Equal as long as AWS would go on with the same environment."""
    parts = [config.get(name) for name in _SPECIFIC]
    return hashlib.sha256(repr((parts, sorted(aws.items()))).encode()).hexdigest()


def _unqualified(arn: str) -> str:
    return ":".join(arn.split(":")[:7])


def _version(config: Config) -> str:
    return str(config.get("Version", "$LATEST"))


def _unpack(code: Code, root: Path) -> None:
    (root / "tmp").mkdir()
    for package, folder in [(code.package, root / "task"), *((layer, root / "opt") for layer in code.layers)]:
        folder.mkdir(exist_ok=True)
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            archive.extractall(folder)
    for path in (root / "task").rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)  # /var/task cannot be written


def _variables(config: Config, aws: Mapping[str, str], root: Path) -> tuple[dict[str, str], list[str]]:
    """The function's environment variables, as on AWS, and what was replaced in the user's own."""
    own, replaced = _own_variables(config, aws["AWS_ENDPOINT_URL"])
    libraries = sorted(str(path) for path in (root / "opt").glob("python/lib/*/site-packages"))
    path = [str(root / "task"), str(root / "opt/python"), *libraries, *own.pop("PYTHONPATH", "").split(os.pathsep)]
    return {
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "HOME": str(root / "tmp"),
        "TMPDIR": str(root / "tmp"),
        "LD_LIBRARY_PATH": f"{root}/task:{root}/task/lib:{root}/opt/lib",
        "LAMBDA_TASK_ROOT": str(root / "task"),
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "_HANDLER": config["Handler"],
        **_function_variables(config),
        **own,
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
        **aws,
    }, replaced


def _function_variables(config: Config) -> dict[str, str]:
    logging = config.get("LoggingConfig") or {}
    variables = {
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config['Runtime']}",
        "AWS_LAMBDA_FUNCTION_NAME": config["FunctionName"],
        "AWS_LAMBDA_FUNCTION_VERSION": _version(config),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.get("MemorySize", 128)),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": logging.get("LogGroup") or f"/aws/lambda/{config['FunctionName']}",
    }
    if logging.get("LogFormat") == "JSON":
        variables["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
        variables["AWS_LAMBDA_LOG_LEVEL"] = logging.get("ApplicationLogLevel") or "INFO"
    return variables


def _own_variables(config: Config, endpoint: str) -> tuple[dict[str, str], list[str]]:
    """The user's variables. A whole value that is an endpoint of AWS would lead out of the sandbox."""
    own = dict((config.get("Environment") or {}).get("Variables") or {})
    outside = [name for name, value in own.items() if _AWS_ENDPOINT.fullmatch(value)]
    notes = [f"SANDBOX the variable {name} named an endpoint of AWS; here it is {endpoint}" for name in outside]
    return own | dict.fromkeys(outside, endpoint), notes


def _exit(request_id: str, code: int) -> _Death:
    if code < 0:
        name = "killed" if -code == signal.SIGKILL else signal.strsignal(-code) or str(-code)
        return _Death("Runtime.ExitError", _exited(request_id, f"signal: {name.lower()}"))
    if code:
        return _Death("Runtime.ExitError", _exited(request_id, f"exit status {code}"))
    return _Death("Runtime.ExitError", f"RequestId: {request_id} Error: Runtime exited without providing a reason")


def _exited(request_id: str, reason: str) -> str:
    return f"RequestId: {request_id} Error: Runtime exited with error: {reason}"


def _timed_out(request_id: str, config: Config) -> str:
    return f"RequestId: {request_id} Error: Task timed out after {int(config.get('Timeout', 3))}.00 seconds"
