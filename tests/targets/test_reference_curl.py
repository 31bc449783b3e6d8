"""What curl opens, the http target opens, and what it sends is what curl sends: the same server, values and settings.

Each known difference has a reason, and is a case too: docs/decisions/0013-http-client.md.
"""

import contextlib
import datetime
import ipaddress
import json
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from secret_rotation.errors import RotationError
from secret_rotation.targets import http
from tests.support import contexts
from tests.support.contexts import credential
from tests.unit.kit import certificates
from tests.unit.kit.certificates import Identity, issue
from tests.unit.kit.servers import Talk, serving

OPENS, CLOSED = True, False
OK = b"HTTP/1.1 200 OK\r\n"
EMPTY = b"Content-Length: 0\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def ask(url: str, password: str = "new", username: str = "app", **settings: str) -> None:
    given = {"set_url": url, "test_url": url, **settings}
    if url.lower().startswith("http:"):
        given["tls"] = "disable"
    http.test_secret(contexts.of("http")(credential(password, username=username), seconds=15.0, **given))


def opens(url: str, **settings: Any) -> bool:
    try:
        ask(url, **settings)
    except RotationError:
        return False
    return True


def curl(url: str, *options: str) -> bool:
    """Whether it gets an answer, of a status that means success."""
    command = ["curl", "-q", "-sS", "-g", "-o", os.devnull, "-w", "%{http_code}", "--max-time", "15", *options, url]
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=30)
    return done.returncode == 0 and done.stdout.startswith(b"2")


@pytest.fixture(autouse=True)
def _no_other_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    monkeypatch.setenv("SSL_CERT_DIR", os.devnull)


# Answers.


def head_of(connection: socket.socket) -> tuple[bytes, bytes]:
    """The head of a request, and what came behind it; both empty when the client has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(1 << 16)
        if not more:
            return b"", b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    return head, body


def answering(answer: bytes) -> Talk:
    def talk(connection: socket.socket, over: threading.Event) -> None:
        if head_of(connection)[0]:
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)

    return talk


ANSWERS = [
    OK + EMPTY,
    b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    b"HTTP/1.1 200 OK\r\r\nContent-Length: 0\r\r\n\r\r\n",
    b"HTTP/1.1 200\r\n" + EMPTY,
    b"HTTP/1.1 200 \r\n" + EMPTY,
    b"HTTP/1.1  200 OK\r\n" + EMPTY,
    b"HTTP/1.1\t200 OK\r\n" + EMPTY,
    b"http/1.1 200 ok\r\n" + EMPTY,
    "HTTP/1.1 200 Да\r\n".encode() + EMPTY,
    b"HTTP/1.0 200 OK\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\nbody",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nbody",
    b"HTTP/2 200\r\n" + EMPTY,
    b"HTTP/2.0 200 OK\r\n" + EMPTY,
    b"HTTP/1 200 OK\r\n" + EMPTY,
    b"ICY 200 OK\r\n" + EMPTY,
    b"hello\r\n",
    b"HTTP/1.1 20 OK\r\n" + EMPTY,
    b"HTTP/1.1 2000 OK\r\n" + EMPTY,
    b"\r\n" + OK + EMPTY,
    b"\xef\xbb\xbf" + OK + EMPTY,
    b"",
    b"HTTP/1.1 20",
    b"HTTP/1.1 200 OK",
    *(b"HTTP/1.1 %d X\r\n" % status + EMPTY for status in (0, 99, 203, 205, 206, 226, 299, 300, 304, 400, 600, 999)),
    b"HTTP/1.1 301 Moved\r\nLocation: /other\r\n" + EMPTY,
    b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
    # Headers.
    OK + b"X: a\r\n folded\r\n\tand again\r\n" + EMPTY,
    OK + b"X: a\r\n \r\n" + EMPTY,
    OK + b": no name\r\n" + EMPTY,
    OK + b"X: \xe9\xff\r\n" + EMPTY,
    OK + b"X: a\rb\r\n" + EMPTY,
    OK + b"X: " + b"x" * 90_000 + b"\r\n" + EMPTY,
    OK + (b"X: " + b"x" * 1000 + b"\r\n") * 290 + EMPTY,
    OK + b"Set-Cookie: a=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT\r\n" * 300 + EMPTY,
    # Where the body ends.
    OK + b"\r\n",
    OK + b"\r\nabc",
    OK + b"Content-Length : 0\r\n\r\n",
    OK + b"content-length:0\r\n\r\n",
    OK + b"Content-Length: +0\r\n\r\n",
    OK + b"Content-Length: 0, 0\r\n\r\n",
    OK + b"Content-Length: 0\r\n" + EMPTY,
    OK + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\nhello",
    OK + b"Content-Length: 99999999999999999999999\r\n\r\n",
    OK + EMPTY + b"garbage",
    CHUNKED + b"3\r\nabc\r\n0\r\n\r\n",
    CHUNKED + b"0000003;name=value\r\nabc\r\n0\r\nTrailer: 1\r\n\r\n",
    OK + b"Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: identity\r\n\r\nabc",
    OK + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    OK + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    OK + b"Content-Encoding: unknown\r\n" + EMPTY,
    # Interim answers.
    b"HTTP/1.1 100 Continue\r\n\r\n" + OK + EMPTY,
    b"HTTP/1.1 100 Continue\n\n" + OK + EMPTY,
    b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n" + OK + EMPTY,
    b"HTTP/1.1 102 Processing\r\n\r\n" * 20 + OK + EMPTY,
    b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" + OK + EMPTY,
    b"HTTP/1.1 199 X\r\n\r\n" + OK + EMPTY,
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + OK + EMPTY,
]


@pytest.mark.parametrize("answer", ANSWERS, ids=range(len(ANSWERS)))
def test_curl_and_the_target_take_the_same_answers(answer: bytes) -> None:
    with serving(answering(answer)) as port:
        url = f"http://127.0.0.1:{port}/me"
        assert opens(url) == curl(url)


UNREAD = [
    CHUNKED + b"zz\r\n",
    CHUNKED + b"5\r\nab",
    OK + b"Content-Length: 10\r\n\r\nabc",
    *(OK + b"Content-Length:" + length + b"\r\n\r\n" for length in (b"", b" -1", b" junk")),
]


@pytest.mark.parametrize("answer", UNREAD, ids=range(len(UNREAD)))
def test_the_target_does_not_look_at_a_body_that_it_does_not_need(answer: bytes) -> None:
    """The status has been received, and that is the answer."""
    with serving(answering(answer)) as port:
        url = f"http://127.0.0.1:{port}/me"
        assert (opens(url), curl(url)) == (OPENS, CLOSED)


LENIENT = [
    OK + b"nonsense\r\n" + EMPTY,
    OK + b"X: a\0b\r\n" + EMPTY,
    OK + (b"X: " + b"x" * 1000 + b"\r\n") * 310 + EMPTY,
    OK + b"X: " + b"x" * 150_000 + b"\r\n" + EMPTY,
    b"HTTP/1.2 200 OK\r\n" + EMPTY,
]


@pytest.mark.parametrize("answer", LENIENT, ids=range(len(LENIENT)))
def test_headers_that_the_target_does_not_need_may_be_odder_and_longer(answer: bytes) -> None:
    with serving(answering(answer)) as port:
        url = f"http://127.0.0.1:{port}/me"
        assert (opens(url), curl(url)) == (OPENS, CLOSED)


def test_a_head_that_ends_in_the_middle_is_no_answer() -> None:
    """curl takes it. Whoever closed the connection may not have been the service."""
    with serving(answering(OK + b"X: 1\r\n")) as port:
        url = f"http://127.0.0.1:{port}/me"
        assert (opens(url), curl(url)) == (CLOSED, OPENS)


# Requests.

COMPARED = {"authorization", "host", "cookie", "x", "content-type", "content-length", "expect", "api_key", "connection"}
Seen = tuple[str, list[tuple[str, str]], bytes]


class Recorder:
    """A server that keeps what it is asked."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []

    def __call__(self, connection: socket.socket, over: threading.Event) -> None:
        head, body = head_of(connection)
        if not head:
            return
        line, *headers = head.decode("latin-1").split("\r\n")
        pairs = [(name.lower(), value.strip()) for name, _, value in (header.partition(":") for header in headers)]
        if "expect" in dict(pairs):
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        while len(body) < int(dict(pairs).get("content-length", 0)):
            body += connection.recv(1 << 16)
        self.seen.append((line, sorted(pair for pair in pairs if pair[0] in COMPARED), body))
        connection.sendall(OK + EMPTY)

    def of(self, do: Callable[[], object]) -> Seen:
        """What it is asked by this."""
        self.seen.clear()
        do()
        (found,) = self.seen
        return found


@pytest.fixture(scope="module")
def recorder() -> Iterator[tuple[Recorder, str]]:
    made = Recorder()
    with serving(made) as port:
        yield made, f"127.0.0.1:{port}"


def agree(recorder: tuple[Recorder, str], url: str, options: Sequence[str], **settings: str) -> None:
    made, address = recorder
    full = url.replace("HOST", address)
    assert made.of(lambda: ask(full, **settings)) == made.of(lambda: curl(full, *options))


URLS = [
    "http://HOST",
    "http://HOST/",
    "http://HOST?x=1",
    "http://HOST//a//b",
    "http://HOST/a%20b",
    "http://HOST/%2e%2e/b",
    "http://HOST/%zz",
    "http://HOST/a?x=a+b%2B&y=%26",
    "http://HOST/a?b?c",
    "http://HOST/a?x[]=1",
    "http://HOST/a;x=1",
    "http://HOST/a[1]",
    "http://HOST/a=b&c",
    "http://HOST/a|b\\c\"d^e`f'",
    "http://HOST/*",
    "HTTP://HOST/x",
    "http://HOST/" + "x" * 9000,
]


@pytest.mark.parametrize("url", URLS)
def test_curl_and_the_target_ask_for_the_same(recorder: tuple[Recorder, str], url: str) -> None:
    agree(recorder, url, [])


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "[::ffff:127.0.0.1]"])
def test_curl_and_the_target_find_the_same_host(recorder: tuple[Recorder, str], host: str) -> None:
    made, address = recorder
    url = f"http://{host}:{address.rpartition(':')[2]}/x"
    ours, theirs = made.of(lambda: ask(url)), made.of(lambda: curl(url))
    assert str(ours).lower() == str(theirs).lower()  # in the header Host a name may be in lower case


@pytest.mark.parametrize(("path", "ours", "theirs"), [("/a/../b", "/a/../b", "/b"), ("/a?", "/a", "/a?")])
def test_the_path_is_sent_as_it_is_written(recorder: tuple[Recorder, str], path: str, ours: str, theirs: str) -> None:
    """As curl does with --path-as-is: what stands in a setting is not guessed at. An empty query is none."""
    made, address = recorder
    url = f"http://{address}{path}"
    assert made.of(lambda: ask(url))[0] == f"GET {ours} HTTP/1.1"
    assert made.of(lambda: curl(url))[0] == f"GET {theirs} HTTP/1.1"


WORDS = [
    "word", "a b", "a:b", ":", " lead", "trail ", "ünï", "€", "\U0001f600", "\u0378", '"quoted"', "'", "%41", "a\\b",
    "x" * 300, "tab\t", "line\nbreak", "\x7f", "\x01", "@file", "-", "--x", "==", "&", "$HOME", "{{login}}", "a\u200bb",
]  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
def test_curl_and_the_target_log_in_with_the_same_password(recorder: tuple[Recorder, str], word: str) -> None:
    agree(recorder, "http://HOST/me", ["--user", f"app:{word}"], password=word, test_auth="basic")


@pytest.mark.parametrize("name", ["a b", "ünï", "a@example.com", '"x"', "DOMAIN\\user", "-u", "%", " "])
def test_curl_and_the_target_log_in_with_the_same_name(recorder: tuple[Recorder, str], name: str) -> None:
    agree(recorder, "http://HOST/me", ["--user", f"{name}:new"], username=name, test_auth="basic")


@pytest.mark.parametrize(
    ("login", "auth"),
    [(":new", {"auth_username": ""}), ("new:", {"auth_username": "{{login}}", "auth_password": ""})],
)
def test_a_login_may_be_of_one_half_only(recorder: tuple[Recorder, str], login: str, auth: dict[str, str]) -> None:
    agree(recorder, "http://HOST/me", ["--user", login], test_auth="basic", **auth)


@pytest.mark.parametrize("token", ["word", "a b", "a.b-c_~+/=", "x" * 5000, '{"a":1}', "trail "])
def test_curl_and_the_target_send_the_same_token(recorder: tuple[Recorder, str], token: str) -> None:
    agree(
        recorder, "http://HOST/me", ["-H", f"Authorization: Bearer {token}"], password=token, test_auth="bearer"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X", "a"),
        ("X", ""),
        ("X", " a "),
        ("X", "a\tb"),
        ("api_key", "k"),
        ("Host", "other.example.com"),
        ("host", "other:8080"),
        ("Cookie", "a=b; c=d"),
        ("Connection", "close"),
        ("Expect", "100-continue"),
        ("Authorization", "Token token=abc"),
    ],
)
def test_curl_and_the_target_send_the_same_header(recorder: tuple[Recorder, str], name: str, value: str) -> None:
    option = f"{name}: {value}" if value else f"{name};"
    agree(recorder, "http://HOST/me", ["-H", option], test_headers=json.dumps({name: value}))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET"])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", '{"a": "b"}'),
        ("application/x-www-form-urlencoded", "a=b+c&d="),
        ("text/plain", "é\n@file"),
        ("text/plain; charset=utf-8", " "),
    ],
)
def test_curl_and_the_target_send_the_same_body(
    recorder: tuple[Recorder, str], method: str, kind: str, body: str
) -> None:
    options = ["-X", method, "-H", f"Content-Type: {kind}", "--data-raw", body]
    given = {"test_method": method, "test_body": body, "test_headers": json.dumps({"Content-Type": kind})}
    agree(recorder, "http://HOST/me", options, **given)


@pytest.mark.parametrize("method", ["DELETE", "OPTIONS", "HEAD", "PURGE"])
def test_curl_and_the_target_send_the_same_without_a_body(recorder: tuple[Recorder, str], method: str) -> None:
    options = ["--head"] if method == "HEAD" else ["-X", method]
    agree(recorder, "http://HOST/me", options, test_method=method)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_that_there_is_no_body_is_said_where_one_is_usual(recorder: tuple[Recorder, str], method: str) -> None:
    """Some servers answer 411 to curl."""
    made, address = recorder
    ours = made.of(lambda: ask(f"http://{address}/me", test_method=method))
    theirs = made.of(lambda: curl(f"http://{address}/me", "-X", method))
    assert ("content-length", "0") in ours[1]
    assert ours == (theirs[0], sorted([*theirs[1], ("content-length", "0")]), b"")


# TLS.

ROOT, OTHER = issue("root", is_ca=True), issue("other", is_ca=True)
BETWEEN = issue("between", by=ROOT, is_ca=True)
LATEST, OLD = ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2
Setup = Callable[[ssl.SSLContext], Any]


def leaf(
    *names: str,
    by: Identity = ROOT,
    cn: str = "x",
    usage: x509.ObjectIdentifier | None = None,
    key: Any = None,
    start: int = -3,
    end: int = 2,
) -> Identity:
    """A server's certificate; a name of digits is an address."""
    own, now = key or ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)]))
        .issuer_name(by.x509.subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=start))
        .not_valid_after(now + datetime.timedelta(days=end))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(map(_general, names))), critical=False)
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return Identity(builder.sign(by.key, hashes.SHA256()), own)


def _general(name: str) -> x509.GeneralName:
    return x509.DNSName(name) if name[-1].isalpha() or name[-1] in "*." else x509.IPAddress(ipaddress.ip_address(name))


def secured(context: ssl.SSLContext, *, says_goodbye: bool = True, demands_alpn: bool = False) -> Talk:
    def talk(connection: socket.socket, over: threading.Event) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            if (demands_alpn and secure.selected_alpn_protocol() is None) or not head_of(secure)[0]:
                return
            secure.sendall(OK + EMPTY)
            if says_goodbye:
                with contextlib.suppress(OSError):
                    secure.unwrap()

    return talk


@contextmanager
def asked_securely(
    folder: Path, talk: Talk, trusted: str = ROOT.certificate, host: str = "localhost"
) -> Iterator[tuple[bool, bool]]:
    """What the target and curl make of it."""
    (folder / "trusted.pem").write_text(trusted)
    with serving(talk) as port:
        url = f"https://{host}:{port}/me"
        yield opens(url, tls_ca=trusted), curl(url, "--cacert", str(folder / "trusted.pem"))


LOCAL = leaf("localhost")
CERTIFICATES: dict[str, tuple[list[Identity], str, str]] = {
    "usual": ([LOCAL], ROOT.certificate, "localhost"),
    "with the one between": ([leaf("localhost", by=BETWEEN), BETWEEN], ROOT.certificate, "localhost"),
    "without the one between": ([leaf("localhost", by=BETWEEN)], ROOT.certificate, "localhost"),
    "the one between is trusted": ([leaf("localhost", by=BETWEEN)], BETWEEN.certificate, "localhost"),
    "both are trusted": ([leaf("localhost", by=BETWEEN)], ROOT.certificate + BETWEEN.certificate, "localhost"),
    "the chain twice, with the root": ([LOCAL, LOCAL, ROOT], ROOT.certificate, "localhost"),
    "in another order": ([leaf("localhost", by=BETWEEN), ROOT, BETWEEN], ROOT.certificate, "localhost"),
    "the server's own is trusted": ([LOCAL], LOCAL.certificate, "localhost"),
    "of another authority": ([LOCAL], OTHER.certificate, "localhost"),
    "of one of two": ([LOCAL], OTHER.certificate + ROOT.certificate, "localhost"),
    "comments in the file": ([LOCAL], f"# é\n{ROOT.certificate}# end", "localhost"),
    "signed by what may not": ([leaf("localhost", by=leaf("x"))], ROOT.certificate, "localhost"),
    "common name only": ([leaf(cn="localhost")], ROOT.certificate, "localhost"),
    "common name and others": ([leaf("other.example.com", cn="localhost")], ROOT.certificate, "localhost"),
    "name in upper case": ([leaf("LOCALHOST")], ROOT.certificate, "localhost"),
    "host in upper case": ([LOCAL], ROOT.certificate, "LOCALHOST"),
    "any name": ([leaf("*")], ROOT.certificate, "localhost"),
    "address": ([leaf("127.0.0.1")], ROOT.certificate, "127.0.0.1"),
    "address in IPv6": ([leaf("::ffff:127.0.0.1")], ROOT.certificate, "[::ffff:127.0.0.1]"),
    "name, asked by address": ([LOCAL], ROOT.certificate, "127.0.0.1"),
    "address, asked by name": ([leaf("127.0.0.1")], ROOT.certificate, "localhost"),
    "expired": ([leaf("localhost", end=-1)], ROOT.certificate, "localhost"),
    "not valid yet": ([leaf("localhost", start=1)], ROOT.certificate, "localhost"),
    "for clients": ([leaf("localhost", usage=ExtendedKeyUsageOID.CLIENT_AUTH)], ROOT.certificate, "localhost"),
    "for servers": ([leaf("localhost", usage=ExtendedKeyUsageOID.SERVER_AUTH)], ROOT.certificate, "localhost"),
    "P-521": ([leaf("localhost", key=ec.generate_private_key(ec.SECP521R1()))], ROOT.certificate, "localhost"),
    "secp256k1": ([leaf("localhost", key=ec.generate_private_key(ec.SECP256K1()))], ROOT.certificate, "localhost"),
}


@pytest.mark.parametrize("name", CERTIFICATES)
def test_curl_and_the_target_trust_the_same_certificates(tmp_path: Path, name: str) -> None:
    chain, trusted, host = CERTIFICATES[name]
    talk = secured(certificates.server(tmp_path, *chain))
    with asked_securely(tmp_path, talk, trusted, host) as (ours, theirs):
        assert ours == theirs


@pytest.mark.parametrize(
    ("name", "given", "host", "ours"),
    [
        ("an address as a common name", leaf(cn="127.0.0.1"), "127.0.0.1", CLOSED),
        ("a name that ends in a dot", leaf("localhost."), "localhost", CLOSED),
        ("a common name beside addresses", leaf("127.0.0.1", cn="localhost"), "localhost", OPENS),
    ],
)
def test_names_that_python_compares_otherwise(
    tmp_path: Path, name: str, given: Identity, host: str, ours: bool
) -> None:
    """Names that no public authority would put into a certificate."""
    talk = secured(certificates.server(tmp_path, given))
    with asked_securely(tmp_path, talk, host=host) as (found, theirs):
        assert (found, theirs) == (ours, not ours)


RSA = leaf("localhost", key=rsa.generate_private_key(65537, 2048))
WEAK = leaf("localhost", key=rsa.generate_private_key(65537, 1024))


def ciphers(names: str) -> Setup:
    def setup(context: ssl.SSLContext) -> None:
        context.maximum_version = OLD
        context.set_ciphers(names)

    return setup


SERVERS: dict[str, tuple[Identity, Setup]] = {
    "TLS 1.2": (LOCAL, lambda context: setattr(context, "maximum_version", OLD)),
    "TLS 1.3": (LOCAL, lambda context: setattr(context, "minimum_version", LATEST)),
    "RSA key exchange": (RSA, ciphers("AES128-GCM-SHA256")),
    "RSA key exchange, CBC and SHA-1": (RSA, ciphers("AES256-SHA")),
    "CBC and SHA-1": (RSA, ciphers("ECDHE-RSA-AES128-SHA")),
    "CBC and SHA-256": (RSA, ciphers("ECDHE-RSA-AES128-SHA256")),
    "Camellia": (RSA, ciphers("ECDHE-RSA-CAMELLIA128-SHA256")),
    "ChaCha20": (LOCAL, ciphers("ECDHE-ECDSA-CHACHA20-POLY1305")),
    "without authentication": (RSA, ciphers("ADH-AES128-SHA256:@SECLEVEL=0")),
    "without encryption": (RSA, ciphers("NULL-SHA256:@SECLEVEL=0")),
    "P-521 only": (LOCAL, lambda context: context.set_ecdh_curve("secp521r1")),
    "asks for a certificate": (LOCAL, lambda context: setattr(context, "verify_mode", ssl.CERT_OPTIONAL)),
    "demands a certificate": (LOCAL, lambda context: setattr(context, "verify_mode", ssl.CERT_REQUIRED)),
}


@pytest.mark.parametrize("name", SERVERS)
def test_curl_and_the_target_open_the_same_servers(tmp_path: Path, name: str) -> None:
    identity, setup = SERVERS[name]
    context = certificates.server(tmp_path, identity)
    setup(context)
    with asked_securely(tmp_path, secured(context)) as (ours, theirs):
        assert ours == theirs
        assert ours == (
            name not in ("Camellia", "without authentication", "without encryption", "demands a certificate")
        )


def test_a_key_that_is_too_weak_is_refused_by_both_and_said(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    file = tmp_path / "weak.pem"
    file.write_text(WEAK.private_key + WEAK.certificate)
    context.load_cert_chain(file)
    with asked_securely(tmp_path, secured(context)) as asked, serving(secured(context)) as port:
        assert asked == (CLOSED, CLOSED)
        with pytest.raises(RotationError, match="too weak"):
            ask(f"https://localhost:{port}/me", tls_ca=ROOT.certificate)


def test_a_certificate_for_clients_is_said_to_be_one(tmp_path: Path) -> None:
    chain, trusted, _ = CERTIFICATES["for clients"]
    with (
        serving(secured(certificates.server(tmp_path, *chain))) as port,
        pytest.raises(RotationError, match="serverAuth"),
    ):
        ask(f"https://localhost:{port}/me", tls_ca=trusted)


def test_a_server_with_no_cipher_in_common_is_said_to_be_one(tmp_path: Path) -> None:
    context = certificates.server(tmp_path, RSA)
    ciphers("ECDHE-RSA-CAMELLIA128-SHA256")(context)
    with serving(secured(context)) as port, pytest.raises(RotationError, match=r"ciphers.*'tls_client_secret_arn'"):
        ask(f"https://localhost:{port}/me", tls_ca=ROOT.certificate)


@pytest.mark.parametrize("says_goodbye", [True, False])
@pytest.mark.parametrize("demands_alpn", [True, False])
def test_curl_and_the_target_open_servers_with_other_manners(
    tmp_path: Path, says_goodbye: bool, demands_alpn: bool
) -> None:
    context = certificates.server(tmp_path, LOCAL)
    context.set_alpn_protocols(["http/1.1"])
    talk = secured(context, says_goodbye=says_goodbye, demands_alpn=demands_alpn)
    with asked_securely(tmp_path, talk) as asked:
        assert asked == (OPENS, OPENS)
