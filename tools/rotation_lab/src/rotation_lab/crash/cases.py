"""What is examined: each target with each kind of secret."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from rotation_lab.model.secrets_manager import ACCOUNT

from . import document
from .document import Document
from .services import iam, servers, stand_in
from .services.base import Nothing, Service, other_arn

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
    @contextlib.contextmanager
    def start() -> Iterator[Service]:
        yield Nothing(keys)

    return start


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


ADMIN = {"admin_secret_arn": other_arn(1, "admin")}
SEVERAL = ("password", "token", "salt")
PASSWORD = ("password",)
GENERATORS = json.dumps({"token": {"type": "hex", "bytes": 24}, "salt": {"type": "base64"}})
CASES = (
    Case("none/plain text", (), _nothing()),
    Case("none/one key", PASSWORD, _nothing("password")),
    Case("none/several keys", SEVERAL, _nothing(*SEVERAL), variables=(("GENERATORS", GENERATORS),)),
    Case("python/plain text", (), stand_in.start, _address, folder=HERE / "targets/password", thin=True),
    Case("python/one key", PASSWORD, lambda: stand_in.start("password"), folder=HERE / "targets/password", thin=True),
    Case(
        "python/issued by the service",
        ("api_key",),
        lambda: stand_in.start("api_key", issues=True),
        folder=HERE / "targets/issuing",
        thin=True,
    ),
    Case("http/the user itself", PASSWORD, servers.start_rabbitmq, _rabbitmq(), thin=True),
    Case("http/an administrator", PASSWORD, servers.start_rabbitmq, _rabbitmq(**ADMIN), quick=False),
    Case("postgresql/the role itself", PASSWORD, servers.start_postgresql, _no_tls(), thin=True),
    Case("postgresql/an administrator", PASSWORD, servers.start_postgresql, _no_tls(**ADMIN), quick=False),
    Case(
        "postgresql/two roles take turns",
        PASSWORD,
        servers.start_postgresql,
        _no_tls(strategy="alternating", **ADMIN),
        varies=("username",),
        thin=True,
    ),
    Case("mysql/the user itself", PASSWORD, servers.start_mariadb, _no_tls(), thin=True),
    Case("mysql/an administrator", PASSWORD, servers.start_mariadb, _no_tls(**ADMIN), quick=False),
    Case(
        "mysql/two users take turns",
        PASSWORD,
        servers.start_mariadb,
        _no_tls(strategy="alternating", **ADMIN),
        varies=("username",),
        quick=False,
    ),
    Case(
        "rds_data/an administrator",
        PASSWORD,
        servers.start_data_api,
        lambda host, port: servers.DataApi.settings,
        thin=True,
    ),
    Case("redis/the user itself", PASSWORD, servers.start_redis, _no_tls(), thin=True),
    Case("redis/an administrator", PASSWORD, servers.start_redis, _no_tls(**ADMIN), quick=False),
    Case(
        "iam_access_key/issued by IAM",
        iam.KEYS,
        iam.start,
        lambda host, port: {"user_arn": f"arn:aws:iam::{ACCOUNT}:user/{iam.USER}"},
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
