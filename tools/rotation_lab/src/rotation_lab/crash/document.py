"""The secret's document in a run: what stands around the values that are rotated, byte for byte."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MARKER = "mArKer7Qz"
"""Stands in every value that must not be shown and that no service makes."""

_STRING = r'"(?:[^"\\\x00-\x1f]|\\.)*"'


@dataclass(frozen=True)
class Document:
    """A secret as text. ``pieces`` stand around the values of ``keys``; without keys the whole text is the value."""

    keys: tuple[str, ...]
    pieces: tuple[str, ...]
    hidden: tuple[str, ...] = ()
    """Other values in it that must not be shown."""
    public: frozenset[str] = frozenset({"username"})
    """Keys whose values may change, name something and open nothing."""

    def text(self, values: Mapping[str, str]) -> str:
        """The document with ``values`` by key; that of a plain text has the key ""."""
        if not self.keys:
            return values[""]
        middle = zip((json.dumps(values[key]) for key in self.keys), self.pieces[1:], strict=True)
        return self.pieces[0] + "".join(value + piece for value, piece in middle)

    def values(self, text: str) -> dict[str, str] | None:
        """The values in a text; None when anything else than they has changed."""
        if not self.keys:
            return {"": text} if text else None
        found = re.fullmatch(f"({_STRING})".join(map(re.escape, self.pieces)), text)
        return dict(zip(self.keys, map(_loads, found.groups()), strict=True)) if found else None


def plain() -> Document:
    """The whole secret is one value."""
    return Document((), ())


def simple(keys: Sequence[str], known: Mapping[str, Any]) -> Document:
    """A JSON object with ``known`` members and the rotated ``keys``, as Python's ``json.dumps`` writes it.

    So a function that parses the document and writes it again changes no byte.
    """
    head = json.dumps(dict(known))[1:-1]
    pieces = ["{" + (f"{head}, " if head else "") + f'"{keys[0]}": ', *(f', "{key}": ' for key in keys[1:])]
    return Document(tuple(keys), (*pieces, f', "note": "{MARKER}-note"}}'), (f"{MARKER}-note",))


def awkward(keys: Sequence[str], known: Mapping[str, Any]) -> Document:
    """The same, with whatever else JSON allows around the values: a function must leave it byte for byte."""
    head = json.dumps(dict(known))[1:-1]
    pieces = [f'{{ {head}{"," if head else ""}\r\n\t"{keys[0]}" :', *(f',  "{key}":\t' for key in keys[1:])]
    tail = (
        f', "big": 1e400, "one": 1.0, "note":"{MARKER}-n\\u00f6te \u00e9\\/", '
        '"deep": {"a": 1, "a": [2, -0.0, {"password": "inner"}]}, "empty": null }\n'
    )
    return Document(tuple(keys), (*pieces, tail), (f"{MARKER}-note",))


def _loads(text: str) -> str:
    return str(json.loads(text))
