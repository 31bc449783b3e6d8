"""A MariaDB server with TLS, on a free port, in a temporary folder."""

import contextlib
import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import pymysql

from . import authority, process
from .base import ADMIN_PASSWORD, FIRST, USER, Address, Login, Misbehaviour, Values

INSTALL = "apt-get install mariadb-server"
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
_CERTIFICATE = {"ca": "ca.pem", "cert": "server.pem", "key": "server.key"}
"""The server's own one, which a client may show as well."""
TLS = """\
ssl-cert = {folder}/server.pem
ssl-key = {folder}/server.key
ssl-ca = {folder}/ca.pem
"""


REUSE, LOCKS, CERTIFICATE = (
    "judges passwords and takes none twice",
    "locked after three wrong passwords",
    "a client certificate is required",
)


def _ways(before: str) -> str:
    """Make a statement that gives the user these ways to log in before the password that it has."""
    return (
        "SET @statement = (SELECT CONCAT('ALTER USER ', QUOTE(User), '@', QUOTE(Host), ' IDENTIFIED VIA "
        f"{before}mysql_native_password USING ', QUOTE(authentication_string)) FROM mysql.user WHERE User = %(name)s)"
    )


@dataclass(frozen=True)
class MariaDB:
    """A running server, at ``localhost``. ``ca``: its authority's certificate in PEM."""

    folder: Path
    port: int
    ca: str
    _owners: "dict[int, pymysql.Connection[Any]]" = field(default_factory=dict, repr=False)
    _others: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, repr=False)

    def credential(self, name: str = USER, admin: str | None = None) -> "Account":
        """An account of its own, and an administrator of its own, who has not all rights."""
        return Account(self, name, admin)

    @property
    def owner(self) -> "pymysql.Connection[Any]":
        """A connection of the superuser that stays open, in this process; it logs no statement."""
        if os.getpid() not in self._owners:
            self._owners[os.getpid()] = self._connect(SUPERUSER, PASSWORD)
            self.owner.cursor().execute("SET SESSION sql_log_off = 1")
        return self._owners[os.getpid()]

    @cached_property
    def plain(self) -> "MariaDB":
        """Another server, without TLS, which runs as long as this one."""
        return self._others.enter_context(start(tls=False))

    def close(self) -> None:
        """Close this process's own connection, and end the other server if there is one."""
        self._others.close()
        if os.getpid() in self._owners:
            self._owners.pop(os.getpid()).close()

    def run(self, statement: str, *values: str) -> Any:
        """A statement of the superuser, which is not logged."""
        with self._connect(SUPERUSER, PASSWORD) as connection, connection.cursor() as cursor:
            cursor.execute("SET SESSION sql_log_off = 1")
            cursor.execute(statement, values)
            return cursor.fetchall()

    def accepts(self, username: str, password: str, *, certificate: bool = False) -> bool:
        """Whether the user can log in with the password, and with a client certificate of the server's authority."""
        try:
            self._connect(username, password, certificate=certificate).close()
        except pymysql.OperationalError as error:
            if error.args[0] == 1045:
                return False
            raise
        return True

    def log(self) -> str:
        """All that the server has logged, with every statement that is not the superuser's."""
        return (self.folder / "output.log").read_text(errors="replace")

    def _connect(self, username: str, password: str, *, certificate: bool = False) -> "pymysql.Connection[Any]":
        # Without TLS, unless it has to be: that is for what is tested, not for what asks.
        own: Any = {f"ssl_{name}": str(self.folder / file) for name, file in _CERTIFICATE.items()}
        made: pymysql.Connection[Any] = pymysql.connect(
            host="localhost", port=self.port, user=username, password=password.encode(), ssl_disabled=not certificate,
            autocommit=True, connect_timeout=10, read_timeout=10, write_timeout=10, **(own if certificate else {}),
        )  # fmt: skip
        return made


@contextlib.contextmanager
def judging(server: MariaDB) -> Iterator[None]:
    """Until the block ends, a password without a digit is refused. The server then sees passwords, and logs none."""
    server.run("SET GLOBAL general_log = 0")
    server.run("INSTALL SONAME 'simple_password_check'")
    try:
        yield
    finally:
        server.run("UNINSTALL SONAME 'simple_password_check'")
        server.run("SET GLOBAL general_log = 1")


class Account(Login):
    """One account, which changes its own password, and an administrator with CREATE USER."""

    engine = "mysql"
    misbehaviours: ClassVar[Mapping[str, Misbehaviour]] = {
        "read-only by default": Misbehaviour(
            ("SET GLOBAL tx_read_only = 1",),
            ("SET GLOBAL tx_read_only = 0",),
        ),
        "double quotes are names": Misbehaviour(
            ("SET GLOBAL sql_mode = 'ANSI'",),
            ("SET GLOBAL sql_mode = DEFAULT",),
        ),
        "names are padded": Misbehaviour(
            ("SET GLOBAL sql_mode = 'PAD_CHAR_TO_FULL_LENGTH,NO_BACKSLASH_ESCAPES'",),
            ("SET GLOBAL sql_mode = DEFAULT",),
        ),
        "several ways to log in": Misbehaviour(
            (_ways("unix_socket OR "), "EXECUTE IMMEDIATE @statement"), (_ways(""), "EXECUTE IMMEDIATE @statement")
        ),
        "accounts of a Debian server": Misbehaviour(
            # Of an unknown user the server asks the way of one of them; many, so that it does.
            tuple(f"CREATE USER stock{n}@localhost IDENTIFIED VIA unix_socket" for n in range(20)),
            tuple(f"DROP USER stock{n}@localhost" for n in range(20)),
        ),
        REUSE: Misbehaviour(
            ("SET GLOBAL general_log = 0", "INSTALL SONAME 'password_reuse_check'"),
            (
                "UNINSTALL SONAME 'password_reuse_check'",
                "DROP TABLE IF EXISTS mysql.password_reuse_check_history",
                "SET GLOBAL general_log = 1",
            ),
        ),
        "an expired password ends the login": Misbehaviour(
            ("SET GLOBAL disconnect_on_expired_password = 1",),
            ("SET GLOBAL disconnect_on_expired_password = DEFAULT",),
        ),
        LOCKS: Misbehaviour(
            ("SET GLOBAL max_password_errors = 3",),
            ("SET GLOBAL max_password_errors = DEFAULT", "FLUSH PRIVILEGES"),
        ),
        CERTIFICATE: Misbehaviour(
            ("ALTER USER %(name)s@'%%' REQUIRE X509",),
            ("ALTER USER %(name)s@'%%' REQUIRE NONE",),
        ),
    }

    def __init__(self, server: MariaDB, name: str, admin: str | None) -> None:
        super().__init__(name, admin)
        self.server, self._before, self._world = server, len(server.log()), ""
        self._run("CREATE USER %s@'%%' IDENTIFIED BY %s", name, FIRST)
        self._run("CREATE USER %s@'%%' IDENTIFIED BY %s", self.admin, ADMIN_PASSWORD)
        self._run("GRANT CREATE USER ON *.* TO %s@'%%'", self.admin)
        self._run("GRANT SELECT ON mysql.* TO %s@'%%'", self.admin)

    @property
    def upstream(self) -> Address:
        return "127.0.0.1", self.server.port

    @property
    def ca(self) -> str:
        return self.server.ca

    def others(self, host: str, port: int) -> Mapping[str, Mapping[str, Any] | None]:
        """The administrator's secret, and a client's certificate."""
        certificate, key = ((self.server.folder / _CERTIFICATE[name]).read_text() for name in ("cert", "key"))
        return {**super().others(host, port), "tls_client": {"certificate": certificate, "private_key": key}}

    def reset(self) -> Values:
        """The first passwords; an account that a rotation made is dropped."""
        self._run("DROP USER IF EXISTS %s@'%%'", f"{self.name}_clone")
        if self._world == REUSE:
            self._run("DROP TABLE IF EXISTS mysql.password_reuse_check_history")  # made again by the server
        if self._world == LOCKS:
            self.do(self.misbehaviours[LOCKS].begin)
            self._run("FLUSH PRIVILEGES")
        return super().reset()

    def set_password(self, name: str, password: str) -> None:
        self._run("ALTER USER %s@'%%' IDENTIFIED BY %s", name, password)

    def accepts(self, username: str, password: str) -> bool:
        """Log in; who may be locked, for whom a login would count, is looked up."""
        if self._world != LOCKS:
            return self.server.accepts(username, password, certificate=self._world == CERTIFICATE)
        kept = "SELECT authentication_string = PASSWORD(%s) FROM mysql.user WHERE User = %s"
        return bool(self._ask(kept, password, username) == ((1,),))

    def follow(self, message: str) -> bool:
        """A person unlocks the user, and sees to it that the next rotation does not lock it again."""
        is_locked = "FLUSH PRIVILEGES" in message
        if is_locked:
            self._run("SET GLOBAL max_password_errors = 1000")
            self._run("FLUSH PRIVILEGES")
        return is_locked

    def logs(self) -> str:
        return self.server.log()[self._before :]

    @contextlib.contextmanager
    def misbehave(self, name: str) -> Iterator[None]:
        with super().misbehave(name):
            self._world = name
            try:
                yield
            finally:
                self._world = ""

    @contextlib.contextmanager
    def without_tls(self) -> Iterator[Address]:
        """On another server, with the same account and administrator; once for each credential."""
        self.server.plain.credential(self.name, self.admin)
        yield "localhost", self.server.plain.port

    def do(self, statements: tuple[str, ...]) -> None:
        for statement in statements:
            with self.server.owner.cursor() as cursor:
                cursor.execute(statement, {"name": self.name, "first": FIRST})

    def _run(self, statement: str, *values: str) -> None:
        self._ask(statement, *values)

    def _ask(self, statement: str, *values: str) -> Any:
        with self.server.owner.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall()


def version() -> str:
    """The version of the installed server. Raises ``RuntimeError`` when there is none."""
    text = subprocess.run([_program("mariadbd"), "--version"], capture_output=True, text=True, check=True).stdout
    return text.split()[2].partition("-")[0]


@contextlib.contextmanager
def start(*, tls: bool = True, **settings: str) -> Iterator[MariaDB]:
    """Run a server until the block ends, with further lines of my.cnf. It takes about two seconds to be ready."""
    server, install = _program("mariadbd"), _program("mariadb-install-db")
    folder, port = Path(tempfile.mkdtemp(prefix="mariadb-")), process.free_port()
    try:
        made = authority.make(folder)
        configuration = _CONFIGURATION + f"port = {port}\n" + (TLS if tls else "skip-ssl\n")
        more = "".join(f"{name} = {value}\n" for name, value in settings.items())
        (folder / "my.cnf").write_text(configuration.format(folder=folder) + more)
        (folder / "start.sql").write_text(
            f"CREATE USER '{SUPERUSER}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON *.* TO '{SUPERUSER}'@'127.0.0.1' WITH GRANT OPTION;\n"
        )
        (folder / "output.log").touch()  # as its own file: a server that may not write its log turns the log off
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, user() or getpass.getuser())
        options = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        with (folder / "output.log").open("ab") as output:
            subprocess.run(
                [install, f"--defaults-file={folder}/my.cnf", *options],
                cwd=folder, user=user(), env=_environment(), stdout=output, stderr=output, check=True,
            )  # fmt: skip
        command = [server, f"--defaults-file={folder}/my.cnf", f"--init-file={folder}/start.sql"]
        running = MariaDB(folder, port, made.pem)
        with process.running(command, folder, user=user(), environment=_environment()) as started:
            process.wait("MariaDB", lambda: ready(running), started, running.log)
            yield running
            running.close()
    finally:
        shutil.rmtree(folder)


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        raise RuntimeError(f"MariaDB is not installed. Install it: {INSTALL}")
    return found


def user() -> str | None:
    """Whom the server runs as, when root starts it."""
    # MariaDB does not run as root; the package has made a user for it.
    return "mysql" if os.geteuid() == 0 else None


def _environment() -> dict[str, str]:
    return {"PATH": f"{os.environ['PATH']}:/usr/sbin", "LC_ALL": "C.UTF-8"}


def ready(server: MariaDB) -> bool:
    """Whether it answers."""
    try:
        server.run("SELECT 1")
    except pymysql.OperationalError:
        return False
    return True
