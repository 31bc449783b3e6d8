"""A MySQL 8.0 server with TLS, on a free port, in a temporary folder.

No Linux distribution that the lab knows has it. MYSQL_HOME is the folder in which it lies, with ``bin/mysqld`` and
``share``; without it, ``.cache/mysql`` where the lab is started.
"""

import contextlib
import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from . import authority, mariadb, process
from .base import USER, Misbehaviour
from .mariadb import PASSWORD, SUPERUSER, MariaDB

INSTALL = "make mysql (it lies in .cache/mysql then), or set MYSQL_HOME to the folder of another one"

_CONFIGURATION = """\
[mysqld]
bind-address = 127.0.0.1
datadir = {folder}/data
tmpdir = {folder}
socket = {folder}/socket
pid-file = {folder}/pid
lc-messages-dir = {home}/share
character-sets-dir = {home}/share/charsets
general-log = on
general-log-file = {folder}/output.log
mysqlx = off
skip-log-bin
skip-name-resolve
innodb-buffer-pool-size = 8M
innodb-log-file-size = 4M
innodb-flush-log-at-trx-commit = 0
innodb-fast-shutdown = 2
performance-schema = off
"""


class MySQL(MariaDB):
    """A running server, at ``localhost``. ``ca``: its authority's certificate in PEM."""

    def credential(self, name: str = USER, admin: str | None = None) -> "Account":
        """An account of its own, and an administrator of its own, who has not all rights."""
        return Account(self, name, admin)

    @cached_property
    def plain(self) -> "MariaDB":
        """Another server, without TLS, which runs as long as this one."""
        return self._others.enter_context(start(tls=False))


class Account(mariadb.Account):
    """One account, which may keep its former password as it changes it, and an administrator with CREATE USER."""

    misbehaviours: ClassVar[Mapping[str, Misbehaviour]] = {
        "read-only by default": Misbehaviour(
            ("SET GLOBAL transaction_read_only = 1",),
            ("SET GLOBAL transaction_read_only = 0",),
        ),
        "takes no password twice": Misbehaviour(
            ("SET GLOBAL password_history = 10",),
            ("SET GLOBAL password_history = DEFAULT",),
        ),
        "wants to see the current password": Misbehaviour(
            ("SET GLOBAL password_require_current = ON",),
            ("SET GLOBAL password_require_current = DEFAULT",),
        ),
        "another way to log in than the server's own": Misbehaviour(
            ("ALTER USER %(name)s@'%%' IDENTIFIED WITH mysql_native_password BY %(first)s",),
            ("ALTER USER %(name)s@'%%' IDENTIFIED WITH caching_sha2_password BY %(first)s",),
        ),
        **{
            name: mariadb.Account.misbehaviours[name]
            for name in (
                "double quotes are names",
                "names are padded",
                "a client certificate is required",
            )
        },
        "an expired password ends the login": Misbehaviour((), ()),  # it always does
    }

    def __init__(self, server: MariaDB, name: str, admin: str | None) -> None:
        super().__init__(server, name, admin)
        self._run("GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO %s@'%%'", name)

    def set_password(self, name: str, password: str) -> None:
        """And no other one is left beside it; the server may remember those before it."""
        self._run("ALTER USER %s@'%%' PASSWORD HISTORY 0", name)
        super().set_password(name, password)
        self._run("ALTER USER %s@'%%' DISCARD OLD PASSWORD PASSWORD HISTORY DEFAULT", name)


def version() -> str:
    """The version of the server that lies there. Raises ``RuntimeError`` when there is none."""
    text = subprocess.run([_home() / "bin/mysqld", "--version"], capture_output=True, text=True, check=True).stdout
    return text.split("Ver ", 1)[1].split()[0]


@contextlib.contextmanager
def start(*, tls: bool = True, **settings: str) -> Iterator[MySQL]:
    """Run a server until the block ends, with further lines of my.cnf. It takes about seven seconds to be ready."""
    home, folder, port = _home(), Path(tempfile.mkdtemp(prefix="mysql-")), process.free_port()
    try:
        made = authority.make(folder, with_rsa=True)
        configuration = _CONFIGURATION + f"port = {port}\n" + (mariadb.TLS if tls else "skip-ssl\n")
        more = "".join(f"{name} = {value}\n" for name, value in settings.items())
        (folder / "my.cnf").write_text(configuration.format(folder=folder, home=home) + more)
        (folder / "start.sql").write_text(
            f"CREATE USER '{SUPERUSER}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON *.* TO '{SUPERUSER}'@'127.0.0.1' WITH GRANT OPTION;\n"
        )
        (folder / process.LOG).touch()
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, mariadb.user() or getpass.getuser())
        command = [str(home / "bin/mysqld"), f"--defaults-file={folder}/my.cnf"]
        with (folder / process.LOG).open("ab") as output:
            subprocess.run(
                [*command, "--initialize-insecure"],
                cwd=folder, user=mariadb.user(), stdout=output, stderr=output, check=True,
            )  # fmt: skip
        running = MySQL(folder, port, made.pem)
        with process.running([*command, f"--init-file={folder}/start.sql"], folder, user=mariadb.user()) as started:
            process.wait("MySQL", lambda: mariadb.ready(running), started, running.log)
            yield running
            running.close()
    finally:
        shutil.rmtree(folder)


def _home() -> Path:
    found = Path(os.environ.get("MYSQL_HOME") or ".cache/mysql").absolute()
    if not (found / "bin/mysqld").is_file():
        raise RuntimeError(f"MySQL is not installed. Install it: {INSTALL}")
    return found
