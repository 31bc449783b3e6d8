"""A local RDS Data API: its HTTP protocol in front of a real database, with secrets read by their ARN.

    with rds_data_server.start(postgresql(server.port, ca), read_secret) as api:
        boto3.client("rds-data", endpoint_url=api.url)

Like AWS's, it logs in with user name and password of the secret's AWSCURRENT value, sends each statement as a prepared
one, and answers with the database's SQLSTATE. Unlike AWS's it does not look at who calls. ``api.pooled`` keeps
connections open for each secret, as AWS's may: a login then shows nothing of the value.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

import pymysql
from pg8000 import native

Data = dict[str, Any]
ReadSecret = Callable[[str], str | None]
"""The AWSCURRENT text of the secret with this ARN; None when there is none."""


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

    connect: Connect
    read_secret: ReadSecret
    url: str = ""
    pooled: bool = False
    delay: float = 0.0
    """Seconds before each answer."""
    calls: list[str] = field(default_factory=list)
    requests: list[Data] = field(default_factory=list)
    fail: Callable[[str, Data], None] = lambda operation, request: None
    """Raise ``DataApiError`` here to make the service answer so, and nothing is done."""
    _pool: dict[str, Connection] = field(default_factory=dict)

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
            raise DataApiError("BadRequestException", "Parameters and transactions are not here: nobody has used them.")
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
        return self.connect(username, password, request.get("database"))


@contextlib.contextmanager
def start(connect: Connect, read_secret: ReadSecret) -> Iterator[DataApi]:
    """Run it until the block ends."""
    api = DataApi(connect, read_secret)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet: the second would wait for the first one's acknowledgement

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                self._send(200, api.answer(self.path.strip("/"), json.loads(body)))
            except DataApiError as error:
                self._send(400, {"message": error.message}, error.code)

        def _send(self, status: int, answer: Data, code: str = "") -> None:
            text = json.dumps(answer).encode()
            with contextlib.suppress(OSError):  # a client that gave up
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                if code:
                    self.send_header("x-amzn-ErrorType", code)
                self.end_headers()
                self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        api.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield api
        finally:
            server.shutdown()
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
