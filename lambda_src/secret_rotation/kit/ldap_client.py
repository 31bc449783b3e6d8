"""The few messages of LDAP (RFC 4511) that a change of a password takes, over a connection with a limit.

A driver would open its own connection, outside of that limit, and weigh more than all of this. LDAP allows only
definite lengths in BER, so that an element is a tag, its length and its bytes.
"""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

from .connection import Limit, SecureSocket, Socket

START_TLS, MODIFY_PASSWORD = "1.3.6.1.4.1.1466.20037", "1.3.6.1.4.1.4203.1.11.1"
POLICY_CONTROL = "1.3.6.1.4.1.42.2.27.8.5.1"
"""The control by which a server says more of a refused login (draft-behera-ldap-password-policy)."""
BASE, SUBTREE = 0, 2
ADD, DELETE, REPLACE = 0, 1, 2

_INTEGER, _BOOLEAN, _OCTETS, _ENUM, _SEQUENCE, _SET = 0x02, 0x01, 0x04, 0x0A, 0x30, 0x31
_BIND, _UNBIND, _SEARCH, _MODIFY, _EXTENDED = 0x60, 0x42, 0x63, 0x66, 0x77
_ENTRY, _REFERENCE = 0x64, 0x73
_LONGEST = 1 << 20
"""Bytes of a message. No answer here has more than some thousand; a server must not fill the memory."""


class MalformedError(Exception):
    """The answer is not one of LDAP."""


@dataclass(frozen=True)
class Result:
    """What a server answers in the end: a code, 0 for success, and a text in words of its own."""

    code: int
    text: str = ""
    policy: int | None = None
    """The error of the password policy, where the server says one."""


class Entry(NamedTuple):
    """An entry that was found, with the attributes that were asked for."""

    dn: str
    attributes: dict[str, list[bytes]]


Change = tuple[int, str, list[bytes]]
"""What to do with an attribute's values: ``ADD``, ``DELETE`` or ``REPLACE``, its name, and the values."""


class Client:
    """One connection. Raises ``OSError`` for what the network does, ``MalformedError`` for what is no LDAP."""

    def __init__(self, socket: Socket | SecureSocket) -> None:
        self.socket: Socket | SecureSocket = socket
        self._number, self._received = 0, b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._send(element(_UNBIND, b""))
        self.socket.close()

    @property
    def limit(self) -> Limit:
        """When it has to be over."""
        return self.socket.limit

    def bind(self, name: str, password: str) -> Result:
        """A simple bind. An empty password would be an anonymous one, which any server lets in: it is not sent."""
        if not name or not password:
            raise ValueError("An empty name or password is no login.")
        simple = element(0x80, password.encode())
        return self._result(element(_BIND, integer(3) + octets(name) + simple), element(_OCTETS, b""))

    def extended(self, oid: str, value: bytes | None = None) -> Result:
        """An extended operation, with the password policy's control unless it is StartTLS."""
        more = b"" if value is None else element(0x81, value)
        return self._result(element(_EXTENDED, element(0x80, oid.encode()) + more), value)

    def modify(self, dn: str, changes: Iterable[Change]) -> Result:
        """Change attributes of an entry, all of them or none."""
        each = (
            sequence(element(_ENUM, bytes([how])), sequence(octets(name), element(_SET, b"".join(map(octets, values)))))
            for how, name, values in changes
        )
        return self._result(element(_MODIFY, octets(dn) + sequence(*each)), b"")

    def search(self, base: str, scope: int, found: bytes, *attributes: str) -> tuple[Result, list[Entry]]:
        """The entries, at most a few, for which the filter holds."""
        asked = sequence(*map(octets, attributes))
        limits = element(_ENUM, bytes([scope])) + element(_ENUM, b"\0") + integer(3) + integer(0)
        number = self._request(element(_SEARCH, octets(base) + limits + element(_BOOLEAN, b"\0") + found + asked), None)
        entries = []
        while True:
            tag, body, controls = self._answer(number)
            if tag == _ENTRY:
                entries.append(_entry(body))
            elif tag != _REFERENCE:
                return _result(body, controls), entries

    def _result(self, request: bytes, control: bytes | None) -> Result:
        _, body, controls = self._answer(self._request(request, control))
        return _result(body, controls)

    def _request(self, request: bytes, control: bytes | None) -> int:
        self._number += 1
        wanted = b"" if control is None else element(0xA0, sequence(octets(POLICY_CONTROL)))
        self._send(sequence(integer(self._number), request, wanted))
        return self._number

    def _send(self, message: bytes) -> None:
        self.socket.sendall(message)

    def _answer(self, number: int) -> tuple[int, bytes, bytes]:
        """The tag and the bytes of the answer, and its controls."""
        _, body = self._element()
        parts = list(elements(body))
        if len(parts) < 2 or parts[0] != (_INTEGER, integer(number)[2:]):
            raise MalformedError
        return (*parts[1], parts[2][1] if len(parts) > 2 else b"")

    def _element(self) -> tuple[int, bytes]:
        tag, first = self._take(2)
        size = first if first < 0x80 else int.from_bytes(self._take(first & 0x7F))
        if tag != _SEQUENCE or size > _LONGEST:
            raise MalformedError
        return tag, self._take(size)

    def _take(self, size: int) -> bytes:
        while len(self._received) < size:
            more = self.socket.recv(65536)
            if not more:
                raise ConnectionResetError
            self._received += more
        taken, self._received = self._received[:size], self._received[size:]
        return taken


def equals(attribute: str, value: str) -> bytes:
    """The filter (attribute=value). There is nothing to escape: it is not a text."""
    return element(0xA3, octets(attribute) + octets(value))


def present(attribute: str = "objectClass") -> bytes:
    """The filter (attribute=*), which an attribute that all entries have makes true of all."""
    return element(0x87, attribute.encode())


def new_password(password: str, former: str | None = None, dn: str | None = None) -> bytes:
    """The value of ``MODIFY_PASSWORD`` (RFC 3062)."""
    given = ((0x80, dn), (0x81, former), (0x82, password))
    return sequence(*(element(tag, text.encode()) for tag, text in given if text is not None))


def element(tag: int, body: bytes) -> bytes:
    """A tag, the length, the bytes."""
    size = len(body)
    if size < 0x80:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(length)]) + length + body


def sequence(*parts: bytes) -> bytes:
    """Elements in a sequence."""
    return element(_SEQUENCE, b"".join(parts))


def octets(value: str | bytes) -> bytes:
    """A text or bytes."""
    return element(_OCTETS, value.encode() if isinstance(value, str) else value)


def integer(value: int) -> bytes:
    """A number from 0 on."""
    return element(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1))


def elements(body: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements that ``body`` is made of: tag and bytes."""
    while body:
        if len(body) < 2:
            raise MalformedError
        tag, size, start = body[0], body[1], 2
        if size >= 0x80:
            start += size & 0x7F
            size = int.from_bytes(body[2:start])
        if start + size > len(body):
            raise MalformedError
        yield tag, body[start : start + size]
        body = body[start + size :]


def _result(body: bytes, controls: bytes) -> Result:
    parts = list(elements(body))
    if len(parts) < 3 or parts[0][0] != _ENUM:
        raise MalformedError
    return Result(int.from_bytes(parts[0][1]), parts[2][1].decode(errors="replace"), _policy(controls))


def _policy(controls: bytes) -> int | None:
    for _, control in elements(controls):
        parts = list(elements(control))
        if parts and parts[0][1] == POLICY_CONTROL.encode() and len(parts) > 1:
            for _, value in elements(parts[-1][1]):
                found = [part for tag, part in elements(value) if tag == 0x81]
                return int.from_bytes(found[0]) if found else None
    return None


def _entry(body: bytes) -> Entry:
    parts = list(elements(body))
    if len(parts) < 2:
        raise MalformedError
    found = {}
    for _, attribute in elements(parts[1][1]):
        (_, name), (_, values) = elements(attribute)
        found[name.decode().lower()] = [value for _, value in elements(values)]
    return Entry(parts[0][1].decode(), found)
