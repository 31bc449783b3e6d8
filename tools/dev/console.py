"""What the scripts print: aligned lines of at most 80 columns, colour and a moving line only on a terminal."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

WIDTH = 80
_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "cyan": "36"}
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
# A line of plain output that long after the last one, so that a log shows life without filling up.
_PLAIN_SECONDS = 10.0


class Held:
    """A stream that keeps what is written until it is released, and passes on what comes after."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._lock = stream, threading.Lock()
        self._kept: list[str] | None = []

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self._stream.isatty()

    def write(self, text: str) -> None:
        """Keep a text, or pass it on. Of a line that moves, its newest state is kept."""
        with self._lock:
            if self._kept is None:
                self._stream.write(text)
                return
            if self._kept and self._kept[-1].startswith("\r") and not self._kept[-1].endswith("\n"):
                self._kept.pop()
            self._kept.append(text)

    def flush(self) -> None:
        """Flush the stream, if anything is passed on."""
        with self._lock:
            if self._kept is None:
                self._stream.flush()

    def release(self) -> None:
        """Pass on what was kept, and from now on everything."""
        with self._lock:
            kept, self._kept = self._kept or [], None
            self._stream.write("".join(kept))
            self._stream.flush()


class Console:
    """Prints to ``stream``. NO_COLOR and TERM=dumb are honoured."""

    def __init__(self, stream: TextIO | Held = sys.stdout) -> None:
        self._stream = stream
        self._terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._colour = self._terminal and not os.environ.get("NO_COLOR")

    def style(self, text: str, style: str) -> str:
        """``text`` in a style (bold, dim, red, green, cyan), where the stream shows one."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self._colour else text

    def line(self, text: str = "") -> None:
        """One line, at once."""
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def heading(self, text: str) -> None:
        """The title of a part, after an empty line."""
        self.line()
        self.line(self.style(text, "bold") + " " + self.style("─" * (WIDTH - len(text) - 1), "dim"))

    def table(
        self, rows: Sequence[Sequence[str]], widths: Sequence[int], indent: int = 4, style: str | None = None
    ) -> None:
        """Rows of cells in columns of at least ``widths``."""
        for row in rows:
            cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)]
            text = "  ".join(cells).rstrip()
            self.line(" " * indent + (self.style(text, style) if style else text))

    @contextmanager
    def progress(self, label: str) -> Iterator[None]:
        """Shows ``label`` and the seconds that pass, until the block ends; then that it is done, or failed."""
        start = time.monotonic()
        ended = threading.Event()
        thread = threading.Thread(target=self._tick, args=(label, start, ended), daemon=True)
        thread.start()
        mark = self.style("✗", "red")
        try:
            yield
            mark = self.style("✓", "green")
        finally:
            ended.set()
            thread.join()
            self._overwrite(f"  {mark} {label:<60} {time.monotonic() - start:7.1f} s\n")

    def _tick(self, label: str, start: float, ended: threading.Event) -> None:
        frame = 0
        while not ended.wait(0.1 if self._terminal else _PLAIN_SECONDS):
            seconds = time.monotonic() - start
            mark = _FRAMES[frame % len(_FRAMES)] if self._terminal else "·"
            self._overwrite(f"  {mark} {label:<60} {seconds:7.0f} s" + ("" if self._terminal else "\n"))
            frame += 1

    def _overwrite(self, text: str) -> None:
        self._stream.write(f"\r\x1b[K{text}" if self._terminal else text)
        self._stream.flush()
