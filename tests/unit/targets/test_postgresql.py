"""The target postgresql without a server: what it makes of errors, and what it sends in place of a password."""

import base64
import hashlib
import hmac
import ssl

import pytest
from pg8000 import native
from scramp import ScramException

from secret_rotation.errors import AuthenticationError, ConfigurationError, NetworkError, RotationError, TargetError
from secret_rotation.targets import postgresql
from secret_rotation.targets.databases.strategies import Server
from tests.messages import assert_explains, refused

SERVER = Server("db.example.com", 5432, "app")
WHERE = "db.example.com:5432"


def assert_error(error: Exception, kind: type[RotationError], *named: str) -> None:
    assert_explains(postgresql._explain(error, SERVER, "app"), kind, WHERE, *named)


@pytest.mark.parametrize(
    ("state", "kind", "named"),
    [
        ("28000", ConfigurationError, ["pg_hba.conf", "TLS"]),
        ("3D000", ConfigurationError, ["'dbname'"]),
        ("42501", ConfigurationError, ["administrator"]),
        ("42704", ConfigurationError, ["role", "'_clone'"]),
        ("25006", ConfigurationError, ["read-only", "primary"]),
        ("53300", NetworkError, []),
        ("57P03", NetworkError, []),
        ("08006", NetworkError, []),
        ("XX000", TargetError, []),
    ],
)
def test_a_state_decides_the_class_and_is_named(state: str, kind: type[RotationError], named: list[str]) -> None:
    assert_error(native.DatabaseError({"C": state, "M": "s3cret statement"}), kind, f"SQLSTATE {state}", *named)


def test_a_refused_password_names_the_user() -> None:
    assert_error(native.DatabaseError({"C": "28P01", "M": "s3cret"}), AuthenticationError, "'app'")


def test_an_answer_without_a_state_is_a_refused_statement() -> None:
    assert_error(native.DatabaseError({}), TargetError, "SQLSTATE")


def test_what_failed_while_the_driver_cleaned_up_does_not_hide_the_cause() -> None:
    later = native.InterfaceError("s3cret")
    later.__context__ = native.DatabaseError({"C": "28P01"})
    assert_error(later, AuthenticationError, "'app'")


def test_a_server_that_is_not_reached_is_named_with_what_to_check() -> None:
    assert_error(ConnectionRefusedError("s3cret"), NetworkError, "ConnectionRefusedError", "security groups")


def test_a_failed_handshake_names_the_server_and_the_setting() -> None:
    assert_error(ssl.SSLError("s3cret"), ConfigurationError, "SSLError", "'tls_ca'")


def test_an_exchange_of_the_password_that_fails_names_scram() -> None:
    assert_error(ScramException("s3cret"), TargetError, "SCRAM")


def scram(password: str, salt: bytes, iterations: int) -> tuple[bytes, bytes]:
    """StoredKey and ServerKey of RFC 5802."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client, server = (hmac.digest(salted, text, "sha256") for text in (b"Client Key", b"Server Key"))
    return hashlib.sha256(client).digest(), server


@pytest.mark.parametrize(("setting", "iterations"), [(None, 4096), ("1", 4096), ("4097", 4097), ("10000", 10_000)])
def test_a_verifier_has_the_servers_iterations_but_no_fewer_than_usual(setting: str | None, iterations: int) -> None:
    kind, counted, rest = postgresql._verifier("app", "new-password", "scram-sha-256", setting).split("$")
    stored, server = (base64.b64decode(part) for part in rest.split(":"))
    count, salt = counted.split(":")
    assert (kind, int(count)) == ("SCRAM-SHA-256", iterations)
    assert (stored, server) == scram("new-password", base64.b64decode(salt), iterations)


@pytest.mark.parametrize("setting", ["md5", "on"])  # "on": PostgreSQL before 10
def test_where_the_server_keeps_md5_hashes_it_gets_one(setting: str) -> None:
    expected = hashlib.md5(b"new-passwordapp").hexdigest()
    assert postgresql._verifier("app", "new-password", setting, None) == f"md5{expected}"


def test_a_password_that_scram_forbids_is_refused() -> None:
    with refused(ConfigurationError, "SCRAM"):
        postgresql._verifier("app", "s3cret\a", "scram-sha-256", None)
