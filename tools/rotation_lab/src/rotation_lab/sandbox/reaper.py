"""A small process that kills what the sandbox has started when the sandbox itself has been killed.

It waits for the end of its standard input, which comes however the sandbox ends. Linux's "signal on the parent's
death" is not used: it comes when the *thread* ends that started the child, and ours end with each rotation.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path


class Reaper:
    """Knows the process groups to kill and the folder to remove."""

    def __init__(self, folder: Path) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-S", __file__, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in a terminal goes to the whole group, and it has to outlive that
            text=True,
        )

    def add(self, group: int) -> None:
        """This process group has started."""
        self._tell(f"+{group}")

    def remove(self, group: int) -> None:
        """This process group has ended."""
        self._tell(f"-{group}")

    def close(self) -> None:
        """Kills what is left, removes the folder, and waits for that."""
        stdin = self._process.stdin
        if stdin is not None:
            stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        stdin = self._process.stdin
        with self._lock, contextlib.suppress(ValueError, BrokenPipeError):
            if stdin is not None and not stdin.closed:
                stdin.write(line + "\n")
                stdin.flush()


def _main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line[0] == "+":
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    shutil.rmtree(sys.argv[1], ignore_errors=True)


if __name__ == "__main__":
    _main()
