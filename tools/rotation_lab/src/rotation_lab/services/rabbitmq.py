"""A RabbitMQ server with its management API, on free ports, in a temporary folder."""

import base64
import contextlib
import json
import os
import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from . import authority, process
from .base import USER, Address, Login

PROGRAM = "/usr/lib/rabbitmq/bin/rabbitmq-server"
"""Debian's own wrapper in /usr/sbin changes the user to rabbitmq, who may not write in our folder."""
INSTALL = "apt-get install rabbitmq-server"
ADMIN, PASSWORD = "admin", "hQ7-mK2x-Zp9w"


@dataclass(frozen=True)
class RabbitMQ:
    """A running server, at ``localhost``. ``ca``: its authority's certificate in PEM; "" without TLS.

    ``admin`` may do everything; its password is ``admin_password``.
    """

    folder: Path
    port: int
    ca: str
    admin: str = ADMIN
    admin_password: str = PASSWORD

    def credential(self, name: str = USER, admin: str | None = None, *, may_change_itself: bool = True) -> "User":
        """A user of its own, and an administrator who may change users."""
        return User(self, name, admin, may_change_itself=may_change_itself)

    @property
    def url(self) -> str:
        """Of the management API."""
        return f"{'https' if self.ca else 'http'}://localhost:{self.port}"

    def request(self, path: str, username: str = "", password: str = "") -> urllib.request.Request:
        """A request to the management API, with basic authentication, by default as the administrator."""
        login = f"{username}:{password}" if username else f"{self.admin}:{self.admin_password}"
        authorization = "Basic " + base64.b64encode(login.encode()).decode()
        return urllib.request.Request(self.url + path, headers={"Authorization": authorization})

    def status(self, request: urllib.request.Request) -> int:
        """The status that the API answers with."""
        try:
            with urllib.request.urlopen(request, timeout=10, context=self._trust) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    @cached_property
    def _trust(self) -> ssl.SSLContext | None:
        return ssl.create_default_context(cadata=self.ca) if self.ca else None

    def output(self) -> str:
        """What it has logged."""
        logs = [self.folder / "output.log", *(self.folder / "log").glob("*.log")]
        return "".join(log.read_text(errors="replace") for log in logs)

    def put_user(self, name: str, password: str, tags: str) -> None:
        """Create a user, or set its password and tags."""
        request = self.request(f"/api/users/{name}")
        request.method, request.data = "PUT", json.dumps({"password": password, "tags": tags}).encode()
        request.add_header("Content-Type", "application/json")
        if self.status(request) not in (201, 204):
            raise RuntimeError(f"RabbitMQ did not take the user {name}.")

    def accepts(self, username: str, password: str) -> bool:
        """Whether the user can log in."""
        return self.status(self.request("/api/whoami", username, password)) == 200


class User(Login):
    """One user of the management API; RabbitMQ lets only administrators change users, themselves included."""

    engine = "rabbitmq"

    def __init__(self, server: RabbitMQ, name: str, admin: str | None, *, may_change_itself: bool) -> None:
        super().__init__(name, admin)
        self.server, self._before = server, len(server.output())
        self.tags = "administrator" if may_change_itself else "management"
        self.reset()

    @property
    def upstream(self) -> Address:
        return "127.0.0.1", self.server.port

    @property
    def ca(self) -> str:
        return self.server.ca

    def set_password(self, name: str, password: str) -> None:
        self.server.put_user(name, password, "administrator" if name == self.admin else self.tags)

    def accepts(self, username: str, password: str) -> bool:
        return self.server.accepts(username, password)

    def logs(self) -> str:
        return self.server.output()[self._before :]


def version() -> str:
    """The version of the installed server. Raises ``RuntimeError`` when there is none."""
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*"))
    if not found or not Path(PROGRAM).exists():
        raise RuntimeError(f"RabbitMQ is not installed. Install it: {INSTALL}")
    return found[-1].name.partition("-")[2]


@contextlib.contextmanager
def start(*, tls: bool = True) -> Iterator[RabbitMQ]:
    """Run a server until the block ends; with TLS its API is reached by no other way. It takes a few seconds."""
    version()  # is there one?
    with TemporaryDirectory(prefix="rabbitmq-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        made = authority.make(folder) if tls else None
        ports = dict(zip(("epmd", "dist", "amqp", "http"), process.free_ports(4), strict=True))
        environment = _environment(folder, ports, made)
        # Our own epmd: the one that Erlang starts by itself is a daemon that nothing stops.
        for command in ([_epmd(), "-port", str(ports["epmd"])], [PROGRAM]):
            running = process.running(command, folder, environment=environment, family=True)
            started = stack.enter_context(running)
        server = RabbitMQ(folder, ports["http"], made.pem if made else "")
        process.wait("RabbitMQ", lambda: _ready(server), started, server.output)
        yield server


def _environment(folder: Path, ports: dict[str, int], made: authority.Authority | None) -> dict[str, str]:
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{ports['amqp']}\n"
        f"default_user = {ADMIN}\ndefault_pass = {PASSWORD}\n" + _management(ports["http"], made)
    )
    (folder / "plugins").write_text("[rabbitmq_management].\n")
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),  # the cookie
        "LANG": "C.UTF-8",
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(ports["epmd"]),
        "RABBITMQ_NODENAME": f"rotation{ports['http']}@localhost",
        "RABBITMQ_DIST_PORT": str(ports["dist"]),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),  # not the machine's own
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}",
    }


def _management(port: int, made: authority.Authority | None) -> str:
    kind = "ssl" if made else "tcp"
    lines = [f"management.{kind}.ip = 127.0.0.1", f"management.{kind}.port = {port}"]
    if made is not None:
        lines += [
            f"management.ssl.cacertfile = {made.ca}",
            f"management.ssl.certfile = {made.certificate}",
            f"management.ssl.keyfile = {made.key}",
        ]
    return "\n".join(lines) + "\n"


def _epmd() -> str:
    found = shutil.which("epmd") or next(map(str, Path("/usr/lib/erlang").glob("erts-*/bin/epmd")), None)
    if found is None:
        raise RuntimeError(f"Erlang's epmd is not installed. Install it: {INSTALL}")
    return found


def _ready(server: RabbitMQ) -> bool:
    """Whether the API answers."""
    try:
        return server.accepts(server.admin, server.admin_password)
    except OSError:
        return False
