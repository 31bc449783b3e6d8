"""The redis target, against a real server."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from redis import ResponseError

from rotation_lab.services import redis_server
from rotation_lab.services.redis_server import CHANGES_PASSWORDS, RedisServer
from secret_rotation.errors import (
    AuthenticationError,
    ConfigurationError,
    IdentityMismatchError,
    NetworkError,
    RotationError,
)
from secret_rotation.target import Context, Credential
from secret_rotation.targets import redis
from tests.operating import PREFLIGHT, Operating
from tests.support import contexts, runbooks
from tests.support.contexts import credential, plain
from tests.target_contract import Installation, Setup, TargetContract

context = contexts.of("redis")


@pytest.fixture(scope="module")
def secure() -> Iterator[RedisServer]:
    with redis_server.start() as server:
        yield server


@pytest.fixture(autouse=True)
def _no_other_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    # Reading those of the system takes most of the time of a connection, and the tests make thousands.
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    monkeypatch.setenv("SSL_CERT_DIR", "/dev/null")


class TestRedis(TargetContract):
    target = "redis"
    former_value_works = True
    required_keys = ("host",)

    @pytest.fixture
    def service(self, secure: RedisServer) -> Installation:
        return Installation(secure.credential())


class Administered(Installation):
    """A user without any permission; an administrator changes its password."""

    def at(self, host: str, port: int) -> Setup:
        setup = super().at(host, port)  # where the administrator's password goes, the settings say
        return replace(setup, settings={**setup.settings, "host": host})


class TestRedisByAdministrator(TestRedis):
    not_applicable = dict.fromkeys(
        (
            "test_a_server_that_never_answers_is_a_network_error_within_the_time",
            "test_a_server_without_tls_is_refused_and_never_spoken_to_in_plain_text",
        ),
        "seconds of waiting, for a connection that is made as in TestRedis",
    )

    @pytest.fixture
    def service(self, secure: RedisServer) -> Installation:
        return Administered(secure.credential(may_change_itself=False), ("admin",))


class TestOperating(Operating):
    target = "redis"

    @pytest.fixture
    def service(self, secure: RedisServer) -> Installation:
        return Installation(secure.credential())


class TestOperatingByAdministrator(TestOperating):
    sample = PREFLIGHT

    @pytest.fixture
    def service(self, secure: RedisServer) -> Installation:
        return Administered(secure.credential(may_change_itself=False), ("admin",))


@pytest.fixture(scope="module")
def running() -> Iterator[RedisServer]:
    with redis_server.start(tls=False) as server:
        yield server


@pytest.fixture
def server(running: RedisServer) -> RedisServer:
    """A server whose user ``app`` has the password ``one``."""
    running.run("ACL SETUSER", "app", "reset", "on", ">one", *f"{CHANGES_PASSWORDS} ~app:* +get".split())
    running.run("ACL SETUSER", "default", "reset", "on", "nopass", "~*", "&*", "+@all")
    return running


def value(server: RedisServer, password: str, **fields: object) -> Credential:
    return credential(password, **{"host": "localhost", "port": server.port, **fields})


def step(server: RedisServer, pending: str, current: str | None, *older: str, **settings: str) -> Context:
    return context(
        value(server, pending),
        None if current is None else value(server, current),
        [value(server, password) for password in older],
        **{"tls": "disable", **settings},
    )


def accepted(server: RedisServer, *passwords: str) -> list[str]:
    return [password for password in passwords if server.accepts("app", password)]


# Two passwords.


def test_the_new_password_and_the_one_before_are_valid_until_the_next_rotation(server: RedisServer) -> None:
    redis.set_secret(step(server, "two", "one"))
    assert accepted(server, "one", "two", "three") == ["one", "two"]
    redis.set_secret(step(server, "three", "two", "one"))
    assert accepted(server, "one", "two", "three") == ["two", "three"]


def test_the_runbooks_commands_remove_the_password_before(server: RedisServer) -> None:
    redis.set_secret(step(server, "two", "one", persist="none"))
    (change, save) = runbooks.statements("Decommissioning", "`redis`", NAME="app", PASSWORD="two")
    server.run(*change.split())
    assert accepted(server, "one", "two") == ["two"]
    assert save == "ACL SAVE"


def test_the_test_logs_in_with_the_value_it_is_given(server: RedisServer) -> None:
    redis.test_secret(step(server, "one", None))
    with pytest.raises(AuthenticationError, match="'app'"):
        redis.test_secret(step(server, "two", "one"))


def test_a_user_that_may_not_ping_can_be_tested(server: RedisServer) -> None:
    server.run("ACL SETUSER", "app", "-@all")
    redis.test_secret(step(server, "one", None))


def test_applied_twice_it_changes_nothing(server: RedisServer) -> None:
    redis.set_secret(step(server, "two", "one"))
    before = server.run("ACL LIST")
    redis.set_secret(step(server, "two", "one"))
    assert server.run("ACL LIST") == before


def test_permissions_of_the_user_stay(server: RedisServer) -> None:
    def permissions() -> Any:
        user: Any = server.run("ACL GETUSER", "app")
        return {**user, "passwords": None}

    before = permissions()
    redis.set_secret(step(server, "two", "one"))
    assert permissions() == before


def test_an_abandoned_password_is_dropped_and_the_current_one_stays(server: RedisServer) -> None:
    redis.set_secret(step(server, "abandoned", "one"))
    redis.set_secret(step(server, "two", "one", "abandoned"))
    assert accepted(server, "one", "two", "abandoned") == ["one", "two"]


def test_the_only_working_password_is_in_a_version_without_a_label(server: RedisServer) -> None:
    server.run("ACL SETUSER", "app", "resetpass", ">stranded")
    redis.set_secret(step(server, "two", "one", "zero", "stranded"))
    assert accepted(server, "one", "two", "stranded") == ["two", "stranded"]


def test_an_old_password_that_did_not_work_does_not_come_to_work(server: RedisServer) -> None:
    redis.set_secret(step(server, "two", "by hand", "one"))
    assert accepted(server, "one", "two", "by hand") == ["one", "two"]


def test_a_broken_value_put_by_hand_is_recovered_by_the_one_before(server: RedisServer) -> None:
    """JSON can write half a character, which nobody can send."""
    given = step(server, "two", None, "one")
    broken = Credential("broken", value(server, "x").text.replace('"x"', '"\\ud83d"'), ("password",))
    redis.set_secret(replace(given, current=broken))
    assert accepted(server, "one", "two") == ["one", "two"]


def test_no_stored_password_works_and_nothing_is_changed(server: RedisServer) -> None:
    before = server.run("ACL LIST")
    with pytest.raises(AuthenticationError, match="accepts no stored password"):
        redis.set_secret(step(server, "two", "wrong", "older"))
    assert server.run("ACL LIST") == before


def test_the_default_user_without_a_password_gets_one_and_keeps_what_consumers_send(server: RedisServer) -> None:
    given = {"tls": "disable", "host": "localhost", "port": str(server.port)}
    redis.set_secret(context(plain("two"), plain("one"), **given))
    assert [server.accepts("default", password) for password in ("one", "two", "any")] == [True, True, False]


def test_passwords_reach_neither_the_servers_acl_log_nor_its_list(server: RedisServer) -> None:
    server.run("CONFIG SET", "slowlog-log-slower-than", "0")  # every command
    redis.set_secret(step(server, "twotwotwo", "wrongwrong", "one"))
    slow = server.run("SLOWLOG", "GET", "128")  # in two words, since the driver's parser of the answer fails on text
    assert "SETUSER" in str(slow)
    assert "twotwo" not in f"{server.run('ACL LIST')}{server.run('ACL LOG')}{slow}"


@pytest.mark.parametrize("password", ["ünï €", "with space", '"quoted"\r\n+OK', "#" + "0" * 64, "x" * 4096])
def test_any_password_is_taken_as_it_is(server: RedisServer, password: str) -> None:
    redis.set_secret(step(server, password, "one"))
    redis.test_secret(step(server, password, "one"))
    assert accepted(server, password) == [password]


# Restart.


def test_a_change_whose_answer_is_lost_is_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    change, lost = redis._replace_passwords, list[str]()

    def lose(*given: Any) -> None:
        change(*given)
        if not lost:
            lost.append("the answer")
            raise NetworkError("No answer.")

    monkeypatch.setattr(redis, "_replace_passwords", lose)
    with redis_server.start(f"app on >one {CHANGES_PASSWORDS}", tls=False) as server:
        redis.set_secret(step(server, "two", "one"))
        server.stop()
        server.start()
        assert accepted(server, "one", "two") == ["one", "two"]


def test_a_change_that_was_not_made_is_reported(monkeypatch: pytest.MonkeyPatch, server: RedisServer) -> None:
    def lose(*_: Any) -> None:
        raise NetworkError("No answer.")

    monkeypatch.setattr(redis, "_replace_passwords", lose)
    with pytest.raises(NetworkError):
        redis.set_secret(step(server, "two", "one"))
    assert accepted(server, "one", "two") == ["one"]


@pytest.mark.parametrize(("acl_file", "persist"), [(True, None), (True, "acl-save"), (False, "config-rewrite")])
def test_both_passwords_survive_a_restart(acl_file: bool, persist: str | None) -> None:
    with redis_server.start(f"app on >one {CHANGES_PASSWORDS}", tls=False, acl_file=acl_file) as server:
        settings = {} if persist is None else {"persist": persist}
        redis.set_secret(step(server, "two", "one", **settings))
        server.stop()
        server.start()
        assert accepted(server, "one", "two") == ["one", "two"]


@pytest.mark.parametrize(("acl_file", "persist"), [(True, "acl-save"), (False, "config-rewrite")])
def test_a_default_user_of_requirepass_keeps_its_passwords_over_restarts(acl_file: bool, persist: str) -> None:
    with redis_server.start(tls=False, acl_file=acl_file) as server:
        server.stop()
        with (server.folder / "redis.conf").open("a") as file:
            file.write("requirepass one\n")
        server.start()
        given = {"tls": "disable", "host": "localhost", "port": str(server.port), "persist": persist}
        for new, old in (("two", "one"), ("three", "two")):
            redis.set_secret(context(plain(new), plain(old), **given))
            server.stop()
            server.start()
        works = [password for password in ("one", "two", "three", "x") if server.accepts("default", password)]
        assert works == ["two", "three"]


def test_a_retry_saves_what_an_earlier_try_set(server: RedisServer) -> None:
    redis.set_secret(step(server, "two", "one", persist="none"))
    server.stop()  # a crash before it was saved would have lost it: the next try begins again
    server.start()
    server.run("ACL SETUSER", "app", "reset", "on", ">one", *CHANGES_PASSWORDS.split())
    redis.set_secret(step(server, "two", "one", persist="none"))
    redis.set_secret(step(server, "two", "one"))
    server.stop()
    server.start()
    assert accepted(server, "one", "two") == ["one", "two"]


@pytest.mark.parametrize(("acl_file", "persist"), [(False, "acl-save"), (True, "config-rewrite")])
def test_a_server_that_cannot_save_is_told_with_what_to_do(acl_file: bool, persist: str) -> None:
    with redis_server.start(f"app on >one {CHANGES_PASSWORDS}", tls=False, acl_file=acl_file) as server:
        with pytest.raises(ConfigurationError, match="'persist'"):
            redis.set_secret(step(server, "two", "one", persist=persist))
        assert accepted(server, "one", "two") == ["one", "two"]


def test_a_file_that_the_server_cannot_write_is_named_and_the_next_try_saves() -> None:
    with redis_server.start(f"app on >one {CHANGES_PASSWORDS}", tls=False) as other:
        file = other.folder / "users.acl"
        kept = file.rename(other.folder / "kept")
        file.mkdir()  # root may write any file
        with pytest.raises(ConfigurationError, match="cannot write the file"):
            redis.set_secret(step(other, "two", "one"))
        assert accepted(other, "one", "two") == ["one", "two"]
        file.rmdir()
        kept.rename(file)
        redis.set_secret(step(other, "two", "one"))
        other.stop()
        other.start()
        assert accepted(other, "one", "two") == ["one", "two"]


def test_a_server_whose_acl_commands_are_renamed_is_told_as_such() -> None:
    with redis_server.start(f"app on >one {CHANGES_PASSWORDS}", tls=False) as server:
        server.stop()
        server.arguments = ("--rename-command", "ACL", "")
        server.start()
        with pytest.raises(ConfigurationError, match="rename-command"):
            redis.set_secret(step(server, "two", "one"))
        assert accepted(server, "one", "two") == ["one"]


# The administrator.


class AdministratorsSecret:
    def __init__(self, **fields: str) -> None:
        self.text = json.dumps({"username": "root", "password": "root", **fields})

    def get_secret_value(self, SecretId: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        return {"VersionId": "v1", "SecretString": self.text}


def by_administrator(server: RedisServer, pending: Credential, current: Credential, **fields: str) -> Context:
    secret = AdministratorsSecret(**(fields or {"host": "localhost"}))
    return context(pending, current, client=lambda service: secret, tls="disable", admin_secret_arn="arn:admin")


def test_an_administrator_changes_the_password_of_a_user_that_may_not(server: RedisServer) -> None:
    server.run("ACL SETUSER", "app", "-@all")
    redis.set_secret(by_administrator(server, value(server, "two"), value(server, "one")))
    assert accepted(server, "one", "two") == ["one", "two"]
    redis.set_secret(by_administrator(server, value(server, "three"), value(server, "two")))
    assert accepted(server, "one", "two", "three") == ["two", "three"]


@pytest.mark.parametrize(
    ("fields", "kind", "told"),
    [
        ({"host": "redis.example.com"}, IdentityMismatchError, "another host"),
        ({"engine": "redis"}, ConfigurationError, "setting 'host'"),
    ],
)
def test_the_administrator_s_password_goes_only_to_its_own_host(
    server: RedisServer, fields: dict[str, str], kind: type[RotationError], told: str
) -> None:
    """Who can write the application's secret must not be sent the administrator's password."""
    with pytest.raises(kind, match=told):
        redis.set_secret(by_administrator(server, value(server, "two"), value(server, "one"), **fields))
    assert accepted(server, "one", "two") == ["one"]


def test_a_user_that_is_off_is_refused_before_a_change(server: RedisServer) -> None:
    server.run("ACL SETUSER", "app", "off")
    before = server.run("ACL", "LIST")
    with pytest.raises(ConfigurationError, match="'app' is off"):
        redis.set_secret(administered(server, "app"))
    assert server.run("ACL", "LIST") == before


@contextlib.contextmanager
def busy(server: RedisServer) -> Iterator[None]:
    """A script holds the server."""

    def hold() -> None:
        with contextlib.suppress(ResponseError):
            server.run("EVAL", "while true do end", "0")

    server.run("CONFIG", "SET", "busy-reply-threshold", "1")
    thread = threading.Thread(target=hold)
    thread.start()
    try:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                server.run("PING")
            except ResponseError:
                break
        yield
    finally:
        server.run("SCRIPT", "KILL")
        thread.join()
        server.run("CONFIG", "SET", "busy-reply-threshold", "5000")


@contextlib.contextmanager
def stale(server: RedisServer) -> Iterator[None]:
    """A replica without its primary, which serves nothing then."""
    server.run("CONFIG", "SET", "replica-serve-stale-data", "no")
    server.run("REPLICAOF", "127.0.0.1", "1")
    try:
        yield
    finally:
        server.run("REPLICAOF", "NO", "ONE")
        server.run("CONFIG", "SET", "replica-serve-stale-data", "yes")


@pytest.mark.parametrize("trouble", [busy, stale])
def test_a_server_that_cannot_serve_now_says_nothing_of_a_password(server: RedisServer, trouble: Any) -> None:
    server.run("ACL SETUSER", "app", "+ping")
    with trouble(server):
        for given in (step(server, "two", "one"), administered(server, "app")):
            with pytest.raises(NetworkError, match="cannot serve now"):
                redis.set_secret(given)
            with pytest.raises(NetworkError, match="cannot serve now"):
                redis.test_secret(step(server, "one", "one"))
    assert accepted(server, "one", "two") == ["one"]


def test_an_administrator_does_not_create_a_user(server: RedisServer) -> None:
    given = by_administrator(server, value(server, "two", username="nobody"), value(server, "one", username="nobody"))
    with pytest.raises(ConfigurationError, match="'nobody'"):
        redis.set_secret(given)
    assert "nobody" not in str(server.run("ACL LIST"))


def test_a_user_that_may_not_change_itself_is_told_what_to_grant(server: RedisServer) -> None:
    server.run("ACL SETUSER", "app", "-@all")
    with pytest.raises(ConfigurationError, match=r"\+acl\|setuser.*admin_secret_arn"):
        redis.set_secret(step(server, "two", "one"))
    assert accepted(server, "one", "two") == ["one"]


def administered(server: RedisServer, user: str, **settings: str) -> Context:
    given = by_administrator(server, value(server, "two", username=user), value(server, "one", username=user))
    return replace(given, settings={**given.settings, **settings})


def test_an_administrator_does_not_rotate_itself_away(server: RedisServer) -> None:
    """Its secret would be wrong from then on; without a name it is the default user."""
    server.run("ACL SETUSER", "operator", "reset", "on", ">root", "~*", "+@all")
    for name in ("operator", "default"):
        before = server.run("ACL LIST")
        fields = {"host": "localhost", "username": name if name == "operator" else ""}
        given = by_administrator(
            server, value(server, "two", username=name), value(server, "one", username=name), **fields
        )
        with pytest.raises(ConfigurationError, match="administrator itself"):
            redis.set_secret(replace(given, settings={**given.settings, "superusers": "allow"}))
        assert server.run("ACL LIST") == before


@pytest.mark.parametrize(("patterns", "is_allowed"), [("ap*, x", True), ("APP", False), ("other", False)])
def test_an_administrator_changes_only_users_that_a_setting_allows(
    server: RedisServer, patterns: str, is_allowed: bool
) -> None:
    server.run("ACL SETUSER", "app", "-@all", "+ping")
    given = administered(server, "app", allowed_usernames=patterns)
    if is_allowed:
        redis.set_secret(given)
    else:
        with pytest.raises(ConfigurationError, match="allowed_usernames"):
            redis.set_secret(given)
    assert accepted(server, "one", "two") == (["one", "two"] if is_allowed else ["one"])


@pytest.mark.parametrize("rights", ["+@all", "+@admin", "+acl|setuser", "+@all -@dangerous +acl"])
def test_an_administrator_does_not_change_a_user_that_can_change_users(server: RedisServer, rights: str) -> None:
    server.run("ACL SETUSER", "app", "-@all", *rights.split())
    before = server.run("ACL LIST")
    with pytest.raises(ConfigurationError, match="superusers"):
        redis.set_secret(administered(server, "app"))
    assert server.run("ACL LIST") == before
    redis.set_secret(administered(server, "app", superusers="allow"))
    assert accepted(server, "one", "two") == ["one", "two"]


@pytest.mark.parametrize("rights", ["+@all -@dangerous", "+@all -@admin -@dangerous", "+@read +@write"])
def test_an_administrator_changes_a_user_that_cannot_change_users(server: RedisServer, rights: str) -> None:
    server.run("ACL SETUSER", "app", "-@all", *rights.split())
    redis.set_secret(administered(server, "app"))
    assert accepted(server, "one", "two") == ["one", "two"]


# Replication.


@pytest.mark.parametrize(
    ("user", "begin", "end"),
    [
        ("app", ("CONFIG", "SET", "masteruser", "app"), ("CONFIG", "SET", "masteruser", "")),
        ("default", ("CONFIG", "SET", "masterauth", "one"), ("CONFIG", "SET", "masterauth", "")),
    ],
)
def test_the_user_with_which_the_server_logs_in_to_its_primary_is_refused(
    server: RedisServer, user: str, begin: tuple[str, ...], end: tuple[str, ...]
) -> None:
    server.run(*begin)
    before = server.run("ACL LIST")
    try:
        with pytest.raises(ConfigurationError, match="masteruser"):
            redis.set_secret(step(server, "two", "one") if user == "app" else administered(server, "default"))
    finally:
        server.run(*end)
    assert server.run("ACL LIST") == before


def test_the_user_of_a_replica_that_is_connected_is_refused(server: RedisServer) -> None:
    server.run("ACL SETUSER", "app", "+psync", "+replconf", "+client|list")
    with redis_server.start(tls=False) as replica:
        replica.run("CONFIG", "SET", "masterauth", "one", "masteruser", "app")
        replica.run("REPLICAOF", "localhost", str(server.port))
        until(lambda: "psync" in str(server.run("CLIENT LIST", "TYPE", "replica")))
        before = server.run("ACL LIST")
        with pytest.raises(ConfigurationError, match="masteruser"):
            redis.set_secret(step(server, "two", "one"))
        assert server.run("ACL LIST") == before


def test_the_user_of_a_sentinel_that_listens_is_refused(server: RedisServer) -> None:
    server.run("ACL SETUSER", "app", "&*", "+subscribe", "+client|list", "+client|setname")
    listener = server._client(username="app", password="one")
    listener.connection_pool.connection_kwargs["client_name"] = "sentinel-0a1b2c3d-pubsub"
    listening = listener.pubsub()  # type: ignore[no-untyped-call]
    with closing(listener), closing(listening):
        listening.subscribe("__sentinel__:hello")
        until(lambda: "sentinel-" in str(server.run("CLIENT LIST", "TYPE", "pubsub")))
        with pytest.raises(ConfigurationError, match="sentinel"):
            redis.set_secret(step(server, "two", "one"))
    assert accepted(server, "one", "two") == ["one"]


def test_a_user_that_may_not_ask_about_replication_rotates(server: RedisServer) -> None:
    server.run("ACL SETUSER", "app", "-config|get", "-client|list")
    redis.set_secret(step(server, "two", "one"))
    assert accepted(server, "one", "two") == ["one", "two"]


def until(check: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end
        time.sleep(0.05)


# Where and who.


def test_settings_say_where_and_who_when_the_secret_does_not(server: RedisServer) -> None:
    given = {"tls": "disable", "host": "localhost", "port": str(server.port), "username": "app"}
    redis.set_secret(context(plain("two"), plain("one"), **given))
    redis.test_secret(context(plain("two"), plain("one"), **given))
    assert accepted(server, "two") == ["two"]


def test_a_credential_is_for_a_server_and_a_user(server: RedisServer) -> None:
    assert redis.identity(credential("x", host="h", port=6380)) == {"host": "h", "port": "6380", "username": "app"}
    assert redis.identity(plain("x")) == {"host": "", "port": "", "username": ""}


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"tls": "prefer"}, "'tls' .*'prefer'.* verify, disable"),
        ({"tls": "verify", "tls_ca": "none.pem"}, "'tls_ca' .*PEM"),
        ({"port": "http"}, "port .*1 to 65535"),
        ({"port": "70000"}, "port .*1 to 65535"),
    ],
)
def test_a_wrong_setting_is_told_by_name(server: RedisServer, settings: dict[str, str], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        redis.set_secret(step(server, "two", "one", **settings))
    assert accepted(server, "one", "two") == ["one"]


def test_a_host_that_nobody_tells_is_asked_for() -> None:
    with pytest.raises(ConfigurationError, match="setting 'host'"):
        redis.test_secret(context(plain("x")))


# Faults and TLS.


def test_a_server_that_is_down_is_a_network_fault() -> None:
    with redis_server.start(tls=False) as server:
        server.stop()
        with pytest.raises(NetworkError, match=f"localhost:{server.port}"):
            redis.test_secret(step(server, "one", None))


def test_a_certificate_of_a_given_authority_is_trusted(secure: RedisServer) -> None:
    secure.credential().set_password("app", "one")
    given = step(secure, "two", "one", tls="verify", tls_ca=secure.ca)
    redis.set_secret(given)
    redis.test_secret(given)
    assert accepted(secure, "one", "two") == ["one", "two"]


@pytest.mark.parametrize(
    ("settings", "named"), [({}, "'tls_ca'"), ({"host": "127.0.0.1", "tls_ca": "given"}, "'tls_server_name'")]
)
def test_a_certificate_that_is_not_trusted_is_refused(
    secure: RedisServer, settings: dict[str, str], named: str
) -> None:
    given = {name: secure.ca if text == "given" else text for name, text in settings.items()}
    with pytest.raises(ConfigurationError, match=named):
        redis.test_secret(context(value(secure, "one"), **given))


def test_a_server_without_tls_gets_no_password(server: RedisServer) -> None:
    with pytest.raises(RotationError, match="TLS"):
        redis.test_secret(context(value(server, "one"), seconds=1.0))


def test_a_server_with_tls_is_not_reached_without(secure: RedisServer) -> None:
    with pytest.raises(NetworkError):
        redis.test_secret(step(secure, "one", None))
