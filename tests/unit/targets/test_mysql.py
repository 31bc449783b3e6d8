"""The target mysql without a server: what it asks of the driver and of MySQL, and what it makes of their errors."""

import hashlib
import re
import ssl
from typing import Any

import pymysql
import pytest

from secret_rotation.errors import (
    AuthenticationError,
    ConfigurationError,
    LockedError,
    NetworkError,
    RotationError,
    TargetError,
    ValueRefusedError,
)
from secret_rotation.kit import connection as network
from secret_rotation.targets import mysql
from secret_rotation.targets.databases import mysql_accounts as accounts
from secret_rotation.targets.databases.strategies import Server
from tests.messages import assert_explains, refused
from tests.support import contexts
from tests.support.contexts import credential

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
        (1130, ["address"]),
        (1142, ["mysql.user", "SELECT"]),
        (1227, ["CREATE USER"]),
        (1290, ["read-only", "primary", "strict-password-validation"]),
        (1396, ["account", "CREATE USER"]),
        (1470, ["'_clone'"]),
        (1820, ["expired"]),
        (1862, ["expired", "'admin_secret_arn'"]),
        (2059, ["account"]),
    ],
)
def test_an_error_of_the_configuration_names_what_to_change(number: int, named: list[str]) -> None:
    assert_error(pymysql.OperationalError(number, "s3cret statement"), ConfigurationError, f"error {number}", *named)


def test_a_password_that_the_policy_rejects_is_an_error_of_its_own() -> None:
    assert_error(pymysql.OperationalError(1819, "s3cret"), ValueRefusedError, "error 1819", "`password`")


@pytest.mark.parametrize(
    ("number", "named"),
    [
        (1129, "FLUSH HOSTS"),
        (3118, "ACCOUNT UNLOCK"),
        (3955, "FAILED_LOGIN_ATTEMPTS"),
        (4150, "max_password_errors"),
        (4151, "ACCOUNT UNLOCK"),
    ],
)
def test_a_lock_out_is_told_as_such_with_the_way_out(number: int, named: str) -> None:
    assert_error(pymysql.OperationalError(number, "s3cret"), LockedError, f"error {number}", named, username="app")


@pytest.mark.parametrize("number", [1040, 1047, 1053, 1203, 1226, 1205, 1969, 3024])
def test_a_server_that_cannot_serve_now_is_an_error_of_the_network(number: int) -> None:
    assert_error(pymysql.OperationalError(number, "s3cret"), NetworkError, f"error {number}")


@pytest.mark.parametrize("number", [2003, 2006, 2013])
def test_a_server_that_is_not_reached_is_named_with_what_to_check(number: int) -> None:
    assert_error(pymysql.OperationalError(number, "s3cret"), NetworkError, f"error {number}", "security groups")


def test_a_refused_login_differs_from_a_missing_privilege() -> None:
    error = pymysql.OperationalError(1045, "s3cret")
    assert_error(error, AuthenticationError, "'app'", username="app")
    assert_error(pymysql.OperationalError(1698, "s3cret"), AuthenticationError, "'app'", username="app")
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
    text = "'pynacl' package is required for ed25519_password auth method"
    assert_error(RuntimeError(text), ConfigurationError, "ed25519", "ALTER USER", "mysql_native_password")


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
        "sql_mode": "",
        "init_command": "SET SESSION TRANSACTION READ WRITE",
        "client_flag": 1 << 22,
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


def session(
    *rows: tuple[str, ...], connection: Connection | None = None, user: str = "app", **settings: str
) -> mysql.MysqlSession:
    login = user, "s3cret-old"
    return mysql.MysqlSession(context(None, **settings), SERVER, login, connection or Connection(*rows))


@pytest.mark.parametrize(
    ("rows", "settings", "named"),
    [
        ([], {}, ["'other'"]),
        ([("%", "")], {"user_host": "10.%"}, ["'other'@'10.%'"]),
        ([("10.%", ""), ("%", "")], {}, ["'other'", "'%', '10.%'", "'user_host'"]),
    ],
)
def test_an_account_that_is_not_exactly_one_is_named(
    rows: list[tuple[str, str]], settings: dict[str, Any], named: list[str]
) -> None:
    with refused(ConfigurationError, WHERE, *named):
        session(*rows, **settings).change_password("other", "s3cret")


def test_a_statement_that_fails_names_the_server() -> None:
    failing = Connection(failure=pymysql.OperationalError(1064, "s3cret"))
    with refused(TargetError, WHERE, "error 1064"):
        mysql.MysqlSession(context(None), SERVER, ("app", "s3cret-old"), failing).change_password("app", "s3cret")


class Answering(Connection):
    """Answers each statement by how it begins."""

    def __init__(self, **answers: Any) -> None:
        super().__init__()
        self.answers = answers

    def fetchall(self) -> object:
        last = self.statements[-1][0].lstrip()
        return next((rows for start, rows in self.answers.items() if last.startswith(start.replace("_", " "))), [])


CREATED = "CREATE USER `app`@`10.%` IDENTIFIED WITH 'caching_sha2_password' AS '$A$ REQUIRE '"
CLONE = ("app_clone", "10.%")


def test_a_clone_is_made_with_a_password_that_nobody_knows_and_any_policy_takes() -> None:
    made = set()
    for _ in range(2):
        connection = Answering(SELECT=[("10.%", "")], SHOW_CREATE=[(f"{CREATED} REQUIRE NONE",)])
        session(connection=connection, user="root").prepare_clone("app_clone", "app")
        statement, (*clone, password) = next(each for each in connection.statements if each[0].startswith("CREATE"))
        assert statement == "CREATE USER IF NOT EXISTS %s@%s IDENTIFIED WITH caching_sha2_password BY %s"
        assert tuple(clone) == CLONE
        assert all(re.search(kind, password) for kind in ("[a-z]", "[A-Z]", "[0-9]", "!", ".{28}"))
        made.add(password)
    assert len(made) == 2


@pytest.mark.parametrize(
    ("after", "protection"),
    [
        (" REQUIRE SSL PASSWORD EXPIRE DEFAULT", "REQUIRE SSL PASSWORD EXPIRE DEFAULT"),
        (" REQUIRE NONE PASSWORD EXPIRE ACCOUNT UNLOCK", "REQUIRE NONE ACCOUNT UNLOCK"),
        (
            " REQUIRE SUBJECT '/CN=it''s 100% PASSWORD EXPIRE' WITH MAX_QUERIES_PER_HOUR 5 FAILED_LOGIN_ATTEMPTS 3",
            "REQUIRE SUBJECT '/CN=it''s 100%% PASSWORD EXPIRE' WITH MAX_QUERIES_PER_HOUR 5 FAILED_LOGIN_ATTEMPTS 3",
        ),
        ("", "REQUIRE NONE"),
    ],
)
def test_what_protects_a_mysql_account_protects_its_clone(after: str, protection: str) -> None:
    connection = Answering(SELECT=[("10.%", "")], SHOW_CREATE=[(f"{CREATED}{after}",)])
    session(connection=connection, user="root").prepare_clone("app_clone", "app")
    assert (f"ALTER USER %s@%s {protection}", CLONE) in connection.statements


def test_a_mysql_clone_has_the_default_roles() -> None:
    shown = f"{CREATED} DEFAULT ROLE `reader`@`%` REQUIRE NONE"
    connection = Answering(SELECT=[("10.%", "")], SHOW_CREATE=[(shown,)])
    session(connection=connection, user="root").prepare_clone("app_clone", "app")
    assert connection.statements[-1] == ("ALTER USER %s@%s DEFAULT ROLE `reader`@`%%`", CLONE)


@pytest.mark.parametrize(
    ("username", "put_back"),
    [("app", [("ALTER USER %s@%s IDENTIFIED BY %s", ("app", "10.%", "s3cret-old"))]), ("b", [])],
)
def test_a_password_that_is_not_accepted_is_put_back_where_the_former_one_is_known(
    username: str, put_back: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AuthenticationError("refused")

    monkeypatch.setattr(mysql, "connect", refuse)
    connection = Answering(SELECT=[("10.%", "")], SHOW_CREATE=[(f"{CREATED} REQUIRE NONE",)])
    given = context(credential("new", username="app"), credential("s3cret-old", username=username))
    administrator = mysql.MysqlSession(given, SERVER, ("root", "s3cret"), connection)
    with refused(ConfigurationError, "'app'@'10.%'", "put back", "'user_host'"):
        administrator.change_password("app", "new")
    new = ("ALTER USER %s@%s IDENTIFIED BY %s", ("app", "10.%", "new"))
    assert [each for each in connection.statements if each[0].startswith("ALTER")] == [new, *put_back]


@pytest.mark.parametrize(
    "identified",
    [
        "WITH 'authentication_ldap_simple' AS 'uid=app'",
        "WITH 'AWSAuthenticationPlugin' AS 'RDS'",
        "WITH 'caching_sha2_password' AS 'x' AND IDENTIFIED WITH 'authentication_fido' AS 'y'",
        "VIA ed25519 USING 'x'",
    ],
)
def test_an_account_that_no_password_opens_is_refused(identified: str) -> None:
    shown = [(f"CREATE USER `app`@`10.%` IDENTIFIED {identified} REQUIRE NONE",)]
    connection = Answering(SELECT=[("10.%", "")], SHOW_CREATE=shown)
    administrator = session(connection=connection, user="root")
    with refused(ConfigurationError, "'app'", "mysql_native_password"):
        administrator.prepare_clone("app_clone", "app")
    with refused(ConfigurationError, "'app'", "mysql_native_password"):
        administrator.change_password("app", "s3cret-new")
    assert not [each for each in connection.statements if each[0].startswith(("ALTER", "CREATE"))]


def test_a_mysql_server_that_wants_the_current_password_too_gets_it() -> None:
    class Server(Connection):
        def execute(self, statement: str, values: tuple[str, ...]) -> None:
            super().execute(statement, values)
            if "REPLACE" not in statement:
                raise pymysql.OperationalError(3892, "s3cret")

    connection = Server()
    session(connection=connection).change_password("app", "s3cret-new")
    statement, values = connection.statements[-1]
    assert statement == "ALTER USER CURRENT_USER() IDENTIFIED BY %s REPLACE %s"
    assert values == ("s3cret-new", "s3cret-old")


@pytest.mark.parametrize(
    ("grants", "privileged"),
    [
        (["GRANT ALL PRIVILEGES ON *.* TO `app`@`%`"], True),
        (["GRANT SELECT, SUPER ON *.* TO `app`@`%` WITH GRANT OPTION"], True),
        (["GRANT CREATE USER ON *.* TO 'app'@'%'"], True),
        (["GRANT SELECT, UPDATE ON *.* TO `app`@`%`"], True),
        (["GRANT USAGE ON *.* TO `app`@`%`", "GRANT SELECT ON `mysql`.* TO `app`@`%`"], True),
        (["GRANT UPDATE (`a`) ON `mysql`.`user` TO `app`@`%`"], True),
        (["GRANT INSERT ON `my%`.* TO `app`@`%`"], True),
        (["GRANT `admins`@`%` TO `app`@`%`"], True),
        (["GRANT `admins` TO `app`@`%` WITH ADMIN OPTION"], True),
        (["GRANT `other`,`admins`@`%` TO `app`@`%`"], True),
        (["GRANT `a``b` TO `app`@`%`"], True),
        (["GRANT SELECT, PROCESS ON *.* TO `app`@`%`"], False),
        (["GRANT ALL PRIVILEGES ON `mysql\\_app`.* TO `app`@`%`"], False),
        (["GRANT ALL PRIVILEGES ON `my\\%`.* TO `app`@`%`"], False),
        (["GRANT EXECUTE ON PROCEDURE `mysql`.`rds_kill` TO `app`@`%`"], False),
        (["GRANT `other` TO `app`@`%`"], False),
    ],
)
def test_who_can_change_accounts_is_found_by_the_grants(grants: list[str], privileged: bool) -> None:
    roles = {
        "a`b": ["GRANT SUPER ON *.* TO `a``b`"],
        "admins": ["GRANT CREATE USER ON *.* TO `admins`@`%`"],
        "other": ["GRANT `other` TO `other`@`%`"],
    }
    assert accounts.changes_accounts(grants, lambda name, _: roles[name]) == privileged


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
    assert accounts.grant_to(grant, account, ("clone", "%")) == (statement, "clone", "%")


def test_mariadb_is_sent_the_hash_that_it_keeps() -> None:
    connection = Connection()
    connection.server_version = "10.11.6-MariaDB"
    mysql.MysqlSession(context(None), SERVER, ("app", "s3cret-old"), connection).change_password("app", "new")
    hashed = "*" + hashlib.sha1(hashlib.sha1(b"new").digest()).hexdigest().upper()
    assert connection.statements == [("SET PASSWORD = %s", (hashed,))]


def test_a_grant_without_the_account_is_refused() -> None:
    with refused(TargetError, "SHOW GRANTS"):
        accounts.grant_to("GRANT SELECT ON *.* TO somebody", ("app", "%"), ("app_clone", "%"))


@pytest.mark.parametrize("is_open", [True, False])
def test_a_connection_is_closed_once(is_open: bool) -> None:
    connection = Connection()
    connection.open = is_open
    mysql.MysqlSession(context(None), SERVER, ("app", "s3cret-old"), connection).close()
    assert connection.closed == int(is_open)
