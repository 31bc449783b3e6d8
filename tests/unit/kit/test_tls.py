"""TLS over a connection with a limit, against real servers with certificates of every kind."""

import json
import socket
import ssl
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption

from secret_rotation.errors import ConfigurationError, NetworkError
from secret_rotation.kit import certificate, tls
from secret_rotation.kit.connection import Limit, connect
from secret_rotation.target import Credential
from tests.messages import refused
from tests.support.contexts import context, credential

from .certificates import Identity, issue, server
from .servers import Talk, dripping, serving, silent

ROOT = issue("Test root", is_ca=True)
MIDDLE = issue("Test intermediate", ROOT, is_ca=True)
LEAF = issue("db.example.com", MIDDLE)
CLIENT = issue("app", ROOT)


@pytest.fixture(autouse=True)
def _no_other_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    monkeypatch.setenv("SSL_CERT_DIR", "/dev/null")


def greeting(trust: ssl.SSLContext) -> Talk:
    """A server that says hello to who it lets in."""

    def talk(connection: socket.socket, over: threading.Event) -> None:
        with suppress(OSError), trust.wrap_socket(connection, server_side=True) as secure:
            secure.sendall(b"hello")
            over.wait(10)

    return talk


def greeted(
    talk: Talk,
    settings: dict[str, str],
    client: Credential | None = None,
    seconds: float = 5,
    host: str = "db.example.com",
) -> bytes:
    """What the server says over TLS to who takes it for ``host``."""
    trust = tls.context(settings, client)
    assert trust is not None
    with serving(talk) as port, connect("127.0.0.1", port, Limit(seconds)) as plain:
        try:
            with trust.wrap_socket(plain, server_hostname=host) as secure:
                return secure.recv(5)
        except ssl.SSLError as error:
            raise tls.problem("db.example.com:1", error) from None


def shown(identity: Identity, **others: str) -> Credential:
    document = {"certificate": identity.certificate, "private_key": identity.private_key, **others}
    return Credential("v1", json.dumps(document))


# What is trusted.


@pytest.mark.parametrize("trusted", [ROOT, MIDDLE, LEAF], ids=["root", "intermediate", "the server's own"])
def test_whichever_certificate_of_the_chain_is_given_is_trusted(trusted: Identity, tmp_path: Path) -> None:
    assert greeted(greeting(server(tmp_path, LEAF, MIDDLE)), {"tls_ca": trusted.certificate}) == b"hello"


def test_a_certificate_of_another_authority_is_not_trusted(tmp_path: Path) -> None:
    other = issue("Test root", is_ca=True)
    with refused(ConfigurationError, "db.example.com:1", "CERTIFICATE_VERIFY_FAILED", "'tls_ca'"):
        greeted(greeting(server(tmp_path, LEAF, MIDDLE)), {"tls_ca": other.certificate})


def test_a_self_signed_certificate_is_trusted_when_it_is_given(tmp_path: Path) -> None:
    own = issue("db.example.com")
    assert greeted(greeting(server(tmp_path, own)), {"tls_ca": own.certificate}) == b"hello"


@pytest.mark.parametrize("comment", ["# Autorité de Zürich €\n", "\ufeff# BOM\r\n", "# \x00\n"])
@pytest.mark.parametrize("where", ["setting", "file"])
def test_comments_in_a_bundle_may_be_in_any_language(
    comment: str, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = f"{comment}{MIDDLE.certificate}{comment}{ROOT.certificate}{comment}"
    monkeypatch.setattr(tls, "ROOT", tmp_path)
    (tmp_path / "ca.pem").write_bytes(bundle.encode())
    given = bundle if where == "setting" else "ca.pem"
    assert greeted(greeting(server(tmp_path, LEAF, MIDDLE)), {"tls_ca": given}) == b"hello"


@pytest.mark.parametrize("given", ["nonsense", "/not/there", "-----BEGIN CERTIFICATE-----\nAAAA\n", "a\0b"])
def test_what_is_no_bundle_is_refused(given: str) -> None:
    with refused(ConfigurationError, "'tls_ca'", "PEM"):
        tls.context({"tls_ca": given})


# Which name the certificate must have.


def test_a_certificate_for_another_name_is_refused_and_the_setting_is_named(tmp_path: Path) -> None:
    other = issue("real.example.com", ROOT)
    with refused(ConfigurationError, "'tls_server_name'"):
        greeted(greeting(server(tmp_path, other)), {"tls_ca": ROOT.certificate})


def test_the_name_to_verify_may_be_given(tmp_path: Path) -> None:
    """The host is a CNAME or an address, and the certificate has the real name."""
    other = issue("real.example.com", ROOT)
    given = {"tls_ca": ROOT.certificate, "tls_server_name": "real.example.com"}
    assert greeted(greeting(server(tmp_path, other)), given) == b"hello"


def test_a_name_that_is_given_is_the_only_one(tmp_path: Path) -> None:
    given = {"tls_ca": ROOT.certificate, "tls_server_name": "real.example.com"}
    with refused(ConfigurationError, "'tls_server_name'"):
        greeted(greeting(server(tmp_path, LEAF, MIDDLE)), given)


@pytest.mark.parametrize("given", [{}, {"tls_server_name": "db.example.com."}])
def test_the_dot_at_the_end_of_a_name_is_for_the_resolver_alone(given: dict[str, str], tmp_path: Path) -> None:
    settings = {"tls_ca": ROOT.certificate, **given}
    assert greeted(greeting(server(tmp_path, LEAF, MIDDLE)), settings, host="db.example.com.") == b"hello"


def test_a_certificate_without_alternative_names_is_for_its_common_name(tmp_path: Path) -> None:
    """As MySQL makes them itself, and as its clients, and PostgreSQL's, verify them."""
    own = issue("MySQL_Server_8.0.36_Auto_Generated_Server_Certificate", ROOT, has_names=False)
    given = {"tls_ca": ROOT.certificate, "tls_server_name": "MySQL_Server_8.0.36_Auto_Generated_Server_Certificate"}
    assert greeted(greeting(server(tmp_path, own)), given) == b"hello"
    with refused(ConfigurationError, "'tls_server_name'"):
        greeted(greeting(server(tmp_path, own)), {"tls_ca": ROOT.certificate})


@pytest.mark.parametrize("critical", [True, False])
def test_an_authority_may_be_as_old_tools_made_it(critical: bool, tmp_path: Path) -> None:
    """Python 3.13 began to refuse constraints that are not critical, and certificates without key identifiers."""
    old = issue("Old root", is_ca=True, critical=critical)
    leaf = issue("db.example.com", old)
    assert greeted(greeting(server(tmp_path, leaf)), {"tls_ca": old.certificate}) == b"hello"


# What the function shows of itself.


def demanding(folder: Path, version: ssl.TLSVersion) -> ssl.SSLContext:
    trust = server(folder, LEAF, MIDDLE)
    trust.maximum_version = version
    trust.verify_mode = ssl.CERT_REQUIRED
    trust.load_verify_locations(cadata=ROOT.certificate)
    return trust


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_s_certificate_is_shown(version: ssl.TLSVersion, tmp_path: Path) -> None:
    talk = greeting(demanding(tmp_path, version))
    assert greeted(talk, {"tls_ca": ROOT.certificate}, shown(CLIENT)) == b"hello"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_that_demands_one_is_reported_as_such(version: ssl.TLSVersion, tmp_path: Path) -> None:
    with refused(ConfigurationError, "'tls_client_secret_arn'"):
        greeted(greeting(demanding(tmp_path, version)), {"tls_ca": ROOT.certificate})


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_that_rejects_it_is_reported_as_such(version: ssl.TLSVersion, tmp_path: Path) -> None:
    with refused(ConfigurationError, "rejects", "'tls_client_secret_arn'"):
        greeted(greeting(demanding(tmp_path, version)), {"tls_ca": ROOT.certificate}, shown(issue("app")))


@pytest.mark.parametrize(
    "change",
    [
        {"private_key": "s3cret-nonsense"},
        {"certificate": "s3cret-nonsense"},
        {"private_key": LEAF.private_key},
        {"private_key": CLIENT.key_pem(BestAvailableEncryption(b"s3cret"))},
    ],
    ids=["no key", "no certificate", "another's key", "an encrypted key"],
)
def test_a_pair_that_cannot_be_used_is_refused(change: dict[str, str]) -> None:
    with refused(ConfigurationError, "'certificate'", "'private_key'", "'tls_client_secret_arn'"):
        tls.context({}, shown(CLIENT, **change))


def test_no_private_key_is_left_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = len(list(Path("/proc/self/fd").iterdir()))
    tls.context({}, shown(CLIENT))
    assert list(tmp_path.iterdir()) == []
    assert len(list(Path("/proc/self/fd").iterdir())) == before


class Manager:
    """Answers GetSecretValue."""

    def __init__(self, text: str) -> None:
        self.text = text

    def get_secret_value(self, SecretId: str) -> dict[str, str]:  # noqa: N803 - boto3's name
        return {"VersionId": SecretId, "SecretString": self.text}


def certificate_of(text: str, admin: Credential | None = None, **settings: str) -> Credential | None:
    return certificate.of(context(credential("new"), client=lambda _: Manager(text), **settings), admin)


def test_a_secret_of_its_own_holds_the_certificate_for_every_login() -> None:
    for admin in (None, credential("s3cret-admin")):
        found = certificate_of(shown(CLIENT).text, admin, tls_client_secret_arn="arn:client")
        assert found is not None
        assert found.get("private_key") == CLIENT.private_key


def test_an_administrator_may_have_one_of_its_own() -> None:
    admin = shown(CLIENT)
    assert certificate_of("{}", admin, tls_client_secret_arn="arn:client") is admin
    assert certificate_of("{}", admin) is admin


def test_without_a_setting_none_is_shown() -> None:
    assert certificate_of("{}") is None
    assert certificate_of("{}", credential("s3cret-admin", private_key="s3cret-other")) is None


@pytest.mark.parametrize("text", ["{}", "s3cret", '{"certificate": "s3cret"}', '{"private_key": "s3cret"}'])
def test_a_secret_without_a_certificate_is_refused_by_its_name(text: str) -> None:
    with refused(ConfigurationError, "arn:client", "'tls_client_secret_arn'", "'certificate'", "'private_key'"):
        certificate_of(text, tls_client_secret_arn="arn:client")


# Servers with which there is no TLS.


def test_a_server_that_speaks_only_old_tls_is_reported_as_such(tmp_path: Path) -> None:
    trust = server(tmp_path, LEAF, MIDDLE)
    trust.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        trust.minimum_version, trust.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with refused(ConfigurationError, "TLS 1.1", "TLS 1.2"):
        greeted(greeting(trust), {"tls_ca": ROOT.certificate})


@pytest.mark.parametrize("said", [b"220 mail.example.com ESMTP\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_server_that_speaks_no_tls_is_reported_as_such(said: bytes) -> None:
    with refused(ConfigurationError, "tls", '"disable"'):
        greeted(lambda connection, over: connection.sendall(said), {})


def hang_up(connection: socket.socket, over: threading.Event) -> None:
    connection.recv(1000)


def test_a_server_that_hangs_up_is_reported_as_such() -> None:
    with refused(ConfigurationError, "closed", "port"):
        greeted(hang_up, {})


def test_a_certificate_is_never_a_reason_to_go_without_tls(tmp_path: Path) -> None:
    expired = issue("db.example.com", ROOT, days=-1)
    for chain, settings in (
        ((LEAF,), {}),
        ((issue("db.example.com"),), {}),
        ((expired,), {"tls_ca": ROOT.certificate}),
    ):
        with pytest.raises(ConfigurationError, match="CERTIFICATE") as caught:
            greeted(greeting(server(tmp_path, *chain)), settings)
        assert "disable" not in str(caught.value)


def test_a_connection_that_ends_after_the_handshake_is_the_network_s() -> None:
    with refused(NetworkError, "db.example.com:1"):
        raise tls.problem("db.example.com:1", ssl.SSLEOFError())


@pytest.mark.parametrize("talk", [silent, dripping(b"\x16\x03\x03\x40\x00")], ids=["silent", "byte by byte"])
def test_a_handshake_that_does_not_end_is_given_up_at_the_end(talk: Talk) -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        greeted(talk, {}, seconds=0.5)
    assert 0.4 < time.monotonic() - began < 1


def test_an_answer_over_tls_that_comes_byte_by_byte_is_given_up_at_the_end(tmp_path: Path) -> None:
    def talk(connection: socket.socket, over: threading.Event) -> None:
        with server(tmp_path, LEAF, MIDDLE).wrap_socket(connection, server_side=True) as secure:
            dripping(b"")(secure, over)

    trust, began = tls.context({"tls_ca": ROOT.certificate}), time.monotonic()
    assert trust is not None
    with (
        serving(talk) as port,
        connect("127.0.0.1", port, Limit(0.5)) as plain,
        trust.wrap_socket(plain, server_hostname="db.example.com") as secure,
        pytest.raises(TimeoutError),
    ):
        secure.makefile("rb").readline()
    assert 0.4 < time.monotonic() - began < 1


def test_the_setting_tls_is_checked() -> None:
    assert tls.context({"tls": "disable"}) is None
    with refused(ConfigurationError, "'tls'", "'no'", "verify", "disable"):
        tls.context({"tls": "no"})
