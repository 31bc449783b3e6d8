"""Change values of a JSON object and leave every other byte of the document as it is.

Parsing and writing the document again would change numbers (``1.0``, ``1e400``), escapes, spacing and the order of
duplicate keys below the top level. So the document is scanned for where the values stand, and only those are replaced.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .errors import (
    DuplicateKeyError,
    JsonObjectError,
    KeyMissingError,
    KeyNotStringError,
    NestedTooDeeplyError,
    NotAnObjectError,
    NotJsonError,
    SecretError,
    ValueTooLargeError,
)

MAX_BYTES = 65_536
"""The largest value that Secrets Manager stores, in bytes of UTF-8."""

_SPACE = re.compile(r"[ \t\n\r]*")
_KINDS = {"{": "an object", "[": "an array", "t": "a boolean", "f": "a boolean", "n": "null"}


class Member(NamedTuple):
    """A member of the top-level object: its decoded key, and where its value stands (``text[start:end]``)."""

    key: str
    start: int
    end: int


def replace(text: str, values: Mapping[str, str]) -> str:
    """Return ``text`` with the string values of the top-level keys in ``values`` replaced, all else untouched.

    Raises a ``SecretError`` (not JSON, not an object, key missing, not a string, twice in the document).
    """
    found = locate(text, tuple(values))
    # From the end, so that the places before an edit stay where they were found.
    for key, member in sorted(found.items(), key=lambda item: item[1].start, reverse=True):
        text = text[: member.start] + json.dumps(values[key]) + text[member.end :]
    return text


def locate(text: str, keys: Sequence[str]) -> dict[str, Member]:
    """Find the members named by ``keys``, each of which must be there once and hold a string."""
    members = _members(text)
    _refuse_duplicates(members, keys)
    by_key = {member.key: member for member in members}
    for key in keys:
        if key not in by_key:
            raise KeyMissingError(f"The secret has no key {key!r}. Add it with any string value, or change `keys`.")
        kind = text[by_key[key].start]
        if kind != '"':
            raise KeyNotStringError(
                f"The key {key!r} holds {_KINDS.get(kind, 'a number')}; only a string can be rotated."
            )
    return {key: by_key[key] for key in keys}


def fields(text: str) -> dict[str, Any]:
    """The members of a JSON object, decoded; numbers stay as text. Raises a ``SecretError`` for anything else."""
    return {member.key: _DECODER.raw_decode(text, member.start)[0] for member in _members(text)}


def is_object(text: str) -> bool:
    """Whether the whole text is one JSON object."""
    try:
        _members(text)
    except (NotJsonError, NotAnObjectError):
        return False
    return True


def check_plain(text: str) -> None:
    """Refuse to replace a JSON object by a bare string: that is how secrets are lost."""
    if is_object(text.removeprefix("\ufeff")):  # a byte order mark, as some editors write it, is not JSON
        raise JsonObjectError(
            "The secret is a JSON object, but `keys` is not set, so the whole object would be replaced by one string. "
            "Set `keys` to the keys to rotate."
        )


def check_size(text: str) -> None:
    """Refuse a value that Secrets Manager would not store."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise ValueTooLargeError(
            f"The new value would have {size} bytes; Secrets Manager stores at most {MAX_BYTES}. "
            "Shorten the secret or the generated value."
        )


def _no_constant(name: str) -> Any:
    raise ValueError(name)  # NaN and Infinity are Python's, not JSON


_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_no_constant)


def _members(text: str) -> list[Member]:
    # The exceptions of json hold the whole document: leave the `except` before raising, so that none is chained.
    problem: SecretError
    try:
        start = _skip(text, 0)
        if text[start] == "{":
            return _scan_object(text, start + 1)
        end = _DECODER.raw_decode(text, start)[1]
        if _skip(text, end) != len(text):
            raise ValueError
        problem = NotAnObjectError("The secret is JSON but not an object. To rotate keys, put a JSON object first.")
    except RecursionError:
        problem = NestedTooDeeplyError("The secret is JSON that is nested too deeply to be read. Make it flatter.")
    except (ValueError, IndexError):
        problem = NotJsonError(
            'The secret is not JSON. To rotate keys, put a JSON object first, such as {"password": "to-be-rotated"}; '
            "to rotate plain text, leave `keys` out."
        )
    raise problem


def _scan_object(text: str, at: int) -> list[Member]:
    """The members of the object whose brace is before ``at``; the object must end the text."""
    members: list[Member] = []
    at = _skip(text, at)
    while text[at] != "}":
        if members:
            at = _skip(text, _expect(text, at, ","))
        member, at = _scan_member(text, at)
        members.append(member)
    if _skip(text, at + 1) != len(text):
        raise ValueError
    return members


def _scan_member(text: str, at: int) -> tuple[Member, int]:
    _expect(text, at, '"')
    key, at = _DECODER.raw_decode(text, at)
    start = _skip(text, _expect(text, _skip(text, at), ":"))
    end = _DECODER.raw_decode(text, start)[1]
    return Member(key, start, end), _skip(text, end)


def _skip(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]  # it matches the empty string too


def _expect(text: str, at: int, char: str) -> int:
    if text[at] != char:
        raise ValueError
    return at + 1


def _refuse_duplicates(members: Sequence[Member], keys: Sequence[str]) -> None:
    seen: set[str] = set()
    for member in members:
        if member.key in seen:
            # Only the caller's own key names are told: another name may be part of what is secret.
            name = repr(member.key) if member.key in keys else "another than those to rotate"
            raise DuplicateKeyError(f"The JSON object has a key twice ({name}). Keep one of them.")
        seen.add(member.key)
