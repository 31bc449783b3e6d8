"""No server holds a target longer than the function lives, whichever way it takes its time, on real sockets."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from secret_rotation.errors import NetworkError
from secret_rotation.target import Context
from secret_rotation.targets import http, mongodb, mysql, postgresql, redis
from tests.messages import refused
from tests.support import contexts
from tests.support.contexts import credential
from tests.unit.kit.servers import Talk, dripping, serving, silent

RECORD = b"\x16\x03\x03\x40\x00"
"""The head of a TLS record of 16 KiB, which a handshake begins with."""

# What a MySQL server that offers TLS says first, and how it begins a packet of any length.
_SALT = b"12345678", b"123456789012\0"
_CAPABILITIES = 0x00000001 | 0x00000200 | 0x00000800 | 0x00008000 | 0x00080000
_GREETING = (
    b"\x0a8.4.3\0" + struct.pack("<I", 1) + _SALT[0] + b"\0" + struct.pack("<H", _CAPABILITIES & 0xFFFF)
    + b"\x2d" + struct.pack("<H", 2) + struct.pack("<H", _CAPABILITIES >> 16) + b"\x15" + bytes(10) + _SALT[1]
    + b"caching_sha2_password\0"
)  # fmt: skip
GREETING = struct.pack("<I", len(_GREETING))[:3] + b"\0" + _GREETING


def after(received: int, said: bytes, then: Talk) -> Talk:
    """Reads something, says ``said``, and goes on as ``then``."""

    def talk(connection: socket.socket, over: threading.Event) -> None:
        if received:
            connection.recv(received)
        connection.sendall(said)
        then(connection, over)

    return talk


def mysql_with_tls(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(GREETING)
    connection.recv(36)  # the request for TLS, before the client's hello
    dripping(RECORD)(connection, over)


TESTS: dict[str, Callable[[Context], None]] = {
    "postgresql": postgresql.test_secret,
    "mysql": mysql.test_secret,
    "redis": redis.test_secret,
    "mongodb": mongodb.test_secret,
    "http": http.test_secret,
}
WORLDS: dict[str, tuple[str, str, Talk]] = {
    "postgresql, silent": ("postgresql", "disable", silent),
    "postgresql, byte by byte": ("postgresql", "disable", dripping(b"R\0\0\x40\0")),
    "postgresql, messages without end": ("postgresql", "disable", dripping(b"", b"N\0\0\0\5\0")),
    "postgresql, silent before TLS": ("postgresql", "verify", silent),
    "postgresql, TLS byte by byte": ("postgresql", "verify", after(8, b"S", dripping(RECORD))),
    "mysql, silent": ("mysql", "disable", silent),
    "mysql, byte by byte": ("mysql", "disable", dripping(b"\xff\xff\0\0")),
    "mysql, silent after the greeting": ("mysql", "disable", after(0, GREETING, silent)),
    "mysql, TLS byte by byte": ("mysql", "verify", mysql_with_tls),
    "redis, silent": ("redis", "disable", silent),
    "redis, byte by byte": ("redis", "disable", dripping(b"+")),
    "redis, TLS byte by byte": ("redis", "verify", dripping(RECORD)),
    "mongodb, silent": ("mongodb", "disable", silent),
    "mongodb, byte by byte": ("mongodb", "disable", dripping(b"\xff\0\0\0\1\0\0\0\1\0\0\0\xdd\7\0\0")),
    "mongodb, TLS byte by byte": ("mongodb", "verify", dripping(RECORD)),
    "http, silent": ("http", "disable", silent),
    "http, byte by byte": ("http", "disable", dripping(b"HTTP/1.1 200 OK\r\nX: ")),
    "http, TLS byte by byte": ("http", "verify", dripping(RECORD)),
}
SECONDS = 1.5
"""What the function has; an exchange gets three quarters of it without the margin."""


def step(kind: str, tls: str, host: str, port: int) -> Context:
    url = f"{'http' if tls == 'disable' else 'https'}://{host}:{port}/"
    where = (
        {"set_url": url, "test_url": url, "test_auth": "basic"} if kind == "http" else {"host": host, "port": str(port)}
    )
    versions = credential("s3cret-new"), credential("s3cret-old")
    return contexts.of(kind)(*versions, seconds=SECONDS, tls=tls, **where)


@contextmanager
def in_time() -> Iterator[None]:
    began = time.monotonic()
    with refused(NetworkError, "after 0.", "security groups", "`function.timeout`"):
        yield
    assert time.monotonic() - began < SECONDS


@pytest.mark.parametrize("world", WORLDS)
def test_a_server_that_takes_its_time_is_given_up_before_the_function_ends(world: str) -> None:
    kind, tls, talk = WORLDS[world]
    with serving(talk) as port, in_time():
        TESTS[kind](step(kind, tls, "127.0.0.1", port))


@pytest.mark.parametrize("kind", TESTS)
def test_a_name_server_that_never_answers_is_given_up_before_the_function_ends(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(10))
    with in_time():
        TESTS[kind](step(kind, "verify", "db.example.com", 5432))
    over.set()
