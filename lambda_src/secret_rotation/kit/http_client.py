"""One HTTP request and its answer, over a connection with a limit.

``http.client`` writes the request and reads the body. It does not read the head of an answer, since it refuses what
other clients take: more than 100 headers, a header over 64 KiB, and any 1xx but 100. Here the head has one bound.
See docs/decisions/0013-http-client.md.

``HTTPS_PROXY`` and ``NO_PROXY`` are followed: the proxy is asked for a tunnel (CONNECT), in which TLS goes to the
service, so it never sees what is sent. What goes without TLS is never given to a proxy.
"""

import base64
import http.client
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from email.message import Message
from email.parser import BytesHeaderParser
from io import BufferedReader, BytesIO
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from ..errors import ConfigurationError, NetworkError, RotationError, explained
from . import address, tls
from .connection import Limit, Socket, connect, unanswered

LONGEST_HEAD = 1 << 20
"""Bytes of status line and headers, of all answers to one request together."""
_PORTS = {"https": 443, "http": 80}
_FRAMING = re.compile(rb"(content-length|transfer-encoding|connection)\s*:", re.IGNORECASE)
"""The headers that say where the body ends: all that ``http.client`` needs to see."""
_STATUS = re.compile(rb"HTTP/(?:1\.(\d)|2(?:\.0)?) +([1-9]\d\d)\b.*", re.IGNORECASE | re.DOTALL)
"""As curl reads it: servers write it in lower case too, or say HTTP/2 where they speak HTTP/1.1."""
_INTERIM = re.compile(rb"HTTP/1\.\d 1(?!01)")


class Request(NamedTuple):
    """What is sent."""

    method: str
    url: SplitResult
    """Where to: scheme, host and port."""
    target: str
    """Path and query."""
    headers: Mapping[str, str]
    body: bytes = b""


class Answer(NamedTuple):
    """What came back. It may repeat what was sent: nothing of it but the status is for a message."""

    status: int
    headers: Message
    body: bytes


def send(where: str, request: Request, limit: Limit, trust: ssl.SSLContext | None, most: int = 0) -> Answer:
    """Send the request and read the answer, of its body at most ``most`` bytes. Redirects are not followed.

    Raises ``NetworkError``, or ``ConfigurationError`` for what a certificate or the proxy is the reason of. ``where``
    is what the request is called there.
    """

    with _connected(where, request.url, limit, trust) as connection:
        connection.request(request.method, request.target, request.body or None, dict(request.headers))
        with connection.getresponse() as response:
            body = response.read(most + 1) if most else b""
            if len(body) > most:
                raise NetworkError(f"{where}: the answer is longer than {most} bytes.")
            if most and response.length:
                raise http.client.IncompleteRead(body)
            return Answer(response.status, response.headers, body)


def reach(where: str, url: SplitResult, limit: Limit, trust: ssl.SSLContext | None) -> None:
    """Connect, begin TLS, and send nothing. Raises as ``send`` does."""
    with _connected(where, url, limit, trust) as connection:
        connection.connect()


@contextmanager
def _connected(where: str, url: SplitResult, limit: Limit, trust: ssl.SSLContext | None) -> Iterator["_Connection"]:
    """A connection, which the first request opens, and what its errors mean."""

    def explain(error: Exception) -> RotationError:
        return tls.broken(where, error, limit.waited(), "the URL")

    connection = _Connection(where, url, limit, trust)
    with explained(explain, OSError, http.client.HTTPException), closing(connection):
        yield connection


class _Response(http.client.HTTPResponse):
    """Takes any head below the bound."""

    def begin(self) -> None:
        """Read the head. It is done twice: ``http.client`` gets the part that says where the body ends."""
        body: BufferedReader = self.fp
        lines = _read_head(body)
        self.fp = BufferedReader(BytesIO(b"".join([lines[0], *filter(_FRAMING.match, lines), b"\r\n"])))
        super().begin()
        self.fp = body
        self.headers = self.msg = BytesHeaderParser(_class=http.client.HTTPMessage).parsebytes(b"".join(lines[1:]))


def _read_head(stream: BufferedReader) -> list[bytes]:
    """Status line and headers of the final answer: interim ones (100 Continue, 103 Early Hints) are passed over."""
    left = LONGEST_HEAD
    while True:
        lines = list[bytes]()
        while not lines or lines[-1].strip():
            lines.append(stream.readline(left))
            left -= len(lines[-1])
            _check_line(lines[-1], left)
            lines[0] = _status_line(lines[0])
        if not _INTERIM.match(lines[0]):
            return lines


def _check_line(line: bytes, left: int) -> None:
    if not left:
        raise http.client.LineTooLong(f"head of more than {LONGEST_HEAD} bytes")
    if not line.endswith(b"\n"):
        raise http.client.RemoteDisconnected("The connection ended within the head.")


def _status_line(line: bytes) -> bytes:
    """The line as ``http.client`` wants it."""
    found = _STATUS.match(line)
    if found is None:
        raise http.client.BadStatusLine("not HTTP")
    return b"HTTP/1.%b %b\r\n" % (found[1] or b"1", found[2])


class _Connection(http.client.HTTPConnection):
    response_class = _Response

    def __init__(self, where: str, url: SplitResult, limit: Limit, trust: ssl.SSLContext | None) -> None:
        self._where, self._url, self._limit, self._trust = where, url, limit, trust
        self.default_port = _PORTS[url.scheme]
        # Without a port the library would look for one in an IPv6 address.
        super().__init__(str(url.hostname), url.port or self.default_port)

    def connect(self) -> None:
        """Connect, through the proxy when there is one, and begin TLS."""
        proxy = _proxy(self._url)
        if proxy is None:
            self.sock = connect(self.host, self.port, self._limit, self._where)
        else:
            self.sock = _tunnel(self._where, proxy, f"{_bracketed(self.host)}:{self.port}", self._limit)
        if self._trust is not None:
            self.sock = self._trust.wrap_socket(self.sock, server_hostname=self.host)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _proxy(url: SplitResult) -> SplitResult | None:
    """The proxy for this URL. Raises ``ConfigurationError`` for one that cannot be used, or would see what is sent."""
    found = getproxies()
    text = found.get(url.scheme) or found.get("all")
    # The library takes the end of an IPv6 address without brackets for a port, and those of NO_PROXY have none.
    if not text or proxy_bypass(url.netloc) or proxy_bypass(str(url.hostname)):
        return None
    if url.scheme == "http":
        raise ConfigurationError(
            f"HTTP_PROXY would see what is sent to {url.netloc}, which goes without TLS. Use https, or list the host "
            "in NO_PROXY."
        )
    proxy = _parse_proxy(text)
    if proxy is None:
        raise ConfigurationError(
            "HTTPS_PROXY must be http://host:port or http://user:password@host:port; TLS to the proxy and SOCKS are "
            "not supported."
        )
    return proxy


def _parse_proxy(text: str) -> SplitResult | None:
    try:
        proxy = urlsplit(text if "://" in text else f"http://{text}")
        usable = proxy.scheme == "http" and address.is_host(proxy.hostname or "") and proxy.port != 0
    except ValueError:
        return None
    return proxy if usable else None


def _tunnel(where: str, proxy: SplitResult, destination: str, limit: Limit) -> Socket:
    """A connection through the proxy. Its name and password go to the proxy only, before TLS begins."""
    host, port = str(proxy.hostname), proxy.port or _PORTS["http"]
    where = f"{where}, through the proxy {_bracketed(host)}:{port} of HTTPS_PROXY"
    with ExitStack() as unfinished:
        opened = unfinished.enter_context(connect(host, port, limit, where))
        head = f"CONNECT {destination} HTTP/1.1\r\nHost: {destination}\r\n{_proxy_authorization(proxy)}\r\n"
        with explained(
            lambda error: unanswered(where, error, limit.waited(), "it"), OSError, http.client.HTTPException
        ):
            opened.sendall(head.encode())
            with opened.makefile("rb") as answer:
                status = _read_head(answer)[0].split()[1].decode()
        if not status.startswith("2"):
            raise _refused_by_proxy(where, status)
        unfinished.pop_all()
    return opened


def _proxy_authorization(proxy: SplitResult) -> str:
    if proxy.username is None:
        return ""
    login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
    return f"Proxy-Authorization: Basic {base64.b64encode(login).decode()}\r\n"


def _refused_by_proxy(where: str, status: str) -> RotationError:
    if status.startswith("5"):
        return NetworkError(f"{where}: the proxy answered {status}: it did not reach the service.")
    if status == "407":
        return ConfigurationError(f"{where}: the proxy answered 407. Correct the user and password in HTTPS_PROXY.")
    return ConfigurationError(f"{where}: the proxy answered {status}. Let it through there, or use NO_PROXY.")
