"""JSON log lines that cannot show a value of a secret.

Every text that is read or made for a secret is registered with ``hide``. Before a line is printed, it is searched for
all of them and for each of their lines, in the forms in which a value travels: unchanged, escaped for JSON (also a
document within a document), Python or HTML, percent-encoded, hexadecimal and base64.
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
LONG = 8192
"""Of a longer text not every combination of forms is searched for: each takes memory."""

_PERCENT = [urllib.parse.quote(bytes([byte]), safe="") for byte in range(256)]
_PERCENT_LOWER = [quoted.lower() if quoted.startswith("%") else quoted for quoted in _PERCENT]
_LEVELS = {"TRACE": 5, "DEBUG": 10, "INFO": 20, "WARN": 30, "WARNING": 30, "ERROR": 40, "FATAL": 50, "CRITICAL": 50}


class Log:
    """Log lines of one step. ``fields`` (step, secret ARN, version) stand in each line."""

    def __init__(self, **fields: str) -> None:
        self._fields = fields
        self._texts: set[str] = set()
        self._hidden: set[str] = set()
        self._longest_first: list[str] = []
        self._level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "INFO").upper()
        self._threshold = _LEVELS.get(self._level, 20)

    def hide(self, *texts: str) -> None:
        """Never show these texts, in any of the forms in which a value travels."""
        for text in {*texts} - self._texts:
            self._texts.add(text)
            self._hidden.update(_forms(text))
            self._longest_first = []

    def clean(self, text: str) -> str:
        """Return ``text`` with all that must not be shown replaced by ``[hidden]``."""
        self._longest_first = self._longest_first or sorted(self._hidden, key=len, reverse=True)
        for hidden in self._longest_first:
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

    def metrics(self, namespace: str, dimensions: Mapping[str, str], values: Mapping[str, int]) -> None:
        """Counts, as a line in CloudWatch's embedded metric format.

        Its level is the function's: Lambda takes a line without one for INFO, and drops what is below.
        """
        metrics = [{"Name": name, "Unit": "Count"} for name in values]
        directive = {"Namespace": namespace, "Dimensions": [list(dimensions)], "Metrics": metrics}
        about = {"Timestamp": round(time.time() * 1000), "CloudWatchMetrics": [directive]}
        line = {"_aws": about, **dimensions, **values, "timestamp": _now(), "level": self._level}
        print(json.dumps(line), flush=True)

    def _write(self, level: str, message: str, fields: Mapping[str, Any]) -> None:
        if _LEVELS[level] < self._threshold:
            return
        said = {"message": self._show(message), **{self.clean(key): self._show(value) for key, value in fields.items()}}
        # The other fields of each line come from the event, never from a value: they stay readable whatever is hidden.
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
    """``text`` and each of its lines, in every form in which they travel."""
    for piece in {text, *map(str.strip, text.splitlines())}:
        if len(piece) >= SHORTEST_HIDDEN:
            for carried in _carried(piece, nested=len(text) <= LONG):
                yield carried
                yield from _escaped(carried)
                yield from _encoded(carried)


def _carried(text: str, *, nested: bool) -> set[str]:
    """As it is, in a JSON document, and in one that is a string of another: SecretString in the body of a request."""
    inner = _json(text)
    return {text, *inner, *(outer for document in inner if nested for outer in _json(document))}


def _json(text: str) -> set[str]:
    return {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}


def _escaped(text: str) -> Iterator[str]:
    """Within the quotes of JSON, Python and HTML."""
    for written in _json(text):
        yield written
        yield written.replace("/", "\\/")
    # With both quotes before it, Python escapes the single one, as it does when a whole document is shown.
    both = "\"'"
    for shown in (repr(both + text)[4:-1], ascii(both + text)[4:-1], repr(_raw(both + text))[5:-1]):
        yield shown
        yield shown.replace("\\'", "'")
    yield html.escape(text, quote=False)
    yield html.escape(text)
    yield html.escape(text).replace("&#x27;", "&#39;")


def _encoded(text: str) -> Iterator[str]:
    """Percent-encoded, hexadecimal and base64."""
    raw = _raw(text)
    for table in (_PERCENT, _PERCENT_LOWER):
        quoted = "".join([table[byte] for byte in raw])
        yield quoted
        yield quoted.replace(table[ord("/")], "/")
        yield quoted.replace("%20", "+")
        yield quoted.replace("%", "%25")  # a URL within a URL
    yield raw.hex()
    yield raw.hex().upper()
    yield from _base64_forms(raw)
    yield from _base64_lines(base64.b64encode(raw).decode())


def _base64_forms(raw: bytes) -> Iterator[str]:
    """Base64 of ``raw`` wherever it stands in what is encoded, such as after "user:" in a header."""
    for before, shared in ((0, 0), (1, 2), (2, 3)):  # bytes before it, and characters that depend on those bytes
        whole = (before + len(raw)) * 8 // 6  # the character after those depends on what follows
        text = base64.b64encode(bytes(before) + raw).decode()[shared:whole]
        yield text
        yield text.translate(str.maketrans("+/", "-_"))


def _base64_lines(text: str) -> Iterator[str]:
    """The lines into which PEM and MIME break a long one."""
    for width in (64, 76):
        if len(text) > width:
            yield from (text[at : at + width] for at in range(0, len(text), width))


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
