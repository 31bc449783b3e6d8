"""The two ways to change a database's password, without a database: who logs in, in which order, what is refused."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from secret_rotation.errors import (
    AuthenticationError,
    ConfigurationError,
    IdentityMismatchError,
    NetworkError,
    SecretError,
)
from secret_rotation.kit import driver
from secret_rotation.target import Context, Credential
from secret_rotation.targets.databases import strategies
from secret_rotation.targets.databases.strategies import Server
from tests.messages import assert_explains, refused
from tests.support import contexts
from tests.support.contexts import credential, plain

context = contexts.of("postgresql")


@dataclass
class Users:
    """A database's users and their passwords. ``done`` has all that was asked of it, in order."""

    passwords: dict[str, str]
    done: list[tuple[str, ...]] = field(default_factory=list)
    session: "type[Session] | None" = None

    def connect(self, _: Context, server: Server, username: str, password: str) -> "Session":
        accepted = self.passwords.get(username) == password
        self.done.append((str(server), username, password, "accepted" if accepted else "refused"))
        if not accepted:
            raise AuthenticationError("The server refused the password.")
        return (self.session or Session)(self)

    @property
    def logins(self) -> list[str]:
        return [password for _, _, password, *_ in filter(lambda step: len(step) == 4, self.done)]

    @property
    def database(self) -> strategies.Database:
        return strategies.Database(self.connect)


@dataclass
class Session:
    users: Users

    def change_password(self, username: str, password: str) -> None:
        self.users.done.append(("change", username))
        self.users.passwords[username] = password

    def prepare_clone(self, clone: str, original: str) -> None:
        self.users.done.append(("prepare", clone, original))

    def check(self) -> None:
        """Every session is good."""

    def close(self) -> None:
        self.users.done.append(("close",))


def version(password: str, username: str = "app", **fields: object) -> Credential:
    return credential(password, **{"host": "db", "username": username, **fields})


def step(pending: Credential, *others: Credential, **settings: str) -> Context:
    """``others``: current, then those before."""
    current = others[0] if others else None
    return context(pending, current, others[1:], client=Admin, **settings)


class Admin:
    """The client of Secrets Manager, with the administrator's secret."""

    def __init__(self, service: str) -> None:
        assert service == "secretsmanager"

    def get_secret_value(self, **_: str) -> dict[str, Any]:
        text = json.dumps({"host": "db", "username": "root", "password": "r00t"})
        return {"VersionId": "v", "SecretString": text}


ADMIN = {"admin_secret_arn": "arn:admin"}
TURNS = {"strategy": "alternating", **ADMIN}


# The user itself.


def test_the_user_logs_in_with_the_first_stored_value_that_works_and_changes_its_password() -> None:
    users = Users({"app": "was"})
    users.database.set_secret(step(version("new"), version("old"), version("was"), version("oldest")))
    assert users.passwords == {"app": "new"}
    assert users.logins == ["new", "old", "was"]
    assert users.done[-2:] == [("change", "app"), ("close",)]


@pytest.mark.parametrize("broken", ["\ud83d", ""])
def test_a_value_that_nobody_can_send_is_passed_over(broken: str) -> None:
    users = Users({"app": "was"})
    current = Credential("broken", json.dumps({"host": "db", "username": "app", "password": broken}), ("password",))
    users.database.set_secret(step(version("new"), current, version("was")))
    assert users.passwords == {"app": "new"}


def test_what_is_accepted_already_is_left_alone() -> None:
    users = Users({"app": "new"})
    users.database.set_secret(step(version("new"), version("old")))
    assert users.done == [("db:5432", "app", "new", "accepted"), ("close",)]


def test_each_value_that_is_refused_is_logged_by_its_version(
    capsys: pytest.CaptureFixture[str],
) -> None:
    users = Users({"app": "lost"})
    tried = [version(f"s3cret-{name}") for name in ("new", "old", "was")]
    with refused(AuthenticationError, "db:5432", "'app'", *(each.version for each in tried), "'admin_secret_arn'"):
        users.database.set_secret(step(*tried))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["candidate"] for line in lines] == [each.version for each in tried]
    assert all(line["message"] for line in lines)


def test_values_of_another_user_are_not_tried() -> None:
    users = Users({"app": "lost", "other": "was"})
    with refused(AuthenticationError, "version-was", "another user"):
        users.database.set_secret(step(version("new"), version("old"), version("was", "other")))
    assert "was" not in users.logins


def test_the_test_logs_in_with_the_pending_value_or_with_the_current_one_when_it_comes_alone() -> None:
    users = Users({"app": "new"})
    users.database.test_secret(step(version("new"), version("old")))
    assert users.done == [("db:5432", "app", "new", "accepted"), ("close",)]
    users.passwords["app"] = "old"
    users.database.test_secret(context(None, version("old")))
    assert users.done[2:] == [("db:5432", "app", "old", "accepted"), ("close",)]


def test_after_a_change_that_failed_the_pending_value_decides() -> None:
    """Its answer was lost, or the server refuses to do twice what it has done."""

    class LosesAnswers(Session):
        def change_password(self, username: str, password: str) -> None:
            super().change_password(username, password)
            raise NetworkError("The answer was lost.")

    users = Users({"app": "old"}, session=LosesAnswers)
    users.database.set_secret(step(version("new"), version("old")))
    assert users.logins == ["new", "old", "new"]


def test_a_change_that_was_not_made_fails_with_its_own_error() -> None:
    class Refuses(Session):
        def change_password(self, username: str, password: str) -> None:
            raise ConfigurationError("The server is read-only.")

    users = Users({"app": "old"}, session=Refuses)
    with pytest.raises(ConfigurationError, match="read-only"):
        users.database.set_secret(step(version("new"), version("old")))
    assert users.logins == ["new", "old", "new"]


def test_no_more_passwords_are_tried_than_the_setting_allows() -> None:
    users = Users({"app": "third"})
    versions = [version(name) for name in ("new", "first", "second", "third")]
    with refused(AuthenticationError, "'max_logins'", "version-second"):
        users.database.set_secret(step(*versions, max_logins="3"))
    assert users.logins == ["new", "first", "second"]
    users.database.set_secret(step(*versions, max_logins="4"))
    assert users.passwords == {"app": "new"}


# An administrator.


def test_an_administrator_is_not_rotated_away() -> None:
    users = Users({"root": "r00t"})
    with refused(ConfigurationError, "'root'", "'admin_secret_arn'"):
        users.database.set_secret(step(version("new", "root"), version("old", "root"), **ADMIN))
    assert users.passwords == {"root": "r00t"}


@pytest.mark.parametrize("now", ["root", "root_clone"])
def test_an_administrator_is_none_of_two_users_who_take_turns(now: str) -> None:
    users = Users({"root": "r00t"})
    with refused(ConfigurationError, "'root'", "'admin_secret_arn'"):
        users.database.set_secret(step(version("new", strategies.other(now)), version("old", now), **TURNS))
    assert users.passwords == {"root": "r00t"}


def test_an_administrator_changes_the_password_and_no_stored_one_is_needed() -> None:
    users = Users({"app": "lost", "root": "r00t"})
    users.database.set_secret(step(version("new"), version("old"), **ADMIN))
    assert users.passwords["app"] == "new"
    assert users.logins == ["new", "r00t"]


# Users who take turns.


def test_a_test_that_comes_alone_tests_the_copy_of_the_current_value() -> None:
    """Rotation was enabled without rotating at once: the temporary version holds the current value under another id."""
    users = Users({"app": "old"})
    copy = replace(version("old"), version="temporary")
    users.database.test_secret(step(copy, version("old"), **TURNS))
    assert users.logins == ["old"]


def test_the_other_user_gets_the_password_and_is_made_like_the_first() -> None:
    users = Users({"app": "old", "root": "r00t"})
    given = step(version("new", "app_clone"), version("old"), **TURNS)
    users.database.set_secret(given)
    assert users.done[-3:] == [("prepare", "app_clone", "app"), ("change", "app_clone"), ("close",)]
    assert users.passwords == {"app": "old", "root": "r00t", "app_clone": "new"}


def test_when_it_is_the_first_users_turn_nothing_is_made() -> None:
    users = Users({"app": "old", "app_clone": "new", "root": "r00t"})
    users.database.set_secret(step(version("newer"), version("new", "app_clone"), **TURNS))
    assert not [done for done in users.done if done[0] == "prepare"]
    assert users.passwords["app"] == "newer"


@pytest.mark.parametrize(("now", "then"), [("app", "app_clone"), ("app_clone", "app")])
def test_the_secret_names_the_user_whose_turn_is_next(now: str, then: str) -> None:
    database = Users({}).database
    assert database.create_secret(step(version("new"), version("old", now), **TURNS)) == {"username": then}
    with_key = step(version("new"), version("old", login=now), **TURNS, username_key="login")
    assert database.create_secret(with_key) == {"login": then}


def test_a_single_user_and_a_secret_without_a_value_have_no_turn() -> None:
    database = Users({}).database
    assert database.create_secret(step(version("new"), version("old"))) == {}
    assert database.create_secret(context(None, None, **TURNS)) == {}


def test_turns_need_an_administrator_before_anything_is_stored() -> None:
    with pytest.raises(ConfigurationError, match="'admin_secret_arn'"):
        Users({}).database.create_secret(step(version("new"), version("old"), strategy="alternating"))


# What is refused, before anybody logs in.


@pytest.mark.parametrize(
    ("username", "settings", "expected"),
    [("other", {}, "app"), ("app_clone", {}, "app"), ("app", TURNS, "app"), ("other", TURNS, "app")],
)
def test_a_pending_value_for_a_user_whose_turn_it_is_not_is_refused(
    username: str, settings: dict[str, str], expected: str
) -> None:
    users = Users({username: "new"})
    with refused(IdentityMismatchError, repr(username), repr(expected)):
        users.database.set_secret(step(version("new", username), version("old"), **settings))
    assert not [login for login in users.logins if login != "new"]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        *[({"port": port}, ["port", "1 to 65535"]) for port in ("5432x", "0", "65536", "٣")],
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(settings: dict[str, str], named: list[str]) -> None:
    users = Users({"app": "s3cret-old"})
    with refused(ConfigurationError, *named):
        users.database.set_secret(step(version("s3cret-new"), version("s3cret-old"), **settings))
    assert users.passwords == {"app": "s3cret-old"}


def test_a_host_that_is_missing_names_the_setting_and_the_key() -> None:
    with refused(ConfigurationError, "setting 'host'", "key 'host'"):
        Users({}).database.set_secret(step(plain("s3cret"), username="app"))


@pytest.mark.parametrize("host", ["a..b", "x" * 64, "a\0b", "\x80"])
def test_what_python_cannot_look_up_is_no_host(host: str) -> None:
    users = Users({})
    with refused(ConfigurationError, "setting", "key 'host'"):
        users.database.set_secret(step(version("s3cret", host=host)))
    assert users.done == []


@pytest.mark.parametrize("name", ["username", "dbname"])
def test_a_name_with_a_nul_character_is_refused(name: str) -> None:
    with refused(SecretError, "NUL"):
        Users({}).database.set_secret(step(version("s3cret", **{name: "a\0b"})))


# Where.


@pytest.mark.parametrize("port", [1, 65_535])
def test_the_settings_go_before_the_secret(port: int) -> None:
    seen: list[Server] = []

    def connect(_: Context, server: Server, username: str, password: str) -> Session:
        seen.append(server)
        return Session(Users({}))

    database = strategies.Database(connect)
    secret = version("new", port=port, dbname="d")
    database.test_secret(step(secret))
    database.test_secret(step(version("new")))
    database.test_secret(step(secret, host="h", port="2", dbname="e"))
    assert seen == [Server("db", port, "d"), Server("db", 5432, "postgres"), Server("h", 2, "e")]


def test_who_a_credential_is_for() -> None:
    found = strategies.identity(version("x", "app_clone", port=1, dbname="d"))
    assert found == {"host": "db", "port": "1", "dbname": "d", "username": "app"}
    assert strategies.identity(plain("x")) == {"host": "", "port": "", "dbname": "", "username": ""}


def test_a_missing_driver_is_named_with_the_command_that_builds_it() -> None:
    assert_explains(driver.missing("pg8000"), ConfigurationError, "'pg8000'", "`make layer`", "`function.layers`")
