"""The postgresql target, against a PostgreSQL server with TLS."""

import contextlib
import itertools
import json
import os
import secrets
import socket
import subprocess
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import pytest
from pg8000 import native

from rotation_lab.model.secrets_manager import SecretsManager
from rotation_lab.services import pgbouncer, postgresql
from rotation_lab.services.base import ADMIN_PASSWORD, FIRST
from rotation_lab.services.pgbouncer import PgBouncer
from rotation_lab.services.postgresql import PostgreSQL
from secret_rotation.errors import (
    AuthenticationError,
    ConfigurationError,
    IdentityMismatchError,
    NetworkError,
    RotationError,
    SecretError,
    TargetError,
    ValueRefusedError,
)
from secret_rotation.target import Context, Credential
from secret_rotation.targets import postgresql as target
from secret_rotation.targets.databases import postgres_login as login
from secret_rotation.targets.databases import scram
from secret_rotation.targets.databases.strategies import Server
from tests.operating import NONE, PREFLIGHT, Operating
from tests.support import contexts, runbooks
from tests.support.contexts import plain
from tests.target_contract import Installation, InWorlds, Setup, TargetContract, World

context = contexts.of("postgresql")


WORLDS = tuple(postgresql.Role.misbehaviours)


@pytest.fixture(scope="session")
def server() -> Iterator[PostgreSQL]:
    with postgresql.start() as running:
        yield running


class Role(Installation):
    """A role of its own on the server, and an administrator of its own, who is not a superuser."""

    def __init__(
        self, server: PostgreSQL, needs: tuple[str, ...] = (), pooler: PgBouncer | None = None, **settings: str
    ) -> None:
        number = secrets.token_hex(4)
        self.server, self.name, self.admin = server, f'App "{number}" %s', f"admin{number}"
        super().__init__((pooler or server).credential(self.name, self.admin), needs, **settings)

    @contextlib.contextmanager
    def without_tls(self) -> Iterator[Setup]:
        """The address stays; one that the tests' own settings name too."""
        with self.server.without_tls():
            yield self.setup


class TestSingle(TargetContract):
    """The role changes its own password."""

    target = "postgresql"
    required_keys = ("username", "host")

    @pytest.fixture
    def service(self, server: PostgreSQL) -> Role:
        return Role(server)


class TestAdministered(TargetContract):
    """An administrator changes the role's password."""

    target = "postgresql"
    required_keys = ("username", "host")

    @pytest.fixture
    def service(self, server: PostgreSQL) -> Role:
        return Role(server, ("admin",))


class TestAlternating(TargetContract):
    """Two roles take turns."""

    target = "postgresql"
    former_value_works = True
    required_keys = ("username", "host")

    @pytest.fixture
    def service(self, server: PostgreSQL) -> Role:
        return Role(server, ("admin",), strategy="alternating")


class TestOperating(Operating):
    target = "postgresql"

    @pytest.fixture
    def service(self, server: PostgreSQL) -> Role:
        return Role(server)

    @contextlib.contextmanager
    def refusing(self, world: World) -> Iterator[str]:
        role: Any = world.service
        changes = role.admin if role.needs else role.name
        role.server.run_quoted("ALTER ROLE %I SET session_preload_libraries = passwordcheck", changes)
        yield role.name + ("_clone" if role.setup.settings.get("strategy") == "alternating" else "")


class TestOperatingByAdministrator(TestOperating):
    sample = NONE

    @pytest.fixture
    def service(self, server: PostgreSQL) -> Role:
        return Role(server, ("admin",))


class TestOperatingAlternating(TestOperating):
    sample = PREFLIGHT

    @pytest.fixture
    def service(self, server: PostgreSQL) -> Role:
        return Role(server, ("admin",), strategy="alternating")


class TestSingleInWorlds(InWorlds, TestSingle):
    """The same where the server is odd."""

    worlds = WORLDS


class TestAdministeredInWorlds(InWorlds, TestAdministered):
    """The same where the server is odd."""

    worlds = WORLDS


class TestAlternatingInWorlds(InWorlds, TestAlternating):
    """The same where the server is odd."""

    worlds = WORLDS


# What the contract does not say.


@pytest.fixture
def role(server: PostgreSQL) -> Role:
    return Role(server)


def version(role: Role, password: str, name: str | None = None, **others: object) -> Credential:
    """A version of the role's secret."""
    return Credential(f"version-{password}", role.value(name or role.name, password, **others), ("password",))


def made(role: Role, pending: Credential, current: Credential, *older: Credential, **settings: Any) -> Context:
    """A step with the settings of the role, and others."""
    return context(pending, current, older, **{**role.setup.settings, **settings})


def step(role: Role, pending: str, current: str = FIRST, **settings: str) -> Context:
    """A step whose pending and current passwords are these."""
    return made(role, version(role, pending), version(role, current), **settings)


def administered(role: Role, pending: Credential, admin_host: str = "localhost", **settings: str) -> Context:
    """A step with an administrator's secret."""
    manager = SecretsManager()
    admin = {"host": admin_host, "username": role.admin, "password": ADMIN_PASSWORD}
    arn = manager.create(json.dumps(admin), "admin")
    given = made(role, pending, version(role, FIRST), admin_secret_arn=arn, **settings)
    return replace(given, client=lambda service: manager.client())


def kept(role: Role) -> str:
    """What the server keeps of the role's password."""
    rows = role.server.run("SELECT rolpassword FROM pg_authid WHERE rolname = CAST(:name AS text)", name=role.name)
    return str(rows[0][0])


def set_by_server(role: Role, password: str, encryption: str = "scram-sha-256") -> None:
    """The server itself makes what it keeps."""
    role.server.owner.run(f"SET password_encryption = '{encryption}'")
    postgresql.run_quoted(role.server.owner, "ALTER ROLE %I PASSWORD %L", role.name, password)
    role.server.owner.run("RESET password_encryption")


def test_what_the_servers_rules_refuse_is_an_error_of_its_own(role: Role) -> None:
    """passwordcheck sees a verifier, and so whether the password is the role's name."""
    role.server.run_quoted("ALTER ROLE %I SET session_preload_libraries = passwordcheck", role.name)
    with pytest.raises(ValueRefusedError, match=r"22023.*`password`"):
        target.set_secret(step(role, role.name))
    target.set_secret(step(role, "second"))
    assert role.server.accepts(role.name, "second")


def test_the_runbooks_statement_ends_the_sessions_of_a_leaked_value(role: Role) -> None:
    session = role.server._connect(role.name, FIRST, "postgres")
    (statement,) = runbooks.statements("A value has leaked", "PostgreSQL", NAME=role.name)
    role.server.run(statement)
    with pytest.raises((native.Error, OSError)):
        session.run("SELECT 1")
    with contextlib.suppress(native.Error, OSError):
        session.close()


def test_the_runbooks_statements_remove_a_clone(server: PostgreSQL) -> None:
    role = Role(server, ("admin",), strategy="alternating")
    world = World.make("postgresql", role, lambda of: of.setup)
    for _ in range(2):  # until it is the first one's turn again
        world.rotate()
    name = role.name.replace('"', '""')  # as a quoted name has it
    for statement in runbooks.statements("Decommissioning", "`postgresql`", NAME=name):
        role.server.run(statement)
    assert role.server.run("SELECT FROM pg_roles WHERE rolname = CAST(:name AS text)", name=f"{role.name}_clone") == []
    assert role.login(world.current)


@pytest.mark.parametrize("password", ["ünïcode-ﬁ-\u00a0-Ⅸ", "plain-Pa55word"])
def test_postgresqls_own_client_logs_in_with_what_was_set(role: Role, password: str) -> None:
    """Unicode is normalised before it is hashed, by every client in the same way."""
    target.set_secret(step(role, password))
    command = ["psql", "-qAtc", "SELECT session_user", "-h", "127.0.0.1", "-p", str(role.server.port), "-U", role.name]
    environment = {"PATH": os.environ["PATH"], "PGPASSWORD": password, "PGDATABASE": "postgres", "LC_ALL": "C.UTF-8"}
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert told.strip() == role.name


def test_the_server_keeps_a_scram_verifier(role: Role) -> None:
    target.set_secret(step(role, "second"))
    assert kept(role).startswith("SCRAM-SHA-256$4096:")


def test_where_the_server_is_configured_for_md5_it_keeps_its_own_md5_hash(role: Role) -> None:
    """Else old clients, which do not know SCRAM, could not log in any more."""
    role.server.run_quoted("ALTER ROLE %I SET password_encryption = md5", role.name)
    role.server.run_quoted("GRANT md5_logins TO %I", role.name)
    set_by_server(role, FIRST, "md5")
    target.set_secret(step(role, "second"))
    ours = kept(role)
    set_by_server(role, "second", "md5")
    assert ours == kept(role)


def test_a_server_that_asks_for_no_password_is_refused(role: Role) -> None:
    """Any password would pass the test, and none would ever be set."""
    role.server.run("DROP ROLE IF EXISTS trusted")
    role.server.run("CREATE ROLE trusted LOGIN")
    pending = version(role, "second", "trusted")
    with pytest.raises(ConfigurationError, match="trust"):
        target.test_secret(made(role, pending, pending))


@pytest.mark.parametrize(
    ("statement", "kind", "told"),
    [
        ("ALTER ROLE %I CONNECTION LIMIT 0", NetworkError, "53300"),
        ("ALTER ROLE %I NOLOGIN", ConfigurationError, "28000"),
    ],
)
def test_other_faults_are_not_told_as_a_wrong_password(
    role: Role, statement: str, kind: type[RotationError], told: str
) -> None:
    role.server.run_quoted(statement, role.name)
    with pytest.raises(kind, match=told):
        target.set_secret(step(role, "second"))


def test_connections_of_the_application_are_not_in_the_way_of_a_test(role: Role) -> None:
    """The server looks at the limit after the password. The test would fail as long as the application runs."""
    role.server.run_quoted("ALTER ROLE %I CONNECTION LIMIT 1", role.name)
    with contextlib.closing(role.server._connect(role.name, FIRST, "postgres")):
        target.set_secret(administered(role, version(role, "second")))
        target.test_secret(step(role, "second", "second"))
        with pytest.raises(AuthenticationError):
            target.test_secret(step(role, "third", "third"))


def test_an_unknown_database_is_named_as_the_cause(role: Role) -> None:
    with pytest.raises(ConfigurationError, match="dbname"):
        target.test_secret(step(role, FIRST, dbname="nowhere"))


def test_a_role_that_replicates_is_said_to_need_a_superuser(role: Role) -> None:
    role.server.run_quoted("ALTER ROLE %I REPLICATION", role.name)
    if int(role.server.run("SHOW server_version_num")[0][0]) < 160000:
        with pytest.raises(ConfigurationError, match="REPLICATION"):
            target.set_secret(step(role, "second"))
    else:
        target.set_secret(step(role, "second"))
        assert role.server.accepts(role.name, "second")


def test_an_administrator_without_the_right_is_told_so(role: Role) -> None:
    role.server.run_quoted("ALTER ROLE %I NOCREATEROLE", role.admin)
    with pytest.raises(ConfigurationError, match="42501"):
        target.set_secret(administered(role, version(role, "second")))


def test_a_plain_text_secret_gets_the_rest_from_the_settings(role: Role) -> None:
    place = {"host": "localhost", "port": str(role.server.port), "username": role.name}
    target.set_secret(made(role, plain("second"), plain(FIRST), **place))
    assert role.server.accepts(role.name, "second")


def test_settings_go_before_the_keys_of_the_secret(role: Role) -> None:
    pending = version(role, "second", host="elsewhere.invalid", port=1, dbname="nowhere")
    place = {"host": "localhost", "port": str(role.server.port), "dbname": "postgres"}
    target.set_secret(made(role, pending, version(role, FIRST), **place))
    assert role.server.accepts(role.name, "second")


def test_another_key_may_have_the_users_name(role: Role) -> None:
    pending, current = (version(role, password, "nobody", login=role.name) for password in ("second", FIRST))
    target.set_secret(made(role, pending, current, username_key="login"))
    assert role.server.accepts(role.name, "second")


@pytest.mark.parametrize("strategy", ["single", "alternating"])
def test_a_pending_value_for_a_user_whose_turn_it_is_not_is_refused(role: Role, strategy: str) -> None:
    wrong = role.name if strategy == "alternating" else f"{role.name}_clone"
    given = made(role, version(role, "second", wrong), version(role, FIRST), strategy=strategy)
    for run in (target.set_secret, target.test_secret):
        with pytest.raises(IdentityMismatchError, match="user"):
            run(given)


def test_older_values_of_another_user_are_not_tried(role: Role) -> None:
    """After a change from alternating to single: the clone's password opens nothing that helps."""
    clone = f"{role.name}_clone"
    role.server.run_quoted("CREATE ROLE %I LOGIN CREATEROLE PASSWORD %L", clone, "third")
    given = made(role, version(role, "second"), version(role, "wrong"), version(role, "third", clone))
    with pytest.raises(AuthenticationError, match="accepts no stored password"):
        target.set_secret(given)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"strategy": "alternating"}, "admin_secret_arn"),
        ({"tls": "prefer"}, "verify, disable"),
        ({"tls_ca": "nowhere.pem"}, "tls_ca"),
        ({"tls_ca": "-----BEGIN CERTIFICATE-----"}, "tls_ca"),
        ({"port": "5432x"}, "1 to 65535"),
        ({"port": "65536"}, "1 to 65535"),
        ({"port": "0"}, "1 to 65535"),
        ({"host": "db.example.com:5432"}, "'port'"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(role: Role, settings: dict[str, str], told: str) -> None:
    given = step(role, "second", **settings)
    with pytest.raises(ConfigurationError, match=told):  # noqa: PT012  # by the one or the other
        target.create_secret(given)
        target.set_secret(given)
    assert role.server.accepts(role.name, FIRST)


def test_the_authority_may_be_in_a_file(role: Role, tmp_path: Path) -> None:
    (tmp_path / "authority.pem").write_text(role.server.ca)
    target.set_secret(step(role, "second", tls_ca=str(tmp_path / "authority.pem")))
    assert role.server.accepts(role.name, "second")


def test_without_tls_only_when_the_setting_says_so(role: Role) -> None:
    with role.without_tls():
        target.set_secret(step(role, "second", tls="disable"))
    assert role.server.accepts(role.name, "second")


def test_a_name_with_a_nul_character_is_refused(role: Role) -> None:
    """It would end the name, and what follows would be taken for the next parameter."""
    pending = version(role, "second", "app\0database\0template1")
    with pytest.raises(SecretError, match="NUL"):
        target.test_secret(made(role, pending, pending))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"R\0\0\0\x08\0\0\0\x07", ConfigurationError),  # GSSAPI
        (b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0R\0\0\0\x0b\0\0\0\x0bx=1", TargetError),  # not SCRAM's next message
    ],
)
def test_a_server_that_does_not_log_in_by_password_is_told_as_such(
    role: Role, answer: bytes, kind: type[RotationError]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)
                while connection.recv(1000):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(kind):
            target.test_secret(step(role, FIRST, port=str(server.getsockname()[1]), tls="disable"))
        thread.join()


# Roles that take turns.


def test_the_clone_has_the_rights_of_the_original(role: Role) -> None:
    clone, table = f"{role.name}_clone", f"table of {role.admin}"
    role.server.run_quoted("CREATE TABLE %I (n integer)", table)
    role.server.run_quoted("GRANT SELECT ON %I TO %I", table, role.name)
    target.set_secret(administered(role, version(role, "second", clone), strategy="alternating"))
    with contextlib.closing(role.server._connect(clone, "second", "postgres")) as session:
        assert session.run(f'SELECT * FROM "{table}"') == []


def test_the_first_role_has_to_be_there(role: Role) -> None:
    given = administered(role, version(role, "second", "nobody_clone"), strategy="alternating")
    given.current = version(role, FIRST, "nobody")
    with pytest.raises(ConfigurationError, match="no such role: 'nobody'"):
        target.set_secret(given)


def test_a_name_that_the_server_would_cut_off_is_refused_before_anything_is_stored(role: Role) -> None:
    given = administered(role, version(role, "second"), strategy="alternating")
    given.current = version(role, FIRST, "x" * 57)
    assert target.create_secret(given) == {"username": "x" * 57 + "_clone"}
    given.current = version(role, FIRST, "x" * 58)
    with pytest.raises(ConfigurationError, match="63 bytes"):
        target.create_secret(given)


@pytest.mark.parametrize(
    ("host", "kind", "told"),
    [("db.example.com", IdentityMismatchError, "another host"), ("", ConfigurationError, "setting 'host'")],
)
def test_the_administrators_password_goes_only_to_its_own_host(
    role: Role, host: str, kind: type[RotationError], told: str
) -> None:
    """Who can write the application's secret must not be sent the administrator's password."""
    with pytest.raises(kind, match=told):
        target.set_secret(administered(role, version(role, "second"), host))
    assert role.server.accepts(role.name, FIRST)
    target.set_secret(administered(role, version(role, "second"), host, host="localhost"))
    assert role.server.accepts(role.name, "second")


def test_functions_of_others_are_not_called_by_the_administrator(role: Role) -> None:
    """Who may create functions could else lend theirs to the administrator's statements."""
    function = "public.format(text, text, text)"
    role.server.run(f"CREATE OR REPLACE FUNCTION {function} RETURNS text LANGUAGE sql AS $$SELECT 'SELECT 1'$$")
    role.server.run_quoted("ALTER ROLE %I SET search_path = public, pg_catalog", role.admin)
    try:
        target.set_secret(administered(role, version(role, "second")))
    finally:
        role.server.run(f"DROP FUNCTION {function}")
    assert role.server.accepts(role.name, "second")


# Worlds in which a change would lock the user out, or not happen.

ITSELF, ADMIN = "itself", "administrator"


def rotated(role: Role, by: str, **settings: str) -> str:
    """Set and test another password; return it."""
    pending = version(role, "second")
    given = (
        administered(role, pending, **settings)
        if by == ADMIN
        else made(role, pending, version(role, FIRST), **settings)
    )
    target.set_secret(given)
    target.test_secret(given)
    return "second"


@pytest.mark.parametrize("by", [ITSELF, ADMIN])
@pytest.mark.parametrize("world", postgresql.Role.misbehaviours)
def test_odd_servers_are_rotated_too(role: Role, world: str, by: str) -> None:
    with role.service.misbehave(world):
        password = rotated(role, by)
        assert role.server.accepts(role.name, password, tls=True)
    assert kept(role).startswith("SCRAM-SHA-256$")


@pytest.mark.parametrize("by", [ITSELF, ADMIN])
@pytest.mark.parametrize("scope", ["DATABASE postgres", "SYSTEM"])
@pytest.mark.parametrize("setting", ["password_encryption = md5", "default_transaction_read_only = on"])
def test_defaults_of_the_database_and_the_system_do_not_matter(role: Role, setting: str, scope: str, by: str) -> None:
    owner, name = role.server.owner, setting.split()[0]
    owner.run(f"ALTER {scope} SET {setting}")
    try:
        owner.run("SELECT pg_reload_conf()")
        wait_for(role, setting)
        assert role.server.accepts(role.name, rotated(role, by))
    finally:
        owner.run("SET default_transaction_read_only = off")
        owner.run(f"ALTER {scope} RESET {name}")
        owner.run("SELECT pg_reload_conf()")
        owner.run("RESET default_transaction_read_only")
    assert kept(role).startswith("SCRAM-SHA-256$")


def wait_for(role: Role, setting: str) -> None:
    name, value = setting.split(" = ")
    end = time.monotonic() + 20
    while role.server.run(f"SHOW {name}") != [[value]]:
        assert time.monotonic() < end


@pytest.mark.parametrize("by", [ITSELF, ADMIN])
def test_a_role_that_logs_in_with_scram_where_md5_could_stays_with_scram(role: Role, by: str) -> None:
    role.server.run_quoted("GRANT md5_logins TO %I", role.name)
    for name in (role.name, role.admin):
        role.server.run_quoted("ALTER ROLE %I SET password_encryption = md5", name)
    rotated(role, by)
    assert kept(role).startswith("SCRAM-SHA-256$")


@pytest.mark.parametrize("by", [ITSELF, ADMIN])
@pytest.mark.parametrize("iterations", [1, 4095])
def test_a_verifier_with_few_iterations_logs_in(role: Role, iterations: int, by: str) -> None:
    role.server.run_quoted("ALTER ROLE %I PASSWORD %L", role.name, scram.verifier(FIRST, iterations))
    rotated(role, by)
    assert kept(role).startswith("SCRAM-SHA-256$4096:")


@pytest.mark.parametrize("value", ["line\n", "tab\t", "\U0001f600", "\u0378", "\u05d0a", "bell\a\u00e9"])
def test_a_current_value_that_a_person_pasted_logs_in(role: Role, value: str) -> None:
    set_by_server(role, value)
    target.set_secret(step(role, "second", value))
    assert role.server.accepts(role.name, "second")


def test_a_role_with_one_connection_is_rotated(role: Role) -> None:
    """The login that proves the new password is the second one."""
    role.server.run_quoted("ALTER ROLE %I CONNECTION LIMIT 1", role.name)
    target.set_secret(step(role, "second"))
    assert role.server.accepts(role.name, "second")


def test_an_administrator_does_not_change_itself(role: Role) -> None:
    given = administered(role, version(role, "second", role.admin))
    given.current = version(role, ADMIN_PASSWORD, role.admin)
    with pytest.raises(ConfigurationError, match="administrator itself"):
        target.set_secret(given)
    assert role.server.accepts(role.admin, ADMIN_PASSWORD)


def test_with_tls_disabled_a_user_that_must_use_tls_is_not_changed(role: Role) -> None:
    role.server.run_quoted("GRANT tls_logins TO %I", role.name)
    before = kept(role)
    with pytest.raises(ConfigurationError, match="'tls'"):
        target.set_secret(administered(role, version(role, "second"), tls="disable"))
    assert kept(role) == before
    target.set_secret(administered(role, version(role, "second")))
    target.test_secret(administered(role, version(role, "second")))


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("ALTER ROLE %I VALID UNTIL ''2020-01-01''", "VALID UNTIL"),
        ("ALTER ROLE %I NOLOGIN", "LOGIN"),
        ('GRANT "like superuser" TO %I', "superuser"),
        ("GRANT rds_superuser TO %I", "superuser"),
    ],
)
def test_an_administrator_changes_no_role_that_could_not_or_should_not_log_in(
    role: Role, statement: str, told: str
) -> None:
    for name in ('"like superuser" SUPERUSER', "rds_superuser"):
        with contextlib.suppress(native.DatabaseError):
            role.server.run(f"CREATE ROLE {name}")
    role.server.run_quoted(statement, role.name)
    before = kept(role)
    with pytest.raises(ConfigurationError, match=told):
        target.set_secret(administered(role, version(role, "second")))
    assert kept(role) == before


@pytest.mark.parametrize(("patterns", "is_allowed"), [("other, App *", True), ("app *", False), ("admin*", False)])
@pytest.mark.parametrize("strategy", ["single", "alternating"])
def test_an_administrator_changes_only_users_that_a_setting_allows(
    role: Role, strategy: str, patterns: str, is_allowed: bool
) -> None:
    name = role.name if strategy == "single" else f"{role.name}_clone"
    given = administered(role, version(role, "second", name), strategy=strategy, allowed_usernames=patterns)
    if is_allowed:
        target.set_secret(given)
        assert role.server.accepts(name, "second")
    else:
        with pytest.raises(ConfigurationError, match="'allowed_usernames'"):
            target.set_secret(given)
        assert role.server.accepts(role.name, FIRST)


def test_a_role_like_a_superuser_is_changed_where_a_setting_allows_it(role: Role) -> None:
    with contextlib.suppress(native.DatabaseError):
        role.server.run("CREATE ROLE rds_superuser")
    role.server.run_quoted("GRANT rds_superuser TO %I", role.name)
    target.set_secret(administered(role, version(role, "second"), superusers="allow"))
    assert role.server.accepts(role.name, "second")


def test_a_database_that_the_user_may_not_connect_to_is_named_with_the_setting(role: Role) -> None:
    role.server.run("CREATE DATABASE private")
    try:
        role.server.run("REVOKE CONNECT ON DATABASE private FROM PUBLIC")
        with pytest.raises(ConfigurationError, match="'dbname'"):
            target.test_secret(step(role, FIRST, dbname="private"))
        role.server.run_quoted("GRANT CONNECT ON DATABASE private TO %I", role.admin)
        before = kept(role)
        with pytest.raises(ConfigurationError, match="'dbname'"):
            target.set_secret(administered(role, version(role, "second"), dbname="private"))
        assert kept(role) == before
    finally:
        role.server.run("DROP DATABASE private")


@pytest.mark.parametrize("by", [ITSELF, ADMIN])
def test_a_password_that_the_server_does_not_accept_after_all_is_undone(role: Role, by: str) -> None:
    """As behind a pooler that has the passwords in a file; here a trigger of the test is in the way."""
    before = kept(role)
    real, seen = login.connect, []

    def refusing(context: Context, server: Server, username: str, password: str) -> Any:
        seen.append(password)
        if password == "second" and len(seen) > 1:
            raise AuthenticationError("refused")
        return real(context, server, username, password)

    with mock.patch.object(login, "connect", refusing), pytest.raises(ConfigurationError, match="put back"):
        rotated(role, by)
    assert kept(role) == before


@pytest.mark.parametrize("strategy", ["single", "alternating"])
def test_four_at_once_all_succeed(role: Role, strategy: str) -> None:
    name = role.name if strategy == "single" else f"{role.name}_clone"
    given = [administered(role, version(role, "second", name), strategy=strategy) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(target.set_secret, given))
    assert role.server.accepts(name, "second")


def test_a_clone_is_as_limited_as_the_original_and_acts_as_it(role: Role) -> None:
    clone = f"{role.name}_clone"
    for statement in (
        "ALTER ROLE %I CONNECTION LIMIT 7 VALID UNTIL '2099-01-01 00:00Z'",
        "ALTER ROLE %I SET statement_timeout = '42s'",
        'ALTER ROLE %I SET search_path = "a, b", public',
        "ALTER ROLE %I IN DATABASE postgres SET application_name = 'it''s \"7\"'",
    ):
        role.server.run_quoted(statement.replace("'", "''"), role.name)
    given = administered(role, version(role, "second", clone), strategy="alternating")
    target.set_secret(given)
    target.test_secret(given)
    limits = "SELECT rolconnlimit, rolvaliduntil FROM pg_roles WHERE rolname = CAST(:name AS text)"
    assert role.server.run(limits, name=clone) == role.server.run(limits, name=role.name)
    with contextlib.closing(role.server._connect(clone, "second", "postgres")) as session:
        found = [session.run(f"SHOW {name}")[0][0] for name in ("statement_timeout", "search_path", "application_name")]
        assert found == ["42s", '"a, b", public', 'it\'s "7"']
        assert session.run("SELECT current_user, session_user") == [[role.name, clone]]
    role.server.run_quoted("ALTER ROLE %I RESET statement_timeout", role.name)
    target.set_secret(administered(role, version(role, "third", clone), strategy="alternating"))
    with contextlib.closing(role.server._connect(clone, "third", "postgres")) as session:
        assert session.run("SHOW statement_timeout") == [["0"]]


def test_limits_of_time_that_the_applications_statements_have_are_not_the_rotations(role: Role) -> None:
    for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        role.server.run_quoted(f"ALTER ROLE %I SET {name} = 9000", role.name)
    found = list[Any]()

    def look() -> None:
        found.extend(session._statements.run(f"SHOW {name}")[0][0] for name in ("statement_timeout", "lock_timeout"))
        found.extend(session._statements.run("SHOW idle_in_transaction_session_timeout")[0])

    given = step(role, "second")
    server = Server("localhost", role.server.port, "postgres")
    with contextlib.closing(target.connect(given, server, role.name, FIRST)) as session:
        session._statements.in_transaction(look)
        assert session._statements.run("SHOW statement_timeout") == [["9s"]], "the session is as it was"
    assert found == ["0", "0", "0"]


def test_what_the_clone_creates_the_original_can_change(role: Role) -> None:
    """And what the original got after the clone was made, the clone has too."""
    clone, table = f"{role.name}_clone", f"made by clone of {role.admin}"
    role.server.run_quoted("GRANT CREATE ON SCHEMA public TO %I", role.name)
    target.set_secret(administered(role, version(role, "second", clone), strategy="alternating"))
    with contextlib.closing(role.server._connect(clone, "second", "postgres")) as session:
        session.run(f'CREATE TABLE "{table}" (n integer)')
    with contextlib.closing(role.server._connect(role.name, FIRST, "postgres")) as session:
        session.run(f'ALTER TABLE "{table}" ADD COLUMN m integer')
        session.run(f'DROP TABLE "{table}"')


def test_an_original_that_is_a_member_of_the_clone_is_told_as_such(role: Role) -> None:
    """Which people did to reach what AWS's clone had created."""
    clone = f"{role.name}_clone"
    role.server.run_quoted("CREATE ROLE %I LOGIN", clone)
    role.server.run_quoted("GRANT %I TO %I", clone, role.name)
    with pytest.raises(ConfigurationError, match=r"REVOKE.*0LP01"):
        target.set_secret(administered(role, version(role, "second", clone), strategy="alternating"))


def test_a_clone_that_owns_something_keeps_its_rights_to_it(role: Role) -> None:
    """Clones of former versions, and of AWS's templates, act as themselves."""
    clone, schema = f"{role.name}_clone", f"schema of {role.admin}"
    role.server.run_quoted("CREATE ROLE %I LOGIN", clone)
    role.server.run_quoted("GRANT %I TO %I WITH ADMIN OPTION", clone, role.admin)  # from version 16 on it is needed
    role.server.run_quoted("CREATE SCHEMA %I AUTHORIZATION %I", schema, clone)
    try:
        target.set_secret(administered(role, version(role, "second", clone), strategy="alternating"))
        with contextlib.closing(role.server._connect(clone, "second", "postgres")) as session:
            assert session.run("SELECT current_user") == [[clone]]
    finally:
        role.server.run_quoted("DROP SCHEMA %I", schema)


@pytest.mark.parametrize("setting", ["log_statement", "app.tenant"])
def test_a_setting_that_only_a_superuser_may_copy_is_asked_of_one(role: Role, setting: str) -> None:
    clone = f"{role.name}_clone"
    role.server.run_quoted(f"ALTER ROLE %I SET {setting} = ''all''", role.name)
    with pytest.raises(ConfigurationError, match=f"'{setting}'.*superuser"):
        target.set_secret(administered(role, version(role, "second", clone), strategy="alternating"))
    assert not role.server.run("SELECT FROM pg_roles WHERE rolname = CAST(:name AS text)", name=clone)
    role.server.run_quoted("CREATE ROLE %I LOGIN", clone)
    role.server.run_quoted(f"ALTER ROLE %I SET {setting} = ''all''", clone)
    target.set_secret(administered(role, version(role, "second", clone), strategy="alternating"))
    assert role.server.accepts(clone, "second")


# Behind PgBouncer, which lends a connection for a transaction.


@pytest.fixture(scope="session")
def pooler(server: PostgreSQL) -> Iterator[PgBouncer]:
    with pgbouncer.start(server) as running:
        yield running


class Pooled(Role):
    """The role and its administrator, reached through the pooler."""

    def __init__(self, pooler: PgBouncer, needs: tuple[str, ...] = (), **settings: str) -> None:
        super().__init__(pooler.server, needs, pooler, **settings)


POOLED = {
    "test_a_server_without_tls_is_refused_and_never_spoken_to_in_plain_text": "the pooler's TLS stays on while it runs",
}


class TestPooled(TargetContract):
    """The role changes its own password, through the pooler."""

    target = "postgresql"
    required_keys = ("username", "host")
    not_applicable = POOLED

    @pytest.fixture
    def service(self, pooler: PgBouncer) -> Role:
        return Pooled(pooler)


class TestPooledAlternating(TargetContract):
    """Two roles take turns behind the pooler."""

    target = "postgresql"
    former_value_works = True
    required_keys = ("username", "host")
    not_applicable = POOLED

    @pytest.fixture
    def service(self, pooler: PgBouncer) -> Role:
        return Pooled(pooler, ("admin",), strategy="alternating")


@pytest.mark.parametrize("by", [ITSELF, ADMIN])
def test_nothing_is_left_in_a_connection_that_the_pooler_lends_next(server: PostgreSQL, by: str) -> None:
    """The application that gets it has the settings that it had before."""
    with pgbouncer.start(server, default_pool_size="1") as pooler:
        role = Pooled(pooler)
        user, password = (role.name, FIRST) if by == ITSELF else (role.admin, ADMIN_PASSWORD)
        names = ("search_path", "role", "transaction_read_only", "default_transaction_read_only", "statement_timeout")
        with contextlib.closing(through(pooler, user, password)) as application:
            shown = [application.run(f"SHOW {name}") for name in names]
            process = application.run("SELECT pg_backend_pid()")
            rotated(role, by)
            assert application.run("SELECT pg_backend_pid()") == process, "it is the same connection"
            assert [application.run(f"SHOW {name}") for name in names] == shown


def through(pooler: PgBouncer, user: str, password: str) -> native.Connection:
    return native.Connection(user, password=password, port=pooler.port, database="postgres", ssl_context=False)


@pytest.mark.parametrize("kept_as", ["text", "verifier"])
def test_a_pooler_with_a_file_of_passwords_keeps_working(server: PostgreSQL, kept_as: str) -> None:
    """It would not know the new one: the former one is put back; to the byte, where the pooler has the verifier."""
    role = Role(server)
    before = kept(role)
    known = FIRST if kept_as == "text" else before
    name = role.name.replace('"', '""')
    with pgbouncer.start(server, f'"{name}" "{known}"\n', auth_query="SELECT NULL, NULL WHERE $1 IS NULL") as pooler:
        behind = {"port": str(pooler.port)}
        with pytest.raises(ConfigurationError, match="put back"):
            target.set_secret(step(role, "second", **behind))
        assert kept_as == "text" or kept(role) == before
        with contextlib.closing(through(pooler, role.name, FIRST)) as application:
            assert application.run("SELECT 1") == [[1]]


def test_a_password_that_the_pooler_refuses_is_a_refused_password(pooler: PgBouncer) -> None:
    with pytest.raises(AuthenticationError):
        target.test_secret(step(Pooled(pooler), "wrong"))


# What libpq opens is opened, and what it does not is not.

ALPHABETS = {
    "ASCII": [chr(n) for n in range(1, 128)],
    "Latin-1": [chr(n) for n in range(0x80, 0x100)],
    "spaces and what is mapped to nothing": list("\u00a0\u2003\u3000\u00ad\u200b\ufeff\u034f\u1806"),
    "compatibility": list("\ufb01\u2168\u00aa\u210c\uff21\u1e9b\u0345\u1100\u1161\u11a8\uac00\u0958\uf900\u212b"),
    "from the right": list("\u05d0\u0627\ufb2e\u0661\u200f-1a\u00e9"),
    "unassigned or new": list("\u0378\U0001f600\u20bf\u1e9e\ua7ae\u0220\U0002f868\u0237\U000e0001a"),
    "prohibited": list("\ue000\ufdd0\ufffd\u2028\u0340\u06dd\u2ff0\U0010ffff\u0080a"),
}
COUNT = int(os.environ.get("DIFFERENTIAL_CASES", "8"))
"""Generated passwords for each pair of settings."""
METHODS = {"scram": "", "md5": "md5_logins", "text": "clear_logins"}


def passwords(seed: int, count: int) -> list[str]:
    random = Random(seed)
    every = [c for some in ALPHABETS.values() for c in some]
    alphabets = [*ALPHABETS.values(), every]
    return ["".join(random.choices(alphabets[n % len(alphabets)], k=random.randint(1, 20))) for n in range(count)]


def psql(role: Role, password: str, authority: Path) -> bool:
    """Whether PostgreSQL's own client logs in, over verified TLS, with a password."""
    place = {"PGHOST": "localhost", "PGPORT": str(role.server.port), "PGUSER": role.name, "PGDATABASE": "postgres"}
    trust = {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(authority), "PGPASSWORD": password}
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "PGPASSFILE": "/dev/null", **place, **trust}
    done = subprocess.run(["psql", "-qwAtc", "SELECT session_user"], env=environment, capture_output=True, check=False)
    return done.returncode == 0


def ours(role: Role, password: str) -> bool:
    try:
        target.test_secret(step(role, password))
    except AuthenticationError:
        return False
    return True


@pytest.fixture
def authority(role: Role, tmp_path: Path) -> Path:
    """The file that psql trusts."""
    (tmp_path / "authority.pem").write_text(role.server.ca)
    return tmp_path / "authority.pem"


def allow(role: Role, method: str) -> None:
    """Let pg_hba.conf ask the role for its password in this way."""
    if METHODS[method]:
        role.server.run_quoted(f"GRANT {METHODS[method]} TO %I", role.name)


@pytest.mark.parametrize(
    ("seed", "encryption", "method"),
    [(n, *both) for n, both in enumerate(itertools.product(["scram-sha-256", "md5"], METHODS))],
)
def test_we_log_in_exactly_where_psql_does(
    role: Role, authority: Path, seed: int, encryption: str, method: str
) -> None:
    """Generated passwords that the server itself keeps, by each method that pg_hba.conf may ask for; and others."""
    allow(role, method)
    for password in passwords(seed, COUNT):
        set_by_server(role, password, encryption)
        normal = unicodedata.normalize("NFKC", password)
        for tried in (password, normal if normal != password else password + "x"):
            assert ours(role, tried) == psql(role, tried, authority), ascii(tried)


@pytest.mark.parametrize("method", METHODS)
def test_psql_logs_in_with_what_we_set(role: Role, authority: Path, method: str) -> None:
    allow(role, method)
    current = FIRST
    for password in passwords(len(method), COUNT):
        target.set_secret(step(role, password, current))
        assert psql(role, password, authority), ascii(password)
        current = password


@pytest.mark.parametrize("iterations", [1, 4095, 20_000])
def test_any_number_of_iterations_opens_for_both(role: Role, authority: Path, iterations: int) -> None:
    for password in passwords(iterations, COUNT // 2):
        role.server.run_quoted("ALTER ROLE %I PASSWORD %L", role.name, scram.verifier(password, iterations))
        assert ours(role, password)
        assert psql(role, password, authority)


# Servers that are in between, or that never come to an end.


@contextlib.contextmanager
def answering(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server whose connections ``serve`` handles, one thread each; its port."""

    def handle(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            serve(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=handle, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield str(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)


def renaming(role: Role, alias: str, name: str) -> Callable[[socket.socket], None]:
    """What a pooler does that knows the role ``name`` as ``alias``."""

    def pump(source: socket.socket, drain: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                drain.sendall(data)
            drain.shutdown(socket.SHUT_WR)

    def serve(client: socket.socket) -> None:
        start = client.recv(65536).replace(f"\0{alias}\0".encode(), f"\0{name}\0".encode())[4:]
        while start and not start.endswith(b"\0\0"):
            start += client.recv(65536)
        with socket.create_connection(("127.0.0.1", role.server.port)) as server:
            server.sendall((len(start) + 4).to_bytes(4, "big") + start)
            threading.Thread(target=pump, args=(server, client), daemon=True).start()
            pump(client, server)

    return serve


def test_where_the_login_name_has_a_suffix_the_role_without_it_is_changed(role: Role) -> None:
    alias = f"{role.name}@server"
    with answering(renaming(role, alias, role.name)) as port:
        pending, current = (version(role, password, alias) for password in ("second", FIRST))
        target.set_secret(made(role, pending, current, port=port, tls="disable"))
    assert role.server.accepts(role.name, "second")


def test_a_login_that_becomes_another_role_changes_nothing(role: Role) -> None:
    """Others log in as that role too."""
    before = kept(role)
    with answering(renaming(role, "tenant", role.name)) as port:
        pending, current = (version(role, password, "tenant") for password in ("second", FIRST))
        with pytest.raises(ConfigurationError, match="another role"):
            target.set_secret(made(role, pending, current, port=port, tls="disable"))
    assert kept(role) == before


@pytest.mark.parametrize(("tls", "first"), [("verify", b"S\x16\x03\x03\x40\x00"), ("disable", b"R\0\0\1\0")])
def test_a_server_that_answers_byte_by_byte_does_not_outlast_the_function(role: Role, tls: str, first: bytes) -> None:
    def drip(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(first)
        while True:
            connection.sendall(b"\0")
            time.sleep(0.1)

    pending, began = version(role, FIRST), time.monotonic()
    with answering(drip) as port, pytest.raises(NetworkError):
        target.test_secret(made(role, pending, pending, port=port, tls=tls, seconds=2.0))
    assert time.monotonic() - began < 2.0
