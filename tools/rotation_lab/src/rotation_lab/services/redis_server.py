"""A Redis server with an ACL file, on a free port, in a temporary folder."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .authority import Authority

INSTALL = "apt-get install redis-server"
START_SECONDS = 20


@dataclass
class RedisServer:
    """A server that can be stopped and started again: ``arguments`` are added to redis-server's."""

    folder: Path
    port: int
    arguments: Sequence[str] = ()
    authority: Authority | None = None
    """Given: the server speaks TLS only."""
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        program = shutil.which("redis-server")
        if program is None:
            raise RuntimeError(f"Redis is not installed. Install it: {INSTALL}")
        with (self.folder / "output.log").open("ab") as output:
            command = [program, str(self.folder / "redis.conf"), *self.arguments]
            self._process = subprocess.Popen(command, cwd=self.folder, stdout=output, stderr=output)
        self._wait()

    def stop(self) -> None:
        """Stop it, as a crash does: nothing is saved that was not saved before."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

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
            retry=Retry(NoBackoff(), 0), ssl=bool(self.authority),
            ssl_ca_certs=str(self.authority.ca) if self.authority else None,
        )  # fmt: skip

    def _wait(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            try:
                self.run("PING")
            except redis.ConnectionError:
                time.sleep(0.02)
            else:
                return
        raise RuntimeError(f"Redis did not start:\n{self.output()[-3000:]}")


def version() -> str:
    """The version of the installed server. Raises ``RuntimeError`` when there is none."""
    program = shutil.which("redis-server")
    if program is None:
        raise RuntimeError(f"Redis is not installed. Install it: {INSTALL}")
    text = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return text.split("v=")[1].split()[0]


@contextlib.contextmanager
def start(*users: str, authority: Authority | None = None, acl_file: bool = True) -> Iterator[RedisServer]:
    """Run a server until the block ends. ``users``: lines of an ACL file, without the word "user".

    There is always a user ``root`` with the password ``root`` and all permissions. With an authority the
    server speaks TLS only. Without ``acl_file`` the users are in redis.conf.
    """
    with TemporaryDirectory(prefix="redis-") as name:
        folder, port = Path(name), _free_port()
        lines = [f"user {user}\n" for user in ("root on >root ~* &* +@all", *users)]
        configuration = [f"dir {folder}\n", "bind 127.0.0.1\n", 'save ""\n']
        if acl_file:
            (folder / "users.acl").write_text("".join(lines))
            configuration.append(f"aclfile {folder}/users.acl\n")
        else:
            configuration += lines
        configuration += _ports(port, authority)
        (folder / "redis.conf").write_text("".join(configuration))
        server = RedisServer(folder, port, authority=authority)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _ports(port: int, authority: Authority | None) -> list[str]:
    if authority is None:
        return [f"port {port}\n"]
    return [
        "port 0\n",
        f"tls-port {port}\n",
        f"tls-cert-file {authority.certificate}\n",
        f"tls-key-file {authority.key}\n",
        f"tls-ca-cert-file {authority.ca}\n",
        "tls-auth-clients no\n",
    ]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
