"""The target mysql without a server: what it asks of the driver and of MySQL, and what it makes of their errors."""

import hashlib
import re
import ssl
from typing import Any

import pymysql
import pytest

from secret_rotation.errors import AuthenticationError, ConfigurationError, NetworkError, RotationError, TargetError
from secret_rotation.kit import connection as network
from secret_rotation.targets import mysql
from secret_rotation.targets.databases.strategies import Server
from tests.messages import assert_explains, refused
from tests.support import contexts

context = contexts.of("mysql")

SERVER = Server("db.example.com", 3306, "app")
WHERE = "db.example.com:3306"


def assert_error(error: Exception, kind: type[RotationError], *named: str, username: str | None = None) -> None:
    assert_explains(mysql._explain(error, SERVER, username or ""), kind, WHERE, *named)


@pytest.mark.parametrize(
    ("number", "named"),
    [
        (1044, ["'dbname'", "administrator"]),
        (1049, ["'dbname'"]),
        (1129, ["FLUSH HOSTS"]),
        (1130, ["address"]),
        (1142, ["mysql.user", "SELECT"]),
        (1227, ["CREATE USER"]),
        (1290, ["read-only", "primary", "strict-password-validation"]),
        (1396, ["account", "CREATE USER"]),
        (1470, ["'_clone'"]),
        (1819, ["`password`"]),
        (1862, ["expired", "'admin_secret_arn'"]),
        (2059, ["account"]),
        (3118, ["locked"]),
        (4151, ["locked"]),
    ],
)
def test_an_error_of_the_configuration_names_what_to_change(number: int, named: list[str]) -> None:
    assert_error(pymysql.OperationalError(number, "s3cret statement"), ConfigurationError, f"error {number}", *named)


@pytest.mark.parametrize("number", [1040, 1053, 1203, 1226, 1205])
def test_a_server_that_cannot_serve_now_is_an_error_of_the_network(number: int) -> None:
    assert_error(pymysql.OperationalError(number, "s3cret"), NetworkError, f"error {number}")


@pytest.mark.parametrize("number", [2003, 2006, 2013])
def test_a_server_that_is_not_reached_is_named_with_what_to_check(number: int) -> None:
    assert_error(pymysql.OperationalError(number, "s3cret"), NetworkError, f"error {number}", "security groups")


def test_a_refused_login_differs_from_a_missing_privilege() -> None:
    error = pymysql.OperationalError(1045, "s3cret")
    assert_error(error, AuthenticationError, "'app'", username="app")
    assert_error(error, ConfigurationError, "error 1045", "WITH GRANT OPTION", "administrator")


@pytest.mark.parametrize(("arguments", "number"), [((1064, "s3cret"), 1064), (("s3cret",), 0), ((), 0)])
def test_any_other_error_is_named_by_its_number(arguments: tuple[object, ...], number: int) -> None:
    assert_error(pymysql.ProgrammingError(*arguments), TargetError, f"error {number}")


def test_a_server_without_tls_is_an_error_of_the_configuration() -> None:
    assert_error(pymysql.OperationalError(2026, "s3cret"), ConfigurationError, "does not speak TLS", "tls")


def test_a_failed_handshake_names_the_server_and_the_setting() -> None:
    error = pymysql.OperationalError(2003, "s3cret")
    error.original_exception = ssl.SSLError("s3cret")  # type: ignore[attr-defined]  # as the driver does
    assert_error(error, ConfigurationError, "SSLError", "'tls_ca'")


def test_a_login_method_that_needs_another_package_is_an_error_of_the_configuration() -> None:
    assert_error(RuntimeError("s3cret"), ConfigurationError, "TLS", "package")


# Logging in.


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the driver is asked for when it connects."""
    found: dict[str, Any] = {}

    def connect(**options: Any) -> Connection:
        found.update(options)
        return Connection()

    monkeypatch.setattr(pymysql, "connect", connect)
    monkeypatch.setattr(network, "connect", lambda *_: None)
    return found


def test_the_driver_neither_tries_tls_unverified_nor_takes_a_password_for_latin_1(asked: dict[str, Any]) -> None:
    mysql.connect(context(None), SERVER, "app", "pässword")
    security = asked.pop("ssl")
    assert security.verify_mode == ssl.CERT_REQUIRED
    assert security.check_hostname
    expected = {
        "host": "db.example.com",
        "user": "app",
        "password": "pässword".encode(),
        "database": "app",
        "ssl_disabled": False,
        "autocommit": True,
        "defer_connect": True,
    }
    assert asked == expected


def test_without_tls_the_driver_is_told_so(asked: dict[str, Any]) -> None:
    mysql.connect(context(None, tls="disable"), Server("db.example.com", 3306, ""), "app", "password")
    assert (asked["ssl"], asked["ssl_disabled"], asked["database"]) == (None, True, None)


@pytest.mark.parametrize(
    ("error", "kind", "named"),
    [
        (pymysql.OperationalError(1045, "s3cret"), AuthenticationError, "'app'"),
        (RuntimeError("s3cret"), ConfigurationError, "package"),
    ],
)
def test_a_login_that_fails_hides_what_the_driver_raised(
    error: Exception, kind: type[RotationError], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(pymysql, "connect", fail)
    with pytest.raises(kind) as raised:
        mysql.connect(context(None), SERVER, "app", "s3cret")
    assert_explains(raised.value, kind, WHERE, named)
    assert raised.value.__cause__ is None


# Statements.


class Connection:
    """Answers each statement with the same rows, or fails."""

    server_version, open = "8.4.3", True

    def __init__(self, *rows: tuple[str, ...], failure: Exception | None = None) -> None:
        self.rows, self.closed, self.failure = rows, 0, failure
        self.statements: list[tuple[str, tuple[str, ...]]] = []

    def connect(self, sock: object) -> None:
        pass

    def cursor(self) -> "Connection":
        return self

    def execute(self, statement: str, values: tuple[str, ...]) -> None:
        self.statements.append((statement, values))
        if self.failure is not None:
            raise self.failure

    def fetchall(self) -> object:
        return self.rows

    def close(self) -> None:
        self.closed += 1


def session(*rows: tuple[str, ...], **settings: str) -> mysql.MysqlSession:
    return mysql.MysqlSession(context(None, **settings), SERVER, "app", Connection(*rows))


@pytest.mark.parametrize(
    ("rows", "settings", "named"),
    [
        ([], {}, ["'other'"]),
        ([("%", "")], {"user_host": "10.%"}, ["'other'@'10.%'"]),
        ([("10.%", ""), ("%", "")], {}, ["'other'", "'%', '10.%'", "'user_host'"]),
    ],
)
def test_an_account_that_is_not_exactly_one_is_named(
    rows: list[tuple[str, str]], settings: dict[str, str], named: list[str]
) -> None:
    with refused(ConfigurationError, WHERE, *named):
        session(*rows, **settings).change_password("other", "s3cret")


def test_a_statement_that_fails_names_the_server() -> None:
    failing = Connection(failure=pymysql.OperationalError(1064, "s3cret"))
    with refused(TargetError, WHERE, "error 1064"):
        mysql.MysqlSession(context(None), SERVER, "app", failing).change_password("app", "s3cret")


@pytest.mark.parametrize(("required", "clause"), [("ANY", " REQUIRE SSL"), ("", "")])
def test_a_clone_is_made_with_a_password_that_nobody_knows_and_any_policy_takes(required: str, clause: str) -> None:
    made = set()
    for _ in range(2):
        connection = Connection(("10.%", required))
        with pytest.raises(ValueError, match="unpack"):  # the same rows do not fit the next statement
            mysql.MysqlSession(context(None), SERVER, "root", connection).prepare_clone("app_clone", "app")
        assert connection.statements[0] == ("SELECT Host, ssl_type FROM mysql.user WHERE User = %s", ("app",))
        statement, (clone, host, password) = connection.statements[1]
        assert statement == f"CREATE USER IF NOT EXISTS %s@%s IDENTIFIED BY %s{clause}"
        assert (clone, host) == ("app_clone", "10.%")
        assert connection.statements[2] == ("SHOW GRANTS FOR %s@%s", ("app", "10.%"))
        assert all(re.search(kind, password) for kind in ("[a-z]", "[A-Z]", "[0-9]", "!", ".{28}"))
        made.add(password)
    assert len(made) == 2


@pytest.mark.parametrize(
    ("grant", "account", "statement"),
    [
        ("GRANT SELECT ON `'app'@'%'`.* TO 'app'@'%'", ("app", "%"), "GRANT SELECT ON `'app'@'%%'`.* TO %s@%s"),
        ("GRANT SELECT ON `d`.* TO `a``b`@`%`", ("a`b", "%"), "GRANT SELECT ON `d`.* TO %s@%s"),
        ("GRANT SELECT ON `d`.* TO 'a''b'@'%'", ("a'b", "%"), "GRANT SELECT ON `d`.* TO %s@%s"),
        (
            "GRANT SELECT ON `d`.* TO `app`@`%` IDENTIFIED BY PASSWORD '*A' WITH GRANT OPTION",
            ("app", "%"),
            "GRANT SELECT ON `d`.* TO %s@%s WITH GRANT OPTION",
        ),
    ],
)
def test_only_the_last_mention_of_the_account_in_a_grant_is_replaced(
    grant: str, account: tuple[str, str], statement: str
) -> None:
    assert mysql._grant_to(grant, account, ("clone", "%")) == (statement, "clone", "%")


def test_mariadb_is_sent_the_hash_that_it_keeps() -> None:
    connection = Connection()
    connection.server_version = "10.11.6-MariaDB"
    mysql.MysqlSession(context(None), SERVER, "app", connection).change_password("app", "new")
    hashed = "*" + hashlib.sha1(hashlib.sha1(b"new").digest()).hexdigest().upper()
    assert connection.statements == [("SET PASSWORD = %s", (hashed,))]


def test_a_grant_without_the_account_is_refused() -> None:
    with refused(TargetError, "SHOW GRANTS"):
        mysql._grant_to("GRANT SELECT ON *.* TO somebody", ("app", "%"), ("app_clone", "%"))


@pytest.mark.parametrize("is_open", [True, False])
def test_a_connection_is_closed_once(is_open: bool) -> None:
    connection = Connection()
    connection.open = is_open
    mysql.MysqlSession(context(None), SERVER, "app", connection).close()
    assert connection.closed == int(is_open)
