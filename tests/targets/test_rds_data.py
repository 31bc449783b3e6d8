"""The rds_data target, against PostgreSQL and MariaDB behind a local RDS Data API."""

import contextlib
import itertools
import json
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import boto3
import pytest
from botocore.config import Config
from pg8000 import native

from rotation_lab.model.secrets_manager import SecretsManager
from rotation_lab.services import data_api, mariadb, postgresql
from rotation_lab.services.base import ADMIN_PASSWORD, FIRST
from rotation_lab.services.data_api import Data, DataApi, DataApiError
from rotation_lab.services.mariadb import MariaDB
from rotation_lab.services.postgresql import PostgreSQL
from secret_rotation.errors import (
    AccessDeniedError,
    AuthenticationError,
    ConfigurationError,
    NetworkError,
    RotationError,
    SettingError,
    TargetError,
)
from secret_rotation.targets import rds_data
from tests.operating import NONE, PREFLIGHT, Operating
from tests.target_contract import Installation, Setup, TargetContract, World

CLUSTER = "arn:aws:rds:eu-west-1:123456789012:cluster:app"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rds_data, "PROBE_PAUSES", (0.001,) * 3)
    monkeypatch.setattr(rds_data, "RESUME_PAUSES", (0.001,) * 3)


class User(Installation):
    """A user of its own on the server, an administrator of its own, and a probe."""

    def __init__(self, api: DataApi, engine: str, mark: str) -> None:
        self.api, self.server, self.hooks = api, api.server, list[Callable[[str, str], None]]()
        number = secrets.token_hex(4)
        self.name, self.admin = f"App {mark}{number}{mark} :x", f"admin{number}"
        api.close()
        api.__dict__.update(calls=[], requests=[], fail=lambda operation, request: None, pooled=False, delay=0.0)
        super().__init__(api.credential(self.name, self.admin), ("admin", "probe"), cluster_arn=CLUSTER, engine=engine)

    def prepare(self, manager: SecretsManager) -> Mapping[str, Any]:
        super().prepare(manager)
        self.manager, self.probe = manager, self.setup.settings["probe_secret_arn"]
        self.api.read_secret = lambda arn: manager.secrets[arn].text() if arn in manager.secrets else None
        return {"rds-data": self.client(self.api.url)}

    def client(self, url: str, seconds: float = 10) -> Any:
        make: Any = boto3.client
        quick = Config(connect_timeout=seconds, read_timeout=seconds, retries={"total_max_attempts": 1})
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        made = make("rds-data", region_name="eu-west-1", endpoint_url=url, config=quick, **keys)
        made.meta.events.register("before-call", lambda model, **_: self.tell("before", model.name))
        made.meta.events.register("after-call", lambda model, **_: self.tell("after", model.name))
        return made

    def tell(self, moment: str, action: str) -> None:
        for hook in self.hooks:
            hook(moment, action)

    def watch(self, hook: Callable[[str, str], None]) -> None:
        self.hooks.append(hook)

    @property
    def sent(self) -> str:
        """All statements that the Data API was sent, without their parameters."""
        return "\n".join(str(request.get("sql", "")) for request in self.api.requests)


class Role(User):
    """PostgreSQL."""

    server: PostgreSQL

    def __init__(self, api: DataApi) -> None:
        super().__init__(api, "postgresql", '"')


class Account(User):
    """MySQL, whose place MariaDB takes."""

    server: MariaDB

    def __init__(self, api: DataApi) -> None:
        super().__init__(api, "mysql", "'")

    def logs(self) -> str:
        """Not looked at: MariaDB logs statements as they are, MySQL rewrites the passwords in them."""
        return ""


_DATA_API = "the function speaks to AWS's own endpoint of the Data API"
NOT_APPLICABLE = {
    "test_a_server_that_is_down_is_a_network_error": _DATA_API,
    "test_a_server_that_never_answers_is_a_network_error_within_the_time": _DATA_API,
    "test_a_server_that_hangs_up_is_a_network_error": _DATA_API,
    "test_a_certificate_of_an_unknown_authority_is_refused": _DATA_API,
    "test_a_certificate_for_another_host_name_is_refused": _DATA_API,
    "test_a_server_without_tls_is_refused_and_never_spoken_to_in_plain_text": _DATA_API,
}


@pytest.fixture(scope="session")
def server() -> Iterator[PostgreSQL]:
    with postgresql.start() as running:
        yield running


@pytest.fixture(scope="session")
def api(server: PostgreSQL) -> Iterator[DataApi]:
    with data_api.start(server) as running:
        yield running


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariaDB]:
    with mariadb.start(tls=False) as running:
        yield running


@pytest.fixture(scope="session")
def mysql_api(mariadb_server: MariaDB) -> Iterator[DataApi]:
    with data_api.start(mariadb_server) as running:
        yield running


class TestOperatingPostgresql(Operating):
    target = "rds_data"
    sample = PREFLIGHT
    not_applicable: ClassVar = {"host unreachable": _DATA_API, "certificate not trusted": _DATA_API}
    verdicts: ClassVar = {"wrong password": "healthy", "refused": "unknown"}
    """Before the probe holds it, no value can be tried without a change."""

    @pytest.fixture
    def service(self, api: DataApi) -> User:
        return Role(api)

    def refusing(self, world: World) -> contextlib.AbstractContextManager[str]:
        role: Any = world.service
        role.server.run_quoted("ALTER ROLE %I SET session_preload_libraries = passwordcheck", role.admin)
        return contextlib.nullcontext(role.name)


class TestOperatingMysql(TestOperatingPostgresql):
    sample = NONE

    @pytest.fixture
    def service(self, mysql_api: DataApi) -> User:
        return Account(mysql_api)

    def refusing(self, world: World) -> contextlib.AbstractContextManager[str]:
        del world
        pytest.skip(
            "not for this target: MariaDB, in Aurora's place, answers 1396, which Aurora says of a missing user"
        )


class TestPostgresql(TargetContract):
    target = "rds_data"
    required_keys = ("username",)
    not_applicable = NOT_APPLICABLE

    @pytest.fixture
    def service(self, api: DataApi) -> Role:
        return Role(api)


class TestMysql(TargetContract):
    target = "rds_data"
    required_keys = ("username",)
    not_applicable = NOT_APPLICABLE

    @pytest.fixture
    def service(self, mysql_api: DataApi) -> Account:
        return Account(mysql_api)


@pytest.fixture
def service(api: DataApi) -> Role:
    return Role(api)


def make(service: User, **settings: str) -> World:
    return World.make("rds_data", service, lambda service: replace(service.setup, settings=_merged(service, settings)))


def _merged(service: Installation, settings: Mapping[str, str]) -> Mapping[str, str]:
    return {name: text for name, text in {**service.setup.settings, **settings}.items() if text}


@pytest.fixture
def world(service: Role) -> World:
    return make(service)


# What is sent.


def test_neither_name_nor_password_stands_in_a_statement(world: World, service: Role) -> None:
    new = json.loads(world.rotate())
    assert "ALTER ROLE" in service.sent
    assert service.name not in service.sent
    assert new["password"] not in json.dumps(service.api.requests)


def test_the_probe_is_written_once_in_a_rotation(world: World) -> None:
    world.rotate()
    service = world.service
    assert isinstance(service, Role)
    puts = [request for action, request in world.manager.requests if action == "PutSecretValue"]
    assert [put["SecretId"] for put in puts].count(service.probe) == 1


@pytest.mark.parametrize("database", ["postgres", None])
def test_without_a_database_the_usual_one_is_used(service: Role, database: str | None) -> None:
    make(service, dbname=database or "").rotate()
    assert {request["database"] for request in service.api.requests if "database" in request} == {"postgres"}


def test_a_plain_text_secret_takes_the_user_from_the_settings(service: Role) -> None:
    service.environment = {}
    world = World.make("rds_data", service, lambda of: Setup({**of.setup.settings, "username": service.name}, FIRST))
    new = world.rotate()
    assert service.server.accepts(service.name, new)


# What is proved.


def test_an_answer_over_an_old_connection_proves_nothing(world: World, service: Role) -> None:
    """The connection was opened by the probe's value of the rotation before, with the password of then."""
    service.api.pooled = True
    world.rotate()
    token = world.until("createSecret")  # not set: the new password does not work
    assert "proves nothing" in world.refused(TargetError, "testSecret", token)
    service.api.close()
    world.refused(AuthenticationError, "testSecret", token)
    world.go_on(token)
    assert service.login(world.current)


def test_a_rotation_ends_while_the_data_api_keeps_the_connection_of_its_own_test(world: World, service: Role) -> None:
    service.api.pooled = True
    assert service.login(world.rotate())
    service.api.close()
    assert service.login(world.rotate())


def test_a_probe_whose_value_is_seen_late_is_tried_again(world: World, service: Role) -> None:
    token = world.until("setSecret")
    reads = itertools.count()

    def late(arn: str) -> str | None:
        if arn == service.probe and next(reads) < 2:
            return service.value(service.name, "the value before")
        return service.manager.secrets[arn].text()

    service.api.read_secret = late
    world.step("testSecret", token)


def test_another_rotation_that_writes_the_same_probe_is_noticed(world: World, service: Role) -> None:
    """The login of the other one's user proves nothing of this one's, and it is tried again."""
    token = world.until("setSecret")
    reads = itertools.count()

    def other(arn: str) -> str | None:
        if arn == service.probe and next(reads) < 2:
            return service.value(service.admin, ADMIN_PASSWORD)
        return service.manager.secrets[arn].text()

    service.api.read_secret = other
    world.step("testSecret", token)
    service.api.read_secret = lambda arn: service.value(service.admin, ADMIN_PASSWORD)
    assert "another user" in world.refused(TargetError, "finishSecret", token)


def test_the_administrator_is_not_rotated_by_itself(service: Role) -> None:
    world = World.make(
        "rds_data", service, lambda of: Setup(of.setup.settings, service.value(service.admin, ADMIN_PASSWORD))
    )
    token = world.until("createSecret")
    assert "manage_master_user_password" in world.refused(ConfigurationError, "setSecret", token)
    assert service.server.accepts(service.admin, ADMIN_PASSWORD)


@pytest.mark.parametrize("right", ["SUPERUSER", "a member"])
def test_an_administrator_changes_no_superuser_unless_a_setting_allows_it(service: Role, right: str) -> None:
    if right == "SUPERUSER":
        service.server.run_quoted("ALTER ROLE %I SUPERUSER", service.name)
    else:
        with contextlib.suppress(native.DatabaseError):
            service.server.run("CREATE ROLE rds_superuser")
        service.server.run_quoted("GRANT rds_superuser TO %I", service.name)
    world = make(service)
    assert "superusers" in world.refused(ConfigurationError, "setSecret", world.until("createSecret"))
    assert service.server.accepts(service.name, FIRST)
    if right == "a member":  # of a superuser, only another one may change the password
        assert service.login(make(service, superusers="allow").rotate())


@pytest.mark.parametrize(("patterns", "is_allowed"), [("other, App *", True), ("app *", False)])
def test_an_administrator_changes_only_users_that_a_setting_allows(
    service: Role, patterns: str, is_allowed: bool
) -> None:
    world = make(service, allowed_usernames=patterns)
    if is_allowed:
        assert service.login(world.rotate())
    else:
        assert "allowed_usernames" in world.refused(ConfigurationError, "setSecret", world.until("createSecret"))
        assert service.server.accepts(service.name, FIRST)


@pytest.mark.parametrize("which", ["itself", "administrator's"])
def test_a_secret_with_another_use_is_not_taken_as_the_probe(service: Role, which: str) -> None:
    world = make(service)
    arn = world.arn if which == "itself" else service.setup.settings["admin_secret_arn"]
    settings = {**world.function.function.settings.target_settings, "probe_secret_arn": arn}
    world.function.function = world.function.function._replace(
        settings=replace(world.function.function.settings, target_settings=settings)
    )
    before = world.manager.secrets[arn].text()
    token = world.until("createSecret")
    assert "probe_secret_arn" in world.refused(SettingError, "setSecret", token)
    assert world.manager.secrets[arn].text() == before


@pytest.mark.parametrize("content", ['{"username": "u", "password": "p"}', "plain text", '{"token": "t", "since": 1}'])
def test_a_probe_that_holds_something_else_is_not_overwritten(world: World, service: Role, content: str) -> None:
    world.manager.put(service.probe, content)
    token = world.until("setSecret")
    assert "probe_secret_arn" in world.refused(ConfigurationError, "testSecret", token)
    assert world.manager.secrets[service.probe].text() == content


def test_a_probe_with_an_empty_object_is_taken(world: World, service: Role) -> None:
    world.manager.put(service.probe, "{}")
    assert service.login(world.rotate())


# What fails, and as which error.


@pytest.mark.parametrize(
    ("code", "kind", "part"),
    [
        ("DatabaseUnavailableException", NetworkError, "rds-data:"),
        ("StatementTimeoutException", NetworkError, "rds-data:"),
        ("ServiceUnavailableError", NetworkError, "rds-data:"),
        ("DatabaseResumingException", NetworkError, "rds-data:"),
        ("HttpEndpointNotEnabledException", ConfigurationError, "enable_http_endpoint"),
        ("DatabaseNotFoundException", ConfigurationError, "cluster_arn"),
        ("InvalidSecretException", ConfigurationError, "username"),
        ("SecretsErrorException", ConfigurationError, "arn:"),
        ("AccessDeniedException", AccessDeniedError, "rds-data:"),
        ("ForbiddenException", AccessDeniedError, "rds-data:"),
        ("BadRequestException", TargetError, "no code"),
        ("ExpiredTokenException", AuthenticationError, "credential"),
    ],
)
@pytest.mark.parametrize("step", ["setSecret", "testSecret"])
def test_each_error_says_what_is_wrong(
    world: World, service: Role, step: str, code: str, kind: type[RotationError], part: str
) -> None:
    token = world.until("createSecret")

    def fail(operation: str, request: Data) -> None:
        raise DataApiError(code)

    service.api.fail = fail
    assert part in world.refused(kind, step, token)


def test_a_paused_cluster_is_waited_for(world: World, service: Role) -> None:
    tries = itertools.count()

    def fail(operation: str, request: Data) -> None:
        if next(tries) < 3:
            raise DataApiError("DatabaseResumingException")

    service.api.fail = fail
    assert service.login(world.rotate())


def test_a_user_that_is_not_there_is_a_configuration_error(world: World, service: Role) -> None:
    service.server.run_quoted("DROP ROLE %I", service.name)
    token = world.until("createSecret")
    assert "role" in world.refused(ConfigurationError, "setSecret", token)


def test_an_administrator_without_the_right_is_a_configuration_error(world: World, service: Role) -> None:
    service.server.run_quoted("ALTER ROLE %I NOCREATEROLE", service.admin)
    token = world.until("createSecret")
    assert "CREATEROLE" in world.refused(ConfigurationError, "setSecret", token)


def test_a_database_that_is_not_there_is_a_configuration_error(service: Role) -> None:
    world = make(service, dbname="missing")
    token = world.until("createSecret")
    assert "'dbname'" in world.refused(ConfigurationError, "setSecret", token)


def test_a_wrong_administrator_is_told_apart_from_a_wrong_value(world: World, service: Role) -> None:
    service.server.run_quoted("ALTER ROLE %I PASSWORD %L", service.admin, "another")
    token = world.until("createSecret")
    assert "administrator" in world.refused(AuthenticationError, "setSecret", token)


@pytest.mark.parametrize("how", ["down", "silent"])
def test_a_data_api_that_is_not_reached_is_a_network_error(world: World, service: Role, how: str) -> None:
    token = world.until("createSecret")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        world.function.clients["rds-data"] = service.client(f"http://127.0.0.1:{listener.getsockname()[1]}", 1)
        if how == "down":
            listener.close()
        for step in ("setSecret", "testSecret"):
            world.refused(NetworkError, step, token)


# Before the first rotation.


@pytest.mark.parametrize(
    ("settings", "error", "named"),
    [
        ({"username": "nobody"}, ConfigurationError, "'nobody'"),
        ({"allowed_usernames": "other*"}, ConfigurationError, "'allowed_usernames'"),
        ({"dbname": "missing"}, ConfigurationError, "'dbname'"),
    ],
)
def test_preflight_sees_what_the_administrator_could_not_change(
    service: Role, settings: dict[str, str], error: type[RotationError], named: str
) -> None:
    world = make(service, **settings)
    assert named in str(world.function.diagnose(world.arn, Login=True)["reason"])
    assert named in world.refused(error, "testSecret", world.manager.test(world.arn))


@pytest.mark.parametrize("text", ['{"username": "app", "password": "of somebody"}', "plain"])
def test_preflight_sees_a_probe_with_another_use(service: Role, text: str) -> None:
    world = make(service)
    world.manager.put(service.probe, text)
    found = world.function.diagnose(world.arn, Login=True)
    assert (found["verdict"], service.probe in found["reason"]) == ("failed", True)


def test_a_diagnosis_tries_the_value_that_the_probe_holds_and_writes_nothing(world: World, service: Role) -> None:
    world.rotate()
    before = world.manager.secrets[service.probe].text()
    assert world.function.diagnose(world.arn, Login=True)["verdict"] == "healthy"
    service.server.run_quoted("ALTER ROLE %I PASSWORD %L", service.name, "another")
    found = world.function.diagnose(world.arn, Login=True)
    assert (found["verdict"], service.name in found["reason"]) == ("failed", True)
    assert world.manager.secrets[service.probe].text() == before


# MySQL.


@pytest.fixture
def account(mysql_api: DataApi) -> Account:
    return Account(mysql_api)


def test_the_account_is_that_of_the_setting(account: Account) -> None:
    account.server.run("CREATE USER %s@'127.0.0.1' IDENTIFIED BY %s", account.name, "another")
    new = make(account, user_host="127.0.0.1").rotate()
    assert account.login(new)
    found = account.server.run(
        "SELECT Host FROM mysql.user WHERE User = %s AND Password = PASSWORD(%s)", account.name, FIRST
    )
    assert found == (("%",),), "the other account keeps its password"


def test_an_account_that_is_not_there_is_a_configuration_error(account: Account) -> None:
    world = make(account, user_host="elsewhere")
    assert "'user_host'" in world.refused(ConfigurationError, "setSecret", world.until("createSecret"))


def test_the_administrator_of_mysql_is_not_rotated_by_itself(account: Account) -> None:
    world = World.make(
        "rds_data", account, lambda of: Setup(of.setup.settings, account.value(account.admin, ADMIN_PASSWORD))
    )
    token = world.until("createSecret")
    assert "manage_master_user_password" in world.refused(ConfigurationError, "setSecret", token)
    assert account.server.accepts(account.admin, ADMIN_PASSWORD)


@pytest.mark.parametrize("abandoned", [False, True])
def test_a_server_that_takes_no_password_twice_is_not_asked_twice(account: Account, abandoned: bool) -> None:
    """MariaDB's password_reuse_check."""
    world = make(account)
    account.server.run("INSTALL SONAME 'password_reuse_check'")
    try:
        for _ in range(2):
            token = world.until("setSecret")
            world.step("setSecret", token)
            if abandoned:
                world.manager.clear(world.arn)
                world.rotate()
            else:
                world.go_on(token)
            assert account.login(world.current)
    finally:
        account.server.run("UNINSTALL SONAME 'password_reuse_check'")
        account.server.run("DROP TABLE IF EXISTS mysql.password_reuse_check_history")


@pytest.mark.parametrize("grant", ["CREATE USER ON *.*", "UPDATE ON mysql.*", "role"])
def test_an_administrator_of_mysql_changes_nobody_who_can_change_accounts(account: Account, grant: str) -> None:
    role = f"role_of_{account.admin}"
    if grant == "role":
        account.server.run(f"CREATE ROLE {role}")
        account.server.run(f"GRANT SUPER ON *.* TO {role}")
    account.server.run(f"GRANT {role if grant == 'role' else grant} TO %s@'%%'", account.name)
    world = make(account)
    assert "superusers" in world.refused(ConfigurationError, "setSecret", world.until("createSecret"))
    assert account.server.accepts(account.name, FIRST)
    assert account.login(make(account, superusers="allow").rotate())


def test_an_old_connection_to_mysql_proves_nothing(account: Account) -> None:
    world = make(account)
    account.api.pooled = True
    world.rotate()
    token = world.until("createSecret")
    assert "proves nothing" in world.refused(TargetError, "testSecret", token)


@pytest.mark.parametrize(("password", "works"), [("no backslash '", True), ("back\\slash", False)])
def test_where_the_backslash_does_not_escape_it_is_refused(account: Account, password: str, works: bool) -> None:
    world = make(account)
    account.server.run("SET GLOBAL sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES')")
    try:
        token = world.manager.rotate(world.arn)
        world.store_pending(token, account.value(account.name, password))
        if works:
            world.go_on(token)
        else:
            assert "exclude_characters" in world.refused(ConfigurationError, "setSecret", token)
    finally:
        account.server.run("SET GLOBAL sql_mode = DEFAULT")
    assert account.login(world.current)


@pytest.mark.parametrize("mode", ["", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES"])
@pytest.mark.parametrize("text", ["'", "''", "\\'", "\\", "'; DROP USER x; --", '"', "\\\\' OR '1"])
def test_a_quoted_text_ends_where_it_should_in_every_mode(mariadb_server: MariaDB, mode: str, text: str) -> None:
    """Even when the mode is another than the one that was asked for: the text may differ, but stays a text."""
    with mariadb_server._connect(mariadb.SUPERUSER, mariadb.PASSWORD) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = %s", [mode])
        cursor.execute(f"SELECT {rds_data._quoted(text)} AS given")
        ((given,),) = cursor.fetchall()
    assert given == (text.replace("\\", "\\\\") if mode == "NO_BACKSLASH_ESCAPES" else text)
