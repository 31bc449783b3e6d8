"""MongoDB's wire protocol as far as a change of a password takes it: a command and its answer, in OP_MSG and BSON."""

import socket
import struct
from collections.abc import Mapping
from typing import Any

_OP_MSG = 2013
_HEADER = struct.Struct("<iiii")
"""Length, number of the message, number of the one that it answers, kind."""
_MOST = 16 * 1024 * 1024
"""Bytes of a document, as MongoDB limits it."""
_DEEPEST = 100
_SIZES = {0x06: 0, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x11: 8, 0x13: 16, 0x7F: 0, 0xFF: 0}
"""Bytes of the values of a fixed size that are read as they are, by their kind."""
_NUMBERS = {0x01: "<d", 0x10: "<i", 0x12: "<q"}
_TEXTS = (0x02, 0x0D, 0x0E)
_DOCUMENT, _ARRAY, _BINARY, _TRUE_OR_FALSE, _NULL, _PATTERN = 0x03, 0x04, 0x05, 0x08, 0x0A, 0x0B

Document = dict[str, Any]


class MalformedError(Exception):
    """What came is no answer of MongoDB. The text holds nothing of it."""


class Client:
    """A connection over a socket that somebody else has opened, and that has a limit."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket, self._number = connection, 0

    def command(self, database: str, command: Mapping[str, Any]) -> Document:
        """The answer to a command, whose first member names it."""
        self._number += 1
        body = struct.pack("<iB", 0, 0) + encode({**command, "$db": database})
        self._socket.sendall(_HEADER.pack(_HEADER.size + len(body), self._number, 0, _OP_MSG) + body)
        return self._answer()

    def _answer(self) -> Document:
        length, _, answered, kind = _HEADER.unpack(self._receive(_HEADER.size))
        if kind != _OP_MSG or answered != self._number or not _HEADER.size + 10 <= length <= _MOST:
            raise MalformedError("The answer is not one to this request.")
        body = self._receive(length - _HEADER.size)
        if body[4]:
            raise MalformedError("The answer has another form.")
        return decode(body[5:])

    def _receive(self, size: int) -> bytes:
        found = bytearray()
        while len(found) < size:
            piece = self._socket.recv(min(size - len(found), 65536))
            if not piece:
                raise ConnectionResetError("The server has closed the connection.")
            found += piece
        return bytes(found)


def encode(document: Mapping[str, Any]) -> bytes:
    """A document in BSON: of texts, whole numbers, bytes, true and false, lists and documents."""
    body = b"".join(_member(name, value) for name, value in document.items())
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def _member(name: str, value: Any) -> bytes:
    kind, raw = _value(value)
    return bytes([kind]) + name.encode() + b"\0" + raw


def _value(value: Any) -> tuple[int, bytes]:
    match value:
        case bool():
            return _TRUE_OR_FALSE, bytes([value])
        case int():
            return 0x10, struct.pack("<i", value)
        case str():
            raw = value.encode() + b"\0"
            return 0x02, struct.pack("<i", len(raw)) + raw
        case bytes():
            return _BINARY, struct.pack("<iB", len(value), 0) + value
        case list():
            return _ARRAY, encode({str(n): each for n, each in enumerate(value)})
    return _DOCUMENT, encode(value)


def decode(data: bytes) -> Document:
    """The document at the start of ``data``. What nobody here asks for, such as times, stays bytes.

    Raises ``MalformedError``.
    """
    try:
        return _Reader(data).document(0)
    except (struct.error, ValueError):  # a UnicodeDecodeError is a ValueError
        raise MalformedError("The answer is not BSON.") from None


class _Reader:
    """Reads one value after the other."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def document(self, depth: int) -> Document:
        end = self._at + self._number("<i")
        if depth > _DEEPEST or not self._at < end <= len(self._data):
            raise MalformedError("The answer is not BSON.")
        found: Document = {}
        while kind := self._take(1)[0]:
            name = self._name()
            found[name] = self._value(kind, depth)
        if self._at != end:
            raise MalformedError("The answer is not BSON.")
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if kind in _NUMBERS:
            return self._number(_NUMBERS[kind])
        if kind in _TEXTS:
            return self._take(self._number("<i"))[:-1].decode()
        if kind in (_DOCUMENT, _ARRAY):
            found = self.document(depth + 1)
            return found if kind == _DOCUMENT else list(found.values())
        if kind == _BINARY:
            return self._take(self._number("<i") + 1)[1:]
        if kind == _PATTERN:
            return self._name(), self._name()
        return self._fixed(kind)

    def _fixed(self, kind: int) -> Any:
        if kind not in _SIZES:
            raise MalformedError("The answer has a value of an unknown kind.")
        raw = self._take(_SIZES[kind])
        if kind == _NULL:
            return None
        return raw != b"\0" if kind == _TRUE_OR_FALSE else raw

    def _number(self, form: str) -> Any:
        (found,) = struct.unpack(form, self._take(struct.calcsize(form)))
        return found

    def _name(self) -> str:
        end = self._data.index(b"\0", self._at)
        return self._take(end + 1 - self._at)[:-1].decode()

    def _take(self, size: int) -> bytes:
        if not 0 <= size <= len(self._data) - self._at:
            raise MalformedError("The answer ends in the middle of a value.")
        self._at += size
        return self._data[self._at - size : self._at]
