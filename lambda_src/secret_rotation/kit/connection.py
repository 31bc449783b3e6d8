"""A connection that is over in time: name resolution, every address, TLS and each byte count against one end.

A socket's own timeout is for one call. A server that answers byte by byte restarts it with each byte, the system asks
dead name servers for a minute, and four dead addresses cost four timeouts. Here every call that blocks gets what is
left until the end, which ``connect`` is given once. The socket is a ``socket.socket``, so that drivers and
``http.client`` take it as it is; a shorter timeout of theirs is kept.
"""

import errno
import math
import os
import queue
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self, TypeVar, cast

from ..errors import NetworkError, explained

HEAD_START = 0.25
"""Seconds that an address has before the next one is tried beside it (RFC 8305 calls it the attempt delay)."""

_T = TypeVar("_T")


class Limit:
    """The moment at which whatever goes over a connection has to be over."""

    def __init__(self, seconds: float) -> None:
        self._began = time.monotonic()
        self._end = self._began + seconds

    def left(self) -> float:
        """Seconds until the end. Raises ``TimeoutError`` when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("The time for this connection is over.")
        return left

    def waited(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began


ENDLESS = Limit(math.inf)


def unanswered(where: str, why: Exception | str, waited: float, check: str = "host and port") -> NetworkError:
    """What to say of a service that gave no answer in so many seconds; ``check`` names what the reader is to check."""
    reason = why if isinstance(why, str) else type(why).__name__
    return NetworkError(
        f"{where}: no answer after {waited:.1f} s ({reason}). Check {check}, and the function's network and security "
        "groups. If the service is slow, raise `function.timeout`."
    )


def _limited(method: Callable[..., _T]) -> Callable[..., _T]:
    def call(self: Any, *args: Any, **options: Any) -> _T:
        self.limit_next_call()
        return method(self, *args, **options)

    return call


class Limited:
    """What a socket needs so that none of its calls outlasts the limit."""

    limit = ENDLESS
    _wanted: float | None = None

    def settimeout(self, seconds: float | None) -> None:
        """The most that the user of the socket wants to wait; 0 to not wait at all."""
        self._wanted = seconds
        super().settimeout(seconds)  # type: ignore[misc]

    def limit_next_call(self) -> None:
        """Give the next call what is left. Raises ``TimeoutError`` when nothing is."""
        left = min(self.limit.left(), math.inf if self._wanted is None else self._wanted)
        super().settimeout(None if left == math.inf else left)  # type: ignore[misc]


class Socket(Limited, socket.socket):
    """A TCP connection with a limit."""

    recv = _limited(socket.socket.recv)
    recv_into = _limited(socket.socket.recv_into)
    send = _limited(socket.socket.send)
    sendall = _limited(socket.socket.sendall)


class SecureSocket(Limited, ssl.SSLSocket):
    """The same over TLS."""

    recv = _limited(ssl.SSLSocket.recv)
    recv_into = _limited(ssl.SSLSocket.recv_into)
    send = _limited(ssl.SSLSocket.send)
    do_handshake = _limited(ssl.SSLSocket.do_handshake)
    # sendall is made of calls of send


Address = tuple[int, int, int, str, Any]
"""What ``getaddrinfo`` says of one address: family, kind, protocol, name, and where to connect to."""


def connect(host: str, port: int, limit: Limit, where: str = "") -> Socket:
    """Connect to the address of the host that answers first. Raises ``NetworkError``, in which ``where`` names it."""
    where = where or f"{host}:{port}"
    with explained(lambda error: unanswered(where, error, limit.waited(), "the host's name, the VPC's DNS"), OSError):
        addresses = _resolve(host, port, limit)
    with explained(lambda error: unanswered(where, error, limit.waited()), OSError), _Race() as race:
        connected = race.run(addresses, limit)
    connected.limit = limit
    connected.settimeout(None)
    # Drivers send a turn in pieces, and each would wait for the server to acknowledge the one before.
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected


def _resolve(host: str, port: int, limit: Limit) -> Sequence[Address]:
    """Ask the system in a thread, which is left behind when there is no answer: the call itself cannot be ended."""
    answers = queue.SimpleQueue[Sequence[Address] | OSError]()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        found = answers.get(timeout=limit.left())
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(found, OSError):
        raise found
    return found


class _Race:
    """Tries addresses beside each other: a dead one costs its head start, and not the time of all."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._failure: OSError = TimeoutError()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for key in list(self._selector.get_map().values()):
            self._lose(cast(Socket, key.fileobj))
        self._selector.close()

    def run(self, addresses: Iterable[Address], limit: Limit) -> Socket:
        """The first that is connected. Raises ``OSError``: the last failure, or ``TimeoutError``."""
        for address in addresses:
            self._start(address)
            winner = self._wait(min(HEAD_START, limit.left()))
            if winner:
                return winner
        while self._selector.get_map():
            winner = self._wait(limit.left())
            if winner:
                return winner
        raise self._failure

    def _start(self, address: Address) -> None:
        family, kind, protocol, _, where = address
        one = Socket(family, kind, protocol)
        one.setblocking(False)
        self._selector.register(one, selectors.EVENT_WRITE)
        code = one.connect_ex(where)
        if code not in (0, errno.EINPROGRESS):
            self._lose(one, code)

    def _wait(self, seconds: float) -> Socket | None:
        for key, _ in self._selector.select(seconds):
            one = cast(Socket, key.fileobj)
            code = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if not code:
                self._selector.unregister(one)
                return one
            self._lose(one, code)
        return None

    def _lose(self, one: Socket, code: int = errno.ETIMEDOUT) -> None:
        self._failure = OSError(code, os.strerror(code))
        self._selector.unregister(one)
        one.close()
