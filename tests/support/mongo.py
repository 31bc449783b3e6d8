"""A stand-in for MongoDB with what FerretDB lacks: roles, secondaries, and any answer that a test gives.

It checks logins by SCRAM, and encodes and decodes BSON with pymongo's package.
"""

import base64
import hashlib
import hmac
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import bson

from secret_rotation.targets.databases.scram import prepare
from tests.unit.kit.servers import serving

Document = dict[str, Any]
Answer = Document | Callable[[], Document]
SALT, NONCE = b"0123456789abcdef", "server-nonce"
SHA_1, SHA_256 = "SCRAM-SHA-1", "SCRAM-SHA-256"


@dataclass
class User:
    """One user of a database."""

    password: str
    mechanisms: list[str] = field(default_factory=lambda: [SHA_1, SHA_256])
    about: Document = field(default_factory=dict)
    """What ``usersInfo`` says besides: roles, inheritedRoles, inheritedPrivileges."""


@dataclass
class Mongo:
    """A member: ``answers`` has the answer to a command by its name, in place of the usual one."""

    users: dict[str, User] = field(default_factory=dict)
    """``database.name`` => the user."""
    primary: bool = True
    iterations: int = 4096
    says_mechanisms: bool = True
    answers: dict[str, Answer] = field(default_factory=dict)
    commands: list[Document] = field(default_factory=list)
    """What it was asked, without the logins."""
    logins: list[tuple[str, bool]] = field(default_factory=list)

    def talk(self, connection: socket.socket, over: threading.Event) -> None:
        """Answer one client."""
        login: dict[str, Any] = {}
        while not over.is_set():
            head = connection.recv(16, socket.MSG_WAITALL)
            if len(head) < 16:
                return
            length, number, _, kind = struct.unpack("<iiii", head)
            body = connection.recv(length - 16, socket.MSG_WAITALL)
            assert (kind, body[:5]) == (2013, bytes(5))
            answer = bson.encode(self._answer(bson.decode(body[5:]), login))
            message = struct.pack("<iB", 0, 0) + answer
            connection.sendall(struct.pack("<iiii", 16 + len(message), 7, number, 2013) + message)

    def _answer(self, command: Document, login: Document) -> Document:
        name = next(iter(command))
        if not name.startswith("sasl"):
            self.commands.append(command)
        given = self.answers.get(name)
        if given is not None:
            return given() if callable(given) else given
        found: Document = getattr(self, f"_{name}")(command, login)
        return {"ok": 1.0, **found}

    def _isMaster(self, command: Document, _: Document) -> Document:  # noqa: N802 - the command's name
        user = self.users.get(command["saslSupportedMechs"])
        known = {"saslSupportedMechs": user.mechanisms} if user and self.says_mechanisms else {}
        return {"ismaster": self.primary, "secondary": not self.primary, **known}

    def _saslStart(self, command: Document, login: Document) -> Document:  # noqa: N802
        first = command["payload"].decode().removeprefix("n,,")
        name, nonce = (part.split("=", 1)[1] for part in first.split(","))
        name = name.replace("=2C", ",").replace("=3D", "=")
        said = f"r={nonce}{NONCE},s={base64.b64encode(SALT).decode()},i={self.iterations}"
        login.update(name=name, database=command["$db"], first=first, said=said, mechanism=command["mechanism"])
        return {"conversationId": 1, "done": False, "payload": said.encode()}

    def _saslContinue(self, command: Document, login: Document) -> Document:  # noqa: N802
        user = self.users.get(f"{login['database']}.{login['name']}")
        final, proof = command["payload"].decode().rsplit(",p=", 1)
        text = ",".join((login["first"], login["said"], final)).encode()
        ok = bool(user and login["mechanism"] in user.mechanisms)
        expected, signature = _proofs(user.password if user else "", login, text, self.iterations)
        ok = ok and hmac.compare_digest(expected, base64.b64decode(proof))
        self.logins.append((login["name"], ok))
        if not ok:
            return refusal(18, "AuthenticationFailed")
        return {"conversationId": 1, "done": True, "payload": b"v=" + base64.b64encode(signature)}

    def _usersInfo(self, command: Document, _: Document) -> Document:  # noqa: N802
        asked = command["usersInfo"]
        user = self.users.get(f"{asked['db']}.{asked['user']}")
        return {"users": [{"user": asked["user"], "mechanisms": user.mechanisms, **user.about}] if user else []}

    def _updateUser(self, command: Document, _: Document) -> Document:  # noqa: N802
        user = self.users[f"{command['$db']}.{command['updateUser']}"]
        user.password, user.mechanisms = command["pwd"], command.get("mechanisms", [SHA_1, SHA_256])
        return {}


def refusal(code: int, name: str = "s3cret", text: str = "s3cret") -> Document:
    """An answer that refuses a command."""
    return {"ok": 0.0, "errmsg": text, "code": code, "codeName": name}


def _proofs(password: str, login: Mapping[str, Any], text: bytes, iterations: int) -> tuple[bytes, bytes]:
    digest = "sha1" if login["mechanism"] == SHA_1 else "sha256"
    raw = prepare(password)
    if digest == "sha1":
        raw = hashlib.md5(f"{login['name']}:mongo:{password}".encode()).hexdigest().encode()
    salted = hashlib.pbkdf2_hmac(digest, raw, SALT, iterations)
    client = hmac.digest(salted, b"Client Key", digest)
    signature = hmac.digest(hashlib.new(digest, client).digest(), text, digest)
    proof = bytes(a ^ b for a, b in zip(client, signature, strict=True))
    return proof, hmac.digest(hmac.digest(salted, b"Server Key", digest), text, digest)


@contextmanager
def running(member: Mongo) -> Iterator[int]:
    """The port at which a member answers."""
    with serving(member.talk) as port:
        yield port
