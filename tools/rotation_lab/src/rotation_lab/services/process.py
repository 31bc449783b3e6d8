"""The programs that services are: started in a folder, waited for, and ended."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

START_SECONDS = 60
LOG = "output.log"
"""The file in the program's folder that gets all that it prints."""


@contextlib.contextmanager
def running(
    command: Sequence[str],
    folder: Path,
    *,
    user: str | None = None,
    environment: Mapping[str, str] | None = None,
    end: signal.Signals = signal.SIGKILL,
    family: bool = False,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the block ends. ``end`` ends it; with ``family``, its children too."""
    with (folder / LOG).open("ab") as output:
        process = subprocess.Popen(
            command, cwd=folder, user=user, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=family,
        )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if family else os.kill)(process.pid, end)
        _wait_for_the_end(process)


def _wait_for_the_end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait(
    name: str,
    ready: Callable[[], bool],
    process: subprocess.Popen[bytes],
    log: Callable[[], str],
    seconds: float = START_SECONDS,
) -> None:
    """Wait until the program is ready. Raises ``RuntimeError`` with the end of its log when it does not start."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if ready():
            return
        time.sleep(0.05)
    raise RuntimeError(f"{name} did not start:\n{log()[-3000:]}")


def free_port() -> int:
    """A free port of this machine."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """So many of them."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(one.getsockname()[1]) for one in sockets]
