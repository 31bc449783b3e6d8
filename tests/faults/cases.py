"""What `make faults` examines: each target with each kind of secret."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from rotation_lab.crash import document
from rotation_lab.crash.case import Case, other_arn
from rotation_lab.model.secrets_manager import ACCOUNT, REGION
from rotation_lab.services import (
    data_api,
    door,
    elasticache,
    iam,
    issuer,
    mariadb,
    pgbouncer,
    postgresql,
    rabbitmq,
    redis_server,
    slapd,
)
from rotation_lab.services.base import USER, Nothing, Service, alone
from tests.support import described

TARGETS = Path(__file__).parent / "targets"
Settings = Callable[[str, int], Mapping[str, str]]
Start = Callable[[], AbstractContextManager[Service]]


def case(
    name: str,
    keys: tuple[str, ...],
    service: Start,
    settings: Settings = lambda host, port: {},
    generators: Mapping[str, Any] | None = None,
    calls: Callable[[str, str], Mapping[str, Any]] | None = None,
    **options: Any,
) -> Case:
    """One target, whose type its name begins with, with one kind of secret."""
    target = name.partition("/")[0]
    derived = {key for key, of in (generators or {}).items() if of["type"] == "template"}

    def environment(host: str, port: int) -> dict[str, str]:
        found = {"TARGET": target, "TARGET_SETTINGS": json.dumps(dict(settings(host, port)))}
        found |= {"TARGET_CALLS": json.dumps(calls(f"http://{host}:{port}", USER))} if calls else {}
        found |= {"SECRET_KEYS": json.dumps([key for key in keys if key not in derived])} if keys else {}
        return found | ({"GENERATORS": json.dumps(generators)} if generators else {})

    return Case(
        name,
        service,
        keys,
        environment,
        layout=document.awkward,
        modules=() if target == "none" else (f"secret_rotation.targets.{target}",),
        explains="RotationError",
        **options,
    )


def _nothing(*keys: str) -> Start:
    return lambda: nullcontext(Nothing(keys))


def _door(key: str, *, issues: bool = False) -> Start:
    return lambda: alone(door.start(), key=key, issues=issues)


def _administered(module: Any) -> Start:
    return lambda: alone(module.start(tls=False), may_change_itself=False)


@contextmanager
def _pooled() -> Iterator[Service]:
    with postgresql.start() as server, pgbouncer.start(server) as pooler:
        yield pooler.credential()


def _issued(name: str, *, names: bool = True, lists: bool = True, quick: bool = True, **options: Any) -> Case:
    """A key that a service issues, and its id."""
    return case(
        f"calls/{name}",
        ("value", "id"),
        lambda: alone(issuer.start(), lists=lists, **options),
        _no_tls(),
        calls=lambda url, account: described.issued(url, account, names=names, lists=lists),
        public=("account", "id"),
        quick=quick,
        thin=True,
    )


def _address(host: str, port: int) -> Mapping[str, str]:
    return {"host": host, "port": str(port)}


def _no_tls(**settings: str) -> Settings:
    return lambda host, port: {"tls": "disable", **settings}


class _Verified:
    """Over TLS, with the server's authority and under its own name, whatever the harness's proxy is called."""

    def __init__(self, module: Any) -> None:
        self._module, self._ca = module, ""

    @contextmanager
    def start(self) -> Iterator[Service]:
        with alone(self._module.start()) as service:
            self._ca = service.ca
            yield service

    def settings(self, **settings: str) -> Settings:
        return lambda host, port: {"tls_ca": self._ca, "tls_server_name": "localhost", **settings}


def _verified(target: str, module: Any, world: str, **settings: str) -> tuple[Case, ...]:
    """What needs TLS, in the world that demands it: the user itself, and two who take turns."""
    server = _Verified(module)
    usual: Any = {"world": world, "quick": False, "thin": True}
    two = server.settings(strategy="alternating", **ADMIN, **settings)
    return (
        case(f"{target}/itself, {world}", PASSWORD, server.start, server.settings(**settings), **usual),
        case(f"{target}/two take turns, {world}", PASSWORD, server.start, two, varies=("username",), **usual),
    )


def _rabbitmq(**settings: str) -> Settings:
    tags = "management" if "admin_secret_arn" in settings else "administrator"

    def made(host: str, port: int) -> Mapping[str, str]:
        base = f"http://{host}:{port}/api"
        body = json.dumps({"password": "{{pending}}", "tags": tags})
        urls = {"set_url": f"{base}/users/{{{{pending.username}}}}", "set_body": body, "test_url": f"{base}/whoami"}
        return {"tls": "disable", "set_auth": "basic", "test_auth": "basic", **urls, **settings}

    return made


def _api(host: str, port: int) -> Mapping[str, str]:
    """A user changes its own password, in the small API."""
    url = f"http://{host}:{port}/me"
    login = {"tls": "disable", "set_auth": "basic", "test_auth": "basic"}
    return {**login, "set_url": url, "set_body": '{"password": "{{pending}}"}', "test_url": url}


DATA_API = {
    "cluster_arn": f"arn:aws:rds:{REGION}:{ACCOUNT}:cluster:app",
    "engine": "postgresql",
    "admin_secret_arn": other_arn(1, "admin"),
    "probe_secret_arn": other_arn(2, "probe"),
}
ADMIN = {"admin_secret_arn": other_arn(1, "admin")}
SEVERAL = ("password", "token", "salt")
PASSWORD = ("password",)
GENERATORS = {"token": {"type": "hex", "bytes": 24}, "salt": {"type": "base64"}}
DERIVED = {"url": {"type": "template", "template": "{{token|url}}.{{note|sha256}}"}}
PLAIN = (
    case("none/plain text", (), _nothing()),
    case("none/one key", PASSWORD, _nothing("password")),
    case("none/several keys", SEVERAL, _nothing(*SEVERAL), generators=GENERATORS),
    case("none/derived", ("token", "url"), _nothing("token", "url"), generators=DERIVED),
    case("python/plain text", (), _door(""), _address, folder=TARGETS / "password", thin=True),
    case("python/one key", PASSWORD, _door("password"), folder=TARGETS / "password", thin=True),
    case(
        "python/issued by the service",
        ("api_key",),
        _door("api_key", issues=True),
        folder=TARGETS / "issuing",
        thin=True,
    ),
    case("http/the user itself", PASSWORD, lambda: alone(rabbitmq.start(tls=False)), _rabbitmq(), thin=True),
    case("http/an administrator", PASSWORD, _administered(rabbitmq), _rabbitmq(**ADMIN), quick=False),
    case("http/a small API", PASSWORD, _door("password"), _api, quick=False),
    case("postgresql/the role itself", PASSWORD, lambda: alone(postgresql.start()), _no_tls(), thin=True),
    case("postgresql/an administrator", PASSWORD, lambda: alone(postgresql.start()), _no_tls(**ADMIN), quick=False),
    case(
        "postgresql/two roles take turns",
        PASSWORD,
        lambda: alone(postgresql.start()),
        _no_tls(strategy="alternating", **ADMIN),
        varies=("username",),
        thin=True,
    ),
    case("mysql/the user itself", PASSWORD, lambda: alone(mariadb.start()), _no_tls(), thin=True),
    case("mysql/an administrator", PASSWORD, lambda: alone(mariadb.start()), _no_tls(**ADMIN), quick=False),
    case(
        "mysql/two users take turns",
        PASSWORD,
        lambda: alone(mariadb.start()),
        _no_tls(strategy="alternating", **ADMIN),
        varies=("username",),
        quick=False,
    ),
    case(
        "rds_data/an administrator",
        PASSWORD,
        lambda: alone(data_api.over(postgresql.start())),
        lambda host, port: DATA_API,
        thin=True,
    ),
    case("redis/the user itself", PASSWORD, lambda: alone(redis_server.start(tls=False)), _no_tls(), thin=True),
    case("redis/an administrator", PASSWORD, _administered(redis_server), _no_tls(**ADMIN), quick=False),
    _issued("issued with names"),
    _issued("issued, two at most, without names", names=False, most=2),
    _issued("issued without a list", lists=False, quick=False),
    case(
        "calls/two requests set it",
        ("value",),
        lambda: alone(issuer.start(), ours=True),
        _no_tls(),
        calls=described.ours,
        public=("account",),
        thin=True,
    ),
    case(
        "calls/an AWS API sets it",
        PASSWORD,
        lambda: alone(elasticache.over(redis_server.start(tls=False))),
        calls=described.by_aws,
        quick=False,
    ),
    case("ldap/the user itself", PASSWORD, lambda: alone(slapd.start(tls=False)), _no_tls(), thin=True),
    case(
        "ldap/an administrator",
        PASSWORD,
        lambda: alone(slapd.start(tls=False)),
        _no_tls(user_base=slapd.BASE, **ADMIN),
        quick=False,
    ),
    case(
        "iam_access_key/issued by IAM",
        iam.KEYS,
        lambda: nullcontext(iam.Iam().credential()),
        lambda host, port: {"user_arn": f"arn:aws:iam::{ACCOUNT}:user/{USER}"},
        public=("access_key_id",),
        thin=True,
    ),
)


WORLDS: Mapping[str, tuple[str, ...]] = {
    # What needs TLS has cases of its own.
    "postgresql": tuple(name for name in postgresql.Role.misbehaviours if name != postgresql.OVER_TLS),
    "mysql": tuple(name for name in mariadb.Account.misbehaviours if name != mariadb.CERTIFICATE),
    # Where nothing is accepted for a while, the harness would have to wait as Secrets Manager does before it retries.
    "http": tuple(name for name in door.User.misbehaviours if name not in (door.LONG, door.CLOSED)),
    "iam_access_key": (iam.UNKNOWN,),
    "ldap": ("takes no password twice", "the old password has to be named"),
}
"""Target → the odd worlds in which its cases are run again, by `make faults` without QUICK."""


def _in_worlds(cases: tuple[Case, ...]) -> tuple[Case, ...]:
    return tuple(
        replace(each, name=f"{each.name}, {world}", world=world, quick=False, thin=True)
        for each in cases
        for world in WORLDS.get(each.group, ())
        if not (each.group == "http" and "API" not in each.name)  # RabbitMQ has none
    )


POOLED = case(
    "postgresql/the role itself, through a transaction pooler", PASSWORD, _pooled, _no_tls(), quick=False, thin=True
)
BACK = tuple(
    replace(each, name=f"{each.name}, going back", goes_back="ROLLBACK", quick=False, thin=True)
    for each in PLAIN
    if each.quick and each.name not in ("python/issued by the service", "python/plain text")
)
"""The same cases, in which the rotation takes the value before the current one again."""
ENCRYPTED = (
    *_verified("postgresql", postgresql, postgresql.OVER_TLS),
    *_verified("mysql", mariadb, mariadb.CERTIFICATE, tls_client_secret_arn=other_arn(2, "tls_client")),
)
"""The harness does not look into TLS: each record counts as a request or an answer."""
CASES = (*PLAIN, *_in_worlds(PLAIN), POOLED, *ENCRYPTED, *BACK)
