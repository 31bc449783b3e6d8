"""The ldap target with Active Directory, against Samba as a domain controller: `make active-directory`."""

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from rotation_lab.model.secrets_manager import SecretsManager
from rotation_lab.services import samba
from rotation_lab.services.samba import ADMINISTRATOR, BASE, PASSWORD, Samba
from secret_rotation.errors import AuthenticationError, ConfigurationError, LockedError, RotationError
from secret_rotation.target import Context, Credential
from secret_rotation.targets import ldap as target
from tests.support import contexts

if "SAMBA" not in os.environ:
    pytest.skip("run by `make active-directory`", allow_module_level=True)

context = contexts.of("ldap")
FIRST, SECOND, THIRD = "First-kX81vB6n", "Second-7fK2wQ9", "Third-9dQ4mZ3x"


@pytest.fixture(scope="module")
def server() -> Iterator[Samba]:
    with samba.start() as running:
        running.tool("domain", "passwordsettings", "set", "--min-pwd-age=0")
        yield running


class User:
    """A user of its own."""

    def __init__(self, server: Samba) -> None:
        self.server, self.short = server, f"app{secrets.token_hex(4)}"
        self.dn = server.user(self.short, FIRST)
        self.principal = f"{self.short}@example.com"
        settings = {"directory": "active_directory", "tls_ca": server.ca, "tls_server_name": "localhost"}
        self.settings = {**settings, "host": server.address}

    def version(self, password: str, name: str | None = None) -> Credential:
        text = json.dumps({"username": name or self.dn, "password": password})
        return Credential(f"version-{password}", text, ("password",))

    def step(self, pending: str, current: str = FIRST, name: str | None = None, **settings: str) -> Context:
        return context(self.version(pending, name), self.version(current, name), **{**self.settings, **settings})

    def accepts(self, password: str) -> bool:
        try:
            target.test_secret(self.step(password))
        except AuthenticationError:
            return False
        return True


@pytest.fixture
def user(server: Samba) -> User:
    return User(server)


def by_itself(user: User, pending: str, current: str = FIRST, name: str | None = None, **settings: str) -> Context:
    return user.step(pending, current, name, **settings)


def administered(user: User, pending: str, current: str = FIRST, name: str | None = None, **settings: str) -> Context:
    manager = SecretsManager()
    arn = manager.create(
        json.dumps({"username": ADMINISTRATOR, "password": PASSWORD, "host": user.server.address}), "a"
    )
    settings = {"user_base": f"cn=Users,{BASE}", **settings}
    given = user.step(pending, current, name, admin_secret_arn=arn, **settings)
    return replace(given, client=lambda _: manager.client())


BOTH = pytest.mark.parametrize("make", [by_itself, administered])


@BOTH
@pytest.mark.parametrize("named", ["dn", "principal"])
@pytest.mark.parametrize("way", [{}, {"start_tls": "true", "port": "389"}])
def test_the_password_changes_and_logs_in(user: User, make: Any, named: str, way: dict[str, str]) -> None:
    name = getattr(user, named)
    for pending, current in ((SECOND, FIRST), (THIRD, SECOND)):
        for _ in range(2):
            target.set_secret(make(user, pending, current, name, **way))
        target.test_secret(make(user, pending, current, name, **way))
    assert not user.accepts(FIRST)


@pytest.mark.parametrize("password", ["Ünï-€-\U0001f600-1a", "Quote\"'\\-1a", "Tab\t-line\n-1a"])
@BOTH
def test_any_password_is_taken_as_it_is(user: User, make: Any, password: str) -> None:
    target.set_secret(make(user, password))
    assert user.accepts(password)


def test_the_former_password_may_work_for_a_while_and_does_not_mislead_the_next_rotation(user: User) -> None:
    """A rotation was abandoned when it had set its password; the current one, before it, still logs in."""
    target.set_secret(by_itself(user, "Abandoned-5tR8"))
    abandoned = user.version("Abandoned-5tR8")
    target.set_secret(replace(by_itself(user, SECOND), older=lambda: iter([abandoned])))
    assert user.accepts(SECOND)


def test_minimum_age_refuses_the_user_itself_and_not_the_administrator(user: User) -> None:
    user.server.tool("domain", "passwordsettings", "set", "--min-pwd-age=1")
    try:
        with pytest.raises(RotationError, match="minimum age"):
            target.set_secret(by_itself(user, SECOND))
        target.set_secret(administered(user, SECOND))
        target.set_secret(by_itself(user, SECOND))  # it works already, so nothing is changed
        assert user.accepts(SECOND)
    finally:
        user.server.tool("domain", "passwordsettings", "set", "--min-pwd-age=0")


@BOTH
def test_a_weak_password_is_refused_by_the_policy(user: User, make: Any) -> None:
    with pytest.raises(ConfigurationError, match="policy"):
        target.set_secret(make(user, "weak"))
    assert user.accepts(FIRST)


def test_a_locked_user_ends_the_search(user: User) -> None:
    user.server.tool("domain", "passwordsettings", "set", "--account-lockout-threshold=2")
    try:
        for wrong in ("Wrong-1a", "Wrong-2b", "Wrong-3c"):
            with pytest.raises(AuthenticationError):
                target.test_secret(user.step(wrong))
        with pytest.raises(LockedError, match="unlock"):
            target.set_secret(by_itself(user, SECOND))
    finally:
        user.server.tool("domain", "passwordsettings", "set", "--account-lockout-threshold=0")


@pytest.mark.parametrize(
    ("change", "told"), [(("user", "disable"), "disabled"), (("user", "setexpiry", "--days=0"), "expired")]
)
def test_an_account_that_may_not_log_in_is_told_as_such(user: User, change: tuple[str, ...], told: str) -> None:
    user.server.tool(*change, user.short)
    with pytest.raises(ConfigurationError, match=told):
        target.test_secret(user.step(FIRST))


def test_an_administrator_changes_no_other_administrator(user: User) -> None:
    user.server.tool("group", "addmembers", "Domain Admins", user.short)
    with pytest.raises(ConfigurationError, match="superusers"):
        target.set_secret(administered(user, SECOND))
    target.set_secret(administered(user, SECOND, superusers="allow"))
    assert user.accepts(SECOND)


def test_an_administrator_does_not_rotate_itself_away(user: User) -> None:
    for name in (ADMINISTRATOR, ADMINISTRATOR.upper()):
        with pytest.raises(ConfigurationError, match="administrator itself"):
            target.set_secret(administered(user, SECOND, name=name, superusers="allow"))


def test_a_name_that_nobody_has_is_named(user: User) -> None:
    for name in ("nobody@example.com", f"cn=nobody,cn=Users,{BASE}"):
        with pytest.raises(RotationError, match=r"nobody|no such entry"):
            target.set_secret(administered(user, SECOND, name=name))


def test_without_tls_no_password_is_taken(user: User) -> None:
    with pytest.raises(ConfigurationError, match="TLS"):
        target.set_secret(by_itself(user, SECOND, tls="disable", port="389"))
