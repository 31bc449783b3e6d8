"""A connection that is over in time, against servers that take theirs."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from secret_rotation.errors import NetworkError
from secret_rotation.kit import connection
from secret_rotation.kit.connection import Limit, connect
from tests.messages import refused

from .servers import Talk, dripping, full, serving, silent


@contextmanager
def connected(talk: Talk, seconds: float) -> Iterator[connection.Socket]:
    """A connection to a server, with a limit."""
    with serving(talk) as port, closing(connect("127.0.0.1", port, Limit(seconds))) as opened:
        yield opened


@contextmanager
def within(least: float, most: float) -> Iterator[None]:
    """The block takes at least and at most so many seconds."""
    began = time.monotonic()
    yield
    assert least <= time.monotonic() - began <= most


def resolving_to(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


def test_a_name_server_that_never_answers_is_given_up_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(10))
    with within(0.5, 1.5), refused(NetworkError, "db.example.com:5432", "0.5 s", "DNS"):
        connect("db.example.com", 5432, Limit(0.5))
    over.set()


def test_a_name_that_does_not_exist_is_reported_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with refused(NetworkError, "db.example.com:5432", "gaierror", "DNS"):
        connect("db.example.com", 5432, Limit(5))


def test_four_dead_addresses_cost_a_second_and_not_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with full() as dead, serving(dripping(b"hello")) as port:
        resolving_to(monkeypatch, *[dead] * 4, ("127.0.0.1", port))
        with within(1.0, 2.5), closing(connect("db.example.com", port, Limit(12))) as opened:
            assert opened.recv(5) == b"hello"


def test_an_address_that_refuses_makes_room_for_the_next_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(dripping(b"hello")) as port:
        resolving_to(monkeypatch, *[("127.0.0.1", 1)] * 8, ("127.0.0.1", port))
        with within(0, 0.2), closing(connect("db.example.com", port, Limit(5))):
            pass


def test_a_slow_address_wins_when_the_later_ones_are_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    with full() as dead, serving(dripping(b"hello")) as port:
        resolving_to(monkeypatch, dead, ("127.0.0.1", port), dead)
        with within(0.2, 0.5), closing(connect("db.example.com", port, Limit(5))):
            pass


def test_dead_addresses_alone_are_given_up_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with full() as dead:
        resolving_to(monkeypatch, *[dead] * 4)
        with within(2, 3), refused(NetworkError, "db.example.com:5432", "2.0 s", "TimeoutError", "security groups"):
            connect("db.example.com", 5432, Limit(2))


def test_a_refused_connection_is_reported_at_once() -> None:
    with within(0, 0.5), refused(NetworkError, "127.0.0.1:1", "ConnectionRefusedError"):
        connect("127.0.0.1", 1, Limit(5))


def test_nothing_is_left_open_by_a_race(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[socket.socket] = []

    class Remembered(connection.Socket):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            made.append(self)

    monkeypatch.setattr(connection, "Socket", Remembered)
    with full() as dead, serving(silent) as port:
        resolving_to(monkeypatch, dead, ("127.0.0.1", port))
        with closing(connect("db.example.com", port, Limit(5))) as opened:
            assert [one.fileno() for one in made] == [-1, opened.fileno()]


@pytest.mark.parametrize("read", ["recv", "recv_into", "makefile"])
def test_a_server_that_answers_byte_by_byte_is_given_up_at_the_end(read: str) -> None:
    def whole(opened: socket.socket) -> None:
        if read == "makefile":
            opened.makefile("rb").readline()
        while read == "recv":
            opened.recv(100)
        while read == "recv_into":
            opened.recv_into(bytearray(100))

    with connected(dripping(b""), 0.5) as opened, within(0.4, 5), pytest.raises(TimeoutError):
        whole(opened)


def test_a_server_that_takes_nothing_is_given_up_at_the_end() -> None:
    with connected(silent, 0.5) as opened, within(0.4, 5), pytest.raises(TimeoutError):
        opened.sendall(bytes(50_000_000))


def test_a_driver_may_wait_less_but_not_longer() -> None:
    with connected(silent, 0.6) as opened:
        opened.settimeout(0.2)
        with within(0.2, 0.4), pytest.raises(TimeoutError):
            opened.recv(1)
        opened.settimeout(30)
        with within(0.2, 0.6), pytest.raises(TimeoutError):
            opened.recv(1)


def test_a_driver_may_look_without_waiting() -> None:
    with connected(silent, 5) as opened:
        opened.settimeout(0)
        with within(0, 0.1), pytest.raises(BlockingIOError):
            opened.recv(1)


def test_what_is_said_of_a_service_that_gave_no_answer() -> None:
    with refused(NetworkError, "PUT x", "3.0 s", "TimeoutError", "the URL", "security groups", "`function.timeout`"):
        raise connection.unanswered("PUT x", TimeoutError("s3cret"), 3.04, "the URL")
