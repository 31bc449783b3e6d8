"""The postgresql target, against a PostgreSQL server with TLS."""

import contextlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests import target_contract
from tests.support import postgresql
from tests.support.postgresql import PostgreSQL
from tests.support.secrets_manager import SecretsManager
from tests.target_contract import Setup, TargetContract

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[PostgreSQL]:
    with postgresql.start() as running:
        yield running


class Role(target_contract.Service):
    """A role of its own on the server, and an administrator of its own, who is not a superuser."""

    def __init__(self, server: PostgreSQL, **settings: str) -> None:
        self.server, self.address, number = server, ("localhost", server.port), next(_NUMBERS)
        self.name, self.admin = f'App "{number}" %s', f"admin{number}"
        server.run_quoted("CREATE ROLE %I LOGIN PASSWORD %L", self.name, "qM4vFirst9xTz")
        server.run_quoted("CREATE ROLE %I LOGIN CREATEROLE PASSWORD %L", self.admin, "tB8wAdmin3kRy")
        self.setup = Setup({"tls_ca": server.ca, **settings}, self.value(self.name, "qM4vFirst9xTz"))

    def value(self, name: str, password: str, **others: object) -> str:
        """A secret as AWS documents it."""
        place = {"engine": "postgres", "host": "localhost", "port": self.server.port, "dbname": "postgres"}
        return json.dumps({**place, "username": name, "password": password, **others})

    def login(self, value: str) -> bool:
        found = json.loads(value)
        return self.server.accepts(found["username"], found["password"], found["dbname"])

    def lock_out(self) -> None:
        for name in (self.name, self.admin):
            self.server.run_quoted("ALTER ROLE %I PASSWORD %L", name, "nobody-stores-this")

    @contextlib.contextmanager
    def without_tls(self) -> Iterator[Setup]:
        with self.server.without_tls():
            yield self.setup

    def logs(self) -> str:
        return self.server.log()


class AdministeredRole(Role):
    """The same, with the administrator's secret among the settings."""

    def prepare(self, manager: SecretsManager) -> Mapping[str, Any]:
        arn = manager.create(self.value(self.admin, "tB8wAdmin3kRy"), "admin")
        self.setup = replace(self.setup, settings={**self.setup.settings, "admin_secret_arn": arn})
        return {}


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
        return AdministeredRole(server)


class TestAlternating(TargetContract):
    """Two roles take turns."""

    target = "postgresql"
    former_value_works = True
    required_keys = ("username", "host")

    @pytest.fixture
    def service(self, server: PostgreSQL) -> Role:
        return AdministeredRole(server, strategy="alternating")
