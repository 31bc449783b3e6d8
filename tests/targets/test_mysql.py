"""The mysql target, against a MariaDB server with TLS."""

import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest

from rotation_lab.model.secrets_manager import SecretsManager
from rotation_lab.services import mariadb
from rotation_lab.services.base import ADMIN_PASSWORD, FIRST
from rotation_lab.services.mariadb import MariaDB
from secret_rotation.errors import ConfigurationError, NetworkError, RotationError
from secret_rotation.target import Context, Credential
from secret_rotation.targets import mysql as target
from secret_rotation.targets.databases.strategies import Server
from tests.support import contexts
from tests.target_contract import Installation, TargetContract

context = contexts.of("mysql")


@pytest.fixture(scope="session")
def server() -> Iterator[MariaDB]:
    with mariadb.start() as running:
        yield running


class Account(Installation):
    """An account of its own on the server, and an administrator of its own, who has not all rights."""

    def __init__(self, server: MariaDB, needs: tuple[str, ...] = (), **settings: str) -> None:
        number = secrets.token_hex(4)
        self.server, self.name, self.admin = server, f'it\'s "{number}" %s', f"admin{number}"
        super().__init__(server.credential(self.name, self.admin), needs, **settings)
        server.run("GRANT SELECT, INSERT ON `app``s`.* TO %s@'%%'", self.name)
        server.run("GRANT SELECT, INSERT ON `app``s`.* TO %s@'%%' WITH GRANT OPTION", self.admin)


class TestSingle(TargetContract):
    """The account changes its own password."""

    target = "mysql"
    required_keys = ("username", "host")

    @pytest.fixture
    def service(self, server: MariaDB) -> Account:
        return Account(server)


class TestAdministered(TargetContract):
    """An administrator changes the account's password."""

    target = "mysql"
    required_keys = ("username", "host")

    @pytest.fixture
    def service(self, server: MariaDB) -> Account:
        return Account(server, ("admin",))


class TestAlternating(TargetContract):
    """Two accounts take turns."""

    target = "mysql"
    former_value_works = True
    required_keys = ("username", "host")

    @pytest.fixture
    def service(self, server: MariaDB) -> Account:
        return Account(server, ("admin",), strategy="alternating")


# What the contract does not say.


@pytest.fixture
def account(server: MariaDB) -> Account:
    return Account(server)


def version(account: Account, password: str, name: str | None = None, **others: object) -> Credential:
    """A version of the account's secret."""
    return Credential(f"version-{password}", account.value(name or account.name, password, **others), ("password",))


def step(account: Account, pending: str, **settings: str) -> Context:
    """A step whose pending password is this."""
    return context(version(account, pending), version(account, FIRST), **{**account.setup.settings, **settings})


def administered(account: Account, pending: str, clone: bool = False, **settings: str) -> Context:
    """A step with an administrator's secret; ``clone``: it is that user's turn."""
    manager = SecretsManager()
    arn = manager.create(account.value(account.admin, ADMIN_PASSWORD), "admin")
    taking_turns = {"strategy": "alternating"} if clone else {}
    return replace(
        step(account, pending, admin_secret_arn=arn, **taking_turns, **settings),
        pending_or_none=version(account, pending, f"{account.name}_clone" if clone else account.name),
        client=lambda service: manager.client(),
    )


def grants(account: Account, name: str) -> set[str]:
    """What a user is granted, with the account replaced by "it"."""
    lines = [line for (line,) in account.server.run("SHOW GRANTS FOR %s@'%%'", name) if "USAGE ON *.*" not in line]
    parts = [line.rpartition(f"`{name}`@") for line in lines]
    return {f"{head}it@{tail}" for head, _, tail in parts}


@pytest.mark.parametrize(
    ("statement", "kind", "told"),
    [
        ("ALTER USER %s@'%%' ACCOUNT LOCK", ConfigurationError, "4151"),
        ("ALTER USER %s@'%%' WITH MAX_CONNECTIONS_PER_HOUR 1", NetworkError, "1226"),
    ],
)
def test_other_faults_are_not_told_as_a_wrong_password(
    account: Account, statement: str, kind: type[RotationError], told: str
) -> None:
    account.server.run(statement, account.name)
    with pytest.raises(kind, match=told):  # noqa: PT012  # the second connection is one too many
        target.test_secret(step(account, FIRST))
        target.test_secret(step(account, FIRST))


@pytest.mark.parametrize(("database", "told"), [("nowhere", "1044|1049"), ("mysql", "1044")])
def test_a_database_that_cannot_be_used_is_named_as_the_cause(account: Account, database: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        target.test_secret(step(account, FIRST, dbname=database))
    assert "dbname" in str(caught.value)


def test_a_server_that_is_read_only_is_told_as_such(account: Account) -> None:
    account.server.run("SET GLOBAL read_only = 1")
    try:
        with pytest.raises(ConfigurationError, match="read-only"):
            target.set_secret(step(account, "second"))
    finally:
        account.server.run("SET GLOBAL read_only = 0")


def test_an_administrator_without_the_right_is_told_so(account: Account) -> None:
    account.server.run("REVOKE CREATE USER ON *.* FROM %s@'%%'", account.admin)
    with pytest.raises(ConfigurationError, match="CREATE USER"):
        target.set_secret(administered(account, "second"))


def test_without_tls_only_when_the_setting_says_so(account: Account) -> None:
    with account.without_tls():
        target.test_secret(step(account, FIRST, port=str(account.server.plain.port), tls="disable"))


def test_of_several_accounts_of_one_name_the_setting_says_which(account: Account) -> None:
    account.server.run("CREATE USER %s@'10.0.0.%%' IDENTIFIED BY 'another'", account.name)
    with pytest.raises(ConfigurationError, match="user_host") as caught:
        target.set_secret(administered(account, "second"))
    assert "'%', '10.0.0.%'" in str(caught.value)
    target.set_secret(administered(account, "second", user_host="%"))
    assert account.server.accepts(account.name, "second")
    with pytest.raises(ConfigurationError, match=r"192\.168\.%"):
        target.set_secret(administered(account, "third", user_host="192.168.%"))


def test_an_own_password_is_that_of_the_account_that_logged_in(account: Account) -> None:
    account.server.run("CREATE USER %s@'10.0.0.%%' IDENTIFIED BY 'another'", account.name)
    target.set_secret(step(account, "second"))
    assert account.server.accepts(account.name, "second")


# Accounts that take turns.


def test_the_clone_is_granted_what_the_original_has(account: Account) -> None:
    account.server.run("CREATE DATABASE IF NOT EXISTS `app``s`")
    # A table whose name looks like the end of the line of SHOW GRANTS that it stands in.
    table = f"on TO `{account.name}`@`%`".replace("`", "``").replace("%", "%%")
    account.server.run(f"CREATE TABLE `app``s`.`{table}` (`a b` INT)")
    account.server.run(f"GRANT UPDATE (`a b`) ON `app``s`.`{table}` TO %s@'%%' WITH GRANT OPTION", account.name)
    account.server.run("GRANT UPDATE ON `app``s`.* TO %s@'%%' WITH GRANT OPTION", account.admin)
    reader = f"reader_of_{account.admin}"
    account.server.run(f"CREATE ROLE {reader}")
    account.server.run(f"GRANT {reader} TO %s@'%%' WITH ADMIN OPTION", account.admin)
    account.server.run(f"GRANT {reader} TO %s@'%%'", account.name)
    target.set_secret(administered(account, "second", clone=True))
    assert grants(account, f"{account.name}_clone") == grants(account, account.name)
    assert len(grants(account, account.name)) == 3


def test_the_clone_has_to_use_tls_where_the_original_has_to(account: Account) -> None:
    account.server.run("ALTER USER %s@'%%' REQUIRE SSL", account.name)
    target.set_secret(administered(account, "second", clone=True))
    assert not account.server.accepts(f"{account.name}_clone", "second"), "the test logs in without TLS"


def test_a_right_that_is_given_later_reaches_the_clone_and_one_that_is_taken_does_not_come_back(
    account: Account,
) -> None:
    clone = f"{account.name}_clone"
    target.set_secret(administered(account, "second", clone=True))
    account.server.run("REVOKE INSERT ON `app``s`.* FROM %s@'%%'", account.name)
    account.server.run("GRANT SELECT ON `other`.* TO %s@'%%'", account.name)
    account.server.run("GRANT SELECT ON `other`.* TO %s@'%%' WITH GRANT OPTION", account.admin)
    target.set_secret(administered(account, "third", clone=True))
    assert "GRANT SELECT ON `other`.* TO it@`%`" in grants(account, clone)
    back = administered(account, "fourth", strategy="alternating")
    target.set_secret(replace(back, current=version(account, "third", clone)))
    assert "GRANT SELECT ON `app``s`.* TO it@`%`" in grants(account, account.name), "without INSERT"


def test_a_clone_that_was_left_half_made_is_finished(account: Account) -> None:
    """The administrator lost a right between the statements, say: nobody can log in with the clone before its time."""
    account.server.run("REVOKE SELECT, INSERT, GRANT OPTION ON `app``s`.* FROM %s@'%%'", account.admin)
    with pytest.raises(ConfigurationError, match="1044"):
        target.set_secret(administered(account, "second", clone=True))
    assert not account.server.accepts(f"{account.name}_clone", "second")
    account.server.run("GRANT SELECT, INSERT ON `app``s`.* TO %s@'%%' WITH GRANT OPTION", account.admin)
    target.set_secret(administered(account, "second", clone=True))
    assert account.server.accepts(f"{account.name}_clone", "second")
    assert grants(account, f"{account.name}_clone") == grants(account, account.name)


def test_a_name_that_is_too_long_is_told_by_the_server(account: Account) -> None:
    long = secrets.token_hex(63)  # 126 characters
    given = administered(account, "second", strategy="alternating")
    account.server.run("CREATE USER %s@'%%' IDENTIFIED BY %s", long, FIRST)
    given = replace(given, pending_or_none=version(account, "second", f"{long}_clone"))
    with pytest.raises(ConfigurationError, match=r"_clone.*1470"):
        target.set_secret(replace(given, current=version(account, FIRST, long)))


# MySQL, whose statements no server here can try.


class Recorder:
    """Stands for the driver's connection to MySQL: it records statements, and answers what it is told to."""

    server_version, open = "8.4.3", True

    def __init__(self, *answers: object) -> None:
        self.answers, self.statements = list(answers), list[tuple[str, tuple[str, ...]]]()

    def cursor(self) -> "Recorder":
        return self

    def execute(self, statement: str, values: tuple[str, ...]) -> None:
        self.statements.append((statement, values))

    def fetchall(self) -> object:
        return self.answers.pop(0) if self.answers else ()


def mysql(*answers: object) -> tuple[target.MysqlSession, Recorder]:
    """A session with MySQL, as the user ``app``."""
    recorder = Recorder(*answers)
    return target.MysqlSession(context(None), Server("localhost", 3306, ""), "app", recorder), recorder


def test_a_mysql_user_changes_its_own_password_with_alter_user() -> None:
    session, recorder = mysql()
    session.change_password("app", "new")
    assert recorder.statements == [("ALTER USER CURRENT_USER() IDENTIFIED BY %s", ("new",))]


def test_a_mysql_administrator_names_the_account() -> None:
    session, recorder = mysql((("10.%", ""),))
    session.change_password("other", "new")
    assert recorder.statements[-1] == ("ALTER USER %s@%s IDENTIFIED BY %s", ("other", "10.%", "new"))


@pytest.mark.parametrize("quote", ["`", "'"])  # MySQL 8, and 5.7
def test_mysqls_grants_are_given_to_the_clone(quote: str) -> None:
    account = f"{quote}app{quote}@{quote}%{quote}"
    shown = [
        f"GRANT USAGE ON *.* TO {account}",
        f"GRANT SELECT ON `100%`.* TO {account} WITH GRANT OPTION",
        f"GRANT `reader`@`%` TO {account} WITH ADMIN OPTION",
    ]
    session, recorder = mysql((("%", ""),), (), [(line,) for line in shown])
    session.prepare_clone("app_clone", "app")
    clone = ("app_clone", "%")
    created, *_, first, second = recorder.statements[1:]
    assert created[0] == "CREATE USER IF NOT EXISTS %s@%s IDENTIFIED BY %s"
    assert first == ("GRANT SELECT ON `100%%`.* TO %s@%s WITH GRANT OPTION", clone)
    assert second == ("GRANT `reader`@`%%` TO %s@%s WITH ADMIN OPTION", clone)
