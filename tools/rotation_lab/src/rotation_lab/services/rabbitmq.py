"""A RabbitMQ server with its management API, on free ports, in a temporary folder."""

import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from . import authority

PROGRAM = "/usr/lib/rabbitmq/bin/rabbitmq-server"
"""Debian's own wrapper in /usr/sbin changes the user to rabbitmq, who may not write in our folder."""
INSTALL = "apt-get install rabbitmq-server"
START_SECONDS = 60
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

    @property
    def url(self) -> str:
        """Of the management API."""
        return f"{'https' if self.ca else 'http'}://localhost:{self.port}"

    def request(self, path: str, username: str = "", password: str = "") -> urllib.request.Request:
        """A request to the management API, with basic authentication, as the administrator unless told otherwise."""
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
        ports = dict(zip(("epmd", "dist", "amqp", "http"), _free_ports(4), strict=True))
        environment = _environment(folder, ports, made)
        # Our own epmd: the one that Erlang starts by itself is a daemon that nothing stops.
        stack.enter_context(_running([_epmd(), "-port", str(ports["epmd"])], environment, folder))
        process = stack.enter_context(_running([PROGRAM], environment, folder))
        server = RabbitMQ(folder, ports["http"], made.pem if made else "")
        _wait(server, process)
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


@contextlib.contextmanager
def _running(command: list[str], environment: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "output.log").open("ab") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Erlang has children of its own; they end together
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(server: RabbitMQ, process: subprocess.Popen[bytes]) -> None:
    """Wait until the API answers."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            if server.accepts(server.admin, server.admin_password):
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"RabbitMQ did not start:\n{server.output()[-3000:]}")


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
