"""What is examined: each target with each kind of secret."""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rotation_lab.model.secrets_manager import ACCOUNT, REGION
from rotation_lab.services import data_api, door, iam, mariadb, postgresql, rabbitmq, redis_server
from rotation_lab.services.base import USER, Nothing, Service, alone

from . import document
from .document import Document

HERE = Path(__file__).parents[5] / "tests/faults"
Variables = Mapping[str, str]


@dataclass(frozen=True)
class Case:
    """One target with one kind of secret."""

    name: str
    keys: tuple[str, ...]
    """The keys that are rotated; empty for plain text."""
    service: Callable[[], AbstractContextManager[Service]]
    settings: Callable[[str, int], Variables] = lambda host, port: {}
    """The target's settings, for the address that the function is to use."""
    varies: tuple[str, ...] = ()
    """Other keys that change with the value, such as the name of one of two users."""
    public: tuple[str, ...] = ("username",)
    """Keys whose values name something and open nothing."""
    folder: Path | None = None
    """Where the caller's own target is."""
    variables: tuple[tuple[str, str], ...] = ()
    """Further environment variables of the function."""
    quick: bool = True
    """Whether the tests run it too."""
    thin: bool = False
    """Whether the tests die at each point in one way only, in turn, and not in every way."""

    @property
    def target(self) -> str:
        """The type of the target."""
        return self.name.partition("/")[0]

    def environment(self, host: str, port: int) -> dict[str, str]:
        """The function's environment variables."""
        found = {"TARGET": self.target, "TARGET_SETTINGS": json.dumps(dict(self.settings(host, port)))}
        if self.keys:
            found["SECRET_KEYS"] = json.dumps(self.keys)
        return found | dict(self.variables)

    def document(self, service: Service, host: str, port: int, *, simple: bool) -> Document:
        """The secret around the values."""
        if not self.keys:
            return document.plain()
        keys = (*self.varies, *self.keys)
        known = {name: value for name, value in service.known(host, port).items() if name not in keys}
        return replace(document.json_object(keys, known, simple=simple), public=frozenset(self.public))


def _nothing(*keys: str) -> Callable[[], AbstractContextManager[Service]]:
    return lambda: nullcontext(Nothing(keys))


def _door(key: str, *, issues: bool = False) -> Callable[[], AbstractContextManager[Service]]:
    return lambda: alone(door.start(), key=key, issues=issues)


def _administered(module: Any) -> Callable[[], AbstractContextManager[Service]]:
    return lambda: alone(module.start(tls=False), may_change_itself=False)


def _address(host: str, port: int) -> Variables:
    return {"host": host, "port": str(port)}


def _no_tls(**settings: str) -> Callable[[str, int], Variables]:
    return lambda host, port: {"tls": "disable", **settings}


def _rabbitmq(**settings: str) -> Callable[[str, int], Variables]:
    def made(host: str, port: int) -> Variables:
        base = f"http://{host}:{port}/api"
        body = json.dumps({"password": "{{pending}}", "tags": "administrator"})
        urls = {"set_url": f"{base}/users/{{{{pending.username}}}}", "set_body": body, "test_url": f"{base}/whoami"}
        return {"tls": "disable", "set_auth": "basic", "test_auth": "basic", **urls, **settings}

    return made


def _other_arn(number: int, name: str) -> str:
    """The ARN of the ``number``-th of the other secrets, counted from 1."""
    return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-{number:06}"


DATA_API = {
    "cluster_arn": f"arn:aws:rds:{REGION}:{ACCOUNT}:cluster:app",
    "engine": "postgresql",
    "admin_secret_arn": _other_arn(1, "admin"),
    "probe_secret_arn": _other_arn(2, "probe"),
}
ADMIN = {"admin_secret_arn": _other_arn(1, "admin")}
SEVERAL = ("password", "token", "salt")
PASSWORD = ("password",)
GENERATORS = json.dumps({"token": {"type": "hex", "bytes": 24}, "salt": {"type": "base64"}})
CASES = (
    Case("none/plain text", (), _nothing()),
    Case("none/one key", PASSWORD, _nothing("password")),
    Case("none/several keys", SEVERAL, _nothing(*SEVERAL), variables=(("GENERATORS", GENERATORS),)),
    Case("python/plain text", (), _door(""), _address, folder=HERE / "targets/password", thin=True),
    Case("python/one key", PASSWORD, _door("password"), folder=HERE / "targets/password", thin=True),
    Case(
        "python/issued by the service",
        ("api_key",),
        _door("api_key", issues=True),
        folder=HERE / "targets/issuing",
        thin=True,
    ),
    Case("http/the user itself", PASSWORD, lambda: alone(rabbitmq.start(tls=False)), _rabbitmq(), thin=True),
    Case(
        "http/an administrator",
        PASSWORD,
        _administered(rabbitmq),
        _rabbitmq(**ADMIN),
        quick=False,
    ),
    Case("postgresql/the role itself", PASSWORD, lambda: alone(postgresql.start()), _no_tls(), thin=True),
    Case("postgresql/an administrator", PASSWORD, lambda: alone(postgresql.start()), _no_tls(**ADMIN), quick=False),
    Case(
        "postgresql/two roles take turns",
        PASSWORD,
        lambda: alone(postgresql.start()),
        _no_tls(strategy="alternating", **ADMIN),
        varies=("username",),
        thin=True,
    ),
    Case("mysql/the user itself", PASSWORD, lambda: alone(mariadb.start()), _no_tls(), thin=True),
    Case("mysql/an administrator", PASSWORD, lambda: alone(mariadb.start()), _no_tls(**ADMIN), quick=False),
    Case(
        "mysql/two users take turns",
        PASSWORD,
        lambda: alone(mariadb.start()),
        _no_tls(strategy="alternating", **ADMIN),
        varies=("username",),
        quick=False,
    ),
    Case(
        "rds_data/an administrator",
        PASSWORD,
        lambda: alone(data_api.over(postgresql.start())),
        lambda host, port: DATA_API,
        thin=True,
    ),
    Case("redis/the user itself", PASSWORD, lambda: alone(redis_server.start(tls=False)), _no_tls(), thin=True),
    Case(
        "redis/an administrator",
        PASSWORD,
        _administered(redis_server),
        _no_tls(**ADMIN),
        quick=False,
    ),
    Case(
        "iam_access_key/issued by IAM",
        iam.KEYS,
        lambda: nullcontext(iam.Iam().credential()),
        lambda host, port: {"user_arn": f"arn:aws:iam::{ACCOUNT}:user/{USER}"},
        public=("access_key_id",),
        thin=True,
    ),
)


def chosen(names: list[str]) -> list[Case]:
    """The cases of these targets, or with these names; all when there are none. Raises ``KeyError``."""
    for name in names:
        if not any(name in (case.name, case.target) for case in CASES):
            raise KeyError(name)
    return [case for case in CASES if not names or case.name in names or case.target in names]
