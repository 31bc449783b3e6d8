"""The text of a secret's version: read once, and edited in place.

Parsing and writing a JSON document again would change numbers (``1.0``, ``1e400``), escapes, spacing and the order of
duplicate keys below the top level. So the document is scanned for where the values stand, and only those are replaced.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
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
from .pointers import Place, check_apart, look_up, place, pointer, step

MAX_BYTES = 65_536
"""The largest value that Secrets Manager stores, in bytes of UTF-8."""

_LIKE_JSON = re.compile(r"""[\s\ufeff"'\\]*[\[{][\s\[{]*\\*["'\u2018-\u201f]""")
"""What is before the first bracket is what encoding it again, or pasting it with its quotes, adds."""
_OPT_OUT = "If all of it is to be replaced, set `overwrite_json = true`."

_SPACE = re.compile(r"[ \t\n\r]*")
_KINDS = {"{": "an object", "[": "an array", '"': "a string", "t": "a boolean", "f": "a boolean", "n": "null"}
_CLOSING = {"{": "}", "[": "]"}


class Member(NamedTuple):
    """A member of an object, or an item of an array: its name or index, and where it stands (``text[start:end]``)."""

    name: str
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
        return self._decoded()

    def get(self, key: str) -> Any:
        """The value at a key or pointer, decoded; None when it is absent, or the text no object."""
        return look_up(self.fields, place(key)) if self.is_object else None

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

    def written(self, key: str) -> str:
        """The value at a key or pointer as it is written, in JSON. Raises ``KeyMissingError``."""
        member = self._member(place(key))
        return self.text[member.start : member.end]

    def find(self, keys: Iterable[str]) -> dict[str, Member]:
        """The members at ``keys`` (names or pointers), each of which must be there once and hold a string."""
        wanted = {key: place(key) for key in keys}
        _refuse_duplicates(self.members, {way[0] for way in wanted.values()})
        found = {key: self._member(way) for key, way in wanted.items()}
        for key, member in found.items():
            if self.text[member.start] != '"':
                raise KeyNotStringError(f"The key {key!r} holds {self._kind(member)}; only a string can be rotated.")
        return found

    def replace(self, values: Mapping[str, str]) -> "Document":
        """The document with the strings at the keys of ``values`` replaced, all other bytes as they are."""
        check_apart(values)
        text = self.text
        edits = [(member, values[key]) for key, member in self.find(values).items()]
        # From the end, so that the places before an edit stay where they were found.
        for member, value in sorted(edits, reverse=True, key=lambda edit: edit[0].start):
            text = text[: member.start] + json.dumps(value) + text[member.end :]
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
        """Whether both are objects with the same members, at any depth, but for the values of ``changed``."""
        return self.is_object and other.is_object and self._blanked(changed) == other._blanked(changed)

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

    def _decoded(self) -> dict[str, Any]:
        return {member.name: _DECODER.raw_decode(self.text, member.start)[0] for member in self.members}

    def _blanked(self, keys: Iterable[str]) -> dict[str, Any]:
        """All that is in the document, without the values of ``keys``."""
        found = self._decoded()
        for *way, last in map(place, keys):
            container = look_up(found, way)
            at = step(container, last)
            if at is not None:
                container[at] = None
        return found

    def _member(self, way: Place) -> Member:
        """The member at a place. Raises ``KeyMissingError``, which says how far the place leads and what is there."""
        members: Sequence[Member] = self.members
        for depth, name in enumerate(way, 1):
            found = next((member for member in members if member.name == name), None)
            if found is None:
                raise self._missing(way, depth, members)
            if depth < len(way):
                members = self._inside(found, way, depth)
        return found  # type: ignore[return-value]  # a place has a name at least

    def _inside(self, member: Member, way: Place, depth: int) -> Sequence[Member]:
        if self.text[member.start] not in _CLOSING:
            raise KeyMissingError(
                f"The secret has no {pointer(way)!r}: {pointer(way[:depth])!r} holds {self._kind(member)}, which has "
                "nothing inside. Correct the pointer, or the secret."
            )
        members, _ = _scan_container(self.text, member.start)
        _refuse_duplicates(members, {way[depth]})
        return members

    def _missing(self, way: Place, depth: int, members: Sequence[Member]) -> KeyMissingError:
        if len(way) == 1:
            return KeyMissingError(f"The secret has no key {way[0]!r}. Add it with any string value, or change `keys`.")
        where = f"the object at {pointer(way[: depth - 1])!r}" if depth > 1 else "the secret"
        reason = f"{where} has no key {way[depth - 1]!r}"
        if depth > 1 and self._is_array(way[: depth - 1]):
            reason = (
                f"{pointer(way[: depth - 1])!r} is an array with {len(members)} items, whose indexes begin with 0, and "
                f"{way[depth - 1]!r} is none of them"
            )
        return KeyMissingError(
            f"The secret has no {pointer(way)!r}: {reason}. Add a string there, or correct the pointer."
        )

    def _is_array(self, way: Place) -> bool:
        return isinstance(look_up(self.fields, way), list)

    def _kind(self, member: Member) -> str:
        return _KINDS.get(self.text[member.start], "a number")


def _no_constant(name: str) -> Any:
    raise ValueError(name)  # NaN and Infinity are Python's, not JSON


_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_no_constant)


def _scan(text: str) -> list[Member]:
    # The exceptions of json hold the whole document.
    with explained(_explain, ValueError, IndexError, RecursionError):
        start = _skip(text, 0)
        if text[start] == "{":
            members, end = _scan_container(text, start)
            if _skip(text, end) != len(text):
                raise ValueError
            return members
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


def _scan_container(text: str, at: int) -> tuple[list[Member], int]:
    """The members of the object or array whose bracket is at ``at``, and where it ends."""
    members: list[Member] = []
    opening, at = text[at], _skip(text, at + 1)
    while text[at] != _CLOSING[opening]:
        if members:
            at = _skip(text, _expect(text, at, ","))
        name, start = _scan_name(text, at) if opening == "{" else (str(len(members)), at)
        end = _DECODER.raw_decode(text, start)[1]
        members.append(Member(name, start, end))
        at = _skip(text, end)
    return members, at + 1


def _scan_name(text: str, at: int) -> tuple[str, int]:
    """The name of a member, and where its value begins."""
    _expect(text, at, '"')
    name, at = _DECODER.raw_decode(text, at)
    return name, _skip(text, _expect(text, _skip(text, at), ":"))


def _skip(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]  # it matches the empty string too


def _expect(text: str, at: int, char: str) -> int:
    if text[at] != char:
        raise ValueError
    return at + 1


def _refuse_duplicates(members: Iterable[Member], named: Collection[str]) -> None:
    seen: set[str] = set()
    for member in members:
        if member.name in seen:
            # Only the names in `keys` are shown: another name may be part of what is secret.
            name = repr(member.name) if member.name in named else "another than those to rotate"
            raise DuplicateKeyError(f"The JSON object has a key twice ({name}). Keep one of them.")
        seen.add(member.name)


def whole(text: str, what: str) -> str:
    """The text. Raises ``SecretError`` when it holds half a character: JSON can write that, and it cannot be sent."""
    message = f"{what} holds half a character (a lone surrogate). Put a text that can be sent."
    with explained(lambda _: SecretError(message), UnicodeEncodeError):
        text.encode()
    return text
