"""Runs in a function's interpreter: has boto3 imported once, and forks a process for each environment.

An environment of its own would import boto3 itself, which is most of a cold start. Requests come as JSON lines on
standard input: {"environment", "folder", "log", "path", "handler", "mounts"}. Answers go to standard output:
{"modules"} once, then {"pid"} for each request and {"ended", "status"} for each end. It ends with its standard input.

It imports nothing of the sandbox: the interpreter is another one.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import runpy
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

Request = dict[str, Any]
_isolate = runpy.run_path(str(Path(__file__).with_name("mounts.py")))["isolate"]
"""Not imported: its name would be one that a function cannot give to a module of its own."""
_PRELOADED = (
    "boto3.session",
    "botocore.auth",
    "botocore.client",
    "botocore.credentials",
    "botocore.endpoint",
    "botocore.httpsession",
    "botocore.session",
    "simplejson",
)
"""awslambdaric is not among them: it reads the environment when it is imported."""


def main() -> None:
    for name in _PRELOADED:
        __import__(name)
    gc.freeze()  # what is shared stays shared
    wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(woken)
    _tell({"modules": sorted({name.partition(".")[0] for name in sys.modules})})
    request = _serve(wake)
    if request is not None:
        _become(request)


def _serve(wake: int) -> Request | None:
    """Fork until the end of the input; returns the request in each child, and None in the end."""
    rest = b""
    while True:
        ready, _, _ = select.select([0, wake], [], [])
        if wake in ready:
            _tell_ended(wake)
        if 0 not in ready:
            continue
        data = os.read(0, 65_536)
        if not data:
            return None
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            pid = os.fork()
            if pid == 0:
                request: Request = json.loads(line)
                return request
            with contextlib.suppress(OSError):  # it may have ended
                os.setpgid(pid, pid)  # here, so that it can be killed as soon as it is known
            _tell({"pid": pid})


def _tell(answer: Request) -> None:
    os.write(1, json.dumps(answer).encode() + b"\n")


def _tell_ended(wake: int) -> None:
    os.read(wake, 65_536)
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            _tell({"ended": ended[0], "status": os.waitstatus_to_exitcode(ended[1])})
    except ChildProcessError:
        pass


def _become(request: Request) -> None:
    """Be the runtime client of a function, as if it had been started so."""
    os.setpgid(0, 0)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(request["log"], os.O_WRONLY | os.O_APPEND)
    for number, descriptor in ((0, nothing), (1, log), (2, log)):
        os.dup2(descriptor, number)
    os.closerange(3, 64)
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    _isolate(request["mounts"])
    os.chdir(request["folder"])
    sys.path[:] = [request["folder"], *request["path"], *sys.path[1:]]
    sys.argv = ["awslambdaric", request["handler"]]
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
