"""Dual passwords without a server: whichever way steps meet, the current password stays. And MySQL's hashes."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pymysql
import pytest

from secret_rotation.errors import ConfigurationError, NetworkError, SecretError
from secret_rotation.kit import connection as network
from secret_rotation.targets import mysql
from secret_rotation.targets.databases import mysql_dual as dual
from secret_rotation.targets.databases import mysql_hashes as hashes
from secret_rotation.targets.databases.strategies import Server
from tests.support import contexts

WHO = ("app", "%")


class Account:
    """An account as MySQL keeps it: what each statement does was seen on 8.0.15, and is tested there."""

    def __init__(
        self, primary: str, secondary: str | None = None, *, demands: bool = False, locked: bool = False
    ) -> None:
        self.primary, self.secondary, self.demands, self.locked = primary, secondary, demands, locked
        self.log = list[str]()

    def execute(self, statement: str, *values: Any) -> Any:
        self.log.append(statement)
        if statement.startswith("SELECT GET_LOCK"):
            return [(0 if self.locked else 1,)]
        if statement.startswith("SELECT authentication_string"):
            return [(hashes.native(self.primary),)]
        if statement.startswith("ALTER USER"):
            self._alter(statement, [value for value in values if value not in WHO])
        return []

    def _alter(self, statement: str, passwords: list[str]) -> None:
        if "REPLACE" in statement and passwords[1] != self.primary:
            raise pymysql.OperationalError(3891, "wrong")
        if self.demands and "CURRENT_USER" in statement and "REPLACE" not in statement:
            raise pymysql.OperationalError(3892, "missing")
        if statement.endswith(" RETAIN CURRENT PASSWORD"):
            self.secondary = self.primary
        self.primary = passwords[0]

    @property
    def opens(self) -> set[str | None]:
        return {self.primary, self.secondary}


def moved() -> None:
    raise SecretError("AWSCURRENT has moved.")


def own(account: Account, execute: Any = None, check: Callable[[], None] = lambda: None) -> None:
    dual.change_own(execute or account.execute, "pending", "current", iter(["pending", "current", "abandoned"]), check)


def administered(account: Account, execute: Any = None, check: Callable[[], None] = lambda: None) -> None:
    dual.lock(execute or account.execute, WHO, 5)
    dual.change(execute or account.execute, WHO, "pending", "current", check)


Change = Callable[..., None]
BOTH = pytest.mark.parametrize("change", [own, administered])


@BOTH
@pytest.mark.parametrize(
    ("primary", "secondary"),
    [("current", None), ("current", "older"), ("abandoned", "current"), ("current", "current")],
)
@pytest.mark.parametrize("demands", [False, True])
def test_the_current_password_stays_beside_the_pending_one(
    change: Change, primary: str, secondary: str | None, demands: bool
) -> None:
    account = Account(primary, secondary, demands=demands)
    for _ in range(2):
        change(account)
        assert account.opens == {"pending", "current"}


@BOTH
def test_a_step_that_comes_late_leaves_the_password_that_has_become_current(change: Change) -> None:
    account = Account("newer", "current")
    with pytest.raises(SecretError, match="moved"):
        change(account, check=moved)
    assert account.opens == {"newer", "current"}


@BOTH
def test_what_is_not_in_doubt_is_not_asked(change: Change) -> None:
    account = Account("current", "older")
    change(account, check=moved)
    assert account.opens == {"pending", "current"}


class DiedError(Exception):
    pass


@BOTH
@pytest.mark.parametrize(("primary", "secondary"), [("current", "older"), ("abandoned", "current")])
def test_a_death_between_two_statements_leaves_the_current_password(
    change: Change, primary: str, secondary: str
) -> None:
    for survived in itertools.count():
        account, left = Account(primary, secondary), iter(range(survived))

        def dying(statement: str, *values: Any, left: Iterator[int] = left, account: Account = account) -> Any:
            if next(left, None) is None:
                raise DiedError
            return account.execute(statement, *values)

        try:
            change(account, dying)
        except DiedError:
            assert "current" in account.opens
        else:
            break
        change(account)
        assert account.opens == {"pending", "current"}


def test_two_users_that_meet_in_any_order_keep_the_current_password() -> None:
    """Each statement of the one may come before or after each of the other; without a lock."""
    for order in itertools.product("AB", repeat=4):
        account = Account("current", "older")
        runs = {name: Statements(account) for name in "AB"}
        for name in order:
            runs[name].step()
        for run in runs.values():
            run.finish()
        assert account.opens == {"pending", "current"}, order


class Statements:
    """``change_own``, a statement at a time."""

    def __init__(self, account: Account) -> None:
        self.account, self.done = account, False
        self.retain = True

    def step(self) -> None:
        if self.done:
            return
        sent = "REPLACE" if self.retain else "plain"
        statements = list[tuple[str, tuple[Any, ...]]]()

        def record(statement: str, *values: Any) -> Any:
            statements.append((statement, values))
            if "REPLACE" in statement and not self.retain:
                raise pymysql.OperationalError(3891, "wrong")
            return []

        dual.change_own(record, "pending", "current", [], lambda: None)
        statement, values = statements[-1]
        assert ("REPLACE" in statement) == (sent == "REPLACE")
        try:
            self.account.execute(statement, *values)
            self.done = True
        except pymysql.OperationalError:
            self.retain = False

    def finish(self) -> None:
        while not self.done:
            self.step()


def test_an_administrator_looks_only_once_it_has_the_lock() -> None:
    account = Account("current")
    administered(account)
    assert [statement.split(" ")[1].split("(")[0] for statement in account.log] == [
        "SESSION",
        "GET_LOCK",
        "authentication_string",
        "USER",
    ]
    assert "wait_timeout = 60" in account.log[0], "or a function that was killed would keep the lock for hours"


def test_without_the_lock_nothing_is_changed() -> None:
    account = Account("current", "older", locked=True)
    with pytest.raises(NetworkError, match="lock"):
        administered(account)
    assert account.opens == {"current", "older"}


@BOTH
@pytest.mark.parametrize(
    ("number", "named"), [(1064, r"8\.0\.14.*alternating"), (1227, "APPLICATION_PASSWORD_ADMIN.*CREATE USER")]
)
def test_a_server_that_does_not_do_this_says_what_to_set(change: Change, number: int, named: str) -> None:
    account = Account("current")

    def refused(statement: str, *values: Any) -> Any:
        if statement.startswith("ALTER"):
            raise pymysql.OperationalError(number, "s3cret")
        return account.execute(statement, *values)

    with pytest.raises(ConfigurationError, match=named):
        change(account, refused)


@BOTH
def test_any_other_error_is_left_to_the_session(change: Change) -> None:
    def refused(statement: str, *values: Any) -> Any:
        if statement.startswith("ALTER"):
            raise pymysql.OperationalError(1819, "policy")
        return Account("current").execute(statement, *values)

    with pytest.raises(pymysql.OperationalError, match="1819"):
        change(Account("current"), refused)


def test_a_server_that_demands_a_password_that_is_not_stored_is_told_so() -> None:
    account = Account("unknown", "current", demands=True)
    with pytest.raises(pymysql.OperationalError, match="3892"):
        own(account)
    assert account.opens == {"unknown", "current"}


class Mariadb:
    server_version, open = "11.4.2-MariaDB-log", True


def test_mariadb_is_refused_before_it_is_sent_anything() -> None:
    context = contexts.of("mysql")(None, strategy="dual")
    server = Server("localhost", 3306, "")
    session = mysql.MysqlSession(context, server, ("app", "old"), Mariadb(), network.ENDLESS)
    with pytest.raises(ConfigurationError, match=r"MariaDB.*alternating"):
        session.change_password("app", "new")


STORED = {
    "mysql_native_password": "*7A04C7DE5EB9F5311EFC80FF4618E212EA52EED8",
    "sha256_password": "$5$U_Ar#z\tn{;MG0\x12}6t\x0fE\t$4UrTDEnPcq0cm2UfE0CXiKfL/.5iUg/Ni8xkWnM5nl4",
    "caching_sha2_password": "$A$005$w8R\x01[\x1eq2\x13_De_9{\x1bs\rT\x06AwNIz2i4hyEMmR7Lmt3sZBZhw/orICNccdLdDzeZFk4",
}
"""What MySQL 8.0.15 kept of the password P."""


@pytest.mark.parametrize("way", STORED)
def test_a_hash_is_of_its_password_alone(way: str) -> None:
    assert hashes.is_of(STORED[way], "P")
    for other in ("p", "", "PP", "\0", "x" * 300):
        assert not hashes.is_of(STORED[way], other)


def test_a_longer_password_and_more_rounds_make_another_hash() -> None:
    salt = "abcdefghijklmnopqrst"
    for password in ("x" * 200, "a" * 32, "ünï €", ""):
        made = hashes._text(hashes._crypt(password.encode(), salt.encode(), 10_000))
        assert hashes.is_of(f"$A$00A${salt}{made}", password)
        assert not hashes.is_of(f"$A$005${salt}{made}", password)


@pytest.mark.parametrize("stored", ["", "THISISNOTAVALIDPASSWORDTHATCANBEUSEDHERE", "$A$005$short", "é"])
def test_what_is_no_known_hash_is_of_no_password(stored: str) -> None:
    assert not hashes.is_of(stored, "P")
