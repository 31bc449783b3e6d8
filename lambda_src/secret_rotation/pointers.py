"""Where a value stands in a JSON document: a key's name, or a JSON pointer (RFC 6901), ``/database/password``.

A key that begins with a slash itself is written as a pointer too: ``/~1name``.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from .errors import SettingError

Place = tuple[str, ...]
"""The keys and indexes that lead to a value, from the top of the document."""

_WRONG = re.compile("~(?![01])")
_INDEX = re.compile("0|[1-9][0-9]{0,8}")


def place(key: str) -> Place:
    """Where a key or pointer leads. Raises ``SettingError``."""
    if not key.startswith("/"):
        return (key,)
    if _WRONG.search(key):
        raise SettingError(
            f"{key!r} is not a JSON pointer: after ~ only 0 and 1 are allowed. Write ~ in a name as ~0, and / as ~1."
        )
    return tuple(name.replace("~1", "/").replace("~0", "~") for name in key[1:].split("/"))


def pointer(way: Sequence[str]) -> str:
    """A place as a JSON pointer."""
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in way)


def look_up(document: Any, way: Iterable[str]) -> Any:
    """The value at a place of a decoded document; None where there is none."""
    for name in way:
        at = step(document, name)
        if at is None:
            return None
        document = document[at]
    return document


def step(container: Any, name: str) -> Any:
    """What to subscribe ``container`` with for one part of a pointer; None when it has no such key or index."""
    if isinstance(container, dict):
        return name if name in container else None
    if isinstance(container, list) and _INDEX.fullmatch(name):
        return int(name) if int(name) < len(container) else None
    return None


def is_inside(key: str, other: str) -> bool:
    """Whether ``key`` leads to the value of ``other``, or into it."""
    way = place(other)
    return place(key)[: len(way)] == way


def check_apart(keys: Iterable[str]) -> None:
    """Raise ``SettingError`` when two keys lead to the same value, or one into the value of another."""
    places = sorted((place(key), key) for key in keys)
    for (way, key), (other_way, other) in pairwise(places):  # what is inside of another comes right after it
        if way == other_way[: len(way)]:
            how = "the same value as" if way == other_way else "a value inside of that of"
            raise SettingError(f"{other!r} names {how} {key!r}. Each key needs a value of its own.")
