"""The ldap target, against OpenLDAP's server with TLS."""

import contextlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar
from unittest import mock

import pytest

from rotation_lab.model.secrets_manager import SecretsManager
from rotation_lab.services import slapd
from rotation_lab.services.base import ADMIN_PASSWORD, FIRST
from rotation_lab.services.slapd import BASE, OWNER, POLICY, SUFFIX, Slapd
from secret_rotation.errors import (
    AuthenticationError,
    ConfigurationError,
    IdentityMismatchError,
    LockedError,
    NetworkError,
    RotationError,
    SecretError,
    ValueRefusedError,
)
from secret_rotation.kit import ldap_client
from secret_rotation.target import Context, Credential
from secret_rotation.targets import ldap as target
from tests.operating import NONE, PREFLIGHT, Operating
from tests.support import contexts
from tests.target_contract import Installation, Setup, TargetContract, World

context = contexts.of("ldap")


@pytest.fixture(scope="session")
def server() -> Iterator[Slapd]:
    with slapd.start() as running:
        yield running


class User(Installation):
    """A user of its own, whose name has to be escaped, and an administrator of its own."""

    def __init__(self, server: Slapd, needs: tuple[str, ...] = (), **settings: str) -> None:
        number = secrets.token_hex(4)
        self.server = server
        service = server.credential(rf"Müller\, {number} \"it's\" %s", f"admin {number}")
        self.name, self.admin = service.name, service.admin
        super().__init__(service, needs, **settings)


class TestItself(TargetContract):
    """The user changes its own password."""

    target = "ldap"
    required_keys = ("username", "host")

    @pytest.fixture
    def service(self, server: Slapd) -> User:
        return User(server)


class TestAdministered(TargetContract):
    """An administrator changes the user's password."""

    target = "ldap"
    required_keys = ("username", "host")

    @pytest.fixture
    def service(self, server: Slapd) -> User:
        return User(server, ("admin",), user_base=BASE)


class TestOperating(Operating):
    target = "ldap"
    sample = NONE

    @pytest.fixture
    def service(self, server: Slapd) -> User:
        return User(server)


class TestOperatingByAdministrator(TestOperating):
    sample = PREFLIGHT

    @pytest.fixture
    def service(self, server: Slapd) -> User:
        return User(server, ("admin",), user_base=BASE)

    @contextlib.contextmanager
    def refusing(self, world: World) -> Iterator[str]:
        with world.service.service.misbehave("takes no password twice"):
            for _ in range(2):
                world.rotate()
            yield json.loads(str(world.secret.text("AWSPREVIOUS")))["password"]


class StartTls(User):
    """The port that begins without TLS."""

    def __init__(self, server: Slapd) -> None:
        super().__init__(server, start_tls="true")
        self.address = ("localhost", server.plain_port)
        self.setup = replace(self.setup, value=self.value(self.name, FIRST, port=server.plain_port))


class TestStartTls(TargetContract):
    """TLS begins with a request."""

    target = "ldap"
    required_keys = ("username", "host")
    not_applicable: ClassVar[dict[str, str]] = {
        "test_a_server_without_tls_is_refused_and_never_spoken_to_in_plain_text": "has a test of its own, on a server "
        "that has no StartTLS",
    }

    @pytest.fixture
    def service(self, server: Slapd) -> User:
        return StartTls(server)


# What the contract does not say.


@pytest.fixture
def user(server: Slapd) -> User:
    return User(server)


def version(user: User, password: str, name: str | None = None, **others: object) -> Credential:
    return Credential(f"version-{password}", user.value(name or user.name, password, **others), ("password",))


def step(user: User, pending: str, **settings: str) -> Context:
    return context(version(user, pending), version(user, FIRST), **{**user.setup.settings, **settings})


def administered(user: User, pending: str, name: str | None = None, **settings: str) -> Context:
    manager = SecretsManager()
    arn = manager.create(user.value(user.admin, ADMIN_PASSWORD), "admin")
    settings = {"user_base": BASE, **user.setup.settings, **settings}
    return replace(
        context(version(user, pending, name), version(user, FIRST, name), admin_secret_arn=arn, **settings),
        client=lambda _: manager.client(),
    )


BOTH = pytest.mark.parametrize("make", [step, administered])


@BOTH
@pytest.mark.parametrize("world", [world for world in slapd.User.misbehaviours if "old password" not in world])
def test_a_change_whose_answer_is_lost_is_not_made_twice(user: User, make: Any, world: str) -> None:
    """The directory would refuse it: history, minimum age."""
    sent = ldap_client.Client.extended

    def lost(client: ldap_client.Client, oid: str, value: bytes | None = None) -> object:
        answer = sent(client, oid, value)
        if oid == ldap_client.MODIFY_PASSWORD:
            raise ConnectionResetError
        return answer

    with user.service.misbehave(world):
        with mock.patch.object(ldap_client.Client, "extended", lost):
            target.set_secret(make(user, "second"))
        target.set_secret(make(user, "second"))
        target.test_secret(make(user, "second"))
    assert user.server.accepts(user.name, "second")


def test_a_password_that_was_changed_just_now_may_not_be_changed_by_its_user_and_the_error_says_so(user: User) -> None:
    with user.service.misbehave("not again so soon"):
        target.set_secret(step(user, "second"))
        again = replace(step(user, "third"), current=version(user, "second"))
        with pytest.raises(ConfigurationError, match="pwdMinAge"):
            target.set_secret(again)
        assert user.server.accepts(user.name, "second")


def test_a_password_of_the_history_is_refused_as_a_value(user: User) -> None:
    with user.service.misbehave("takes no password twice"):
        target.set_secret(step(user, "second"))
        target.set_secret(replace(step(user, "third"), current=version(user, "second")))
        with pytest.raises(RotationError, match="pwdInHistory"):
            target.set_secret(replace(step(user, "second"), current=version(user, "third")))
        given = replace(administered(user, "second"), current=version(user, "third"))
        with pytest.raises(ValueRefusedError, match="pwdInHistory"):
            target.set_secret(given)
    assert user.server.accepts(user.name, "third")


def test_the_old_password_is_named_where_the_policy_demands_it(user: User) -> None:
    with user.service.misbehave("the old password has to be named"):
        target.set_secret(step(user, "second"))
    assert user.server.accepts(user.name, "second")


def test_a_locked_user_ends_the_search(user: User) -> None:
    with user.service.misbehave("locked after ten wrong passwords"):
        for _ in range(10):
            assert not user.server.accepts(user.name, "wrong")
        with pytest.raises(LockedError, match="pwdAccountLockedTime"):
            target.set_secret(step(user, "second"))


def test_a_password_that_an_administrator_has_to_hand_over_is_not_accepted(user: User) -> None:
    policy = f"dn: {POLICY}\nchangetype: modify\n"
    user.server.change(f"{policy}add: pwdMustChange\npwdMustChange: TRUE\n")
    try:
        target.set_secret(administered(user, "second"))
        user.server.change(f"dn: {user.name}\nchangetype: modify\nreplace: pwdReset\npwdReset: TRUE\n")
        with pytest.raises(ConfigurationError, match="pwdMustChange"):
            target.test_secret(step(user, "second"))
        # The user itself, who is let in for that alone, changes it.
        target.set_secret(replace(step(user, "third"), current=version(user, "second")))
        target.test_secret(step(user, "third"))
    finally:
        user.server.change(f"{policy}delete: pwdMustChange\n")


@pytest.mark.parametrize("password", ["line\n", "tab\t", "\U0001f600", "ünï €", "'\\\"`%s", "x" * 200, " "])
@BOTH
def test_any_password_is_taken_as_it_is(user: User, make: Any, password: str) -> None:
    target.set_secret(make(user, password))
    assert user.server.accepts(user.name, password)
    target.test_secret(step(user, password))


def test_an_empty_password_is_no_login(user: User) -> None:
    """A directory takes it for an anonymous one, and lets it in."""
    with pytest.raises(SecretError):
        target.test_secret(replace(step(user, "second"), pending_or_none=version(user, "")))
    with pytest.raises(ValueError, match="empty"):
        ldap_client.Client(mock.Mock()).bind("cn=app", "")


def test_the_administrator_needs_the_right(user: User) -> None:
    given = administered(user, "second")
    user.server.run("ldapmodrdn", "-s", f"{BASE}", user.admin, f"cn=moved {user.admin[3:14]}")
    moved = replace(given, client=_admin(user, f"cn=moved {user.admin[3:14]},{BASE}"))
    with pytest.raises(ConfigurationError, match="write that attribute"):
        target.set_secret(moved)
    assert user.server.accepts(user.name, FIRST)


def _admin(user: User, name: str) -> Any:
    manager = SecretsManager()
    manager.create(user.value(name, ADMIN_PASSWORD), "admin")
    return lambda _: manager.client()


# Whom an administrator changes.


def test_an_administrator_needs_to_know_whose_passwords_it_changes(user: User) -> None:
    given = administered(user, "second")
    settings = {name: value for name, value in given.settings.items() if name != "user_base"}
    with pytest.raises(ConfigurationError, match="user_base"):
        target.set_secret(replace(given, settings=settings))
    target.set_secret(replace(given, settings={**settings, "username": user.name}))
    assert user.server.accepts(user.name, "second")


@pytest.mark.parametrize(
    "base", [f"ou=other,{SUFFIX}", f"ou=services,ou=other,{SUFFIX}", f"cn=x,{BASE}", "dc=com,dc=example"]
)
def test_a_user_elsewhere_is_not_changed(user: User, base: str) -> None:
    with pytest.raises(ConfigurationError, match="user_base"):
        target.set_secret(administered(user, "second", user_base=base))
    assert user.server.accepts(user.name, FIRST)


def test_the_place_of_a_user_is_where_the_directory_says_that_it_is(user: User) -> None:
    target.set_secret(administered(user, "second", user_base=f"OU = services, {SUFFIX.upper()}"))
    assert user.server.accepts(user.name, "second")
    assert target._parts(rf"cn=a\,{BASE}") != target._parts(BASE)
    assert target._parts(rf"cn=a\,{BASE}")[-2:] == ["dc=example", "dc=com"]


@pytest.mark.parametrize("how", [lambda dn: dn, lambda dn: dn.upper(), lambda dn: f"2.5.4.3={dn[3:]}"])
def test_an_administrator_does_not_rotate_itself_away(user: User, how: Any) -> None:
    with pytest.raises(ConfigurationError, match="administrator itself"):
        target.set_secret(administered(user, "second", how(user.admin), user_base=SUFFIX))
    assert user.server.accepts(user.admin, ADMIN_PASSWORD)


def test_a_user_that_is_not_there_is_named(user: User) -> None:
    with pytest.raises(ConfigurationError, match="no such entry"):
        target.set_secret(administered(user, "second", f"cn=nobody,{BASE}"))


def test_a_pending_value_for_another_user_is_not_used(user: User) -> None:
    given = step(user, "second")
    other = replace(given, pending_or_none=version(user, "second", OWNER))
    with pytest.raises(IdentityMismatchError):
        target.set_secret(other)


def test_a_name_that_is_none_is_said_to_be_none(user: User) -> None:
    with pytest.raises(RotationError, match="distinguished name"):
        target.test_secret(context(version(user, "x", "app"), None, **user.setup.settings))


# The connection.


def test_a_server_without_start_tls_gets_nothing(server: Slapd) -> None:
    with slapd.start(tls=True) as other:
        other.change(f"dn: {POLICY}\nchangetype: modify\nadd: description\ndescription: x\n")
        user = StartTls(other)
        with (
            mock.patch.object(ldap_client, "START_TLS", "1.2.3.4"),
            pytest.raises(ConfigurationError, match="does not speak TLS"),
        ):
            target.test_secret(step(user, FIRST))
        assert "1.2.3.4" in other.log()
        assert other.log().rpartition("1.2.3.4")[2].count("BIND") == 0


def test_without_tls_only_when_the_setting_says_so(user: User) -> None:
    target.test_secret(step(user, FIRST, port=str(user.server.plain_port), tls="disable"))
    with pytest.raises((NetworkError, ConfigurationError)):
        target.test_secret(step(user, FIRST, tls="disable"))


def test_a_refused_password_is_not_told_as_anything_else(user: User) -> None:
    with pytest.raises(AuthenticationError, match="refused the password"):
        target.test_secret(step(user, "wrong"))


def test_the_preflight_finds_the_user_as_the_administrator(user: User) -> None:
    target.check(administered(user, FIRST))
    with pytest.raises(ConfigurationError, match="no such entry"):
        target.check(administered(user, FIRST, f"cn=nobody,{BASE}"))
    target.check(step(user, FIRST))


def test_what_is_no_ldap_is_a_fault_of_the_network(user: User) -> None:
    answer = mock.patch.object(ldap_client.Client, "_take", lambda client, size: b"HTTP/1.1 400 Bad Request"[:size])
    with answer, pytest.raises(NetworkError, match="LDAP"):
        target.test_secret(step(user, FIRST))


def test_a_setting_of_plain_secrets_names_the_user(user: User) -> None:
    plain = contexts.plain(FIRST)
    settings: Setup = user.setup
    given = context(plain, None, **{**settings.settings, "host": "localhost", "port": str(user.address[1])})
    target.test_secret(replace(given, settings={**given.settings, "username": user.name}))
