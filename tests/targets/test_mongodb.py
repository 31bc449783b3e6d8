"""The mongodb target, against FerretDB with TLS: `make mongodb`, which builds it.

It has no roles and no replica sets: what depends on those is in tests/unit/targets/test_mongodb.py.
"""

import os
import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pymongo
import pytest
from pymongo.errors import OperationFailure

from rotation_lab.model.secrets_manager import SecretsManager
from rotation_lab.services import ferretdb
from rotation_lab.services.base import ADMIN_PASSWORD, FIRST
from rotation_lab.services.ferretdb import DATABASE, FerretDB, RefusedError
from secret_rotation.errors import AuthenticationError, ConfigurationError
from secret_rotation.target import Context, Credential
from secret_rotation.targets import mongodb as target
from tests.messages import refused
from tests.operating import Operating
from tests.support import contexts
from tests.target_contract import Installation, TargetContract

pytestmark = pytest.mark.skipif("FERRETDB" not in os.environ, reason="FerretDB is not built: `make mongodb` does that")
context = contexts.of("mongodb")
SHA_1, SHA_256 = "SCRAM-SHA-1", "SCRAM-SHA-256"


@pytest.fixture(scope="session")
def server() -> Iterator[FerretDB]:
    with ferretdb.start() as running:
        yield running


class User(Installation):
    """A user of its own with an awkward name, and an administrator of its own."""

    def __init__(self, server: FerretDB, needs: tuple[str, ...] = (), **settings: str) -> None:
        number = secrets.token_hex(4)
        self.server = server
        service = server.credential(f"Müller's \"%s {number}", f"admin {number}")
        self.name, self.admin = service.name, service.admin
        super().__init__(service, needs, **({"auth_source": DATABASE} if needs else {}), **settings)


class TestItself(TargetContract):
    """The user changes its own password."""

    target = "mongodb"
    required_keys = ("username", "host")

    @pytest.fixture
    def service(self, server: FerretDB) -> User:
        return User(server)


class TestAdministered(TargetContract):
    """An administrator changes the user's password."""

    target = "mongodb"
    required_keys = ("username", "host")

    @pytest.fixture
    def service(self, server: FerretDB) -> User:
        return User(server, ("admin",))


class TestOperating(Operating):
    target = "mongodb"

    @pytest.fixture
    def service(self, server: FerretDB) -> User:
        return User(server)


class TestOperatingByAdministrator(TestOperating):
    @pytest.fixture
    def service(self, server: FerretDB) -> User:
        return User(server, ("admin",))


# What the contract does not say.


@pytest.fixture
def user(server: FerretDB) -> User:
    return User(server)


def version(user: User, password: str, **others: object) -> Credential:
    return Credential(f"version-{password}", user.value(user.name, password, **others), ("password",))


def step(user: User, pending: str, **settings: str) -> Context:
    return context(version(user, pending), version(user, FIRST), **{**user.setup.settings, **settings})


def administered(user: User, pending: str, **settings: str) -> Context:
    manager = SecretsManager()
    arn = manager.create(user.value(user.admin, ADMIN_PASSWORD, dbname="admin"), "admin")
    given = {"auth_source": DATABASE, **settings, "admin_secret_arn": arn}
    return replace(step(user, pending, **given), client=lambda _: manager.client())


MECHANISMS = pytest.mark.parametrize("mechanisms", [[SHA_1], [SHA_256], [SHA_1, SHA_256]], ids="-".join)
MAKE = pytest.mark.parametrize("make", [step, administered])


@MECHANISMS
@MAKE
def test_consumers_log_in_as_they_did_before(user: User, mechanisms: list[str], make: Any) -> None:
    user.server.run(DATABASE, {"updateUser": user.name, "pwd": FIRST, "mechanisms": mechanisms})
    target.set_secret(make(user, "second"))
    target.test_secret(make(user, "second"))
    assert [_opens(user, "second", one) for one in mechanisms] == [True] * len(mechanisms)
    (found,) = user.server.run(DATABASE, {"usersInfo": {"user": user.name, "db": DATABASE}})["users"]
    assert sorted(found["mechanisms"]) == mechanisms


ODD = {
    "line break": "pass\n", "tab": "\tpass", "emoji": "\U0001f600", "not assigned": "\u0378",
    "soft hyphen": "so\u00adft",
    "other form": "\u2168", "wide": "\uff21\uff22", "long": "x" * 1000, "quotes": "'\\\"`%s$", "colon": "a:mongo:b",
    "from the right": "\u05d0\u05d1", "accents": "e\u0301a\u0308", "no-break space": "a\u00a0b",
}  # fmt: skip


@pytest.mark.parametrize("mechanism", [SHA_1, SHA_256])
@pytest.mark.parametrize("password", ODD.values(), ids=ODD.keys())
def test_what_mongodbs_own_driver_opens_is_opened(user: User, password: str, mechanism: str) -> None:
    """And nothing else: where the server takes a password at all, both log in, or neither."""
    try:
        user.server.run(DATABASE, {"updateUser": user.name, "pwd": password, "mechanisms": [mechanism]})
    except RefusedError:
        with pytest.raises(ConfigurationError):  # and then the rotation says that the value is refused
            target.set_secret(administered(user, password))
        return
    theirs = _opens(user, password, mechanism)
    ours = True
    try:
        target.test_secret(step(user, password))
    except AuthenticationError:
        ours = False
    assert ours or not theirs


def _opens(user: User, password: str, mechanism: str) -> bool:
    """Whether pymongo does."""
    given: dict[str, Any] = {"username": user.name, "password": password, "authMechanism": mechanism}
    where = ("localhost", user.server.plain_port)
    with pymongo.MongoClient[dict[str, Any]](*where, **given, authSource=DATABASE, directConnection=True) as client:
        try:
            return bool(client[DATABASE].command("ping"))
        except (OperationFailure, ValueError) as error:  # refused; it does not send such a password
            if isinstance(error, OperationFailure) and error.code != 18:
                raise
            return False


def test_a_user_of_another_database_is_refused_and_the_error_names_the_one_that_was_asked(user: User) -> None:
    with refused(AuthenticationError, repr(user.name), "'other'"):
        target.test_secret(step(user, FIRST, auth_source="other"))
    target.test_secret(step(user, FIRST, auth_source=DATABASE))


def test_a_user_that_does_not_exist_is_not_made(user: User) -> None:
    given = administered(user, "second", username="nobody")
    with refused(ConfigurationError, "'nobody'", "'auth_source'"):
        target.set_secret(given)
    with refused(ConfigurationError, "'nobody'"):
        target.check(given)


def test_a_check_changes_nothing(user: User) -> None:
    target.check(administered(user, "second"))
    target.check(step(user, "second"))
    assert user.server.accepts(user.name, FIRST, DATABASE)
