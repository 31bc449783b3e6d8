"""Search text for values that must not be shown, in the forms in which a value travels, and for pieces of them.

    search = LeakSearch()
    search.add("password", "s3cr3t-value")
    search.find(log)      # ["password: 8 characters from 4 on, as it is"]; a finding holds nothing of the value

The forms are: as it is, escaped for JSON (also a document within a document), Python or HTML, percent-encoded,
hexadecimal, and base64 wherever the value stands in what is encoded. Any eight characters of a form in a row count as
found (so does each line of a value with several lines); of a value that is shorter, the whole value.

Values that a test makes or reads go through ``made``, so that pytest shows none of them when the test fails.
"""

import base64
import html
import json
import re
import urllib.parse
from collections.abc import Iterator
from itertools import groupby

PIECE = 8
"""So many characters of a value in a row are too many."""
SHORTEST = 4
"""Shorter values are not looked for: they stand in every text."""
LONG = 8192
"""Of a longer value not every combination of forms is looked for: each takes memory."""
HIDDEN = "[hidden]"


class LeakSearch:
    """The values to look for. One object searches any number of texts."""

    def __init__(self) -> None:
        self._pieces: dict[str, str] = {}
        self._short: dict[str, str] = {}

    def add(self, name: str, value: str) -> None:
        """Look for ``value`` too; findings call it ``name``."""
        if len(value) < SHORTEST:
            return
        for form, text in forms(value):
            if len(text) < PIECE:
                self._short.setdefault(text, f"{name}: all of it, {form}")
            for at in range(len(text) - PIECE + 1):
                self._pieces.setdefault(text[at : at + PIECE], f"{name}: {PIECE} characters from {at} on, {form}")

    def clean(self, text: str) -> str:
        """``text`` with ``[hidden]`` in place of all that ``find`` would find."""
        if not self.find(text):
            return text
        shown = bytearray(b"\1") * len(text)
        for at, piece in enumerate(_windows(text)):
            if piece in self._pieces:
                shown[at : at + PIECE] = bytes(PIECE)
        for short in self._short:
            for match in re.finditer(re.escape(short), text):
                shown[match.start() : match.end()] = bytes(len(short))
        runs = groupby(zip(shown, text, strict=True), key=lambda pair: pair[0])
        return "".join("".join(char for _, char in run) if open_ else HIDDEN for open_, run in runs)

    def find(self, text: str) -> list[str]:
        """What was found, each once and without the value; empty when nothing is shown."""
        found = {self._pieces[piece] for piece in _windows(text) if piece in self._pieces}
        found |= {finding for short, finding in self._short.items() if short in text}
        return sorted(found)


MADE = LeakSearch()
"""The values that were made for secrets in this process: tests/conftest.py hides them in pytest's reports."""


def made(value: str) -> str:
    """``value``, which no report of a test shows from now on. (What stands in a test is in the repository anyway.)"""
    MADE.add("a value", value)
    return value


def forms(value: str) -> Iterator[tuple[str, str]]:
    """Each form in which ``value`` may stand in a text, with its name; each text once."""
    found: dict[str, str] = {}
    for carried in _carried(value):
        for name, text in (*_escaped(carried), *_encoded(carried)):
            found.setdefault(text, "as it is" if text == value else name)
    return ((name, text) for text, name in found.items())


def _carried(value: str) -> Iterator[str]:
    """As it is, in a JSON document, and (unless it is long) in a document that is a string of another one."""
    inner = _json(value)
    outer = () if len(value) > LONG else (text for document in inner for text in _json(document))
    yield from dict.fromkeys((value, *inner, *outer))


def _json(value: str) -> tuple[str, str]:
    return json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]


def _escaped(value: str) -> Iterator[tuple[str, str]]:
    yield "JSON-escaped", value
    for text in _json(value):
        yield "JSON-escaped", text
        yield "JSON-escaped", text.replace("/", "\\/")
    # With both quotes before it, Python escapes the single one, as it does when a whole document is shown.
    both = "\"'" + value
    for text in (repr(both)[4:-1], ascii(both)[4:-1], repr(_raw(both))[5:-1]):
        yield "as Python shows it", text
        yield "as Python shows it", text.replace("\\'", "'")
    for text in (html.escape(value, quote=False), html.escape(value)):
        yield "HTML-escaped", text
        yield "HTML-escaped", text.replace("&#x27;", "&#39;")


def _encoded(value: str) -> Iterator[tuple[str, str]]:
    raw = _raw(value)
    percent = urllib.parse.quote(raw, safe="")
    for quoted in (percent, re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), percent)):
        yield "URL-encoded", quoted
        yield "URL-encoded", re.sub("%2[Ff]", "/", quoted)
        yield "URL-encoded", quoted.replace("%20", "+")
        yield "URL-encoded", quoted.replace("%", "%25")
    yield "hexadecimal", raw.hex()
    yield "hexadecimal", raw.hex().upper()
    for before, shared in ((0, 0), (1, 2), (2, 3)):
        text = base64.b64encode(bytes(before) + raw).decode()[shared : (before + len(raw)) * 8 // 6]
        yield "base64", text
        yield "base64", text.translate(str.maketrans("+/", "-_"))


def _raw(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")


def _windows(text: str) -> Iterator[str]:
    for at in range(len(text) - PIECE + 1):
        yield text[at : at + PIECE]
