"""The real servers: PostgreSQL, MariaDB, Redis and RabbitMQ. Each is put back between two runs, by its owner."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from pg8000 import native

from rotation_lab.model.secrets_manager import ACCOUNT, REGION, SecretsManager
from rotation_lab.services import mariadb, postgresql, rabbitmq, rds_data_server, redis_server

from .. import amazon
from .base import BusyError, other_arn

_S = TypeVar("_S")
USER, CLONE, ADMIN = "app", "app_clone", "rotation_admin"
FIRST, BY_HAND, ADMIN_PASSWORD = "first-kX81vB6nRw3z", "hand-Qm27tY9sLc4x", "root-Lw93nH5dTz8q"


class Server:
    """A server with one user whose password the secret holds under ``password``."""

    engine = ""
    more: Mapping[str, Any] = {}
    """Further members of the secret."""

    def __init__(self, port: int) -> None:
        self.upstream: tuple[str, int] | None = ("127.0.0.1", port)

    def known(self, host: str, port: int) -> Mapping[str, Any]:
        """The address and the user, as AWS documents the secrets of databases."""
        return {"engine": self.engine, "host": host, "port": port, "username": USER, **self.more}

    def others(self, host: str, port: int) -> Mapping[str, str | None]:
        """The secret of an administrator who may change the user's password."""
        return {"admin": json.dumps({**self.known(host, port), "username": ADMIN, "password": ADMIN_PASSWORD})}

    def reset(self) -> Mapping[str, str]:
        """The first password, and no user besides."""
        self.set_password(FIRST)
        return {"username": USER, "password": FIRST}

    def by_hand(self) -> Mapping[str, str]:
        """Another password."""
        self.set_password(BY_HAND)
        return {"username": USER, "password": BY_HAND}

    def opens(self, text: str) -> bool:
        """Whether its user and password log in."""
        found = json.loads(text)
        return self.accepts(found["username"], found["password"])

    def apis(self, manager: SecretsManager) -> Mapping[str, amazon.Api]:
        """None."""
        return {}

    def set_password(self, password: str) -> None:
        """Set it as the server's owner."""
        raise NotImplementedError

    def accepts(self, username: str, password: str) -> bool:
        """Whether the user can log in."""
        raise NotImplementedError


class PostgreSQL(Server):
    """One role, an administrator with CREATEROLE, and the other role where two take turns."""

    engine, more = "postgres", {"dbname": "postgres"}

    def __init__(self, server: postgresql.PostgreSQL) -> None:
        super().__init__(server.port)
        self.server = server
        self._owner: native.Connection = server._connect(postgresql.SUPERUSER, postgresql.PASSWORD, "postgres")
        self._owner.run("SET log_statement = none")
        for name, password in ((USER, FIRST), (ADMIN, ADMIN_PASSWORD)):
            self._owner.run(f"CREATE ROLE {name} LOGIN CREATEROLE PASSWORD '{password}'")
        self._owner.run(f"ALTER ROLE {USER} NOCREATEROLE")
        self._first = self._verifier(USER)
        self._asked: dict[tuple[str | None, str, str], bool] = {}

    def set_password(self, password: str) -> None:
        """Set it as the server's owner; the role that a rotation made is dropped."""
        self._owner.run(f"DROP ROLE IF EXISTS {CLONE}")
        # The same verifier each time, so that the answers to the same logins are known already.
        value = self._first if password == FIRST else password
        self._owner.run(f"ALTER ROLE {USER} PASSWORD '{value}'")

    def by_hand(self) -> Mapping[str, str]:
        """Another password, unless the role is locked."""
        self._owner.run("SET lock_timeout = '1s'")
        try:
            return super().by_hand()
        except native.DatabaseError:
            raise BusyError from None
        finally:
            self._owner.run("SET lock_timeout = 0")

    def accepts(self, username: str, password: str) -> bool:
        """Log in, once for each state of the role and password."""
        asked = (self._verifier(username), username, password)
        if asked not in self._asked:
            self._asked[asked] = self.server.accepts(username, password)
        return self._asked[asked]

    def _verifier(self, username: str) -> str | None:
        rows = self._owner.run("SELECT rolpassword FROM pg_authid WHERE rolname = :name", name=username)
        return str(rows[0][0]) if rows else None


class DataApi(PostgreSQL):
    """Aurora PostgreSQL behind the RDS Data API, whose requests the harness answers."""

    settings: Mapping[str, str] = {
        "cluster_arn": f"arn:aws:rds:{REGION}:{ACCOUNT}:cluster:app",
        "engine": "postgresql",
        "admin_secret_arn": other_arn(1, "admin"),
        "probe_secret_arn": other_arn(2, "probe"),
    }

    def __init__(self, server: postgresql.PostgreSQL) -> None:
        super().__init__(server)
        self._connect, self.upstream = rds_data_server.postgresql(server.port), None

    def others(self, host: str, port: int) -> Mapping[str, str | None]:
        """The probe too, which has no value yet."""
        return {**super().others(host, port), "probe": None}

    def apis(self, manager: SecretsManager) -> Mapping[str, amazon.Api]:
        """The Data API, over the same secrets."""

        def read(arn: str) -> str | None:
            return manager.secrets[arn].text() if arn in manager.secrets else None

        api = rds_data_server.DataApi(self._connect, read)

        def answer(request: amazon.Request) -> amazon.Answer:
            try:
                return amazon.json_answer(api.answer(request.action, json.loads(request.body)))
            except rds_data_server.DataApiError as error:
                status, headers, body = amazon.json_answer({"message": error.message}, 400)
                return status, {**headers, "x-amzn-errortype": error.code}, body

        return {"rds-data": answer}


class MariaDB(Server):
    """One account, an administrator with CREATE USER, and the other account where two take turns."""

    engine = "mysql"

    def __init__(self, server: mariadb.MariaDB) -> None:
        super().__init__(server.port)
        self._server, self._owner = server, server._connect(mariadb.SUPERUSER, mariadb.PASSWORD)
        self._run(f"CREATE USER {USER}@'%' IDENTIFIED BY '{FIRST}'")
        self._run(f"CREATE USER {ADMIN}@'%' IDENTIFIED BY '{ADMIN_PASSWORD}'")
        self._run(f"GRANT CREATE USER ON *.* TO {ADMIN}@'%'")
        self._run(f"GRANT SELECT ON mysql.* TO {ADMIN}@'%'")

    def set_password(self, password: str) -> None:
        """Set it as the server's owner; the account that a rotation made is dropped."""
        self._run(f"DROP USER IF EXISTS {CLONE}@'%'")
        self._run(f"ALTER USER {USER}@'%' IDENTIFIED BY '{password}'")

    def accepts(self, username: str, password: str) -> bool:
        """Log in."""
        return self._server.accepts(username, password)

    def _run(self, statement: str) -> None:
        with self._owner.cursor() as cursor:
            cursor.execute(statement)


class Redis(Server):
    """One ACL user that may change its own password, and the server's ``root``."""

    engine = "redis"
    rights = "~* +ping +get +acl|getuser +acl|setuser +acl|save"

    def __init__(self, server: redis_server.RedisServer) -> None:
        super().__init__(server.port)
        self._server = server

    def others(self, host: str, port: int) -> Mapping[str, str | None]:
        """The server's own administrator."""
        return {"admin": json.dumps({"host": host, "port": port, "username": "root", "password": "root"})}

    def set_password(self, password: str) -> None:
        """This password only."""
        self._server.run("ACL", "SETUSER", USER, "reset", "on", f">{password}", *self.rights.split())

    def accepts(self, username: str, password: str) -> bool:
        """Log in."""
        return self._server.accepts(username, password)


class RabbitMQ(Server):
    """One user that may change users, itself included, and an administrator, over the management API."""

    engine = "rabbitmq"

    def __init__(self, server: rabbitmq.RabbitMQ) -> None:
        super().__init__(server.port)
        self._server = server
        server.put_user(ADMIN, ADMIN_PASSWORD, "administrator")

    def set_password(self, password: str) -> None:
        """Set it as the server's administrator."""
        self._server.put_user(USER, password, "administrator")

    def accepts(self, username: str, password: str) -> bool:
        """Log in."""
        return self._server.accepts(username, password)


def _started(
    start: Callable[[], AbstractContextManager[Any]], made: Callable[[Any], _S]
) -> Callable[[], AbstractContextManager[_S]]:
    """Something that starts a server of its own, and stops it."""

    @contextlib.contextmanager
    def run() -> Iterator[_S]:
        with start() as server:
            yield made(server)

    return run


start_postgresql = _started(postgresql.start, PostgreSQL)
start_data_api = _started(postgresql.start, DataApi)
start_mariadb = _started(mariadb.start, MariaDB)
start_redis = _started(redis_server.start, Redis)
start_rabbitmq = _started(lambda: rabbitmq.start(tls=False), RabbitMQ)
