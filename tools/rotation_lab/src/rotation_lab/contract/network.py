"""Addresses where nothing answers."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator


def closed_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def silent(*, hang_up: bool = False) -> Iterator[tuple[int, Callable[[], int]]]:
    """A port where connections are accepted and nothing is answered, or hung up at once; and how many there were."""
    accepted: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)

        def accept() -> None:
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    accepted.append(server.accept()[0])
                    if hang_up:
                        accepted[-1].close()

        ended = threading.Event()
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield server.getsockname()[1], lambda: len(accepted)
        finally:
            ended.set()
            thread.join()
            for connection in accepted:
                connection.close()
