"""What examples need besides AWS, for the demo and the end-to-end tests.

An example is a folder of ``examples/``. The table names the service of those that need one. What they are applied with
follows from the variables that they declare: ``secret`` and ``admin_secret`` are made with the service's documents,
``url`` and ``tls_ca`` are the service's, ``subnet_ids`` and ``security_group_ids`` those of a VPC, ``drivers`` the
zip of `make layer`. What else an example finds in the account is in ``tools.dev.prepared``.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import ClientError

from rotation_lab.sandbox.client import Sandbox
from rotation_lab.services import (
    data_api,
    door,
    elasticache,
    ferretdb,
    issuer,
    mariadb,
    mysql,
    network,
    postgresql,
    rabbitmq,
    redis_server,
    slapd,
    stored,
)
from rotation_lab.services.base import FIRST, USER, Service, Values, alone, document
from tools.dev import go_tools
from tools.dev.prepared import PREPARED
from tools.dev.providers import ROOT


class Opens(Protocol):
    """What a secret opens."""

    def opens(self, text: str) -> bool:
        """Whether it accepts the secret with this text."""


@dataclass(frozen=True)
class Example:
    """The service of an example."""

    service: str
    start: Callable[[Sandbox], AbstractContextManager[Opens]]
    working: int | None = 1
    """So many values, the current one first, work at a time; None: older ones may or may not work."""


@dataclass
class Running:
    """An example whose service runs, and the values that its secret has had."""

    example: Example | None = None
    opens: Opens | None = None
    variables: dict[str, object] = field(default_factory=dict)
    values: list[str] = field(default_factory=list, repr=False)

    def check(self, value: str) -> str | None:
        """Log in with the current value, and with those before: what to say of it, without a value.

        Raises ``RuntimeError`` when other values work than those that have to.
        """
        if self.example is None or self.opens is None:
            return None
        if value not in self.values:
            self.values.append(value)
        tried = self.values[::-1][: None if self.example.working else 1]
        works = [self.opens.opens(each) for each in tried]
        if works != [at < (self.example.working or 1) for at in range(len(works))]:
            raise RuntimeError(f"of the values, newest first, {self.example.service} accepts {works}")
        before = ["", ", and none before", ", and the one before"][self.example.working or 0]
        return f"{self.example.service} accepts the current value{before}, of {len(self.values)} so far"


@contextlib.contextmanager
def running(name: str, aws: Sandbox) -> Iterator[Running]:
    """Start what the example needs, until the block ends; nothing for one that is in no table."""
    example = TABLE.get(name)
    if example is None:
        with PREPARED[name](aws) if name in PREPARED else nullcontext({}) as variables:
            yield Running(variables=variables)
        return
    with ExitStack() as stack:
        found = Running(example, stack.enter_context(example.start(aws)))
        if isinstance(found.opens, Service):
            found.values.append(document(found.opens, found.opens.reset()))
            found.variables |= _variables(name, found.opens, aws, stack)
        yield found


def _variables(name: str, service: Service, aws: Sandbox, stack: ExitStack) -> dict[str, object]:
    """Those that the example declares, of those that can be given."""
    declared = set(re.findall(r'^variable "(\w+)"', (ROOT / "examples" / name / "main.tf").read_text(), re.MULTILINE))
    host, port = "localhost", (service.upstream or ("", 0))[1]
    secrets = {
        "secret": json.loads(document(service, service.reset())),
        "admin_secret": service.others(host, port).get("admin"),
    }
    given: dict[str, object] = {"tls_ca": service.ca, "url": f"{'https' if service.ca else 'http'}://{host}:{port}"}
    given["drivers"] = str(ROOT / "build/drivers.zip")
    for variable in declared & secrets.keys():
        given[variable] = f"{variable}/{name}"
        stack.enter_context(stored.secret(aws, f"{variable}/{name}", secrets[variable]))
    if "subnet_ids" in declared:
        given |= stack.enter_context(network.start(aws))
    return {variable: value for variable, value in given.items() if variable in declared}


# What takes more than a line to start.


@contextlib.contextmanager
def _data_api(aws: Sandbox) -> Iterator[Service]:
    """PostgreSQL behind a Data API that reads the sandbox's secrets."""
    manager = aws.client("secretsmanager")

    def read(arn: str) -> str | None:
        try:
            return str(manager.get_secret_value(SecretId=arn)["SecretString"])
        except manager.exceptions.ResourceNotFoundException:
            return None

    with postgresql.start() as server, data_api.start(server) as api:
        api.read_secret = read
        aws.use_data_api(api.url.removeprefix("http://"))
        try:
            yield api.credential()
        finally:
            aws.use_data_api(None)


@contextlib.contextmanager
def _elasticache(aws: Sandbox) -> Iterator[Service]:
    """A Redis whose user the sandbox's ElastiCache changes."""
    with elasticache.over(redis_server.start()) as cache:
        aws.use_elasticache(cache.url.removeprefix("http://"))
        try:
            yield cache.credential()
        finally:
            aws.use_elasticache(None)


@dataclass(frozen=True)
class _AccessKeys:
    """The sandbox's STS, which says whether it knows a key."""

    aws: Sandbox

    def opens(self, text: str) -> bool:
        found = json.loads(text)
        key = {name: found[name.removeprefix("aws_")] for name in ("aws_access_key_id", "aws_secret_access_key")}
        try:
            self.aws.client("sts", **key).get_caller_identity()
        except ClientError as error:
            if error.response["Error"]["Code"] != "InvalidClientTokenId":
                raise
            return False
        return True


class _KeyPairs:
    """OpenSSL, which signs with the private keys and verifies with the public ones."""

    def opens(self, text: str) -> bool:
        found = json.loads(text)
        pairs = (("private_key", "public_key"), ("client_key", "client_public"))
        return _has_its_forms(found) and all(_signs(found[private], found[public]) for private, public in pairs)


def _has_its_forms(found: Mapping[str, Any]) -> bool:
    """Whether each value is what its generator promises, and what does not rotate is as it was."""
    sizes = len(base64.b64decode(found["cookie_key"], validate=True)), len(bytes.fromhex(found["webhook_token"]))
    kinds = uuid.UUID(found["key_id"]).version, len(found["password"]), found["issuer"]
    return (*sizes, *kinds) == (64, 20, 4, 32, "https://issuer.example.com")


def _signs(private: str, public: str) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {"private.pem": private, "public.pem": public, "text": "signed"}.items():
            (Path(folder) / name).write_text(text)
        steps = ("-sign private.pem -out signature", "-verify public.pem -signature signature")
        return all(_openssl(folder, *step.split(), "text") for step in steps)


def _openssl(folder: str, *arguments: str) -> bool:
    command = ["openssl", "dgst", "-sha256", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


class _ConnectionString(postgresql.Role):
    """A role whose secret has a connection string too, with which an application logs in and nothing else."""

    def reset(self) -> Values:
        url = f"postgresql://{self.name}:{FIRST}@localhost:{self.port}/postgres"
        return {**super().reset(), "DATABASE_URL": url}

    def opens(self, text: str) -> bool:
        command = ["psql", json.loads(text)["DATABASE_URL"], "--command", "SELECT 1"]
        asked = subprocess.run(command, capture_output=True, check=False, env={**os.environ, "PGCONNECT_TIMEOUT": "20"})
        if asked.returncode and b"password authentication failed" not in asked.stderr:
            raise RuntimeError("psql could not ask the server")
        return asked.returncode == 0


@contextlib.contextmanager
def _connection_string(_: Sandbox) -> Iterator[Service]:
    with postgresql.start() as server:
        yield _ConnectionString(server, USER, None, server.port)


TABLE: Mapping[str, Example] = {
    "database-layer": Example("PostgreSQL", lambda aws: alone(postgresql.start())),
    "derived": Example("psql", _connection_string),
    "calls-aws": Example("Redis", _elasticache, working=2),
    "calls-issued": Example("the service issuer", lambda aws: alone(issuer.start(tls=True)), working=2),
    "http": Example("RabbitMQ", lambda aws: alone(rabbitmq.start(), may_change_itself=False)),
    "iam_access_key": Example("STS", lambda aws: nullcontext(_AccessKeys(aws)), working=2),
    "key-pair": Example("OpenSSL", lambda aws: nullcontext(_KeyPairs()), working=None),
    "mongodb": Example("FerretDB", lambda aws: alone(ferretdb.start(go_tools.program("ferretdb")))),
    "mysql": Example("MariaDB", lambda aws: alone(mariadb.start())),
    "ldap": Example("OpenLDAP", lambda aws: alone(slapd.start())),
    "mysql-dual-passwords": Example("MySQL", lambda aws: alone(mysql.start()), working=2),
    "postgresql": Example("PostgreSQL", lambda aws: alone(postgresql.start())),
    "postgresql-alternating": Example("PostgreSQL", lambda aws: alone(postgresql.start()), working=2),
    "python": Example("the service door", lambda aws: alone(door.start())),
    "rds_data": Example("PostgreSQL", _data_api),
    "redis": Example("Redis", lambda aws: alone(redis_server.start(), may_change_itself=False), working=2),
}
"""Folder of ``examples/`` → its service. An example that needs none is not here."""
