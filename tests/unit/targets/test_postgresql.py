"""The target postgresql without a server: what it makes of errors, and what it sends in place of a password."""

import hashlib
import ssl

import pytest
from pg8000 import native

from secret_rotation.errors import AuthenticationError, ConfigurationError, NetworkError, RotationError, TargetError
from secret_rotation.targets import postgresql
from secret_rotation.targets.databases import postgres_login as login
from secret_rotation.targets.databases import scram
from secret_rotation.targets.databases.strategies import Server
from tests.messages import assert_explains

SERVER = Server("db.example.com", 5432, "app")
WHERE = "db.example.com:5432"


def assert_error(error: Exception, kind: type[RotationError], *named: str, **options: bool) -> None:
    assert_explains(login.explain(error, SERVER, "app", **options), kind, WHERE, *named)


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
        ("0A000", ConfigurationError, ["read-only", "primary"]),
        ("XX000", NetworkError, ["another session"]),
        ("42710", NetworkError, ["another session"]),
        ("22000", TargetError, []),
    ],
)
def test_a_state_decides_the_class_and_is_named(state: str, kind: type[RotationError], named: list[str]) -> None:
    assert_error(native.DatabaseError({"C": state, "M": "s3cret statement"}), kind, f"SQLSTATE {state}", *named)


@pytest.mark.parametrize(
    ("state", "message", "kind", "named"),
    [
        ("28P01", "", AuthenticationError, "'app'"),
        ("08P01", "SASL authentication failed", AuthenticationError, "'app'"),
        ("08P01", 'password authentication failed for user "app"', AuthenticationError, "'app'"),
        ("08P01", "server login has been failing, try again later (server_login_retry)", NetworkError, "08P01"),
        ("08P01", "no such user: app", AuthenticationError, "'app'"),
        ("08P01", "no such database: app", ConfigurationError, "'dbname'"),
        ("08P01", "query_wait_timeout", NetworkError, "08P01"),
        ("42501", 'permission denied for database "app"', ConfigurationError, "'dbname'"),
        ("28000", "This RDS proxy has no credentials for the role app.", ConfigurationError, "'host'"),
    ],
)
def test_at_a_login_the_text_decides_where_poolers_say_all_with_one_state(
    state: str, message: str, kind: type[RotationError], named: str
) -> None:
    assert_error(native.DatabaseError({"C": state, "M": message}), kind, named, is_login=True)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("28000", 'no pg_hba.conf entry for host "10.0.0.1", user "app", database "app", no encryption'),
        ("08P01", "SSL required"),
        ("28000", "This RDS Proxy requires TLS connections"),
    ],
)
def test_a_server_that_demands_tls_names_the_setting_that_turns_it_off(state: str, message: str) -> None:
    error = native.DatabaseError({"C": state, "M": message})
    assert_error(error, ConfigurationError, "'tls'", "TLS", is_login=True, has_tls=False)


def test_an_answer_without_a_state_is_a_refused_statement() -> None:
    assert_error(native.DatabaseError({}), TargetError, "SQLSTATE")


def test_what_failed_while_the_driver_cleaned_up_does_not_hide_the_cause() -> None:
    later = native.InterfaceError("s3cret")
    later.__context__ = native.DatabaseError({"C": "28P01"})
    assert_error(later, AuthenticationError, "'app'", is_login=True)


def test_a_server_that_is_not_reached_is_named_with_what_to_check() -> None:
    assert_error(ConnectionRefusedError("s3cret"), NetworkError, "ConnectionRefusedError", "security groups")


def test_a_failed_handshake_names_the_server_and_the_setting() -> None:
    assert_error(ssl.SSLError("s3cret"), ConfigurationError, "SSLError", "'tls_ca'")


def test_an_exchange_of_the_password_that_fails_says_why() -> None:
    assert_error(scram.ScramError("The server does not know it."), TargetError, "does not know it")


@pytest.mark.parametrize(("setting", "iterations"), [(None, 4096), ("1", 4096), ("4097", 4097), ("10000", 10_000)])
def test_a_verifier_has_the_servers_iterations_but_no_fewer_than_usual(setting: str | None, iterations: int) -> None:
    made = postgresql._verifier("app", "new-password", login.SASL, "scram-sha-256", setting)
    assert made.startswith(f"SCRAM-SHA-256${iterations}:")


@pytest.mark.parametrize(
    ("kind", "setting", "is_md5"),
    [
        (login.MD5, "md5", True),
        (login.SASL, "md5", False),
        (login.CLEAR, "md5", False),
        (login.MD5, "scram-sha-256", False),
        (login.MD5, "on", True),
        (login.CLEAR, "off", True),
    ],
)
def test_md5_is_written_only_where_the_role_logs_in_with_it_or_the_server_knows_no_other(
    kind: int, setting: str, is_md5: bool
) -> None:
    expected = f"md5{hashlib.md5(b'new-passwordapp').hexdigest()}"
    made = postgresql._verifier("app", "new-password", kind, setting, None)
    assert (made == expected) is is_md5
    assert made.startswith(("md5", "SCRAM-SHA-256$"))
