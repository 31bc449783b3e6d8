"""A PostgreSQL server with TLS, on a free port, in a temporary folder."""

import base64
import contextlib
import getpass
import hashlib
import hmac
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from pg8000 import native

from . import authority, process
from .base import ADMIN_PASSWORD, FIRST, USER, Address, BusyError, Login, Misbehaviour, Values

PROGRAMS = "/usr/lib/postgresql/*/bin"
CHOSEN = "POSTGRESQL_BIN"
"""The environment variable that names the folder of another version's programs."""
INSTALL = "apt-get install postgresql"
SUPERUSER, PASSWORD = "postgres", "superuser-password"

ADMIN_OPTION_SINCE = 160000
"""The version from which on CREATEROLE is not enough to change a role that another one has created."""
MD5, CLEAR, TLS_ONLY, TEAM = "md5_logins", "clear_logins", "tls_logins", "team"
"""Roles whose members log in in this way; and one that others act as."""
FEW, OVER_TLS = "SCRAM with one iteration", "admits nobody without TLS"
_ACCESS = f"""\
host all trusted 127.0.0.1/32 trust
host all +{MD5} 127.0.0.1/32 md5
host all +{CLEAR} 127.0.0.1/32 password
hostnossl all +{TLS_ONLY} 127.0.0.1/32 reject
host all all 127.0.0.1/32 scram-sha-256
"""
"""Without TLS too, so that a connection that gives up TLS would be noticed by its success."""
# Many connections: a pooler keeps some for each role that a test has made, and a full server makes it refuse clients.
_CONFIGURATION = """\
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
ssl = on
ssl_cert_file = 'server.pem'
ssl_key_file = 'server.key'
log_statement = all
log_connections = on
shared_buffers = 16MB
max_connections = 400
max_worker_processes = 0
autovacuum = off
fsync = off
"""


@dataclass(frozen=True)
class PostgreSQL:
    """A running server, at ``localhost``. ``ca``: its authority's certificate in PEM."""

    folder: Path
    port: int
    ca: str
    _owners: dict[int, native.Connection] = field(default_factory=dict, repr=False)

    def credential(self, name: str = USER, admin: str | None = None, port: int = 0) -> "Role":
        """A role of its own, and an administrator of its own, who is not a superuser. ``port``: that of a pooler."""
        return Role(self, name, admin, port or self.port)

    @property
    def owner(self) -> native.Connection:
        """A connection of the superuser that stays open, in this process; it logs no statement."""
        if os.getpid() not in self._owners:
            self._owners[os.getpid()] = self._connect(SUPERUSER, PASSWORD, "postgres")
            self.owner.run("SET log_statement = none")
        return self._owners[os.getpid()]

    def run(self, statement: str, **values: str) -> Any:
        """A statement of the superuser, which is not logged."""
        with contextlib.closing(self._connect(SUPERUSER, PASSWORD, "postgres")) as connection:
            return connection.run(statement, **values)

    def run_quoted(self, template: str, *values: str) -> None:
        """A statement of the superuser with values in the places of %I (a name) and %L (a text)."""
        with contextlib.closing(self._connect(SUPERUSER, PASSWORD, "postgres")) as connection:
            run_quoted(connection, template, *values)

    def accepts(self, username: str, password: str, database: str = "postgres", *, tls: bool = False) -> bool:
        """Whether the user can log in with the password."""
        try:
            self._connect(username, password, database, tls=tls).close()
        except native.DatabaseError as error:
            if error.args[0]["C"] == "28P01":
                return False
            raise
        return True

    def log(self) -> str:
        """All that the server has logged, with every statement that is not the superuser's."""
        return (self.folder / "output.log").read_text(errors="replace")

    @contextlib.contextmanager
    def without_tls(self) -> Iterator[Address]:
        """Meanwhile new connections cannot have TLS; each test's server is the same one."""
        self.set_tls("off")
        try:
            yield "localhost", self.port
        finally:
            self.set_tls("on")

    def set_tls(self, state: str) -> None:
        """Whether new connections can have TLS: "on" or "off"."""
        self.run(f"ALTER SYSTEM SET ssl = {state}")
        self.run("SELECT pg_reload_conf()")
        end = time.monotonic() + process.START_SECONDS
        while self.run("SHOW ssl") != [[state]]:  # a new connection asks each time
            assert time.monotonic() < end
            time.sleep(0.02)

    def close(self) -> None:
        """Close this process's own connection."""
        if os.getpid() in self._owners:
            self._owners.pop(os.getpid()).close()

    def _connect(self, username: str, password: str, database: str, *, tls: bool = False) -> native.Connection:
        channel = socket.create_connection(("localhost", self.port), timeout=10)
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            # Without TLS, unless it has to be: that is for what is tested, not for what asks.
            security = ssl.create_default_context(cadata=self.ca) if tls else False
            return native.Connection(username, password=password, database=database, sock=channel, ssl_context=security)
        except BaseException:
            channel.close()
            raise


class Role(Login):
    """One role, which changes its own password, and an administrator with CREATEROLE."""

    engine, more = "postgres", {"dbname": "postgres"}
    misbehaviours: ClassVar[Mapping[str, Misbehaviour]] = {
        "read-only by default": Misbehaviour(
            ("ALTER ROLE %1$I SET default_transaction_read_only = on",),
            ("ALTER ROLE %1$I RESET default_transaction_read_only",),
        ),
        "acts as another role by default": Misbehaviour(
            (f"GRANT {TEAM} TO %1$I, %2$I", f"ALTER ROLE %1$I SET role = {TEAM}", f"ALTER ROLE %2$I SET role = {TEAM}"),
            (f"REVOKE {TEAM} FROM %1$I, %2$I", "ALTER ROLE %1$I RESET role", "ALTER ROLE %2$I RESET role"),
        ),
        "md5 in pg_hba.conf": Misbehaviour((f"GRANT {MD5} TO %1$I, %2$I",), (f"REVOKE {MD5} FROM %1$I, %2$I",)),
        "clear text in pg_hba.conf": Misbehaviour(
            (f"GRANT {CLEAR} TO %1$I, %2$I",), (f"REVOKE {CLEAR} FROM %1$I, %2$I",)
        ),
        "md5 by default, SCRAM only": Misbehaviour(
            ("ALTER ROLE %1$I SET password_encryption = md5", "ALTER ROLE %2$I SET password_encryption = md5"),
            ("ALTER ROLE %1$I RESET password_encryption", "ALTER ROLE %2$I RESET password_encryption"),
        ),
        "VALID UNTIL is tomorrow": Misbehaviour(
            ("ALTER ROLE %1$I VALID UNTIL %3$L", "ALTER ROLE %2$I VALID UNTIL %3$L"),
            ("ALTER ROLE %1$I VALID UNTIL %4$L", "ALTER ROLE %2$I VALID UNTIL %4$L"),
        ),
        FEW: Misbehaviour((), ()),
        OVER_TLS: Misbehaviour((f"GRANT {TLS_ONLY} TO %1$I, %2$I",), (f"REVOKE {TLS_ONLY} FROM %1$I, %2$I",)),
    }

    def __init__(self, server: PostgreSQL, name: str, admin: str | None, port: int) -> None:
        super().__init__(name, admin)
        self.server, self.port, self._before = server, port, len(server.log())
        self._run("CREATE ROLE %I LOGIN PASSWORD %L", name, FIRST)
        self._run("CREATE ROLE %I LOGIN CREATEROLE PASSWORD %L", self.admin, ADMIN_PASSWORD)
        if int(server.owner.run("SHOW server_version_num")[0][0]) >= ADMIN_OPTION_SINCE:
            self._run("GRANT %I TO %I WITH ADMIN TRUE, INHERIT FALSE, SET FALSE", name, self.admin)
        # The same verifiers at each reset, so that the answers to the same logins are known already.
        self._kept = {password: self._state(of)[0] for of, password in ((name, FIRST), (self.admin, ADMIN_PASSWORD))}
        self._asked: dict[tuple[Any, ...], bool] = {}
        self._world = ""

    @property
    def upstream(self) -> Address:
        return "127.0.0.1", self.port

    @property
    def ca(self) -> str:
        return self.server.ca

    def reset(self) -> Values:
        """The first passwords; a role that a rotation made is dropped."""
        self._run("DROP ROLE IF EXISTS %I", f"{self.name}_clone")
        return super().reset()

    def change(self) -> Values:
        """Another password, unless the role is locked."""
        self.server.owner.run("SET lock_timeout = '1s'")
        try:
            return super().change()
        except native.DatabaseError:
            raise BusyError from None
        finally:
            self.server.owner.run("SET lock_timeout = 0")

    def set_password(self, name: str, password: str) -> None:
        kept = scram(password, 1) if self._world == FEW else self._kept.get(password, password)
        self._run("ALTER ROLE %I PASSWORD %L", name, kept)

    def opens(self, text: str) -> bool:
        found = json.loads(text)
        return self.accepts(found["username"], found["password"], found.get("dbname", "postgres"))

    def accepts(self, username: str, password: str, database: str = "postgres") -> bool:
        """Log in, once for each state of the role; where the driver here would not, what is kept is looked up."""
        state = self._state(username)
        if self._world == FEW:
            return state[0] is not None and is_scram_of(state[0], password)
        asked = (*state, username, password, database)
        if asked not in self._asked:
            self._asked[asked] = self.server.accepts(username, password, database, tls=self._world == OVER_TLS)
        return self._asked[asked]

    def without_tls(self) -> contextlib.AbstractContextManager[Address]:
        return self.server.without_tls()

    def logs(self) -> str:
        return self.server.log()[self._before :]

    @contextlib.contextmanager
    def misbehave(self, name: str) -> Iterator[None]:
        with super().misbehave(name):
            self._world = name
            self.reset()
            try:
                yield
            finally:
                self._world = ""

    def do(self, statements: tuple[str, ...]) -> None:
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        for statement in statements:
            self._run(statement, self.name, self.admin, tomorrow, "infinity")

    def _run(self, template: str, *values: str) -> None:
        run_quoted(self.server.owner, template, *values)

    def _state(self, name: str) -> tuple[Any, ...]:
        columns = "rolpassword, rolcanlogin, rolvaliduntil"
        rows = self.server.owner.run(f"SELECT {columns} FROM pg_authid WHERE rolname = CAST(:name AS text)", name=name)
        return tuple(rows[0]) if rows else (None,)


def scram(password: str, iterations: int, salt: bytes = b"") -> str:
    """What the server keeps of a password that is printable ASCII."""
    salt = salt or os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    of_client, of_server = (hmac.digest(salted, name, "sha256") for name in (b"Client Key", b"Server Key"))
    shown = (base64.b64encode(part).decode() for part in (salt, hashlib.sha256(of_client).digest(), of_server))
    return "SCRAM-SHA-256${}:{}${}:{}".format(iterations, *shown)


def is_scram_of(verifier: str, password: str) -> bool:
    """Whether a verifier is that of the password."""
    start = verifier.split("$")[1]
    iterations, _, salt = start.partition(":")
    return scram(password, int(iterations), base64.b64decode(salt)) == verifier


def run_quoted(connection: native.Connection, template: str, *values: str) -> None:
    """A statement with values in the places of %I (a name) and %L (a text)."""
    marks = {f"value{n}": value for n, value in enumerate(values)}
    arguments = "".join(f", CAST(:{mark} AS text)" for mark in marks)
    connection.run(connection.run(f"SELECT format('{template}'{arguments})", **marks)[0][0])


def version() -> str:
    """The version of the installed server. Raises ``RuntimeError`` when there is none."""
    text = subprocess.run([_program("postgres"), "--version"], capture_output=True, text=True, check=True).stdout
    return text.split()[2]


@contextlib.contextmanager
def start(**settings: str) -> Iterator[PostgreSQL]:
    """Run a server until the block ends, with further lines of postgresql.conf. It takes about two seconds."""
    initdb, postgres = _program("initdb"), _program("postgres")
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    try:
        made = authority.make(folder)
        made.key.chmod(0o600)
        (folder / "password").write_text(PASSWORD)
        give_away(folder)
        _run(
            folder, initdb, "--pgdata=data", f"--username={SUPERUSER}", "--pwfile=password", "--encoding=UTF8",
            "--locale=C.UTF-8", "--no-sync", "--no-instructions",
        )  # fmt: skip
        data, port = folder / "data", process.free_port()
        for name in ("server.pem", "server.key"):
            shutil.move(folder / name, data / name)
        (data / "pg_hba.conf").write_text(_ACCESS)
        with (data / "postgresql.conf").open("a") as configuration:
            configuration.write(f"{_CONFIGURATION}port = {port}\n")
            configuration.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        command, server = [postgres, "-D", "data"], PostgreSQL(folder, port, made.pem)
        # SIGQUIT: at once, with all its children; nothing is to be kept.
        with process.running(command, folder, user=user(), environment=_environment(), end=signal.SIGQUIT) as started:
            process.wait("PostgreSQL", lambda: _ready(server), started, server.log)
            server.run(f"ALTER ROLE {SUPERUSER} SET log_statement = none")
            for group in (MD5, CLEAR, TLS_ONLY, TEAM):
                server.run(f"CREATE ROLE {group}")
            yield server
            server.close()
    finally:
        shutil.rmtree(folder)


def _program(name: str) -> str:
    chosen = os.environ.get(CHOSEN)
    if chosen:
        return str(Path(chosen, name).resolve(strict=True))
    folders = sorted(Path("/").glob(f"{PROGRAMS[1:]}/{name}"), key=lambda path: float(path.parts[4]))
    if not folders:
        raise RuntimeError(f"PostgreSQL is not installed. Install it: {INSTALL}")
    return str(folders[-1])


def user() -> str | None:
    """The user that the server runs as; None: the one who asks."""
    # PostgreSQL does not run as root; the package has made a user for it.
    return "postgres" if os.geteuid() == 0 else None


def give_away(folder: Path) -> None:
    """Let the user of the server own the folder and what is in it."""
    for path in (folder, *folder.iterdir()):
        shutil.chown(path, user() or getpass.getuser())


def _run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, user=user(), env=_environment(), capture_output=True, check=True)


def _environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}


def _ready(server: PostgreSQL) -> bool:
    try:
        server.run("SELECT 1")
    except (native.Error, OSError):
        return False
    return True
