"""The mysql target, against a MariaDB server with TLS; against MySQL itself, where MYSQL8 is set: `make mysql`."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import pymysql
import pytest

from rotation_lab.model.secrets_manager import SecretsManager
from rotation_lab.services import mariadb, mysql
from rotation_lab.services.base import ADMIN_PASSWORD, FIRST
from rotation_lab.services.mariadb import MariaDB
from secret_rotation.errors import (
    AuthenticationError,
    ConfigurationError,
    LockedError,
    NetworkError,
    RotationError,
    ValueRefusedError,
)
from secret_rotation.kit import certificate
from secret_rotation.target import Context, Credential
from secret_rotation.targets import mysql as target
from secret_rotation.targets.databases.strategies import Server
from tests.operating import NONE, PREFLIGHT, Operating
from tests.support import contexts, runbooks
from tests.target_contract import Installation, InWorlds, TargetContract, World

context = contexts.of("mysql")

ON_MYSQL = "MYSQL8" in os.environ
compares_hashes = pytest.mark.skipif(ON_MYSQL, reason="MySQL salts its hashes: the same password has another one")
mariadb_alone = pytest.mark.skipif(ON_MYSQL, reason="MySQL has nothing like it")


WORLDS = tuple(world for world in (mysql if ON_MYSQL else mariadb).Account.misbehaviours if "certificate" not in world)
"""A client's certificate is a setting as well."""


@pytest.fixture(scope="session")
def server() -> Iterator[MariaDB]:
    with (mysql if ON_MYSQL else mariadb).start() as running:
        yield running


class Account(Installation):
    """An account of its own on the server, and an administrator of its own, who has not all rights."""

    def __init__(self, server: MariaDB, needs: tuple[str, ...] = (), **settings: str) -> None:
        number = secrets.token_hex(4)
        self.server, self.name, self.admin = server, f'it\'s "{number}" %s', f"admin{number}"
        super().__init__(server.credential(self.name, self.admin), needs, **settings)
        server.run("GRANT SELECT, INSERT ON `app``s`.* TO %s@'%%'", self.name)
        server.run("GRANT SELECT, INSERT ON `app``s`.* TO %s@'%%' WITH GRANT OPTION", self.admin)
        if ON_MYSQL and settings.get("strategy") != "dual":
            server.run("REVOKE APPLICATION_PASSWORD_ADMIN ON *.* FROM %s@'%%'", self.name)


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


class TestOperating(Operating):
    target = "mysql"
    sample = NONE

    @pytest.fixture
    def service(self, server: MariaDB) -> Account:
        return Account(server)

    @contextmanager
    def refusing(self, world: World) -> Iterator[str]:
        if ON_MYSQL:
            pytest.skip("not for this target: MySQL's own component is not there")
        account: Any = world.service
        with mariadb.judging(account.server):
            yield "no digit"


class TestOperatingAlternating(TestOperating):
    sample = PREFLIGHT

    @pytest.fixture
    def service(self, server: MariaDB) -> Account:
        return Account(server, ("admin",), strategy="alternating")


class TestSingleInWorlds(InWorlds, TestSingle):
    """The same where the server is odd."""

    worlds = WORLDS


class TestAdministeredInWorlds(InWorlds, TestAdministered):
    """The same where the server is odd."""

    worlds = WORLDS


class TestAlternatingInWorlds(InWorlds, TestAlternating):
    """The same where the server is odd."""

    worlds = WORLDS


class TestSingleWithCertificate(InWorlds, TestSingle):
    """The account requires a client's certificate."""

    worlds = (mariadb.CERTIFICATE,)

    @pytest.fixture
    def service(self, server: MariaDB) -> Account:
        return Account(server, ("tls_client",))


class TestAlternatingWithCertificate(InWorlds, TestAlternating):
    """The account requires a client's certificate, and so does the other one."""

    worlds = (mariadb.CERTIFICATE,)

    @pytest.fixture
    def service(self, server: MariaDB) -> Account:
        return Account(server, ("admin", "tls_client"), strategy="alternating")


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


def administered(account: Account, pending: str, clone: bool = False, **settings: Any) -> Context:
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
        ("ALTER USER %s@'%%' ACCOUNT LOCK", LockedError, "3118" if ON_MYSQL else "4151"),
        ("ALTER USER %s@'%%' WITH MAX_CONNECTIONS_PER_HOUR 1", NetworkError, "1226"),
    ],
)
def test_other_faults_are_not_told_as_a_wrong_password(
    account: Account, statement: str, kind: type[RotationError], told: str
) -> None:
    account.server.run(statement, account.name)
    with pytest.raises(kind, match=told):  # noqa: PT012  # the second connection is one too many
        target.test_secret(step(account, FIRST))
        target.set_secret(step(account, "second"))


@pytest.mark.parametrize("limit", ["MAX_CONNECTIONS_PER_HOUR 1", "MAX_USER_CONNECTIONS 1"])
def test_connections_of_the_application_are_not_in_the_way_of_a_test(account: Account, limit: str) -> None:
    """The server looks at the limit after the password. The test would fail as long as the application runs."""
    account.server.run(f"ALTER USER %s@'%%' WITH {limit}", account.name)
    application = account.server._connect(account.name, FIRST)
    with application:
        target.set_secret(administered(account, "second"))
        target.test_secret(step(account, "second"))
        with pytest.raises(AuthenticationError):
            target.test_secret(step(account, "third"))


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


# What a server may be like.


@pytest.mark.parametrize("by_administrator", [False, True])
@pytest.mark.parametrize("world", ["read-only by default", "double quotes are names", "names are padded"])
def test_a_session_has_the_modes_that_its_statements_need(account: Account, world: str, by_administrator: bool) -> None:
    with account.service.misbehave(world):
        target.set_secret((administered if by_administrator else step)(account, "second"))
        if by_administrator:
            target.set_secret(administered(account, "third", clone=True))
    assert account.server.accepts(account.name, "second")


@pytest.mark.parametrize("by_administrator", [False, True])
def test_a_password_that_has_expired_is_changed(account: Account, by_administrator: bool) -> None:
    with account.service.misbehave("an expired password ends the login"):
        account.server.run("ALTER USER %s@'%%' PASSWORD EXPIRE", account.name)
        with pytest.raises(ConfigurationError, match="expired"):
            target.test_secret(step(account, FIRST))
        target.set_secret((administered if by_administrator else step)(account, "second"))
        target.test_secret(step(account, "second"))
    assert account.server.accepts(account.name, "second")


WAYS = "mysql_native_password USING PASSWORD('first-kX81vB6nRw3z') OR unix_socket"


@mariadb_alone
@pytest.mark.parametrize("ways", [WAYS, "unix_socket OR mysql_native_password USING PASSWORD('first-kX81vB6nRw3z')"])
@pytest.mark.parametrize("by_administrator", [False, True])
def test_the_other_ways_to_log_in_stay(account: Account, ways: str, by_administrator: bool) -> None:
    account.server.run(f"ALTER USER %s@'%%' IDENTIFIED VIA {ways}", account.name)
    given = (administered if by_administrator else step)(account, "second")
    with pytest.raises(AuthenticationError, match="refused the password"):
        target.test_secret(given)
    target.set_secret(given)
    target.test_secret(given)
    account.server.run("FLUSH PRIVILEGES")  # as a restart would
    shown = account.server.run("SHOW CREATE USER %s@'%%'", account.name)[0][0]
    assert "unix_socket" in shown
    target.test_secret(given)


@mariadb_alone
def test_an_unknown_user_that_is_answered_for_another_account_gets_its_clone(account: Account) -> None:
    """Lest it tell which users exist, the server takes another account's way to log in: by no password, perhaps."""
    decoys = [f"decoy{n}" for n in range(20)]
    for name in decoys:
        account.server.run("CREATE USER %s@localhost IDENTIFIED VIA unix_socket", name)
    try:
        for n in range(5):
            name = f"{account.admin}n{n}"
            account.server.run("CREATE USER %s@'%%' IDENTIFIED BY %s", name, FIRST)
            given = administered(account, "second", clone=True)
            pair = version(account, "second", f"{name}_clone"), version(account, FIRST, name)
            target.set_secret(replace(given, pending_or_none=pair[0], current=pair[1]))
            assert account.server.accepts(f"{name}_clone", "second")
    finally:
        for name in decoys:
            account.server.run("DROP USER %s@localhost", name)


@mariadb_alone
@pytest.mark.parametrize("by_administrator", [False, True])
def test_a_server_that_judges_passwords_sees_them_while_it_logs_none(account: Account, by_administrator: bool) -> None:
    def change(pending: str, current: str) -> None:
        given = (administered if by_administrator else step)(account, pending)
        target.set_secret(replace(given, current=version(account, current)))

    with account.service.misbehave("judges passwords and takes none twice"):
        account.server.run("SET GLOBAL general_log = 1")
        with pytest.raises(ConfigurationError, match=r"strict-password-validation.*general_log"):
            change("second-7fK2", FIRST)
        account.server.run("SET GLOBAL general_log = 0")
        for _ in range(2):  # the second time it would reject what it has
            change("second-7fK2", FIRST)
        change("third-9dQ4", "second-7fK2")
        with pytest.raises(ValueRefusedError, match="password policy"):
            change("second-7fK2", "third-9dQ4")
        target.test_secret(step(account, "third-9dQ4"))
    assert "7fK2" not in account.server.log()


def test_the_runbooks_statements_end_the_sessions_of_a_leaked_value(account: Account) -> None:
    listing, kill = runbooks.statements("A value has leaked", "MySQL", NAME=account.name.replace("'", "''"))
    with account.server._connect(account.name, FIRST) as session, session.cursor() as cursor:
        for row in account.server.run(listing.replace("%", "%%")):
            account.server.run(kill.replace("id", str(next(iter(row.values() if isinstance(row, dict) else row)))))
        with pytest.raises(pymysql.MySQLError):
            cursor.execute("SELECT 1")


def test_the_runbooks_statement_removes_a_clone(server: MariaDB) -> None:
    account = Account(server, ("admin",), strategy="alternating")
    world = World.make("mysql", account, lambda of: of.setup)
    for _ in range(2):  # until it is the first one's turn again
        world.rotate()
    (drop,) = runbooks.statements("Decommissioning", "`mysql`", NAME=account.name.replace("'", "''"), HOST="%")
    assert server.run("SELECT User FROM mysql.user WHERE User = %s", f"{account.name}_clone")
    server.run(drop.replace("%", "%%"))
    assert not server.run("SELECT User FROM mysql.user WHERE User = %s", f"{account.name}_clone")
    assert account.login(world.current)


@mariadb_alone
@pytest.mark.parametrize("by_administrator", [False, True])
def test_what_simple_password_check_refuses_is_an_error_of_its_own(account: Account, by_administrator: bool) -> None:
    given = (administered if by_administrator else step)(account, "no digit")
    with mariadb.judging(account.server), pytest.raises(ValueRefusedError, match="`password`"):
        target.set_secret(given)
    assert account.server.accepts(account.name, FIRST)


@pytest.mark.parametrize("by_administrator", [False, True])
def test_a_change_whose_answer_is_lost_is_not_made_twice(account: Account, by_administrator: bool) -> None:
    """The server would reject it the second time."""
    sent = target.MysqlSession.change_password

    def lost(session: target.MysqlSession, username: str, password: str) -> None:
        sent(session, username, password)
        raise NetworkError("The answer is lost.")

    with account.service.misbehave("takes no password twice" if ON_MYSQL else "judges passwords and takes none twice"):
        given = (administered if by_administrator else step)(account, "second")
        with mock.patch.object(target.MysqlSession, "change_password", lost):
            target.set_secret(given)
        target.set_secret(given)
        target.test_secret(given)


@mariadb_alone
def test_a_lock_out_ends_the_search(account: Account) -> None:
    with account.service.misbehave("locked after three wrong passwords"):
        older = [version(account, f"wrong{n}") for n in range(3)]
        given = replace(
            step(account, "second"), current=older[0], older=lambda: iter([*older, version(account, FIRST)])
        )
        with pytest.raises(LockedError, match="max_password_errors"):
            target.set_secret(given)


@pytest.mark.parametrize("clone", [False, True])
@pytest.mark.parametrize(
    ("required", "setting", "settings"),
    [
        ("SSL", "'tls'", {"tls": "disable"}),
        ("CIPHER 'TLS_AES_256_GCM_SHA384'", "'tls'", {"tls": "disable"}),
        ("X509", "tls_client_secret_arn", {}),
        ("ISSUER '/CN=authority'", "tls_client_secret_arn", {}),
    ],
)
def test_what_the_account_demands_of_a_connection_and_the_settings_lack_is_refused_first(
    account: Account, required: str, setting: str, settings: dict[str, Any], clone: bool
) -> None:
    account.server.run(f"ALTER USER %s@'%%' REQUIRE {required}", account.name)
    before = account.server.run("SHOW CREATE USER %s@'%%'", account.name)
    with pytest.raises(ConfigurationError, match=setting):
        target.set_secret(administered(account, "second", clone=clone, **settings))
    assert account.server.run("SHOW CREATE USER %s@'%%'", account.name) == before
    assert not account.server.run("SELECT 1 FROM mysql.user WHERE User = %s", f"{account.name}_clone")


def test_an_administrator_does_not_rotate_itself_away(account: Account) -> None:
    for pending in (account.admin, f"{account.admin}_clone"):
        taking_turns: dict[str, Any] = {"strategy": "alternating"} if pending.endswith("_clone") else {}
        given = administered(account, "second", superusers="allow", **taking_turns)
        given = replace(given, pending_or_none=version(account, "second", pending))
        with pytest.raises(ConfigurationError, match="administrator itself"):
            target.set_secret(replace(given, current=version(account, "wrong", account.admin)))
    assert account.server.accepts(account.admin, ADMIN_PASSWORD)


@pytest.mark.parametrize("clone", [False, True])
@pytest.mark.parametrize("grant", ["SUPER ON *.*", "CREATE USER ON *.*", "UPDATE ON mysql.*", "role"])
def test_an_administrator_does_not_change_who_can_change_accounts(account: Account, grant: str, clone: bool) -> None:
    role = f"role_of_{account.admin}"
    if grant == "role":
        account.server.run(f"CREATE ROLE {role}")
        account.server.run(f"GRANT SUPER ON *.* TO {role}")
    account.server.run(f"GRANT {role if grant == 'role' else grant} TO %s@'%%'", account.name)
    with pytest.raises(ConfigurationError, match="superusers"):
        target.set_secret(administered(account, "second", clone))
    assert account.server.accepts(account.name, FIRST)
    assert not account.server.run("SELECT 1 FROM mysql.user WHERE User = %s", f"{account.name}_clone")
    target.set_secret(administered(account, "second", superusers="allow"))
    assert account.server.accepts(account.name, "second")


@pytest.mark.parametrize("strategy", ["single", "alternating", "dual"])
def test_a_user_that_no_setting_allows_is_refused_with_each_strategy(account: Account, strategy: str) -> None:
    clone = strategy == "alternating"
    given = administered(account, "second", clone, allowed_usernames="other_*")
    given = replace(given, settings={**given.settings, "strategy": strategy})
    with pytest.raises(ConfigurationError, match="allowed_usernames"):
        target.set_secret(given)
    assert account.server.accepts(account.name, FIRST)


@pytest.mark.parametrize(("change", "is_allowed"), [(str, True), (str.upper, False), ("other{}".format, False)])
def test_an_administrator_changes_only_users_that_a_setting_allows(
    account: Account, change: Callable[[str], str], is_allowed: bool
) -> None:
    given = administered(account, "second", allowed_usernames=f"other, {change(account.name).replace('*', '?')}")
    if is_allowed:
        target.set_secret(given)
    else:
        with pytest.raises(ConfigurationError, match="allowed_usernames"):
            target.set_secret(given)
    assert account.server.accepts(account.name, "second" if is_allowed else FIRST)


@mariadb_alone
def test_a_galera_node_that_serves_nothing_is_not_ready_now() -> None:
    with mariadb.start(**GALERA) as running:
        account = Account(running)
        running.run("SET GLOBAL wsrep_reject_queries = 'ALL'")
        with pytest.raises(NetworkError, match="Galera"):
            target.test_secret(step(account, FIRST))


GALERA: dict[str, Any] = {
    "wsrep_on": "ON",
    "wsrep_provider": "/usr/lib/galera/libgalera_smm.so",
    "wsrep_cluster_address": "gcomm://",
    "wsrep_provider_options": "'gmcast.listen_addr=tcp://127.0.0.1:0'",
    "wsrep_node_address": "127.0.0.1",
    "binlog_format": "ROW",
}


@pytest.mark.parametrize("password", ["line\n", "tab\t", "\U0001f600", "\u0378", "ünï €", "'\\\"`%s", "x" * 200])
@pytest.mark.parametrize("by_administrator", [False, True])
def test_any_password_is_taken_as_it_is(account: Account, password: str, by_administrator: bool) -> None:
    target.set_secret((administered if by_administrator else step)(account, password))
    assert account.server.accepts(account.name, password)
    target.test_secret(step(account, password))


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


@pytest.mark.parametrize(
    "protection",
    [
        # MySQL 8.0.15 shows an apostrophe in a certificate's name as it is, and cannot read that itself.
        "REQUIRE ISSUER '/CN=it is 100%' CIPHER 'A'" if ON_MYSQL else "REQUIRE ISSUER '/CN=it''s \\\\ 100%' CIPHER 'A'",
        "WITH MAX_USER_CONNECTIONS 4" if ON_MYSQL else "WITH MAX_USER_CONNECTIONS 4 MAX_STATEMENT_TIME 2.000000",
        "REQUIRE SSL WITH MAX_QUERIES_PER_HOUR 1000 PASSWORD EXPIRE INTERVAL 3 DAY",
        "PASSWORD EXPIRE NEVER",
    ],
)
def test_what_protects_the_original_protects_the_clone(account: Account, protection: str) -> None:
    account.server.run(f"ALTER USER %s@'%%' {protection.replace('%', '%%')}", account.name)
    given, place = administered(account, "second", clone=True), Server("localhost", account.address[1], "")
    session = target.connect(given, place, account.admin, ADMIN_PASSWORD)
    with closing(session), mock.patch.object(certificate, "of"):
        session.prepare_clone(f"{account.name}_clone", account.name)
    shown = account.server.run("SHOW CREATE USER %s@'%%'", f"{account.name}_clone")[0][0]
    assert f" {protection}" in shown


@mariadb_alone
def test_the_clone_gets_the_default_role_or_the_statement_for_it_is_named(account: Account) -> None:
    role, clone = f"role`of {account.admin} %", f"{account.name}_clone"
    quoted = f"`{role.replace('`', '``').replace('%', '%%')}`"
    account.server.run(f"CREATE ROLE {quoted}")
    account.server.run(f"GRANT {quoted} TO %s@'%%'", account.name)
    account.server.run(f"GRANT {quoted} TO %s@'%%' WITH ADMIN OPTION", account.admin)
    account.server.run(f"SET DEFAULT ROLE {quoted} FOR %s@'%%'", account.name)
    with pytest.raises(ConfigurationError, match="SET DEFAULT ROLE") as caught:
        target.set_secret(administered(account, "second", clone=True))
    assert f"{quoted.replace('%%', '%')} FOR " in str(caught.value)
    account.server.run(f"SET DEFAULT ROLE {quoted} FOR %s@'%%'", clone)
    target.set_secret(administered(account, "second", clone=True))
    assert account.server.accepts(clone, "second")
    assert account.server.run("SELECT default_role FROM mysql.user WHERE User = %s", clone) == ((role,),)
    account.server.run("SET DEFAULT ROLE NONE FOR %s@'%%'", clone)
    account.server.run("GRANT UPDATE ON mysql.* TO %s@'%%'", account.admin)
    target.set_secret(administered(account, "third", clone=True))
    assert account.server.run("SELECT default_role FROM mysql.user WHERE User = %s", clone) == ((role,),)


def test_a_role_that_the_administrator_may_not_give_is_said_to_be_one(account: Account) -> None:
    role = f"role_of_{account.admin}"
    account.server.run(f"CREATE ROLE {role}")
    account.server.run(f"GRANT {role} TO %s@'%%'", account.name)
    with pytest.raises(ConfigurationError, match="WITH ADMIN OPTION"):
        target.set_secret(administered(account, "second", clone=True))


def hashes(account: Account) -> Any:
    return account.server.run("SELECT Host, authentication_string FROM mysql.user WHERE User = %s", account.name)


@compares_hashes
@pytest.mark.parametrize("demanded", ["CIPHER 'AES128-SHA'", "CIPHER 'ECDHE-ECDSA-AES256-GCM-SHA384'"])
def test_a_password_that_cannot_be_tested_is_put_back(account: Account, demanded: str) -> None:
    """The applications' TLS has the cipher. An administrator's ALTER USER succeeds, and no test ever would."""
    account.server.run(f"ALTER USER %s@'%%' REQUIRE {demanded}", account.name)
    before = hashes(account)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="put back"):
            target.set_secret(administered(account, "second"))
        assert hashes(account) == before


@compares_hashes
def test_the_password_of_an_account_that_the_function_is_not_taken_for_is_put_back(account: Account) -> None:
    """The server takes the one with the narrower host, and applications elsewhere the other one."""
    account.server.run("CREATE USER %s@'127.0.0.1' IDENTIFIED BY 'another'", account.name)
    before = hashes(account)
    with pytest.raises(ConfigurationError, match="'user_host'"):
        target.set_secret(administered(account, "second", user_host="%"))
    assert hashes(account) == before
    target.set_secret(administered(account, "second", user_host="127.0.0.1"))
    assert account.server.accepts(account.name, "second")


@mariadb_alone
@pytest.mark.parametrize("ways", ["mysql_native_password USING PASSWORD('first') OR unix_socket"])
def test_all_ways_to_log_in_are_put_back(account: Account, ways: str) -> None:
    account.server.run(f"ALTER USER %s@'%%' IDENTIFIED VIA {ways} REQUIRE CIPHER 'AES128-SHA'", account.name)
    before = account.server.run("SHOW CREATE USER %s@'%%'", account.name)
    with pytest.raises(ConfigurationError, match="put back"):
        target.set_secret(administered(account, "second"))
    assert account.server.run("SHOW CREATE USER %s@'%%'", account.name) == before


@compares_hashes
def test_a_locked_account_keeps_its_password(account: Account) -> None:
    account.server.run("ALTER USER %s@'%%' ACCOUNT LOCK", account.name)
    before = hashes(account)
    with pytest.raises(LockedError, match="ACCOUNT UNLOCK"):
        target.set_secret(administered(account, "second"))
    assert hashes(account) == before


def test_what_a_session_runs_first_is_named_when_it_fails(account: Account) -> None:
    account.server.run("SET GLOBAL init_connect = 'SELECT nonsense'")
    try:
        with pytest.raises(ConfigurationError, match="'init_connect'"):
            target.test_secret(step(account, FIRST))
    finally:
        account.server.run("SET GLOBAL init_connect = ''")


def test_tls_that_is_demanded_and_turned_off_is_named(account: Account) -> None:
    """MariaDB says the same of it as of a wrong password; MySQL has a number for it."""
    account.server.run("SET GLOBAL require_secure_transport = 1")
    try:
        with pytest.raises(ConfigurationError if ON_MYSQL else AuthenticationError, match="'tls'"):
            target.test_secret(step(account, FIRST, tls="disable"))
    finally:
        account.server.owner.cursor().execute("SET GLOBAL require_secure_transport = 0")


def test_wildcards_of_the_grants_do_not_grow(account: Account) -> None:
    for database in ("100%%", "a\\_b%%"):
        account.server.run(f"GRANT SELECT ON `{database}`.* TO %s@'%%'", account.name)
        account.server.run(f"GRANT SELECT ON `{database}`.* TO %s@'%%' WITH GRANT OPTION", account.admin)
    for password in ("second", "third"):
        target.set_secret(administered(account, password, clone=True))
    assert grants(account, f"{account.name}_clone") == grants(account, account.name)
    assert len(grants(account, account.name)) == 3


def test_what_protects_the_original_no_more_does_not_stop_the_clone(account: Account) -> None:
    account.server.run("ALTER USER %s@'%%' REQUIRE SSL", account.name)
    target.set_secret(administered(account, "second", clone=True))
    account.server.run("ALTER USER %s@'%%' REQUIRE NONE PASSWORD EXPIRE", account.name)
    target.set_secret(administered(account, "third", clone=True))
    assert account.server.accepts(f"{account.name}_clone", "third")


@mariadb_alone
def test_an_account_that_only_a_way_without_a_known_password_opens_gets_no_clone(account: Account) -> None:
    account.server.run("ALTER USER %s@'%%' IDENTIFIED VIA unix_socket", account.name)
    with pytest.raises(ConfigurationError, match="unix_socket"):
        target.set_secret(administered(account, "second", clone=True))
    assert not account.server.run("SELECT 1 FROM mysql.user WHERE User = %s", f"{account.name}_clone")


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
    long = secrets.token_hex(15 if ON_MYSQL else 63)  # two characters less than there may be
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


def recorded(*answers: object) -> tuple[target.MysqlSession, Recorder]:
    """A session with MySQL, as the user ``app``."""
    recorder = Recorder(*answers)
    return target.MysqlSession(context(None), Server("localhost", 3306, ""), ("app", "old"), recorder), recorder


def test_a_mysql_user_changes_its_own_password_with_alter_user() -> None:
    session, recorder = recorded()
    session.change_password("app", "new")
    assert recorder.statements == [("ALTER USER CURRENT_USER() IDENTIFIED BY %s", ("new",))]


def test_a_mysql_administrator_names_the_account() -> None:
    session, recorder = recorded((("10.%", ""),), (), (("CREATE USER `other`@`10.%` REQUIRE NONE",),))
    with mock.patch.object(target, "connect") as connect:
        session.change_password("other", "new")
    assert connect.call_args.args[2:] == ("other", "new"), "it is tried"
    assert recorder.statements[-1] == ("ALTER USER %s@%s IDENTIFIED BY %s", ("other", "10.%", "new"))


@pytest.mark.parametrize("quote", ["`", "'"])  # MySQL 8, and 5.7
def test_mysqls_grants_are_given_to_the_clone(quote: str) -> None:
    account = f"{quote}app{quote}@{quote}%{quote}"
    shown = [
        f"GRANT USAGE ON *.* TO {account}",
        f"GRANT SELECT ON `100%`.* TO {account} WITH GRANT OPTION",
        f"GRANT `reader`@`%` TO {account} WITH ADMIN OPTION",
    ]
    lines = [(line,) for line in shown]
    made = [("CREATE USER `app`@`%` IDENTIFIED WITH 'caching_sha2_password' AS 'x' REQUIRE NONE",)]
    session, recorder = recorded(
        (), (("%", ""),), lines, [("GRANT USAGE ON *.* TO `reader`@`%`",)], made, (), (), lines
    )
    session.prepare_clone("app_clone", "app")
    clone = ("app_clone", "%")
    *_, first, second = recorder.statements
    assert first == ("GRANT SELECT ON `100%%`.* TO %s@%s WITH GRANT OPTION", clone)
    assert second == ("GRANT `reader`@`%%` TO %s@%s WITH ADMIN OPTION", clone)
