"""MySQL's dual passwords, against MySQL itself: `make mysql`."""

import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any
from unittest import mock

import pymysql
import pytest

from rotation_lab.model.secrets_manager import SecretsManager
from rotation_lab.services import mariadb
from rotation_lab.services.base import FIRST
from rotation_lab.services.mariadb import MariaDB
from secret_rotation.errors import AuthenticationError, ConfigurationError, NetworkError, RotationError
from secret_rotation.target import Context
from secret_rotation.targets import mysql as target
from secret_rotation.targets.databases import mysql_dual as dual
from tests.target_contract import TargetContract
from tests.targets import test_mysql as single
from tests.targets.test_mysql import ON_MYSQL, Account, server

__all__ = ["server"]

if not ON_MYSQL:
    pytest.skip("run by `make mysql`", allow_module_level=True)


class TestDual(TargetContract):
    """The account changes its own password, and the former one stays beside it."""

    target = "mysql"
    former_value_works = True
    required_keys = ("username", "host")

    @pytest.fixture
    def service(self, server: MariaDB) -> Account:
        return Account(server, strategy="dual")


class TestDualAdministered(TargetContract):
    """An administrator changes the account's password, and the former one stays beside it."""

    target = "mysql"
    former_value_works = True
    required_keys = ("username", "host")

    @pytest.fixture
    def service(self, server: MariaDB) -> Account:
        return Account(server, ("admin",), strategy="dual")


# What the contract does not say.


@pytest.fixture
def account(server: MariaDB) -> Account:
    return Account(server, strategy="dual")


Step = Callable[..., Context]


@pytest.fixture(params=["itself", "an administrator"])
def step(request: pytest.FixtureRequest, account: Account) -> Step:
    """A step from one password to another, of whoever changes it."""
    make = single.step if request.param == "itself" else single.administered

    def made(pending: str, current: str = FIRST) -> Context:
        given = make(account, pending, strategy="dual")
        client = given.client if request.param == "an administrator" else lambda _: SecretsManager().client()
        return replace(given, current=single.version(account, current), client=client)

    return made


def works(account: Account, *passwords: str) -> list[bool]:
    return [account.server.accepts(account.name, each) for each in passwords]


def test_the_former_password_stays_until_the_next_rotation(account: Account, step: Step) -> None:
    target.set_secret(step("second"))
    assert works(account, FIRST, "second") == [True, True]
    target.set_secret(step("third", "second"))
    assert works(account, FIRST, "second", "third") == [False, True, True]


def test_the_current_password_stays_when_a_rotation_was_abandoned_after_it_had_set_its_own(
    account: Account, step: Step
) -> None:
    target.set_secret(step("abandoned"))
    target.set_secret(step("second"))
    assert works(account, FIRST, "abandoned", "second") == [True, False, True]


def test_one_change_after_another_of_the_same_step_keeps_the_current_password(account: Account, step: Step) -> None:
    """As when two ran at once, and both had found that the pending password does not work yet."""
    for _ in range(2):
        with mock.patch.object(Context, "set_once", lambda context, test, change: change()):
            refused: dict[str, RotationError] = {"version-second": AuthenticationError("It does not work yet.")}
            target.set_secret(replace(step("second"), problems=refused))
    assert works(account, FIRST, "second") == [True, True]


def test_many_steps_at_once_keep_the_current_password(account: Account, step: Step) -> None:
    waiting = threading.Barrier(6)
    change = target.MysqlSession.change_password

    def together(session: target.MysqlSession, username: str, password: str) -> None:
        waiting.wait(30)
        change(session, username, password)

    def run() -> None:
        target.set_secret(step("second"))

    with mock.patch.object(target.MysqlSession, "change_password", together):
        threads = [threading.Thread(target=run) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert works(account, FIRST, "second") == [True, True]


@pytest.mark.parametrize("world", ["takes no password twice", "wants to see the current password"])
def test_the_worlds_of_a_server_that_remembers_passwords(account: Account, step: Step, world: str) -> None:
    with account.service.misbehave(world):
        target.set_secret(step("abandoned"))
        abandoned = single.version(account, "abandoned")
        target.set_secret(replace(step("second"), older=lambda: iter([abandoned])))
        assert works(account, FIRST, "abandoned", "second") == [True, False, True]
        target.set_secret(step("third", "second"))
        assert works(account, FIRST, "second", "third") == [False, True, True]


@pytest.mark.parametrize("plugin", ["mysql_native_password", "sha256_password", "caching_sha2_password"])
def test_every_way_to_keep_a_password(account: Account, step: Step, plugin: str) -> None:
    account.server.run(f"ALTER USER %s@'%%' IDENTIFIED WITH {plugin} BY %s", account.name, FIRST)
    for pending in ("abandoned", "second"):
        target.set_secret(step(pending))
    assert works(account, FIRST, "abandoned", "second") == [True, False, True]


def test_a_user_that_may_not_keep_a_password_is_told_what_to_grant(account: Account) -> None:
    account.server.run("REVOKE APPLICATION_PASSWORD_ADMIN ON *.* FROM %s@'%%'", account.name)
    with pytest.raises(ConfigurationError, match="APPLICATION_PASSWORD_ADMIN"):
        target.set_secret(single.step(account, "second", strategy="dual"))
    assert works(account, FIRST, "second") == [True, False]


def test_a_lock_that_another_session_keeps_is_waited_for(account: Account) -> None:
    held: pymysql.Connection[Any] = account.server._connect(mariadb.SUPERUSER, mariadb.PASSWORD)
    with closing(held):
        dual.lock(held_by(held), (account.name, "%"), 1)
        with (
            mock.patch.object(dual, "lock", lambda execute, who, wait: LOCK(execute, who, 1)),
            pytest.raises(NetworkError, match="lock"),
        ):
            target.set_secret(single.administered(account, "second", strategy="dual"))
    assert works(account, FIRST, "second") == [True, False]
    target.set_secret(single.administered(account, "second", strategy="dual"))
    assert works(account, FIRST, "second") == [True, True]


LOCK = dual.lock


def held_by(connection: "pymysql.Connection[Any]") -> dual.Execute:
    def execute(statement: str, *values: object) -> object:
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall()

    return execute
