"""A local RDS Data API: its HTTP protocol in front of a real database, with secrets read by their ARN.

    with postgresql.start() as server, data_api.start(server) as api:
        service = api.credential("app")
        api.read_secret = ...
        boto3.client("rds-data", endpoint_url=api.url)

Like AWS's, it logs in with user name and password of the secret's AWSCURRENT value, sends each statement as a prepared
one, and answers with the database's SQLSTATE. Unlike AWS's it does not look at who calls. ``api.pooled`` keeps
connections open for each secret, as AWS's may: a login then shows nothing of the value.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import pymysql
from pg8000 import native

from rotation_lab import amazon

from . import posted
from .base import USER, Login, ReadSecret, Service, Values
from .mariadb import MariaDB
from .postgresql import PostgreSQL

Data = dict[str, Any]
POOLED = "connections stay open"


class DataApiError(Exception):
    """An answer with an error code."""

    def __init__(self, code: str, message: str = "Said by the local Data API.") -> None:
        super().__init__(code)
        self.code, self.message = code, message


class Connection(Protocol):
    """A connection that has logged in."""

    def run(self, sql: str) -> list[list[Any]]:
        """One statement, committed."""

    def close(self) -> None:
        """End it."""


Connect = Callable[[str, str, str | None], Connection]
"""User name, password and database → connection. Raises ``DataApiError``."""


@dataclass
class DataApi:
    """The running server. ``calls`` has the names of the operations, in order."""

    server: PostgreSQL | MariaDB
    read_secret: ReadSecret = lambda arn: None
    url: str = ""
    pooled: bool = False
    delay: float = 0.0
    """Seconds before each answer."""
    calls: list[str] = field(default_factory=list)
    requests: list[Data] = field(default_factory=list)
    fail: Callable[[str, Data], None] = lambda operation, request: None
    """Raise ``DataApiError`` here to make the service answer so, and nothing is done."""
    _pool: dict[str, Connection] = field(default_factory=dict)

    def credential(self, name: str = USER, admin: str | None = None) -> "User":
        """A user of its own of the database, and an administrator of its own."""
        return User(self, self.server.credential(name, admin))

    def answer(self, operation: str, request: Data) -> Data:
        """Answer one request."""
        self.calls.append(operation)
        self.requests.append(request)
        time.sleep(self.delay)
        self.fail(operation, request)
        answer: Data = getattr(self, f"_{operation}")(request)
        return answer

    def close(self) -> None:
        """End all connections."""
        for connection in self._pool.values():
            connection.close()
        self._pool.clear()

    def _Execute(self, request: Data) -> Data:  # noqa: N802
        if request.keys() - {"resourceArn", "secretArn", "sql", "database"}:
            raise DataApiError("BadRequestException", "This local Data API has no parameters and no transactions.")
        with self._connection(request) as connection:
            rows = connection.run(request["sql"])
        return {"records": [[_column(value) for value in row] for row in rows], "numberOfRecordsUpdated": 0}

    @contextlib.contextmanager
    def _connection(self, request: Data) -> Iterator[Connection]:
        if self.pooled:
            arn = request["secretArn"]
            self._pool[arn] = self._pool.get(arn) or self._log_in(request)
            yield self._pool[arn]
        else:
            with contextlib.closing(self._log_in(request)) as connection:
                yield connection

    def _log_in(self, request: Data) -> Connection:
        text = self.read_secret(request["secretArn"])
        if text is None:
            raise DataApiError("SecretsErrorException")
        try:
            found = json.loads(text)
            username, password = found["username"], found["password"]
        except (ValueError, KeyError):
            raise DataApiError("InvalidSecretException") from None
        connect = postgresql if isinstance(self.server, PostgreSQL) else mysql
        return connect(self.server.port)(username, password, request.get("database"))


class User(Service):
    """A user of the database, an administrator, and the probe, whose secret has no value yet."""

    def __init__(self, api: DataApi, login: Login) -> None:
        self.api, self.login = api, login

    @property
    def worlds(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*self.login.worlds, POOLED)

    def known(self, host: str, port: int) -> Mapping[str, Any]:
        """No address: the cluster is a setting."""
        return {"engine": self.login.engine, "username": self.login.name}

    def others(self, host: str, port: int) -> Mapping[str, Mapping[str, Any] | None]:
        found = self.login.others(host, port)
        return {**{name: _without_address(text) for name, text in found.items() if text}, "probe": None}

    def reset(self) -> Values:
        self.api.close()
        return self.login.reset()

    def opens(self, text: str) -> bool:
        return self.login.opens(text)

    def change(self) -> Values:
        return self.login.change()

    def lock_out(self) -> None:
        self.login.lock_out()

    def apis(self, read: ReadSecret) -> Mapping[str, amazon.Api]:
        """The Data API, over the same secrets."""
        self.api.read_secret = read
        return {"rds-data": self._answer}

    @contextlib.contextmanager
    def misbehave(self, name: str) -> Iterator[None]:
        if name != POOLED:
            with self.login.misbehave(name):
                yield
            return
        self.api.pooled = True
        try:
            yield
        finally:
            self.api.pooled = False
            self.api.close()

    def logs(self) -> str:
        return self.login.logs()

    def _answer(self, request: amazon.Request) -> amazon.Answer:
        try:
            return amazon.json_answer(self.api.answer(request.action, json.loads(request.body)))
        except DataApiError as error:
            status, headers, body = amazon.json_answer({"message": error.message}, 400)
            return status, {**headers, "x-amzn-errortype": error.code}, body


def _without_address(text: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in text.items() if name in ("engine", "username", "password")}


@contextlib.contextmanager
def over(started: AbstractContextManager[PostgreSQL | MariaDB]) -> Iterator[DataApi]:
    """The Data API of a database that is started, without a port of its own: ``Answers.apis`` are how to reach it."""
    with started as server:
        yield DataApi(server)


@contextlib.contextmanager
def start(server: PostgreSQL | MariaDB) -> Iterator[DataApi]:
    """Run it until the block ends."""
    api = DataApi(server)

    def answer(path: str, body: bytes) -> posted.Answer:
        plain = {"Content-Type": "application/json"}
        try:
            return 200, json.dumps(api.answer(path.strip("/"), json.loads(body))).encode(), plain
        except DataApiError as error:
            said = json.dumps({"message": error.message}).encode()
            return 400, said, {**plain, **({"x-amzn-ErrorType": error.code} if error.code else {})}

    try:
        with posted.serve(answer) as api.url:
            yield api
    finally:
        api.close()


# The databases.


def postgresql(port: int) -> Connect:
    """A PostgreSQL server on this machine."""

    def connect(username: str, password: str, database: str | None) -> Connection:
        with _postgresql_errors():
            made = native.Connection(
                username,
                host="127.0.0.1",
                port=port,
                password=password,
                database=database or username,  # as AWS's does without a database
                ssl_context=False,
                timeout=10,
            )
            return _Postgresql(made)

    return connect


@dataclass
class _Postgresql:
    connection: native.Connection

    def run(self, sql: str) -> list[list[Any]]:
        with _postgresql_errors(), contextlib.closing(self.connection.prepare(sql)) as statement:
            rows: list[list[Any]] = statement.run() or []
            return rows

    def close(self) -> None:
        with contextlib.suppress(native.Error, OSError):
            self.connection.close()


@contextlib.contextmanager
def _postgresql_errors() -> Iterator[None]:
    try:
        yield
    except native.DatabaseError as error:
        said = error.args[0]
        raise DataApiError(
            "DatabaseErrorException", f"{said['S']}: {said['M']}; Hint: {said.get('W', '')} SQLState: {said['C']}"
        ) from None


def mysql(port: int) -> Connect:
    """A MySQL or MariaDB server on this machine."""

    def connect(username: str, password: str, database: str | None) -> Connection:
        with _mysql_errors():
            made = pymysql.connect(
                host="127.0.0.1",
                port=port,
                user=username,
                password=password.encode(),  # a text would be sent as Latin-1
                database=database,
                ssl_disabled=True,
                autocommit=True,
                connect_timeout=10,
                charset="utf8mb4",
            )
            return _Mysql(made)

    return connect


@dataclass
class _Mysql:
    connection: Any

    def run(self, sql: str) -> list[list[Any]]:
        with _mysql_errors(), self.connection.cursor() as cursor:
            cursor.execute("PREPARE statement FROM %s", [sql])
            cursor.execute("EXECUTE statement")
            return [list(row) for row in cursor.fetchall()]

    def close(self) -> None:
        self.connection.close()


@contextlib.contextmanager
def _mysql_errors() -> Iterator[None]:
    try:
        yield
    except pymysql.MySQLError as error:
        number, said = error.args
        state = "28000" if number == 1045 else "42000" if number in (1064, 1227) else "HY000"
        raise DataApiError("DatabaseErrorException", f"{said}; Error code: {number}; SQLState: {state}") from None


def _column(value: object) -> Data:
    match value:
        case None:
            return {"isNull": True}
        case bool():
            return {"booleanValue": value}
        case int():
            return {"longValue": value}
        case _:
            return {"stringValue": str(value)}
