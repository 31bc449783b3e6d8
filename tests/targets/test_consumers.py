"""What consumers of a secret notice of a rotation, at every call that the function makes; and the table of the page.

WRITE=1 python -m pytest tests/targets/test_consumers.py     # writes the table of docs/consumers.md
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pymysql
import pytest
import redis
from pg8000 import native

from rotation_lab.model.secrets_manager import CURRENT, PENDING, STEPS, SecretsManager
from rotation_lab.services import iam, mariadb, postgresql, redis_server, slapd
from rotation_lab.services.base import Service, alone, document
from tests.support.function import RotationFunction

PAGE = Path(__file__).parents[2] / "docs/consumers.md"
BEGIN, END = "<!-- table -->", "<!-- end of table -->"

Session = Callable[[], object]
"""Uses a connection that was opened before the rotation; raises when it is dead."""


@contextmanager
def _postgres(user: str, password: str, port: int) -> Iterator[Session]:
    with closing(native.Connection(user, password=password, host="localhost", port=port, database="postgres")) as one:
        yield lambda: one.run("SELECT 1")


@contextmanager
def _mysql(user: str, password: str, port: int) -> Iterator[Session]:
    with closing(pymysql.connect(user=user, password=password, host="localhost", port=port)) as one:
        yield lambda: one.ping(reconnect=False)


@contextmanager
def _redis(user: str, password: str, port: int) -> Iterator[Session]:
    with redis.Redis("localhost", port, username=user, password=password, single_connection_client=True) as one:
        one.ping()
        yield one.ping


@dataclass(frozen=True)
class Kind:
    """A target and a strategy."""

    name: str
    target: str
    start: Callable[[], AbstractContextManager[Service]]
    session: Callable[[str, str, int], AbstractContextManager[Session]] | None = None
    """None: nothing keeps a connection."""
    alternating: bool = False
    keys: tuple[str, ...] = ("password",)

    def settings(self, manager: SecretsManager, service: Service, port: int) -> dict[str, str]:
        """Of the target."""
        if isinstance(service, iam.AccessKey):
            return {"user_arn": service.user_arn}
        if not self.alternating:
            return {"tls": "disable"}
        text = json.dumps(service.others("localhost", port)["admin"])
        admin = manager.create(text, "admin", rotation_enabled=False)
        return {"tls": "disable", "admin_secret_arn": admin, "strategy": "alternating"}

    def connect(self, value: Mapping[str, str], port: int) -> AbstractContextManager[Session | None]:
        """A connection with this value of the secret."""
        return self.session(value["username"], value["password"], port) if self.session else nullcontext()


KINDS = (
    Kind("postgresql, one user", "postgresql", lambda: alone(postgresql.start()), _postgres),
    Kind("mysql, one user (MariaDB)", "mysql", lambda: alone(mariadb.start()), _mysql),
    Kind("postgresql, alternating", "postgresql", lambda: alone(postgresql.start()), _postgres, alternating=True),
    Kind("mysql, alternating (MariaDB)", "mysql", lambda: alone(mariadb.start()), _mysql, alternating=True),
    Kind("redis", "redis", lambda: alone(redis_server.start(tls=False)), _redis),
    Kind("ldap, one user", "ldap", lambda: alone(slapd.start(tls=False))),
    Kind("iam_access_key", "iam_access_key", lambda: nullcontext(iam.Iam().credential()), keys=iam.KEYS),
)
WAYS = (
    "cached value",
    "AWSCURRENT read again",
    "AWSCURRENT, then AWSPENDING",
    "open connection",
    "restart by on_success",
)


@dataclass
class Consumers:
    """One consumer of each way, each of which logs in whenever the function has called Secrets Manager."""

    service: Service
    manager: SecretsManager
    arn: str
    session: Session | None
    cached: str = field(init=False)
    restarted: str = field(init=False)
    tries: int = 0
    refused: dict[str, int | str] = field(default_factory=lambda: dict.fromkeys(WAYS, 0))

    def __post_init__(self) -> None:
        self.cached = self.restarted = str(self._value(CURRENT))

    def look(self, moment: str, action: str) -> None:
        """A hook of the manager."""
        if moment == "after":
            self.log_in()
            if action == "UpdateSecretVersionStage":  # the event Secret Label Updated
                self.restarted = str(self._value(CURRENT))

    def log_in(self) -> None:
        """Everybody, once."""
        current, pending = self._value(CURRENT), self._value(PENDING)
        self.tries += 1
        for way, texts in (
            (WAYS[0], [self.cached]),
            (WAYS[1], [current]),
            (WAYS[2], [current, pending]),
            (WAYS[4], [self.restarted]),
        ):
            self._count(way, not any(text and self.service.opens(text) for text in texts))
        if self.session is None:
            self.refused[WAYS[3]] = "-"
            return
        try:
            self.session()
        except Exception:  # noqa: BLE001 - each driver has its own
            self._count(WAYS[3], True)

    def _count(self, way: str, refused: bool) -> None:
        self.refused[way] = int(self.refused[way]) + refused

    def _value(self, label: str) -> str | None:
        secret = self.manager.secrets[self.arn]
        holder = secret.holder(label)
        return secret.versions[holder].text if holder else None


def rotated(kind: Kind) -> Consumers:
    """What consumers have noticed of the second rotation: with two users the first one makes the other one."""
    with kind.start() as service, ExitStack() as sessions:
        manager = SecretsManager()
        port = (service.upstream or ("", 0))[1]
        arn = manager.create(document(service, service.reset()))
        settings = json.dumps(kind.settings(manager, service, port))
        variables = {"SECRET_KEYS": json.dumps(kind.keys), "TARGET": kind.target, "TARGET_SETTINGS": settings}
        function = RotationFunction(manager, **variables)
        if isinstance(service, iam.AccessKey):
            function.clients["iam"] = service.iam.client("iam")
            function.clients["sts"] = partial(service.iam.client, "sts")
        function.rotate(arn)
        value = json.loads(str(manager.secrets[arn].versions[str(manager.secrets[arn].holder(CURRENT))].text))
        session = sessions.enter_context(kind.connect(value, port))
        consumers = Consumers(service, manager, arn, session)
        manager.hooks.append(consumers.look)
        token = manager.rotate(arn)
        for step in STEPS:
            function(step, arn, token)
            consumers.log_in()
        return consumers


@pytest.fixture(scope="module")
def measured() -> dict[str, Consumers]:
    return {kind.name: rotated(kind) for kind in KINDS}


ONE_VALUE = [kind.name for kind in KINDS if "one user" in kind.name]
TWO_VALUES = [kind.name for kind in KINDS if kind.name not in ONE_VALUE]


def table(found: dict[str, Consumers]) -> str:
    rows = [["target", "logins each", *WAYS], ["---"] * (2 + len(WAYS))]
    rows += [[name, str(one.tries), *map(str, one.refused.values())] for name, one in found.items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


@pytest.mark.parametrize("name", TWO_VALUES)
def test_two_values_at_a_time_refuse_nobody(measured: dict[str, Consumers], name: str) -> None:
    assert set(measured[name].refused.values()) <= {0, "-"}


@pytest.mark.parametrize("name", ONE_VALUE)
def test_with_one_user_only_who_also_reads_the_pending_value_is_never_refused(
    measured: dict[str, Consumers], name: str
) -> None:
    refused = measured[name].refused
    cached, again, pending, restarted = (int(refused[way]) for way in WAYS if way != "open connection")
    assert pending == 0
    assert refused["open connection"] in (0, "-")
    assert cached > again > 0
    assert restarted >= again


def test_the_table_of_the_page_is_what_was_measured(measured: dict[str, Consumers]) -> None:
    text = PAGE.read_text()
    written = f"{BEGIN}\n\n{table(measured)}\n\n{END}"
    if os.environ.get("WRITE"):
        PAGE.write_text(re.sub(f"{BEGIN}.*{END}", written, text, flags=re.DOTALL))
        return
    assert written in text, "run it with WRITE=1"
