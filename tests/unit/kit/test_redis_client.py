"""The protocol of Redis: what is sent, what is read, and answers of servers that mean no good."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from secret_rotation.kit import connection
from secret_rotation.kit.redis_client import Client, MalformedError, RefusedError, Reply


@contextmanager
def answering(answers: bytes) -> Iterator[tuple[Client, list[bytes]]]:
    """A client of a server that says so, whatever it is asked; and what it was asked."""
    asked: list[bytes] = []
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            one, _ = server.accept()
            with one:
                one.sendall(answers)
                one.shutdown(socket.SHUT_WR)
                while data := one.recv(65536):
                    asked.append(data)

        thread = threading.Thread(target=serve)
        thread.start()
        with Client(connection.connect("127.0.0.1", server.getsockname()[1], connection.Limit(20))) as client:
            yield client, asked
        thread.join()


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (b"+OK\r\n", "OK"),
        (b":-12\r\n", -12),
        (b"$-1\r\n", None),
        (b"*-1\r\n", None),
        (b"$0\r\n\r\n", ""),
        (b"$6\r\n\xc3\xbc\r\n\r\n\r\n", "ü\r\n\r\n"),
        (b"*0\r\n", []),
        (b"*2\r\n*1\r\n:1\r\n$1\r\na\r\n", [[1], "a"]),
    ],
)
def test_every_kind_of_answer_is_read(answer: bytes, reply: Reply) -> None:
    with answering(answer) as (client, _):
        assert client.run("PING") == reply


def test_words_are_sent_by_their_length_whatever_is_in_them() -> None:
    with answering(b"+OK\r\n") as (client, asked):
        client.run("ACL SETUSER", "ü", "a b\r\n*1")
    assert b"".join(asked) == b"*4\r\n$3\r\nACL\r\n$7\r\nSETUSER\r\n$2\r\n\xc3\xbc\r\n$7\r\na b\r\n*1\r\n"


def test_before_version_6_a_login_has_no_user() -> None:
    with answering(b"-ERR wrong number of arguments for 'auth' command\r\n+OK\r\n") as (client, asked):
        client.log_in("app", "one")
    assert b"".join(asked).endswith(b"*2\r\n$4\r\nAUTH\r\n$3\r\none\r\n")


def test_an_error_is_raised_with_its_code_and_the_connection_goes_on() -> None:
    with answering(b"-NOPERM this user\r\n-strange\r\n+OK\r\n") as (client, _):
        for code in ("NOPERM", "an error"):
            with pytest.raises(RefusedError) as refused:
                client.run("PING")
            assert refused.value.code == code
        assert client.run("PING") == "OK"


@pytest.mark.parametrize("answer", [b"", b"$5\r\nab", b"*2\r\n+a\r\n"])
def test_a_connection_that_ends_is_a_network_fault(answer: bytes) -> None:
    with answering(answer) as (client, _), pytest.raises(ConnectionError):
        client.run("PING")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\x15\x03\x03\x00\x02\x02\x46",
        b"\r\n",
        b":\r\n",
        b":1.5\r\n",
        b"$x\r\n",
        b"$99999999999\r\n",
        b"*99999999999\r\n",
        b":" + b"9" * 30 + b"\r\n",
        b"*1\r\n-ERR inside\r\n",
        b"*1\r\n" * 100,
        b"%1\r\n+a\r\n+b\r\n",
    ],
)
def test_what_is_not_of_redis_is_refused_and_fills_no_memory(answer: bytes) -> None:
    with answering(answer) as (client, _), pytest.raises(MalformedError):
        client.run("PING")
