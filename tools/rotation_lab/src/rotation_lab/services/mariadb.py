"""A MariaDB server with TLS, on a free port, in a temporary folder."""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql

from . import authority

INSTALL = "apt-get install mariadb-server"
START_SECONDS = 60
SUPERUSER, PASSWORD = "superuser", "superuser-password"

_CONFIGURATION = """\
[mariadbd]
bind-address = 127.0.0.1
datadir = {folder}/data
tmpdir = {folder}
socket = {folder}/socket
pid-file = {folder}/pid
general-log = on
general-log-file = {folder}/output.log
skip-name-resolve
innodb-buffer-pool-size = 8M
innodb-log-file-size = 4M
innodb-flush-log-at-trx-commit = 0
innodb-fast-shutdown = 2
performance-schema = off
"""
_TLS = """\
ssl-cert = {folder}/server.pem
ssl-key = {folder}/server.key
"""


@dataclass(frozen=True)
class MariaDB:
    """A running server, at ``localhost``. ``ca``: its authority's certificate in PEM."""

    folder: Path
    port: int
    ca: str

    def run(self, statement: str, *values: str) -> Any:
        """A statement of the superuser, which is not logged."""
        with self._connect(SUPERUSER, PASSWORD) as connection, connection.cursor() as cursor:
            cursor.execute("SET SESSION sql_log_off = 1")
            cursor.execute(statement, values)
            return cursor.fetchall()

    def accepts(self, username: str, password: str) -> bool:
        """Whether the user can log in with the password."""
        try:
            self._connect(username, password).close()
        except pymysql.OperationalError as error:
            if error.args[0] == 1045:
                return False
            raise
        return True

    def log(self) -> str:
        """All that the server has logged, with every statement that is not the superuser's."""
        return (self.folder / "output.log").read_text(errors="replace")

    def _connect(self, username: str, password: str) -> "pymysql.Connection[Any]":
        # Without TLS: that is for what is tested, not for what asks.
        return pymysql.connect(
            host="localhost", port=self.port, user=username, password=password.encode(), ssl_disabled=True,
            autocommit=True, connect_timeout=10, read_timeout=10, write_timeout=10,
        )  # fmt: skip


def version() -> str:
    """The version of the installed server. Raises ``RuntimeError`` when there is none."""
    text = subprocess.run([_program("mariadbd"), "--version"], capture_output=True, text=True, check=True).stdout
    return text.split()[2].partition("-")[0]


@contextlib.contextmanager
def start(*, tls: bool = True) -> Iterator[MariaDB]:
    """Run a server until the block ends. It takes about two seconds to be ready."""
    server, install = _program("mariadbd"), _program("mariadb-install-db")
    folder, port = Path(tempfile.mkdtemp(prefix="mariadb-")), _free_port()
    try:
        made = authority.make(folder)
        configuration = _CONFIGURATION + f"port = {port}\n" + (_TLS if tls else "skip-ssl\n")
        (folder / "my.cnf").write_text(configuration.format(folder=folder))
        (folder / "start.sql").write_text(
            f"CREATE USER '{SUPERUSER}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON *.* TO '{SUPERUSER}'@'127.0.0.1' WITH GRANT OPTION;\n"
        )
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, _user() or getpass.getuser())
        options = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        with (folder / "output.log").open("ab") as output:
            subprocess.run(
                [install, f"--defaults-file={folder}/my.cnf", *options],
                cwd=folder, user=_user(), env=_environment(), stdout=output, stderr=output, check=True,
            )  # fmt: skip
        with _running(
            [server, f"--defaults-file={folder}/my.cnf", f"--init-file={folder}/start.sql"], folder
        ) as process:
            running = MariaDB(folder, port, made.pem)
            _wait(running, process)
            yield running
    finally:
        shutil.rmtree(folder)


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        raise RuntimeError(f"MariaDB is not installed. Install it: {INSTALL}")
    return found


def _user() -> str | None:
    # MariaDB does not run as root; the package has made a user for it.
    return "mysql" if os.geteuid() == 0 else None


def _environment() -> dict[str, str]:
    return {"PATH": f"{os.environ['PATH']}:/usr/sbin", "LC_ALL": "C.UTF-8"}


@contextlib.contextmanager
def _running(command: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "output.log").open("ab") as output:
        process = subprocess.Popen(
            command, cwd=folder, user=_user(), env=_environment(), stdin=subprocess.DEVNULL, stdout=output,
            stderr=output,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()  # at once; nothing is to be kept
        process.wait()


def _wait(server: MariaDB, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            server.run("SELECT 1")
        except pymysql.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"MariaDB did not start:\n{(server.folder / 'output.log').read_text()[-3000:]}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
