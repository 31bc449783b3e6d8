"""The protocol of Redis (RESP, version 2, which every server speaks), over a connection with a limit.

A driver takes longer to import than everything else in a cold start, and needs a layer.
"""

import re
from typing import Self

from .connection import SecureSocket, Socket

Reply = str | int | None | list["Reply"]
_LONGEST, _DEEPEST = 1 << 24, 8
"""Bytes of a text and items of a list, and lists in each other: a server must not fill the memory."""
_NUMBER = re.compile(rb"-?[0-9]{1,18}")


class MalformedError(Exception):
    """The answer is not one of Redis."""


class RefusedError(Exception):
    """The server answers with an error. Its text may repeat the command."""

    @property
    def code(self) -> str:
        """The word with which the error begins, such as WRONGPASS, or ERR."""
        found = re.match("[A-Z]+", str(self))
        return found[0] if found else "an error"

    def says(self, *beginnings: str) -> bool:
        """Whether the text begins so, after ERR."""
        return str(self).removeprefix("ERR ").lower().startswith(beginnings)


class Client:
    """One connection. Raises ``OSError`` for what the network does, ``MalformedError`` for what is not Redis."""

    def __init__(self, socket: Socket | SecureSocket) -> None:
        self._socket, self._answers = socket, socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._answers.close()
        self._socket.close()

    def log_in(self, username: str, password: str) -> None:
        """Log in; before version 6 there are no users. Raises ``RefusedError``."""
        try:
            self.run("AUTH", *filter(None, [username]), password)
        except RefusedError as error:
            if not error.says("wrong number of arguments"):
                raise
            self.run("AUTH", password)

    def run(self, command: str, *arguments: str) -> Reply:
        """The answer to a command, of one word or two. Raises ``RefusedError``."""
        words = [word.encode() for word in (*command.split(), *arguments)]
        self._socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words))
        line = self._line()
        if line.startswith(b"-"):
            raise RefusedError(_text(line[1:]))
        return self._reply(line, _DEEPEST)

    def _reply(self, line: bytes, deepest: int) -> Reply:
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return _text(rest)
        number = _number(rest)
        if kind == b":":
            return number
        if kind not in (b"$", b"*") or number > _LONGEST or not deepest:
            raise MalformedError
        if number < 0:
            return None
        if kind == b"$":
            return _text(self._exactly(number + 2)[:-2])
        return [self._reply(self._line(), deepest - 1) for _ in range(number)]

    def _line(self) -> bytes:
        line = self._answers.readline(_LONGEST)
        if not line:
            raise ConnectionError
        if not line.endswith(b"\r\n"):
            raise MalformedError
        return line[:-2]

    def _exactly(self, number: int) -> bytes:
        found = self._answers.read(number)
        if len(found) < number:
            raise ConnectionError
        return found


def _number(text: bytes) -> int:
    if not _NUMBER.fullmatch(text):
        raise MalformedError
    return int(text)


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
