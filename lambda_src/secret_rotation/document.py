"""The text of a secret's version: read once, and edited in place.

Parsing and writing a JSON document again would change numbers (``1.0``, ``1e400``), escapes, spacing and the order of
duplicate keys below the top level. So the document is scanned for where the values stand, and only those are replaced.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
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
    explained,
)

MAX_BYTES = 65_536
"""The largest value that Secrets Manager stores, in bytes of UTF-8."""

Place = tuple[str, ...]
"""Where a value stands: the keys that lead to it, from the top of the document. Only the top level is edited yet."""

_LIKE_JSON = re.compile(r"""[\s\ufeff"'\\]*[\[{][\s\[{]*\\*["'\u2018-\u201f]""")
"""What is before the first bracket is what encoding it again, or pasting it with its quotes, adds."""
_OPT_OUT = "If all of it is to be replaced, set `overwrite_json = true`."

_SPACE = re.compile(r"[ \t\n\r]*")
_KINDS = {"{": "an object", "[": "an array", "t": "a boolean", "f": "a boolean", "n": "null"}


class Member(NamedTuple):
    """A member of the top-level object: its place, and where its value stands (``text[start:end]``)."""

    place: Place
    start: int
    end: int


@dataclass(frozen=True)
class Document:
    """A text, JSON or not. All that is asked of it raises a ``SecretError`` when the text is not fit for it."""

    text: str = field(repr=False)

    @property
    def members(self) -> tuple[Member, ...]:
        """The members of the JSON object that the text is, in their order."""
        if isinstance(self._scanned, SecretError):
            raise type(self._scanned)(*self._scanned.args)
        return self._scanned

    @cached_property
    def fields(self) -> Mapping[str, Any]:
        """The members of the JSON object, decoded; numbers stay as text."""
        return {member.place[-1]: _DECODER.raw_decode(self.text, member.start)[0] for member in self.members}

    @property
    def is_object(self) -> bool:
        """Whether the whole text is one JSON object. Raises ``NestedTooDeeplyError`` when that cannot be known."""
        if isinstance(self._scanned, NestedTooDeeplyError):
            raise type(self._scanned)(*self._scanned.args)
        return not isinstance(self._scanned, SecretError)

    @property
    def size(self) -> int:
        """Bytes that Secrets Manager has to store."""
        return len(self.text.encode("utf-8", "surrogatepass"))

    def find(self, places: Iterable[Place]) -> dict[Place, Member]:
        """The members at ``places``, each of which must be there once and hold a string."""
        wanted = tuple(places)
        _refuse_duplicates(self.members, wanted)
        found = {member.place: member for member in self.members}
        for place in wanted:
            if place not in found:
                raise KeyMissingError(
                    f"The secret has no key {place[-1]!r}. Add it with any string value, or change `keys`."
                )
            kind = self.text[found[place].start]
            if kind != '"':
                raise KeyNotStringError(
                    f"The key {place[-1]!r} holds {_KINDS.get(kind, 'a number')}; only a string can be rotated."
                )
        return {place: found[place] for place in wanted}

    def replace(self, values: Mapping[Place, str]) -> "Document":
        """The document with the strings at the places in ``values`` replaced, all other bytes as they are."""
        text = self.text
        # From the end, so that the places before an edit stay where they were found.
        for member in sorted(self.find(values).values(), key=lambda member: member.start, reverse=True):
            text = text[: member.start] + json.dumps(values[member.place]) + text[member.end :]
        return Document(text)

    def check_plain(self) -> None:
        """Refuse to replace JSON, or what somebody meant to be JSON, by a bare string: that is how secrets are lost."""
        bare = self.text.removeprefix("\ufeff")  # a byte order mark, as some editors write it, is not JSON
        if (self if bare == self.text else Document(bare)).is_object:
            raise JsonObjectError(
                "The secret is a JSON object, but `keys` is not set, so the whole object would be replaced by one "
                f"string. Set `keys` to the keys to rotate. {_OPT_OUT}"
            )
        if self.is_like_json:
            raise JsonObjectError(
                "The secret looks like JSON that is an array, encoded twice or not well-formed, and `keys` is not set, "
                f"so all of it would be replaced by one string. Put a JSON object, and set `keys`. {_OPT_OUT}"
            )

    @property
    def is_like_json(self) -> bool:
        """Whether a quoted key or string stands right inside its bracket."""
        return _LIKE_JSON.match(self.text) is not None

    def agrees(self, other: "Document", changed: Collection[str]) -> bool:
        """Whether both are objects with the same members, but for the values of the keys in ``changed``."""
        if not (self.is_object and other.is_object and self.fields.keys() == other.fields.keys()):
            return False
        return all(key in changed or value == other.fields[key] for key, value in self.fields.items())

    def check_size(self) -> None:
        """Refuse a value that Secrets Manager would not store."""
        if self.size > MAX_BYTES:
            raise ValueTooLargeError(
                f"The new value would have {self.size} bytes; Secrets Manager stores at most {MAX_BYTES}. "
                "Shorten the secret or the generated value."
            )

    @cached_property
    def _scanned(self) -> tuple[Member, ...] | SecretError:
        try:
            return tuple(_scan(self.text))
        except SecretError as problem:
            return problem.with_traceback(None)


def place(key: str) -> Place:
    """Where the key of a JSON secret stands: at the top level."""
    return (key,)


def _no_constant(name: str) -> Any:
    raise ValueError(name)  # NaN and Infinity are Python's, not JSON


_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_no_constant)


def _scan(text: str) -> list[Member]:
    # The exceptions of json hold the whole document.
    with explained(_explain, ValueError, IndexError, RecursionError):
        start = _skip(text, 0)
        if text[start] == "{":
            return _scan_object(text, start + 1)
        end = _DECODER.raw_decode(text, start)[1]
        if _skip(text, end) != len(text):
            raise ValueError
    raise NotAnObjectError("The secret is JSON but not an object. To rotate keys, put a JSON object first.")


def _explain(error: Exception) -> SecretError:
    if isinstance(error, RecursionError):
        return NestedTooDeeplyError("The secret is JSON that is nested too deeply to be read. Make it flatter.")
    return NotJsonError(
        'The secret is not JSON. To rotate keys, put a JSON object first, such as {"password": "to-be-rotated"}; '
        "to rotate plain text, leave `keys` out."
    )


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
    return Member(place(key), start, end), _skip(text, end)


def _skip(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]  # it matches the empty string too


def _expect(text: str, at: int, char: str) -> int:
    if text[at] != char:
        raise ValueError
    return at + 1


def _refuse_duplicates(members: Iterable[Member], places: Iterable[Place]) -> None:
    seen: set[Place] = set()
    for member in members:
        if member.place in seen:
            # Only the names in `keys` are shown: another name may be part of what is secret.
            name = repr(member.place[-1]) if member.place in places else "another than those to rotate"
            raise DuplicateKeyError(f"The JSON object has a key twice ({name}). Keep one of them.")
        seen.add(member.place)
