"""A PostgreSQL server with TLS, on a free port, in a temporary folder."""

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pg8000 import native

from . import authority

PROGRAMS = "/usr/lib/postgresql/*/bin"
INSTALL = "apt-get install postgresql"
START_SECONDS = 60
SUPERUSER, PASSWORD = "postgres", "superuser-password"

_ACCESS = """\
host all trusted 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""
"""Without TLS too, so that a connection that gives up TLS would be noticed by its success."""
_CONFIGURATION = """\
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
ssl = on
ssl_cert_file = 'server.pem'
ssl_key_file = 'server.key'
log_statement = all
log_connections = on
shared_buffers = 16MB
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

    def run(self, statement: str, **values: str) -> Any:
        """A statement of the superuser, which is not logged."""
        with contextlib.closing(self._connect(SUPERUSER, PASSWORD, "postgres")) as connection:
            return connection.run(statement, **values)

    def run_quoted(self, template: str, *values: str) -> None:
        """A statement of the superuser with values in the places of %I (a name) and %L (a text)."""
        marks = {f"value{n}": value for n, value in enumerate(values)}
        arguments = "".join(f", CAST(:{mark} AS text)" for mark in marks)
        self.run(self.run(f"SELECT format('{template}'{arguments})", **marks)[0][0])

    def accepts(self, username: str, password: str, database: str = "postgres") -> bool:
        """Whether the user can log in with the password."""
        try:
            self._connect(username, password, database).close()
        except native.DatabaseError as error:
            if error.args[0]["C"] == "28P01":
                return False
            raise
        return True

    def log(self) -> str:
        """All that the server has logged, with every statement that is not the superuser's."""
        return (self.folder / "output.log").read_text(errors="replace")

    @contextlib.contextmanager
    def without_tls(self) -> Iterator[None]:
        """Meanwhile new connections cannot have TLS; each test's server is the same one."""
        self.set_tls("off")
        try:
            yield
        finally:
            self.set_tls("on")

    def set_tls(self, state: str) -> None:
        """Whether new connections can have TLS: "on" or "off"."""
        self.run(f"ALTER SYSTEM SET ssl = {state}")
        self.run("SELECT pg_reload_conf()")
        end = time.monotonic() + START_SECONDS
        while self.run("SHOW ssl") != [[state]]:  # a new connection asks each time
            assert time.monotonic() < end
            time.sleep(0.02)

    def _connect(self, username: str, password: str, database: str) -> native.Connection:
        channel = socket.create_connection(("localhost", self.port), timeout=10)
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            # Without TLS: that is for what is tested, not for what asks.
            return native.Connection(username, password=password, database=database, sock=channel, ssl_context=False)
        except BaseException:
            channel.close()
            raise


def version() -> str:
    """The version of the installed server. Raises ``RuntimeError`` when there is none."""
    text = subprocess.run([_program("postgres"), "--version"], capture_output=True, text=True, check=True).stdout
    return text.split()[2]


@contextlib.contextmanager
def start() -> Iterator[PostgreSQL]:
    """Run a server until the block ends. It takes about two seconds to be ready."""
    initdb, postgres = _program("initdb"), _program("postgres")
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    try:
        made = authority.make(folder)
        made.key.chmod(0o600)
        (folder / "password").write_text(PASSWORD)
        _give_away(folder)
        _run(
            folder, initdb, "--pgdata=data", f"--username={SUPERUSER}", "--pwfile=password", "--encoding=UTF8",
            "--locale=C.UTF-8", "--no-sync", "--no-instructions",
        )  # fmt: skip
        data, port = folder / "data", _free_port()
        for name in ("server.pem", "server.key"):
            shutil.move(folder / name, data / name)
        (data / "pg_hba.conf").write_text(_ACCESS)
        with (data / "postgresql.conf").open("a") as configuration:
            configuration.write(f"{_CONFIGURATION}port = {port}\n")
        with _running([postgres, "-D", "data"], folder) as process:
            server = PostgreSQL(folder, port, made.pem)
            _wait(server, process)
            server.run(f"ALTER ROLE {SUPERUSER} SET log_statement = none")
            yield server
    finally:
        shutil.rmtree(folder)


def _program(name: str) -> str:
    folders = sorted(Path("/").glob(f"{PROGRAMS[1:]}/{name}"), key=lambda path: float(path.parts[4]))
    if not folders:
        raise RuntimeError(f"PostgreSQL is not installed. Install it: {INSTALL}")
    return str(folders[-1])


def _user() -> str | None:
    # PostgreSQL does not run as root; the package has made a user for it.
    return "postgres" if os.geteuid() == 0 else None


def _give_away(folder: Path) -> None:
    for path in (folder, *folder.iterdir()):
        shutil.chown(path, _user() or getpass.getuser())


def _run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, user=_user(), env=_environment(), capture_output=True, check=True)


def _environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}


@contextlib.contextmanager
def _running(command: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "output.log").open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            user=_user(),
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGQUIT)  # at once, with all its children; nothing is to be kept
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(server: PostgreSQL, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            server.run("SELECT 1")
        except (native.Error, OSError):
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"PostgreSQL did not start:\n{server.log()[-3000:]}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
