"""The service *issuer*: a small HTTP API in a process of its own, whose accounts have keys that it issues.

python -m rotation_lab.services.issuer [PORT]     runs it until Ctrl-C, with the account app and one key

Whoever asks logs in with a key of the account, as the bearer, or with the account's administrator token.

GET    /ACCOUNT                 200 for a key that works, else 401
GET    /ACCOUNT/keys            {"keys": [{"id", "name", "created"}]}; 404 where keys are not listed
POST   /ACCOUNT/keys            {"name": ...}: issue a key: {"key": {"id", "value"}, "at"}; 409 when there are too many
DELETE /ACCOUNT/keys/ID         204, or 404
PUT    /ACCOUNT/draft           {"value": ...}: prepare a value of the caller's (422 for a short one) ...
POST   /ACCOUNT/apply           ... which replaces all keys now; 409 where none is prepared
POST   /ACCOUNT/session         {"value": ...}: log in: {"token"}, which is a bearer too
GET, PUT /state/ACCOUNT         what the service keeps of an account, for tests
"""

import contextlib
import json
import re
import secrets
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any

from rotation_lab.leaks import made

from . import authority
from .base import ADMIN_PASSWORD, CHANGED, FIRST, LOST, USER, Address, Service, Values


@dataclass
class Account:
    """What the service keeps of one account."""

    keys: list[dict[str, Any]] = field(default_factory=list)
    """Each with id, value, name and created, in seconds."""
    issued: int = 0
    most: int = 100
    lists: bool = True
    draft: str = ""
    shortest: int = 0
    """Characters that a value of the caller's must have."""
    admin: str = ADMIN_PASSWORD


_accounts: dict[str, Account] = {}
_lock = Lock()


class _Handler(BaseHTTPRequestHandler):
    def _any(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        with _lock:
            status, answer = self._answer(self.command, self.path.strip("/").split("/"), body)
        self.send_response(status)
        data = json.dumps(answer).encode() if answer is not None else b""
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = _any  # noqa: N815 - the names that http.server looks for

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # whoever asked has died
            super().handle()

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, method: str, path: list[str], body: Any) -> tuple[int, Any]:
        if path[0] == "state":
            return _state(method, path[1], body)
        account = _accounts.get(path[0], Account())
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        tokens = [account.admin, *(key["value"] for key in account.keys)]
        if path[1:] == ["session"]:
            return (200, {"token": f"session-{body['value']}"}) if body["value"] in tokens else (401, None)
        if token.removeprefix("session-") not in tokens:
            return 401, None
        return _ACTIONS[method, "/".join(path[1:2])](account, path[-1], body)


def _state(method: str, name: str, body: Any) -> tuple[int, Any]:
    if method == "PUT":
        _accounts[name] = Account(**body)
    return 200, asdict(_accounts.get(name, Account()))


def _listed(account: Account, _: str, __: Any) -> tuple[int, Any]:
    shown = [{name: key[name] for name in ("id", "name", "created")} for key in account.keys]
    return (200, {"keys": shown}) if account.lists else (404, None)


def _issue(account: Account, _: str, body: Any) -> tuple[int, Any]:
    if len(account.keys) >= account.most:
        return 409, None
    account.issued += 1
    made = _key(f"key{account.issued}-{secrets.token_hex(16)}", body.get("name", ""), f"id{account.issued}")
    account.keys.append(made)
    return 201, {"key": {"id": made["id"], "value": made["value"]}, "at": "eu"}


def _delete(account: Account, key_id: str, _: Any) -> tuple[int, Any]:
    before, account.keys = account.keys, [key for key in account.keys if key["id"] != key_id]
    return (404 if len(before) == len(account.keys) else 204), None


def _draft(account: Account, _: str, body: Any) -> tuple[int, Any]:
    if len(body["value"]) < account.shortest:
        return 422, None
    account.draft = body["value"]
    return 204, None


def _apply(account: Account, _: str, __: Any) -> tuple[int, Any]:
    if not account.draft:
        return 409, None
    account.keys, account.draft = [_key(account.draft, "", "own")], ""
    return 204, None


_ACTIONS = {
    ("GET", ""): lambda *_: (200, {"active": True}),
    ("GET", "keys"): _listed,
    ("POST", "keys"): _issue,
    ("DELETE", "keys"): _delete,
    ("PUT", "draft"): _draft,
    ("POST", "apply"): _apply,
}


def _key(value: str, name: str, key_id: str) -> dict[str, Any]:
    return {"id": key_id, "value": value, "name": name, "created": time.time()}


class Issuer:
    """A service that is running."""

    def __init__(self, port: int, ca: str = "") -> None:
        self.port, self.ca = port, ca
        self.url = f"{'https' if ca else 'http'}://localhost:{port}"
        self._trust = ssl.create_default_context(cadata=ca) if ca else None

    def credential(self, name: str = USER, *, most: int = 100, lists: bool = True, ours: bool = False) -> "Owner":
        """An account of its own. ``most``: how many keys it may have. ``ours``: the value is not issued but set."""
        return Owner(self, name, most=most, lists=lists, ours=ours)

    def state(self, name: str) -> Account:
        """What it keeps of an account."""
        return Account(**json.loads(self._ask(urllib.request.Request(f"{self.url}/state/{name}"))))

    def put(self, name: str, state: Account) -> None:
        """Make an account, or change what is kept of it."""
        data = json.dumps(asdict(state)).encode()
        self._ask(urllib.request.Request(f"{self.url}/state/{name}", data, method="PUT"))

    def _ask(self, request: urllib.request.Request) -> bytes:
        with urllib.request.urlopen(request, timeout=20, context=self._trust) as answer:
            return bytes(answer.read())


class Owner(Service):
    """One account, whose keys ``value`` and ``id`` are in a secret."""

    def __init__(self, issuer: Issuer, name: str, *, most: int, lists: bool, ours: bool) -> None:
        self.issuer, self.name, self._ours = issuer, name, ours
        self._usual: dict[str, Any] = {"most": most, "lists": lists}
        self.reset()

    @property
    def upstream(self) -> Address:
        return "127.0.0.1", self.issuer.port

    @property
    def ca(self) -> str:
        return self.issuer.ca

    def known(self, host: str, port: int) -> Mapping[str, Any]:
        return {"engine": "api", "host": host, "port": port, "account": self.name}

    def others(self, host: str, port: int) -> Mapping[str, Mapping[str, Any] | None]:
        """The administrator's secret."""
        return {"admin": {"username": f"{self.name}_admin", "password": ADMIN_PASSWORD}}

    def reset(self) -> Values:
        return self._put(FIRST, 0)

    def change(self) -> Values:
        return self._put(CHANGED, self.issued())

    def lock_out(self) -> None:
        self._put(LOST, self.issued(), admin=LOST)

    def opens(self, text: str) -> bool:
        return json.loads(text)["value"] in [key["value"] for key in self.issuer.state(self.name).keys]

    def issued(self) -> int:
        """How many keys it has issued since the last reset."""
        return self.issuer.state(self.name).issued

    def working(self) -> list[dict[str, Any]]:
        """The keys that work, oldest first."""
        return self.issuer.state(self.name).keys

    def later(self, time: timedelta) -> None:
        """All keys become so much older."""
        state = self.issuer.state(self.name)
        for key in state.keys:
            key["created"] -= time.total_seconds()
        self.issuer.put(self.name, state)

    def follow(self, message: str) -> bool:
        """Delete the keys that the message names, or the oldest where it says to delete what is not used."""
        state = self.issuer.state(self.name)
        words = re.findall(r"[\w-]+", message)
        named = [key for key in state.keys if {key["name"], key["id"]} & {*words}]
        if not named and "delete at the service" in message:
            named = state.keys[:1]
        state.keys = [key for key in state.keys if key not in named]
        self.issuer.put(self.name, state)
        return bool(named)

    def _put(self, value: str, issued: int, admin: str = ADMIN_PASSWORD) -> Values:
        key = {**_key(value, "", f"hand{issued}"), "created": (datetime.now(UTC) - timedelta(days=30)).timestamp()}
        self.issuer.put(self.name, Account(keys=[key], issued=issued, admin=admin, **self._usual))
        return {"value": made(value)} | ({} if self._ours else {"id": key["id"]})


@contextlib.contextmanager
def start(port: int = 0, *, tls: bool = False) -> Iterator[Issuer]:
    """Run it until the block ends, on a free port unless one is given."""
    with tempfile.TemporaryDirectory() as folder:
        made = authority.make(Path(folder)) if tls else None
        command = [sys.executable, "-m", __name__, str(port), *([str(made.certificate), str(made.key)] if made else [])]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                found = int(process.stdout.readline().split()[0].rpartition(":")[2])
                yield Issuer(found, made.pem if made else "")
            finally:
                process.terminate()


if __name__ == "__main__":
    _accounts["app"] = Account(keys=[_key("first-key", "", "id0")])
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8098), _Handler)
    if len(sys.argv) > 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*sys.argv[2:4])
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(f"http://localhost:{server.server_port} has an account app, key first-key; Ctrl-C ends it", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
