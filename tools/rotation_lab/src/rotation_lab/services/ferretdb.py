"""FerretDB: a server that speaks MongoDB's protocol, with TLS, over SQLite in a temporary folder.

MongoDB itself is in no package index. FERRETDB is the path of the program, which must be built from version 1.24 with
Go's tag ``ferretdb_no_postgresql``; without it, ``ferretdb`` on PATH.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from . import authority, process
from .base import USER, Address, Login

INSTALL = "go_tools.py ferretdb of the repository builds it; then FERRETDB=<path of the program>"
OWNER, PASSWORD = "owner", "owner-password"
DATABASE = "app"
"""The one that the rotated users are of; administrators are of ``admin``."""
_REFUSED = 18


@dataclass
class FerretDB:
    """A running server, at ``localhost``. ``ca``: its authority's certificate in PEM; the port speaks TLS then."""

    folder: Path
    port: int
    plain_port: int
    ca: str
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def credential(self, name: str = USER, admin: str | None = None) -> "User":
        """A user of its own, and another one, who may change it: here every user may."""
        return User(self, name, admin)

    def run(self, database: str, command: dict[str, Any]) -> dict[str, Any]:
        """A command as the owner. Raises ``pymongo.errors.OperationFailure``."""
        return dict(self.owner[database].command(command))

    @cached_property
    def owner(self) -> Any:
        """A client as the owner, which stays open."""
        return self._stack.enter_context(self._client(OWNER, PASSWORD, "admin"))

    def close(self) -> None:
        """End the connections."""
        self._stack.close()

    def accepts(self, name: str, password: str, database: str, mechanism: str | None = None) -> bool:
        """Whether the user can log in with the password."""
        with self._client(name, password, database, mechanism) as client:
            try:
                client[database].command("ping")
            except OperationFailure as error:
                if error.code != _REFUSED:
                    raise
                return False
            return True

    def log(self) -> str:
        """All that it has logged."""
        return (self.folder / process.LOG).read_text(errors="replace")

    def _client(self, name: str, password: str, database: str, mechanism: str | None = None) -> Any:
        way: dict[str, Any] = {"authMechanism": mechanism} if mechanism else {}
        return MongoClient[dict[str, Any]](
            "localhost", self.plain_port, username=name, password=password, authSource=database,
            directConnection=True, serverSelectionTimeoutMS=20_000, **way,
        )  # fmt: skip


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
            running.close()
    finally:
        shutil.rmtree(folder)


def _answers(server: FerretDB) -> bool:
    try:
        return bool(server.run("admin", {"ping": 1}))
    except PyMongoError:
        return False


def _program(given: Path | None) -> str:
    found = given or os.environ.get("FERRETDB") or shutil.which("ferretdb")
    if found is None or not Path(found).is_file():
        raise RuntimeError(f"FerretDB is not installed. Install it: {INSTALL}")
    return str(found)
