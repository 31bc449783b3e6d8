"""FerretDB: a server that speaks MongoDB's protocol, with TLS, over SQLite in a temporary folder.

MongoDB itself is in no package index. FERRETDB is the path of the program, which must be built from version 1.24 with
Go's tag ``ferretdb_no_postgresql``; without it, ``ferretdb`` on PATH.
"""

import contextlib
import hashlib
import os
import shutil
import socket
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bson
from scramp import ScramClient

from . import authority, process
from .base import USER, Address, Login

INSTALL = "go_tools.py ferretdb of the repository builds it; then FERRETDB=<path of the program>"
OWNER, PASSWORD = "owner", "owner-password"
DATABASE = "app"
"""The one that the rotated users are of; administrators are of ``admin``."""
_REFUSED, _OP_MSG = 18, 2013


class RefusedError(Exception):
    """The server's refusal of a command; its text may repeat the command."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        super().__init__(answer.get("errmsg"))
        self.code = answer.get("code")


class Session:
    """A connection that has logged in. pymongo's own client leaves threads behind, which sleep and wake in tests."""

    def __init__(self, port: int, name: str, password: str, database: str) -> None:
        self._socket, self._database = socket.create_connection(("127.0.0.1", port), 20), database
        try:
            self._log_in(name, password)
        except BaseException:
            self.close()
            raise

    def command(self, database: str, command: Mapping[str, Any]) -> dict[str, Any]:
        """The answer. Raises ``RefusedError``."""
        body = struct.pack("<iB", 0, 0) + bson.encode({**command, "$db": database})
        self._socket.sendall(struct.pack("<iiii", 16 + len(body), 1, 0, _OP_MSG) + body)
        (size,) = struct.unpack("<i", self._receive(4))
        answer: dict[str, Any] = bson.decode(self._receive(size - 4)[17:])
        if not answer.get("ok"):
            raise RefusedError(answer)
        return answer

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def _receive(self, size: int) -> bytes:
        found = self._socket.recv(size, socket.MSG_WAITALL)
        if len(found) < size:
            raise ConnectionResetError("FerretDB has closed the connection.")
        return found

    def _log_in(self, name: str, password: str) -> None:
        hello = self.command("admin", {"isMaster": 1, "saslSupportedMechs": f"{self._database}.{name}"})
        mechanism = max(hello.get("saslSupportedMechs") or ["SCRAM-SHA-1"])
        if mechanism == "SCRAM-SHA-1":
            password = hashlib.md5(f"{name}:mongo:{password}".encode(), usedforsecurity=False).hexdigest()
        scram = ScramClient([mechanism], name, password)
        first = {"saslStart": 1, "mechanism": mechanism, "payload": scram.get_client_first().encode()}
        answer = self.command(self._database, first)
        scram.set_server_first(answer["payload"].decode())
        goes_on = {"saslContinue": 1, "conversationId": answer["conversationId"]}
        answer = self.command(self._database, {**goes_on, "payload": scram.get_client_final().encode()})
        if not answer["done"]:
            self.command(self._database, {**goes_on, "payload": b""})


@dataclass
class FerretDB:
    """A running server, at ``localhost``. ``ca``: its authority's certificate in PEM; the port speaks TLS then."""

    folder: Path
    port: int
    plain_port: int
    ca: str

    def credential(self, name: str = USER, admin: str | None = None) -> "User":
        """A user of its own, and another one, who may change it: here every user may."""
        return User(self, name, admin)

    def run(self, database: str, command: Mapping[str, Any]) -> dict[str, Any]:
        """A command as the owner. Raises ``RefusedError``."""
        with closing(Session(self.plain_port, OWNER, PASSWORD, "admin")) as session:
            return session.command(database, command)

    def accepts(self, name: str, password: str, database: str) -> bool:
        """Whether the user can log in with the password."""
        try:
            Session(self.plain_port, name, password, database).close()
        except RefusedError as error:
            if error.code != _REFUSED:
                raise
            return False
        return True

    def log(self) -> str:
        """All that it has logged."""
        return (self.folder / process.LOG).read_text(errors="replace")


class User(Login):
    """One user of the database ``app``."""

    engine = "mongo"

    def __init__(self, server: FerretDB, name: str, admin: str | None) -> None:
        super().__init__(name, admin)
        self.server, self._before = server, len(server.log())
        for user, database in self._databases().items():
            server.run(database, {"createUser": user, "pwd": PASSWORD, "roles": []})
        self.reset()

    @property
    def more(self) -> dict[str, str]:  # type: ignore[override]
        return {"dbname": DATABASE}

    @property
    def upstream(self) -> Address:
        return "127.0.0.1", self.server.port if self.server.ca else self.server.plain_port

    @property
    def ca(self) -> str:
        return self.server.ca

    def others(self, host: str, port: int) -> dict[str, Any]:
        found = super().others(host, port)["admin"] or {}
        return {"admin": {name: value for name, value in found.items() if name != "dbname"}}

    def set_password(self, name: str, password: str) -> None:
        self.server.run(self._databases()[name], {"updateUser": name, "pwd": password})

    def accepts(self, username: str, password: str) -> bool:
        return self.server.accepts(username, password, self._databases().get(username, DATABASE))

    def logs(self) -> str:
        return self.server.log()[self._before :]

    @contextlib.contextmanager
    def without_tls(self) -> Iterator[Address]:
        """The port that speaks no TLS."""
        yield "localhost", self.server.plain_port

    def _databases(self) -> dict[str, str]:
        return {self.name: DATABASE, self.admin: "admin"}


def version() -> str:
    """The version of the program. Raises ``RuntimeError`` when there is none."""
    text = subprocess.run([_program(None), "--version"], capture_output=True, text=True, check=True).stdout
    return text.split("version: ", 1)[1].split()[0].removeprefix("v")


@contextlib.contextmanager
def start(program: Path | None = None, *, tls: bool = True) -> Iterator[FerretDB]:
    """Run a server until the block ends. Its plain port is always there. It takes half a second to be ready."""
    found, folder = _program(program), Path(tempfile.mkdtemp(prefix="ferretdb-"))
    port, plain = process.free_ports(2)
    try:
        made = authority.make(folder)
        (folder / "data").mkdir()
        running = FerretDB(folder, port, plain, made.pem if tls else "")
        options = {
            "handler": "sqlite", "sqlite-url": f"file:{folder}/data/", "state-dir": str(folder), "debug-addr": "-",
            "telemetry": "disable", "listen-addr": f"127.0.0.1:{plain}", "setup-username": OWNER,
            "setup-password": PASSWORD, "setup-database": "admin",
        }  # fmt: skip
        if tls:
            files = {"listen-tls-cert-file": str(made.certificate), "listen-tls-key-file": str(made.key)}
            options |= {"listen-tls": f"127.0.0.1:{port}", **files}
        command = [found, "--test-enable-new-auth", *(f"--{name}={value}" for name, value in options.items())]
        with process.running(command, folder) as started:
            process.wait("FerretDB", lambda: _answers(running), started, running.log)
            yield running
    finally:
        shutil.rmtree(folder)


def _answers(server: FerretDB) -> bool:
    try:
        return bool(server.run("admin", {"ping": 1}))
    except (OSError, RefusedError):
        return False


def _program(given: Path | None) -> str:
    found = given or os.environ.get("FERRETDB") or shutil.which("ferretdb")
    if found is None or not Path(found).is_file():
        raise RuntimeError(f"FerretDB is not installed. Install it: {INSTALL}")
    return str(found)
