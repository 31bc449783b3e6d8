"""A TCP proxy in front of the service, so that each request of any driver, in any language, is a point to die at.

A request is what the client sends until the server answers: messages of every protocol come in such turns, so nothing
of the protocol needs to be known, and TLS does not matter. Connecting is a call of its own.
"""

import contextlib
import socket
import struct
from dataclasses import dataclass, field

from rotation_lab.points import Point

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with which closing sends a reset."""


class Listener:
    """The address that the function gets instead of the service's."""

    def __init__(self, upstream: tuple[str, int]) -> None:
        self.upstream = upstream
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]

    def fileno(self) -> int:
        """For ``select``."""
        return self._socket.fileno()

    def accept(self) -> "Link":
        """Take the next connection; the service is not connected yet."""
        client, (_, port) = self._socket.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Link(client, self.upstream, port)

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


@dataclass
class Link:
    """One connection of the function to the service."""

    client: socket.socket
    upstream: tuple[str, int]
    port: int
    """The function's end of it."""
    server: socket.socket | None = None
    call: Point | None = None
    """The point before the request that the server has not answered yet."""
    open: bool = field(default=True)

    def connect(self) -> None:
        """Connect to the service."""
        self.server = socket.create_connection(self.upstream, timeout=10)
        self.server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ends(self) -> list[socket.socket]:
        """The sockets to wait for."""
        return [end for end in (self.client, self.server) if end is not None] if self.open else []

    def read(self, end: socket.socket) -> bytes:
        """What has arrived; nothing at the end of the connection."""
        try:
            return end.recv(65_536)
        except OSError:
            return b""

    def forward(self, source: socket.socket, data: bytes) -> None:
        """Send ``data`` to the other end."""
        other = self.server if source is self.client else self.client
        with contextlib.suppress(OSError):
            if other is not None:
                other.sendall(data)

    def end_of_server(self) -> None:
        """The server has closed. What the client still sends counts, whether it knows that already or not."""
        if self.server is not None:
            self.server.close()
            self.server = None
        with contextlib.suppress(OSError):
            self.client.shutdown(socket.SHUT_WR)

    def close(self, *, reset: bool = False) -> None:
        """Close both ends; with ``reset`` the function sees an error instead of the end of the connection."""
        if reset:
            with contextlib.suppress(OSError):
                self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        for end in (self.client, self.server):
            if end is not None:
                end.close()
        self.open = False
