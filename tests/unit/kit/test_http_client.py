"""One request and its answer, against servers and proxies that answer in every way."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from secret_rotation.errors import ConfigurationError, NetworkError
from secret_rotation.kit import http_client, tls
from secret_rotation.kit.connection import Limit
from secret_rotation.kit.http_client import Answer, Request
from tests.messages import refused

from .certificates import issue, server
from .servers import Talk, dripping, serving

WHERE = "PUT https://api.example.com/me"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def read_head(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(1)
    return received


def answering(answer: bytes, received: list[bytes] | None = None) -> Talk:
    """A server that reads the head of a request and sends this."""

    def talk(connection: socket.socket, over: threading.Event) -> None:
        head = read_head(connection)
        if received is not None:
            received.append(head)
        connection.sendall(answer)
        over.wait(0.3)  # a connection that stays open, as servers keep them

    return talk


def put(port: int, *, seconds: float = 5, most: int = 0, body: bytes = b"") -> Answer:
    request = Request("PUT", urlsplit(f"http://localhost:{port}/me"), "/me", {"X-Key": "1"}, body)
    return http_client.send(WHERE, request, Limit(seconds), None, most)


def answer_of(raw: bytes, most: int = 1000) -> Answer:
    with serving(answering(raw)) as port:
        return put(port, most=most)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


# Heads.


@pytest.mark.parametrize("count", [1, 99, 100, 101, 5000])
def test_an_answer_may_have_any_number_of_headers(count: int) -> None:
    many = b"".join(b"X-%d: %d\r\n" % (n, n) for n in range(count))
    found = answer_of(b"HTTP/1.1 200 OK\r\n" + many + b"Content-Length: 2\r\n\r\nhi")
    assert (found.status, found.body, found.headers[f"X-{count - 1}"]) == (200, b"hi", str(count - 1))


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 900_000])
def test_a_header_may_be_long(size: int) -> None:
    found = answer_of(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * size + b"\r\nContent-Length: 2\r\n\r\nhi")
    assert (found.status, found.body, len(found.headers["X-Long"])) == (200, b"hi", size)


@pytest.mark.parametrize("line", [b"X-Long: " + b"x" * (1 << 20), b"X: 1\r\n" * 200_000])
def test_a_head_without_end_is_given_up(line: bytes) -> None:
    with refused(NetworkError, WHERE):
        answer_of(b"HTTP/1.1 200 OK\r\n" + line)


INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </s.css>; rel=preload\r\n\r\n"


@pytest.mark.parametrize("interim", [INTERIM, b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 102 \r\nX: 1\r\n\r\n" * 3])
def test_interim_answers_are_passed_over(interim: bytes) -> None:
    found = answer_of(interim + OK)
    assert (found.status, found.body, found.headers.keys()) == (200, b"hi", ["Content-Length"])


def test_interim_answers_without_end_are_given_up() -> None:
    with refused(NetworkError, WHERE):
        answer_of(INTERIM * 20_000)


@pytest.mark.parametrize(
    "said", [b"220 mail.example.com ESMTP\r\n", b"\r\n\r\n", b"HTTP/1.1 OK\r\n\r\n", b"HTTP/1.1 200", b""]
)
def test_what_is_no_answer_is_the_network_s(said: bytes) -> None:
    began = time.monotonic()
    with refused(NetworkError, WHERE, "the URL"):
        answer_of(said)
    assert time.monotonic() - began < 2


# Bodies.


@pytest.mark.parametrize(
    "framed",
    [
        b"Content-Length: 11\r\n\r\nhello world",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=1\r\n world\r\n0\r\n\r\n",
        b"Connection: close\r\n\r\nhello world",
    ],
    ids=["length", "chunks", "until the end"],
)
def test_a_body_is_read_however_it_is_framed(framed: bytes) -> None:
    assert answer_of(b"HTTP/1.1 200 OK\r\n" + framed).body == b"hello world"


def test_a_body_of_the_greatest_length_is_read_and_a_longer_one_refused() -> None:
    assert answer_of(OK, most=2).body == b"hi"
    with refused(NetworkError, WHERE, "1 bytes"):
        answer_of(OK, most=1)


def test_a_body_that_ends_too_soon_is_no_answer() -> None:
    with refused(NetworkError, WHERE, "IncompleteRead"):
        answer_of(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhi")


def test_a_body_that_is_not_needed_is_not_waited_for() -> None:
    with serving(dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")) as port:
        assert put(port).status == 200


@pytest.mark.parametrize(
    "start",
    [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"],
    ids=["header", "body", "body without length"],
)
def test_an_answer_that_comes_byte_by_byte_is_given_up_at_the_end(start: bytes) -> None:
    began = time.monotonic()
    with serving(dripping(start)) as port, refused(NetworkError, WHERE, "0.5 s", "TimeoutError"):
        put(port, seconds=0.5, most=10_000)
    assert 0.4 < time.monotonic() - began < 5  # without the limit it takes 10,000 bytes


def test_a_request_is_sent_as_given() -> None:
    received: list[bytes] = []
    with serving(answering(OK, received)) as port:
        put(port, body=b"12345")
    assert received[0].splitlines()[0] == b"PUT /me HTTP/1.1"
    assert {b"X-Key: 1", b"Content-Length: 5", f"Host: localhost:{port}".encode()} <= set(received[0].splitlines())


# Proxies.

ROOT = issue("Test root", is_ca=True)
SERVICE = issue("api.example.com", ROOT)


class Proxy:
    """A proxy that answers CONNECT, and then passes everything on to ``port``."""

    def __init__(self, port: int, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> None:
        self.port, self.answer, self.heads, self.passed = port, answer, list[bytes](), list[bytes]()

    def __call__(self, connection: socket.socket, over: threading.Event) -> None:
        self.heads.append(read_head(connection))
        connection.sendall(self.answer)
        with socket.create_connection(("127.0.0.1", self.port)) as service:
            back = threading.Thread(target=self._pass, args=[service, connection])
            back.start()
            self._pass(connection, service)
            back.join()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while received := one.recv(65536):
                self.passed.append(received)
                other.sendall(received)
            other.shutdown(socket.SHUT_WR)


@contextmanager
def secure_service(folder: Path) -> Iterator[tuple[int, list[bytes]]]:
    """An API that speaks TLS, and what it received."""
    received: list[bytes] = []
    trust = server(folder, SERVICE)

    def talk(connection: socket.socket, over: threading.Event) -> None:
        with trust.wrap_socket(connection, server_side=True) as secure:
            answering(OK, received)(secure, over)

    with serving(talk) as port:
        yield port, received


@contextmanager
def proxied(folder: Path, **options: bytes) -> Iterator[tuple[Proxy, int, list[bytes]]]:
    with ExitStack() as stack:
        port, received = stack.enter_context(secure_service(folder))
        proxy = Proxy(port, **options)
        yield proxy, stack.enter_context(serving(proxy)), received


def put_securely(url: str, seconds: float = 5) -> Answer:
    trust = tls.context({"tls_ca": ROOT.certificate})
    request = Request("PUT", urlsplit(url), "/me", {"Authorization": "Bearer s3cret"})
    return http_client.send(WHERE, request, Limit(seconds), trust, 1000)


def test_a_proxy_is_asked_for_a_tunnel_and_sees_nothing_of_what_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxied(tmp_path) as (proxy, port, received):
        monkeypatch.setenv("HTTPS_PROXY", f"http://us%40er:p%3Ass@localhost:{port}")
        assert put_securely("https://api.example.com/me").body == b"hi"
    assert proxy.heads[0].splitlines() == [
        b"CONNECT api.example.com:443 HTTP/1.1",
        b"Host: api.example.com:443",
        b"Proxy-Authorization: Basic dXNAZXI6cDpzcw==",
        b"",
    ]
    assert b"s3cret" not in b"".join(proxy.passed)
    assert b"Authorization: Bearer s3cret" in received[0]
    assert b"Proxy" not in received[0]


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("form", ["http://localhost:{}", "http://localhost:{}/", "localhost:{}"])
def test_every_usual_way_to_name_a_proxy_is_understood(
    name: str, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxied(tmp_path) as (_, port, _):
        monkeypatch.setenv(name, form.format(port))
        assert put_securely("https://api.example.com/me").status == 200


@pytest.mark.parametrize("url", ["https://[2001:db8::1]/me", "https://[2001:db8::1]:8443/me"])
def test_an_ipv6_address_is_in_brackets_for_the_proxy(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxied(tmp_path) as (proxy, port, _):
        monkeypatch.setenv("HTTPS_PROXY", f"localhost:{port}")
        with refused(ConfigurationError, "'tls_server_name'"):
            put_securely(url)
        assert proxy.heads[0].startswith(f"CONNECT [2001:db8::1]:{urlsplit(url).port or 443} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize("no_proxy", ["localhost", "*", ".localdomain,localhost", "other.example.com, localhost"])
def test_hosts_of_no_proxy_are_asked_directly(no_proxy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://localhost:1")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    with secure_service(tmp_path) as (port, _), refused(ConfigurationError, "'tls_server_name'"):
        put_securely(f"https://localhost:{port}/me")  # reached: its certificate has another name


@pytest.mark.parametrize(
    ("url", "no_proxy"),
    [
        ("https://127.0.0.1:{}/", "127.0.0.1"),
        ("https://127.0.0.1:{}/", "127.0.0.1:{}"),
        ("https://localhost:{}/", "LOCALHOST:{}"),
        ("https://[::1]:{}/", "::1"),
        ("https://[::1]:{}/", "[::1]"),
        ("https://[::1]:{}/", "example.com,::1"),
    ],
)
def test_addresses_of_no_proxy_are_asked_directly(url: str, no_proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    port = 1
    monkeypatch.setenv("HTTPS_PROXY", "http://localhost:2")
    monkeypatch.setenv("NO_PROXY", no_proxy.format(port))
    with pytest.raises(NetworkError) as caught:
        put_securely(url.format(port))
    assert "HTTPS_PROXY" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 Connection Established\r\nProxy-agent: x\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\n\r\n",
    ],
)
def test_whatever_a_proxy_says_of_a_tunnel_that_is_open_it_has_no_body(
    answer: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxied(tmp_path, answer=answer) as (_, port, _):
        monkeypatch.setenv("HTTPS_PROXY", f"localhost:{port}")
        assert put_securely("https://api.example.com/me").body == b"hi"


def test_hosts_beside_those_of_no_proxy_are_asked_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://localhost:1")
    monkeypatch.setenv("NO_PROXY", "ample.com,example.com.evil")
    with refused(NetworkError, WHERE, "localhost:1", "HTTPS_PROXY"):
        put_securely("https://api.example.org/me")


@pytest.mark.parametrize(
    ("answer", "kind", "named"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nX: 1\r\n\r\n", ConfigurationError, "407"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", ConfigurationError, "403"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", NetworkError, "502"),
        (b"HTTP/1.1 \r\n\r\n", NetworkError, "no answer"),
        (b"SSH-2.0-OpenSSH\r\n", NetworkError, "no answer"),
    ],
)
def test_a_proxy_that_refuses_is_named(
    answer: bytes, kind: type[Exception], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(answering(answer)) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:s3cret@localhost:{port}")
        with refused(kind, WHERE, f"localhost:{port}", "HTTPS_PROXY", named):  # type: ignore[arg-type]
            put_securely("https://api.example.com/me")


def test_a_proxy_that_answers_byte_by_byte_is_given_up_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(dripping(b"HTTP/1.1 200 ")) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://localhost:{port}")
        with refused(NetworkError, WHERE, "0.5 s", "HTTPS_PROXY"):
            put_securely("https://api.example.com/me", seconds=0.5)


@pytest.mark.parametrize("proxy", ["https://proxy.example.com", "socks5://localhost:1", "http://:1", "http://a:b:c"])
def test_a_proxy_that_cannot_be_used_is_refused_by_the_variable(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with refused(ConfigurationError, "HTTPS_PROXY", "http://host:port"):
        put_securely("https://api.example.com/me")


def test_what_goes_without_tls_is_never_given_to_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[bytes] = []
    with serving(answering(OK, received)) as port:
        monkeypatch.setenv("HTTP_PROXY", f"http://localhost:{port}")
        with refused(ConfigurationError, "HTTP_PROXY", "NO_PROXY", "https"):
            put(1)
        assert received == []
        monkeypatch.setenv("NO_PROXY", "localhost")
        assert put(port).status == 200
