"""Servers that misbehave, each on a real socket."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

Talk = Callable[[socket.socket, threading.Event], None]
"""What a server does with each connection; the event says that the test is over."""


@contextmanager
def serving(talk: Talk) -> Iterator[int]:
    """The port of a server that does ``talk`` with each connection, in a thread of its own."""
    over = threading.Event()
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        stack.callback(over.set)

        def one(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                connection.settimeout(10)
                talk(connection, over)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=one, args=[server.accept()[0]], daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def dripping(start: bytes, byte: bytes = b"x", every: float = 0.05) -> Talk:
    """Sends ``start``, and then a byte now and then, for ever."""

    def talk(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(start)
        while not over.wait(every):
            connection.sendall(byte)

    return talk


def silent(connection: socket.socket, over: threading.Event) -> None:
    """Takes the connection and says nothing."""
    over.wait(10)


@contextmanager
def full() -> Iterator[tuple[str, int]]:
    """Where a server is that never takes a connection: its queue is full."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):  # one is taken into the queue, the others wait for ever
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield server.getsockname()
