"""What ``rotation-lab try`` prints: a function's log for a person, colour only on a terminal."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from typing import TextIO

_STYLES = {"bold": "1", "red": "31", "green": "32"}
_DONE = "The step is done."
_PLATFORM = {"START", "END", "REPORT", "INIT_START"}
_COMMON = {"timestamp", "level", "message", "step", "secret_arn", "version_id", "duration_ms"}


class Shown:
    """Prints to ``stream``. NO_COLOR and TERM=dumb are honoured."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        colours = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._colour = colours and not os.environ.get("NO_COLOR")

    def style(self, text: str, style: str) -> str:
        """``text`` in a style (bold, red, green), where the stream shows one."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self._colour else text

    def line(self, text: str) -> None:
        """One line, at once."""
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def log(self, lines: Iterable[str]) -> None:
        """Lines of the function's log."""
        for text in readable(lines):
            self.line(f"    {text}")


def readable(lines: Iterable[str]) -> Iterator[str]:
    """Log lines for a person: step, level, message, and what the function's own code prints.

    Left out are Lambda's own lines, and the traceback of an error that the function has logged already.
    """
    last, in_traceback = "", False
    for line in lines:
        in_traceback = line.startswith("Traceback") or (in_traceback and line[:1].isspace())
        text = "" if in_traceback else _readable(line, last)
        if text:
            last = text
            yield text


def _readable(line: str, last: str) -> str:
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    if not isinstance(entry, dict) or "message" not in entry:
        is_repeated = line.startswith("[ERROR]") and line.partition(": ")[2] in last
        return "" if is_repeated or line.split(" ")[0] in _PLATFORM else line
    return "" if entry["message"] == _DONE else _entry(entry)


def _entry(entry: dict[str, object]) -> str:
    """A line of a function that logs JSON."""
    fields = {name: value for name, value in entry.items() if name not in _COMMON}
    text = f"{entry.get('step', ''):<13} {entry.get('level', ''):<5} {entry['message']}"
    return f"{text}  {json.dumps(fields)}" if fields else text
