"""Each service as its description promises: a credential is reset, changed, locked out, and made to misbehave."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pg8000.native
import pymysql
import pytest

from rotation_lab.services import data_api, door, elasticache, mariadb, postgresql, rabbitmq, redis_server, servers
from rotation_lab.services.base import FIRST, USER, Nothing, Server, Service, alone, document
from rotation_lab.services.door import State
from rotation_lab.services.iam import UNKNOWN, Iam
from tests.lab.evidence import own

pytestmark = own("services, which are not AWS")

STARTS: Mapping[str, Callable[[], AbstractContextManager[Server]]] = {
    "data_api": lambda: data_api.over(postgresql.start()),
    "door": door.start,
    "elasticache": lambda: elasticache.over(redis_server.start()),
    "iam": lambda: nullcontext(Iam()),
    "mariadb": mariadb.start,
    "postgresql": postgresql.start,
    "rabbitmq": rabbitmq.start,
    "redis_server": redis_server.start,
}


@pytest.fixture(scope="module", params=STARTS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with STARTS[request.param]() as running:
        yield running


@pytest.fixture(scope="module")
def service(server: Server) -> Service:
    return server.credential()


def test_what_it_is_reset_to_opens_it_and_nothing_else_does(service: Service) -> None:
    first = document(service, service.reset())
    assert service.opens(first)
    changed = document(service, service.change())
    assert service.opens(changed)
    assert changed != first
    service.lock_out()
    assert not service.opens(first)
    assert not service.opens(changed)
    assert service.opens(document(service, service.reset()))


def test_credentials_do_not_see_each_other(server: Server, service: Service) -> None:
    mine = document(service, service.reset())
    other = server.credential("other")
    theirs = document(other, other.reset())
    other.lock_out()
    assert service.opens(mine)
    assert not other.opens(theirs)


def test_what_worked_works_in_each_odd_world_and_after_it(service: Service) -> None:
    for world in service.worlds:
        text = document(service, service.reset())
        with service.misbehave(world):
            assert service.opens(text), world
            assert service.opens(document(service, service.reset())), world
        assert service.opens(document(service, service.reset())), world


def test_a_world_that_there_is_not_is_no_world(service: Service) -> None:
    with pytest.raises(KeyError), service.misbehave("no such world"):
        pass


def test_a_value_without_a_service_opens_what_it_is_for() -> None:
    assert Nothing().opens(document(Nothing(), Nothing().reset()))
    assert json.loads(document(Nothing(("token",)), Nothing(("token",)).change())).keys() == {"token"}


# Each odd world is odd.


@pytest.fixture(scope="module")
def role() -> Iterator[postgresql.Role]:
    with postgresql.start() as running:
        yield running.credential("App %s \"'")


@pytest.mark.parametrize(
    ("world", "setting", "value"),
    [
        ("read-only by default", "default_transaction_read_only", "on"),
        ("md5 by default, SCRAM only", "password_encryption", "md5"),
    ],
)
def test_sessions_of_the_role_start_with_another_setting(
    role: postgresql.Role, world: str, setting: str, value: str
) -> None:
    def shown() -> str:
        with contextlib.closing(role.server._connect(role.name, FIRST, "postgres")) as session:
            return str(session.run(f"SHOW {setting}")[0][0])

    role.reset()
    usual = shown()
    with role.misbehave(world):
        assert shown() == value != usual
    assert shown() == usual


def test_a_role_whose_password_is_kept_as_md5_cannot_log_in(role: postgresql.Role) -> None:
    role.reset()
    with role.misbehave("md5 by default, SCRAM only"):
        with contextlib.closing(role.server._connect(role.name, FIRST, "postgres")) as session:
            session.run("ALTER ROLE CURRENT_USER PASSWORD 'another'")
        with pytest.raises(pg8000.native.DatabaseError, match="28P01"):
            role.server._connect(role.name, "another", "postgres")


@pytest.fixture(scope="module")
def account() -> Iterator[mariadb.Account]:
    with mariadb.start() as running:
        yield running.credential()


def test_an_account_that_needs_a_certificate_refuses_the_password_alone(account: mariadb.Account) -> None:
    account.reset()
    with account.misbehave("a client certificate is required"):
        assert not account.server.accepts(USER, FIRST)
        assert account.accepts(USER, FIRST)
    assert account.server.accepts(USER, FIRST)


def test_three_wrong_passwords_lock_the_account(account: mariadb.Account) -> None:
    account.reset()
    with account.misbehave("locked after three wrong passwords"):
        assert not any(account.server.accepts(USER, "wrong") for _ in range(3))
        with pytest.raises(pymysql.OperationalError, match=r"4151|4150"):
            account.server.accepts(USER, FIRST)
        assert account.accepts(USER, FIRST), "the password is right"
        assert not account.accepts(USER, "wrong")
        assert not account.follow("Put another value.")
        assert account.follow("Unlock it: FLUSH PRIVILEGES.")
        assert account.server.accepts(USER, FIRST)


def test_a_password_is_taken_once_until_the_account_is_reset(account: mariadb.Account) -> None:
    with account.misbehave("judges passwords and takes none twice"):
        for _ in range(2):
            account.reset()
            account.change()
            with pytest.raises(pymysql.OperationalError, match="1396"):
                account.change()


@pytest.mark.parametrize(
    ("world", "statement", "text"),
    [
        ("read-only by default", "ALTER USER CURRENT_USER IDENTIFIED BY 'x'", "1792"),
        ("double quotes are names", 'SELECT "text"', "1054|1046"),
    ],
)
def test_what_a_statement_means_is_another(account: mariadb.Account, world: str, statement: str, text: str) -> None:
    account.reset()
    with (
        account.misbehave(world),
        contextlib.closing(account.server._connect(USER, FIRST)) as session,
        pytest.raises(pymysql.MySQLError, match=text),
    ):
        session.cursor().execute(statement)


def test_a_redis_server_names_the_user_as_that_of_its_replication() -> None:
    with alone(redis_server.start()) as user:
        assert isinstance(user, redis_server.User)
        with user.misbehave("replication logs in as this user"):
            assert user.server.run("CONFIG GET", "masteruser") == {"masteruser": USER}
        assert user.server.run("CONFIG GET", "masteruser") == {"masteruser": ""}


def test_the_door_locks_remembers_and_dawdles() -> None:
    with alone(door.start()) as user:
        assert isinstance(user, door.User)
        first = document(user, user.reset())
        with user.misbehave("locked after three wrong passwords"):
            user.door.put(USER, State(**{**vars(user.door.state(USER)), "wrong": 3}))
            assert user.opens(first), "the value is right"
            assert user.follow("locked")
            assert not user.follow("not locked any more")
        with user.misbehave("answers after six seconds"):
            assert user.door.state(USER).delay == 6
        with user.misbehave("refuses a former password"):
            assert user.door.state(USER).remembers
        with user.misbehave("a change takes effect later"):
            user.door.put(USER, State(**{**vars(user.door.state(USER)), "coming": "new", "left": 9}))
            assert user.opens("new")
            assert not user.opens(first), "it opens nothing for much longer"


def test_a_key_is_unknown_to_sts_for_a_while() -> None:
    iam = Iam()
    user = iam.credential()
    with user.misbehave(UNKNOWN):
        made: Mapping[str, Any] = iam.client("iam").create_access_key(UserName=USER)["AccessKey"]
        assert iam.keys[made["AccessKeyId"]].refusals == 2


def test_each_server_says_its_version_or_how_to_install_it() -> None:
    """MySQL, Samba and FerretDB have a target of make each: the tests of all others need their servers."""
    lines = dict(line.split(": ", 1) for line in servers.versions())
    elsewhere = {name: lines.pop(name) for name in ("ferretdb", "mysql", "samba")}
    assert set(lines) == {"mariadb", "postgresql", "rabbitmq", "redis_server", "slapd"}
    assert all(version[0].isdigit() for version in lines.values())
    assert all(found[0].isdigit() or "Install it: " in found for found in elsewhere.values())


def test_another_version_of_postgresql_is_named_by_its_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "postgres"
    program.write_text("#!/bin/sh\necho postgres '(PostgreSQL)' 99.1\n")
    program.chmod(0o755)
    monkeypatch.setenv(postgresql.CHOSEN, str(tmp_path))
    assert postgresql.version() == "99.1"
