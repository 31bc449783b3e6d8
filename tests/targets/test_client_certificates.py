"""Real servers that demand a client's certificate beside the password."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rotation_lab.services import mariadb, postgresql, redis_server
from rotation_lab.services.base import FIRST, USER, Login
from secret_rotation.errors import AuthenticationError, ConfigurationError, NetworkError, RotationError
from secret_rotation.target import Context
from secret_rotation.targets import mysql as mysql_target
from secret_rotation.targets import postgresql as postgresql_target
from secret_rotation.targets import redis as redis_target
from tests.support import contexts
from tests.support.contexts import credential

CLIENT, NAMED = "arn:client", "'tls_client_secret_arn'"
CLOSED = (ConfigurationError, NetworkError)
"""The server hangs up; whether it says why before the function has sent something is up to the network."""


class Demanding(NamedTuple):
    """A server that demands one, its target, and the certificate that it accepts."""

    target: Any
    login: Login
    port: int
    certificate: Path
    key: Path
    refusals: tuple[type[RotationError], ...]
    named: str
    """What is told of a login without one."""


@contextmanager
def redis() -> Iterator[Demanding]:
    """As Redis is by default: for every connection."""
    with redis_server.start() as server:
        assert server.made is not None
        login = server.credential()
        server.run("CONFIG", "SET", "tls-auth-clients", "yes")
        yield Demanding(redis_target, login, server.port, server.made.certificate, server.made.key, CLOSED, NAMED)


@contextmanager
def mysql() -> Iterator[Demanding]:
    """REQUIRE X509: for the account alone."""
    with mariadb.start() as server:
        login = server.credential()
        server.run("ALTER USER %s@'%%' REQUIRE X509", USER)
        certificate, key = (server.folder / f"server.{ending}" for ending in ("pem", "key"))
        # The server says the same of it as of a wrong password.
        yield Demanding(mysql_target, login, server.port, certificate, key, (AuthenticationError,), NAMED)


@contextmanager
def postgres() -> Iterator[Demanding]:
    """clientcert: for every login but the superuser's."""
    with postgresql.start() as server:
        login, data = server.credential(), server.folder / "data"
        (data / "ca.pem").write_text(server.ca)
        (data / "pg_hba.conf").write_text(
            "host all postgres 127.0.0.1/32 scram-sha-256\n"
            "hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n"
        )
        server.run("ALTER SYSTEM SET ssl_ca_file = 'ca.pem'")
        server.run("SELECT pg_reload_conf()")
        yield Demanding(
            postgresql_target,
            login,
            server.port,
            data / "server.pem",
            data / "server.key",
            (ConfigurationError,),
            NAMED,
        )


@pytest.fixture(params=[redis, mysql, postgres], ids=["redis", "mysql", "postgresql"], scope="module")
def demanding(request: pytest.FixtureRequest) -> Iterator[Demanding]:
    with request.param() as running:
        yield running


class Manager:
    """Secrets Manager with the secrets that are given."""

    def __init__(self, **secrets: dict[str, str]) -> None:
        self.secrets = secrets

    def get_secret_value(self, SecretId: str) -> dict[str, str]:  # noqa: N803 - boto3's name
        return {"VersionId": "v1", "SecretString": json.dumps(self.secrets[SecretId.removeprefix("arn:")])}


def pair(demanding: Demanding) -> dict[str, str]:
    return {"certificate": demanding.certificate.read_text(), "private_key": demanding.key.read_text()}


def step(demanding: Demanding, pending: str, manager: Manager, **settings: str) -> Context:
    known = {"host": "localhost", "port": demanding.port, "username": USER}
    current = credential(FIRST, **known)
    given = {"tls_ca": demanding.login.ca, **settings}
    made = contexts.of(demanding.login.engine.replace("postgres", "postgresql"))
    return made(credential(pending, **known), current, client=lambda _: manager, **given)


def test_a_user_that_shows_its_certificate_changes_its_password(demanding: Demanding) -> None:
    with pytest.raises(demanding.refusals, match=demanding.named):
        demanding.target.test_secret(step(demanding, FIRST, Manager()))
    changed = step(demanding, "changed-Kp31vB6nRw3z", Manager(client=pair(demanding)), tls_client_secret_arn=CLIENT)
    for _ in range(2):
        demanding.target.set_secret(changed)
        demanding.target.test_secret(changed)
