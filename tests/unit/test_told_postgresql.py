"""What the target postgresql tells of a server's answers, word for word, and what it sends in place of a password."""

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

SERVER = Server("db.example.com", 5432, "app")
WHERE = "db.example.com:5432"


def told(error: Exception) -> tuple[type[RotationError], str]:
    explained = postgresql._explain(error, SERVER, "app")
    return type(explained), str(explained)


@pytest.mark.parametrize(
    ("state", "kind", "text"),
    [
        ("28P01", AuthenticationError, "refused the password of 'app'."),
        (
            "28000",
            ConfigurationError,
            "does not admit the user: it may not log in, or pg_hba.conf has no line for it with this TLS setting "
            "(SQLSTATE 28000).",
        ),
        ("3D000", ConfigurationError, "has no such database: correct 'dbname' (SQLSTATE 3D000)."),
        (
            "42501",
            ConfigurationError,
            "does not let the user that is logged in do this: grant it, or give another administrator's secret "
            "(SQLSTATE 42501).",
        ),
        (
            "42704",
            ConfigurationError,
            "has no such role: the one that '_clone' is added to must be there (SQLSTATE 42704).",
        ),
        ("25006", ConfigurationError, "is read-only: the host must be the primary (SQLSTATE 25006)."),
        ("53300", NetworkError, "cannot serve now (SQLSTATE 53300). The rotation is tried again."),
        ("57P03", NetworkError, "cannot serve now (SQLSTATE 57P03). The rotation is tried again."),
        ("08006", NetworkError, "cannot serve now (SQLSTATE 08006). The rotation is tried again."),
        ("XX000", TargetError, "refused a statement (SQLSTATE XX000)."),
    ],
)
def test_a_state_is_told_by_what_it_means(state: str, kind: type[RotationError], text: str) -> None:
    assert told(native.DatabaseError({"C": state, "M": "s3cret statement"})) == (kind, f"{WHERE} {text}")


def test_an_answer_without_a_state_is_told_as_a_refusal() -> None:
    assert told(native.DatabaseError({})) == (TargetError, f"{WHERE} refused a statement (SQLSTATE ).")


def test_what_failed_while_the_driver_cleaned_up_does_not_hide_the_cause() -> None:
    later = native.InterfaceError("s3cret")
    later.__context__ = native.DatabaseError({"C": "28P01"})
    assert told(later) == (AuthenticationError, f"{WHERE} refused the password of 'app'.")


def test_a_server_that_is_not_reached_is_told_with_what_to_check() -> None:
    assert told(ConnectionRefusedError("s3cret")) == (
        NetworkError,
        f"{WHERE}: no answer (ConnectionRefusedError). Check host, port, the function's network and security groups.",
    )


def test_a_handshake_that_fails_is_told_with_the_server() -> None:
    kind, text = told(ssl.SSLError("s3cret"))
    assert kind is ConfigurationError
    assert text.startswith(f"{WHERE}: no TLS connection (SSLError). ")


def test_an_exchange_of_the_password_that_fails_is_told() -> None:
    assert told(ScramException("s3cret")) == (
        TargetError,
        f"{WHERE}: the exchange of the password failed: the server does not know it either, or it has characters that "
        "SCRAM does not allow.",
    )


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


def test_a_password_that_scram_forbids_is_told() -> None:
    with pytest.raises(ConfigurationError) as raised:
        postgresql._verifier("app", "bell\a", "scram-sha-256", None)
    assert str(raised.value) == "The new password has characters that SCRAM does not allow."
