"""What the target mysql asks of the driver and of MySQL, and what it tells of their answers, word for word."""

import hashlib
import re
import ssl
from typing import Any

import pymysql
import pytest

from secret_rotation.errors import AuthenticationError, ConfigurationError, NetworkError, RotationError, TargetError
from secret_rotation.targets import mysql
from secret_rotation.targets.databases.strategies import Server
from tests.support.contexts import context

SERVER = Server("db.example.com", 3306, "app")
WHERE = "db.example.com:3306"


def told(error: Exception, *username: str) -> tuple[type[RotationError], str]:
    explained = mysql._explain(error, SERVER, *username)
    return type(explained), str(explained)


CONFIGURATION = {
    1044: "does not let the user use the database 'dbname', or the administrator grant rights",
    1049: "has no such database: correct 'dbname'",
    1129: "has blocked the function's address after many errors: FLUSH HOSTS",
    1130: "does not admit the function's address",
    1142: "does not let the administrator read mysql.user: grant it SELECT",
    1227: "does not let the user that is logged in do this: grant it CREATE USER",
    1290: "prevents this by an option: it is read-only (the host must be the primary), or strict-password-validation "
    "wants to see passwords",
    1396: "could not change the account: it is not there, or the administrator lacks CREATE USER",
    1470: "does not take so long a user name: '_clone' is added to it",
    1819: "has a password policy that refuses the new password: change `password`",
    1862: "says that the password has expired: only an administrator ('admin_secret_arn') can change it",
    2059: "has another way for the account to log in than by a password that is known here",
    3118: "has locked the account",
    4151: "has locked the account",
}


@pytest.mark.parametrize("number", CONFIGURATION)
def test_an_error_is_told_by_what_is_to_be_set_right(number: int) -> None:
    found = told(pymysql.OperationalError(number, "s3cret statement"))
    assert found == (ConfigurationError, f"{WHERE} {CONFIGURATION[number]} (error {number}).")


@pytest.mark.parametrize("number", [1040, 1053, 1203, 1226, 1205])
def test_a_server_that_cannot_serve_now_is_told_as_such(number: int) -> None:
    found = told(pymysql.OperationalError(number, "s3cret"))
    assert found == (NetworkError, f"{WHERE} cannot serve now (error {number}). The rotation is tried again.")


@pytest.mark.parametrize("number", [2003, 2006, 2013])
def test_a_server_that_is_not_reached_is_told_with_what_to_check(number: int) -> None:
    assert told(pymysql.OperationalError(number, "s3cret")) == (
        NetworkError,
        f"{WHERE}: no answer (error {number}). Check host, port, the function's network and security groups.",
    )


def test_a_refused_login_is_told_apart_from_a_right_that_lacks() -> None:
    error = pymysql.OperationalError(1045, "s3cret")
    assert told(error, "app") == (AuthenticationError, f"{WHERE} refused the password of 'app'.")
    assert told(error) == (
        ConfigurationError,
        f"{WHERE} does not let the administrator do this: grant it, WITH GRANT OPTION, what the user has (error 1045).",
    )


@pytest.mark.parametrize(("arguments", "number"), [((1064, "s3cret"), 1064), (("s3cret",), 0), ((), 0)])
def test_any_other_error_is_told_by_its_number(arguments: tuple[object, ...], number: int) -> None:
    found = told(pymysql.ProgrammingError(*arguments))
    assert found == (TargetError, f"{WHERE} refused a statement (error {number}).")


def test_a_server_without_tls_is_told_as_such() -> None:
    kind, text = told(pymysql.OperationalError(2026, "s3cret"))
    assert kind is ConfigurationError
    assert text.startswith(f"{WHERE}: the server does not speak TLS, so nothing was sent to it. ")


def test_a_handshake_that_fails_is_told_with_the_server() -> None:
    error = pymysql.OperationalError(2003, "s3cret")
    error.original_exception = ssl.SSLError("s3cret")  # type: ignore[attr-defined]  # as the driver does
    kind, text = told(error)
    assert kind is ConfigurationError
    assert text.startswith(f"{WHERE}: no TLS connection (SSLError). ")


def test_a_way_to_log_in_that_needs_another_package_is_told() -> None:
    assert told(RuntimeError("s3cret")) == (
        ConfigurationError,
        f"{WHERE}: without TLS, this way to log in needs a Python package that the layer does not have.",
    )


# Logging in.


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the driver is asked for when it connects."""
    found: dict[str, Any] = {}
    monkeypatch.setattr(pymysql, "connect", lambda **options: found.update(options) or Connection())
    return found


def test_the_driver_neither_tries_tls_unverified_nor_takes_a_password_for_latin_1(asked: dict[str, Any]) -> None:
    mysql.connect(context(None, seconds=3.5), SERVER, "app", "pässword")
    security = asked.pop("ssl")
    assert security.verify_mode == ssl.CERT_REQUIRED
    assert security.check_hostname
    expected = {
        "host": "db.example.com",
        "port": 3306,
        "user": "app",
        "password": "pässword".encode(),
        "database": "app",
        "ssl_disabled": False,
        "connect_timeout": 3.0,
        "read_timeout": 3.0,
        "write_timeout": 3.0,
        "autocommit": True,
    }
    assert asked == expected


def test_without_tls_the_driver_is_told_so(asked: dict[str, Any]) -> None:
    mysql.connect(context(None, tls="disable"), Server("db.example.com", 3306, ""), "app", "password")
    assert (asked["ssl"], asked["ssl_disabled"], asked["database"]) == (None, True, None)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (pymysql.OperationalError(1045, "s3cret"), f"{WHERE} refused the password of 'app'."),
        (
            RuntimeError("s3cret"),
            f"{WHERE}: without TLS, this way to log in needs a Python package that the layer does not have.",
        ),
    ],
)
def test_a_login_that_fails_is_told_with_server_and_user(
    error: Exception, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(pymysql, "connect", fail)
    with pytest.raises(RotationError) as raised:
        mysql.connect(context(None), SERVER, "app", "password")
    assert str(raised.value) == text
    assert raised.value.__cause__ is None


# Statements.


class Connection:
    """Answers each statement with the same rows, or fails."""

    server_version, open = "8.4.3", True

    def __init__(self, *rows: tuple[str, ...], failure: Exception | None = None) -> None:
        self.rows, self.closed, self.failure = rows, 0, failure
        self.statements: list[tuple[str, tuple[str, ...]]] = []

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


def session(*rows: tuple[str, ...], **settings: str) -> mysql.Session:
    return mysql.Session(context(None, **settings), SERVER, "app", Connection(*rows))


@pytest.mark.parametrize(
    ("rows", "settings", "text"),
    [
        ([], {}, f"{WHERE} has no account of 'other'."),
        ([("%", "")], {"user_host": "10.%"}, f"{WHERE} has no account of 'other'@'10.%'."),
        (
            [("10.%", ""), ("%", "")],
            {},
            f"{WHERE}: 'other' has accounts for '%', '10.%': say which, as 'user_host'.",
        ),
    ],
)
def test_an_account_that_is_not_one_is_told(rows: list[tuple[str, str]], settings: dict[str, str], text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        session(*rows, **settings).change_password("other", "new")
    assert str(raised.value) == text


def test_a_statement_that_fails_is_told_with_the_server() -> None:
    failing = Connection(failure=pymysql.OperationalError(1064, "s3cret"))
    with pytest.raises(TargetError) as raised:
        mysql.Session(context(None), SERVER, "app", failing).change_password("app", "new")
    assert str(raised.value) == f"{WHERE} refused a statement (error 1064)."


@pytest.mark.parametrize(("required", "clause"), [("ANY", " REQUIRE SSL"), ("", "")])
def test_a_clone_is_made_with_a_password_that_nobody_knows_and_any_policy_takes(required: str, clause: str) -> None:
    made = set()
    for _ in range(2):
        connection = Connection(("10.%", required))
        with pytest.raises(ValueError, match="unpack"):  # the same rows do not fit the next statement
            mysql.Session(context(None), SERVER, "root", connection).prepare_clone("app_clone", "app")
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
    mysql.Session(context(None), SERVER, "app", connection).change_password("app", "new")
    hashed = "*" + hashlib.sha1(hashlib.sha1(b"new").digest()).hexdigest().upper()
    assert connection.statements == [("SET PASSWORD = %s", (hashed,))]


def test_a_grant_without_the_account_is_told() -> None:
    with pytest.raises(TargetError) as raised:
        mysql._grant_to("GRANT SELECT ON *.* TO somebody", ("app", "%"), ("app_clone", "%"))
    assert str(raised.value) == "SHOW GRANTS gave a line without the account; the clone has to be made by hand."


@pytest.mark.parametrize("is_open", [True, False])
def test_a_connection_is_closed_once(is_open: bool) -> None:
    connection = Connection()
    connection.open = is_open
    mysql.Session(context(None), SERVER, "app", connection).close()
    assert connection.closed == int(is_open)


def test_each_statement_has_the_time_that_is_left() -> None:
    connection = Connection()
    mysql.Session(context(None, seconds=2.5), SERVER, "app", connection).change_password("app", "new")
    assert (connection._read_timeout, connection._write_timeout) == (2.0, 2.0)  # type: ignore[attr-defined]
