"""A Redis server with an ACL file, on a free port, in a temporary folder."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from . import authority, process
from .base import USER, Address, Login, Misbehaviour

INSTALL = "apt-get install redis-server"
CHANGES_PASSWORDS = "+acl|getuser +acl|setuser +acl|save +config|rewrite +config|get"
"""What a user needs to change passwords, its own included, and to save them."""


@dataclass
class RedisServer:
    """A server that can be stopped and started again: ``arguments`` are added to redis-server's."""

    folder: Path
    port: int
    arguments: Sequence[str] = ()
    made: authority.Authority | None = None
    """Given: the server speaks TLS only."""
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def ca(self) -> str:
        """Its authority's certificate in PEM; "" without TLS."""
        return self.made.pem if self.made else ""

    def credential(self, name: str = USER, admin: str | None = None, *, may_change_itself: bool = True) -> "User":
        """A user of its own, and an administrator who may change users and nothing else."""
        return User(self, name, admin, may_change_itself=may_change_itself)

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [_program(), str(self.folder / "redis.conf"), *self.arguments]
        started = self._stack.enter_context(process.running(command, self.folder))
        process.wait("Redis", self._ready, started, self.output)

    def stop(self) -> None:
        """Stop it, as a crash does: nothing is saved that was not saved before."""
        self._stack.close()

    def accepts(self, username: str, password: str) -> bool:
        """Whether the user can log in with the password."""
        with self._client(username=username, password=password) as client:
            try:
                return bool(client.ping())
            except redis.exceptions.NoPermissionError:
                return True
            except redis.AuthenticationError:
                return False

    def run(self, *command: str) -> object:
        """A command as the server's own administrator."""
        with self._client(username="root", password="root") as client:
            return client.execute_command(*command)

    def output(self) -> str:
        """What it has logged."""
        return (self.folder / "output.log").read_text()

    def _client(self, username: str, password: str) -> redis.Redis:
        return redis.Redis(
            host="localhost", port=self.port, username=username, password=password, protocol=2, decode_responses=True,
            retry=Retry(NoBackoff(), 0), ssl=bool(self.made),
            ssl_ca_certs=str(self.made.ca) if self.made else None,
        )  # fmt: skip

    def _ready(self) -> bool:
        try:
            self.run("PING")
        except redis.ConnectionError:
            return False
        return True


class User(Login):
    """One ACL user."""

    engine = "redis"
    misbehaviours: ClassVar[Mapping[str, Misbehaviour]] = {
        "replication logs in as this user": Misbehaviour(
            ("CONFIG SET masteruser %(name)s",), ("CONFIG SET masteruser NONE",)
        ),
    }

    def __init__(self, server: RedisServer, name: str, admin: str | None, *, may_change_itself: bool) -> None:
        super().__init__(name, admin)
        self.server, self._before = server, len(server.output())
        self._rights = {name: f"~{USER}:* +get +ping {CHANGES_PASSWORDS if may_change_itself else ''}".split()}
        self._rights[self.admin] = CHANGES_PASSWORDS.split()
        self.reset()

    @property
    def upstream(self) -> Address:
        return "127.0.0.1", self.server.port

    @property
    def ca(self) -> str:
        return self.server.ca

    def set_password(self, name: str, password: str) -> None:
        """This password only."""
        self.server.run("ACL", "SETUSER", name, "reset", "on", f">{password}", *self._rights[name])

    def accepts(self, username: str, password: str) -> bool:
        return self.server.accepts(username, password)

    @contextlib.contextmanager
    def without_tls(self) -> Iterator[Address]:
        """Another server, with the same user."""
        with start(tls=False) as plain:
            plain.credential(self.name, self.admin)
            yield "localhost", plain.port

    def do(self, statements: tuple[str, ...]) -> None:
        for statement in statements:
            words = (word % {"name": self.name} for word in statement.split())
            self.server.run(*("" if word == "NONE" else word for word in words))

    def logs(self) -> str:
        return f"{self.server.run('ACL LIST')}{self.server.run('ACL LOG')}{self.server.output()[self._before :]}"


def version() -> str:
    """The version of the installed server. Raises ``RuntimeError`` when there is none."""
    text = subprocess.run([_program(), "--version"], capture_output=True, text=True, check=True).stdout
    return text.split("v=")[1].split()[0]


@contextlib.contextmanager
def start(*users: str, tls: bool = True, acl_file: bool = True) -> Iterator[RedisServer]:
    """Run a server until the block ends. ``users``: lines of an ACL file, without the word "user".

    There is always a user ``root`` with the password ``root`` and all permissions. With ``tls`` the server speaks TLS
    only. Without ``acl_file`` the users are in redis.conf.
    """
    with TemporaryDirectory(prefix="redis-") as name:
        folder, port = Path(name), process.free_port()
        made = authority.make(folder) if tls else None
        lines = [f"user {user}\n" for user in ("root on >root ~* &* +@all", *users)]
        configuration = [f"dir {folder}\n", "bind 127.0.0.1\n", 'save ""\n', *_ports(port, made)]
        if acl_file:
            (folder / "users.acl").write_text("".join(lines))
            lines = [f"aclfile {folder}/users.acl\n"]
        (folder / "redis.conf").write_text("".join([*configuration, *lines]))
        server = RedisServer(folder, port, made=made)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _program() -> str:
    found = shutil.which("redis-server")
    if found is None:
        raise RuntimeError(f"Redis is not installed. Install it: {INSTALL}")
    return found


def _ports(port: int, made: authority.Authority | None) -> list[str]:
    if made is None:
        return [f"port {port}\n"]
    return [
        "port 0\n",
        f"tls-port {port}\n",
        f"tls-cert-file {made.certificate}\n",
        f"tls-key-file {made.key}\n",
        f"tls-ca-cert-file {made.ca}\n",
        "tls-auth-clients no\n",
    ]
