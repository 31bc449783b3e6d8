"""The mysql target, against a MariaDB server with TLS."""

import contextlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests import target_contract
from tests.support import mariadb
from tests.support.mariadb import MariaDB
from tests.support.secrets_manager import SecretsManager
from tests.target_contract import Setup, TargetContract

_NUMBERS = itertools.count()
FIRST, ADMIN = "qM4vFirst9xTz", "tB8wAdmin3kRy"


@pytest.fixture(scope="session")
def server() -> Iterator[MariaDB]:
    with mariadb.start() as running:
        yield running


@pytest.fixture(scope="session")
def plain_server() -> Iterator[MariaDB]:
    with mariadb.start(tls=False) as running:
        yield running


class Account(target_contract.Service):
    """An account of its own on the server, and an administrator of its own, who has not all rights."""

    def __init__(self, server: MariaDB, plain: MariaDB, **settings: str) -> None:
        self.server, self.plain, self.address = server, plain, ("localhost", server.port)
        number = next(_NUMBERS)
        self.name, self.admin = f'it\'s "{number}" %s', f"admin{number}"
        for place in (server, plain):
            place.run("CREATE USER %s@'%%' IDENTIFIED BY %s", self.name, FIRST)
            place.run("CREATE USER %s@'127.0.0.%%' IDENTIFIED BY %s", self.admin, ADMIN)
            place.run("GRANT SELECT, INSERT ON `app``s`.* TO %s@'%%'", self.name)
            place.run("GRANT CREATE USER ON *.* TO %s@'127.0.0.%%'", self.admin)
            place.run("GRANT SELECT ON mysql.* TO %s@'127.0.0.%%'", self.admin)
            place.run("GRANT SELECT, INSERT ON `app``s`.* TO %s@'127.0.0.%%' WITH GRANT OPTION", self.admin)
        self.setup = Setup({"tls_ca": server.ca, **settings}, self.value(self.name, FIRST))

    def value(self, name: str, password: str, **others: object) -> str:
        """A secret as AWS documents it."""
        place = {"engine": "mysql", "host": "localhost", "port": self.server.port}
        return json.dumps({**place, "username": name, "password": password, **others})

    def login(self, value: str) -> bool:
        found = json.loads(value)
        return self.server.accepts(found["username"], found["password"])

    def lock_out(self) -> None:
        self.server.run("ALTER USER %s@'%%' IDENTIFIED BY 'nobody-stores-this'", self.name)
        self.server.run("ALTER USER %s@'127.0.0.%%' IDENTIFIED BY 'nobody-stores-this'", self.admin)

    @contextlib.contextmanager
    def without_tls(self) -> Iterator[Setup]:
        yield self.at("localhost", self.plain.port)

    def logs(self) -> str:
        return self.server.log()


class AdministeredAccount(Account):
    """The same, with the administrator's secret among the settings."""

    def prepare(self, manager: SecretsManager) -> Mapping[str, Any]:
        arn = manager.create(self.value(self.admin, ADMIN), "admin")
        self.setup = replace(self.setup, settings={**self.setup.settings, "admin_secret_arn": arn})
        return {}


class TestSingle(TargetContract):
    """The account changes its own password."""

    target = "mysql"
    required_keys = ("username", "host")

    @pytest.fixture
    def service(self, server: MariaDB, plain_server: MariaDB) -> Account:
        return Account(server, plain_server)


class TestAdministered(TargetContract):
    """An administrator changes the account's password."""

    target = "mysql"
    required_keys = ("username", "host")

    @pytest.fixture
    def service(self, server: MariaDB, plain_server: MariaDB) -> Account:
        return AdministeredAccount(server, plain_server)


class TestAlternating(TargetContract):
    """Two accounts take turns."""

    target = "mysql"
    former_value_works = True
    required_keys = ("username", "host")

    @pytest.fixture
    def service(self, server: MariaDB, plain_server: MariaDB) -> Account:
        return AdministeredAccount(server, plain_server, strategy="alternating")
