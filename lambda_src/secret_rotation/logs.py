"""JSON log lines that cannot show a value of a secret.

Every text that is read or made for a secret is registered with ``hide``. A line is searched for all of them, in the
forms in which a value travels (as it is, JSON-escaped, URL-encoded, base64), before it is printed.
"""

import base64
import html
import json
import logging
import os
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

HIDDEN = "[hidden]"
SHORTEST_HIDDEN = 4
"""Shorter texts are not hidden: "a" stands in every line."""

_LEVELS = {"TRACE": 5, "DEBUG": 10, "INFO": 20, "WARN": 30, "WARNING": 30, "ERROR": 40, "FATAL": 50, "CRITICAL": 50}


class Log:
    """Log lines of one step. ``fields`` (step, secret ARN, version) stand in each line."""

    def __init__(self, **fields: str) -> None:
        self._fields = fields
        self._hidden: set[str] = set()
        self._threshold = _LEVELS.get(os.environ.get("AWS_LAMBDA_LOG_LEVEL", "INFO").upper(), 20)

    def hide(self, *texts: str) -> None:
        """Never show these texts, in any of the forms in which a value travels."""
        for text in texts:
            if len(text) >= SHORTEST_HIDDEN:
                self._hidden.update(_forms(text))

    def clean(self, text: str) -> str:
        """Return ``text`` with all that must not be shown replaced by ``[hidden]``."""
        for hidden in sorted(self._hidden, key=len, reverse=True):
            text = text.replace(hidden, HIDDEN)
        return text

    def debug(self, message: str, **fields: Any) -> None:
        """For somebody who follows one rotation in detail."""
        self._write("DEBUG", message, fields)

    def info(self, message: str, **fields: Any) -> None:
        """For the record: what was done."""
        self._write("INFO", message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        """Something a person should look at, though the rotation goes on."""
        self._write("WARN", message, fields)

    def error(self, message: str, **fields: Any) -> None:
        """The step failed."""
        self._write("ERROR", message, fields)

    def _write(self, level: str, message: str, fields: Mapping[str, Any]) -> None:
        if _LEVELS[level] < self._threshold:
            return
        said = {self.clean(key): self._show(value) for key, value in {"message": message, **fields}.items()}
        # What stands in each line comes from the event, never from a value: it stays readable whatever is hidden.
        print(json.dumps({**said, "timestamp": _now(), "level": level, **self._fields}), flush=True)

    def _show(self, value: object) -> object:
        # Numbers stay numbers, for queries, unless they are what is hidden; all else is searched as text.
        text = str(value)
        shown = self.clean(text)
        return value if shown == text and isinstance(value, int | float | None) else shown


def _now() -> str:
    now = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03}Z"


def silence_libraries() -> None:
    """Keep debug lines of libraries out of the log: botocore's hold whole requests and answers, with the values.

    Lambda sets the root logger to the function's log level; this function's own lines do not go through it.
    """
    root = logging.getLogger()
    root.setLevel(max(root.level, logging.INFO))


def _forms(text: str) -> Iterator[str]:
    raw = text.encode("utf-8", "surrogatepass")
    yield text
    yield repr(text)[1:-1]
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield html.escape(text)
    yield urllib.parse.quote(raw)
    yield urllib.parse.quote(raw, safe="")
    yield urllib.parse.quote_plus(raw)
    yield from _base64_forms(raw)


def _base64_forms(raw: bytes) -> Iterator[str]:
    """Base64 of ``raw`` wherever it stands in what is encoded, such as after "user:" in a header."""
    for before, shared in ((0, 0), (1, 2), (2, 3)):  # bytes before it, and characters that depend on those bytes
        whole = (before + len(raw)) * 8 // 6  # the character after those depends on what follows
        text = base64.b64encode(bytes(before) + raw).decode()[shared:whole]
        yield text
        yield text.translate(str.maketrans("+/", "-_"))
