"""The service *door*: a small HTTP API in a process of its own, with users that have a password and keys it issues.

python -m rotation_lab.services.door [PORT]     runs it until Ctrl-C, with the user app and the password first-password

GET    any path             whoever logs in (basic authentication) gets 200, else 401
PUT    any path             {"password": "..."}: change the password of whoever logs in
POST   /keys                issue a key (at most three) to whoever logs in with one: {"key": "..."}
DELETE /keys                all but the one that logs in and the one in the header X-Keep
GET, PUT /state/USER        what the service keeps of a user, for tests; a user that is put is there
"""

import base64
import contextlib
import hashlib
import json
import secrets
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .base import CHANGED, FIRST, LOST, USER, Address, Service, Values

MOST_KEYS, LOCKED_AFTER = 3, 3
LONG = "answers after six seconds"
"""The world in which a rotation takes long."""
LATER, CLOSED = "a change takes effect later", "a change takes effect later, and nothing is accepted until then"


@dataclass
class State:
    """What the service keeps of one user. ``former``: hashes of all passwords that it had."""

    password: str = ""
    keys: list[str] = field(default_factory=list)
    issued: int = 0
    former: list[str] = field(default_factory=list)
    wrong: int = 0
    """Wrong passwords since the last right one."""
    delay: float = 0.0
    """Seconds before each answer."""
    locks: bool = False
    """Whether the user is locked after three wrong passwords."""
    remembers: bool = False
    """Whether a password that the user had before is refused."""
    later: int = 0
    """Logins that come before a change takes effect; to ask for it again counts anew. It has no clock to wait for."""
    closed: bool = False
    """Whether no password is accepted in the meantime."""
    coming: str = ""
    """The password that has been asked for and is not in effect yet."""
    left: int = 0
    """Logins that come before it is."""


_users: dict[str, State] = {}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self._for_tests:
            self._answer(200, asdict(_users.get(self._for_tests, State())))
        else:
            self._answer(200 if self._login() else 401)

    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._for_tests:
            _users[self._for_tests] = State(**body)
            self._answer(204)
        else:
            self._answer(self._set_password(body["password"]) if self._login() else 401)

    def do_POST(self) -> None:
        login = self._login()
        if login is None or login not in self._user.keys:
            self._answer(401)
        elif len(self._user.keys) >= MOST_KEYS:
            self._answer(409)
        else:
            self._user.issued += 1
            self._user.keys.append(f"key{self._user.issued}-{secrets.token_hex(12)}")
            self._answer(200, {"key": self._user.keys[-1]})

    def do_DELETE(self) -> None:
        login = self._login()
        if login in self._user.keys:
            self._user.keys = [key for key in self._user.keys if key in (login, self.headers.get("X-Keep"))]
        self._answer(204 if login else 401)

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # whoever asked has died
            super().handle()

    def log_message(self, *_: Any) -> None:
        pass

    @property
    def _for_tests(self) -> str:
        return self.path.removeprefix("/state/") if self.path.startswith("/state/") else ""

    @property
    def _user(self) -> State:
        return _users.get(self._basic()[0], State())

    def _basic(self) -> tuple[str, str]:
        scheme, _, text = self.headers.get("Authorization", "").partition(" ")
        name, _, password = base64.b64decode(text if scheme == "Basic" else "").decode().partition(":")
        return name, password

    def _login(self) -> str | None:
        """The password or key that logs in; None when it is refused."""
        user, password = self._user, self._basic()[1]
        time.sleep(user.delay)
        is_accepted = _is_accepted(user, password)
        _pass(user)
        user.wrong = 0 if is_accepted else user.wrong + 1
        return password if is_accepted else None

    def _set_password(self, password: str) -> int:
        user = self._user
        if user.remembers and _hash(password) in user.former:
            return 422
        user.former.append(_hash(password))
        user.coming, user.left = password, user.later
        _pass(user)
        return 204

    def _answer(self, status: int, body: Any = None) -> None:
        data = json.dumps(body).encode() if body is not None else b""
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _pass(user: State) -> None:
    """One login less before the change takes effect."""
    if user.coming and not user.left:
        user.password, user.coming = user.coming, ""
    user.left = max(user.left - 1, 0)


def _is_accepted(user: State, password: str) -> bool:
    is_closed = _is_locked(user) or (user.closed and user.coming)
    return bool(password) and not is_closed and password in (user.password, *user.keys)


def _is_locked(user: State) -> bool:
    return user.locks and user.wrong >= LOCKED_AFTER


def _hash(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


class Door:
    """A service that is running."""

    def __init__(self, port: int) -> None:
        self.port, self.url = port, f"http://localhost:{port}"

    def credential(self, name: str = USER, *, key: str = "password", issues: bool = False) -> "User":
        """A user of its own. ``key``: the secret's key with the value; "" for a plain-text secret.

        ``issues``: the value is a key that the service issues, and no password.
        """
        return User(self, name, key, issues=issues)

    def state(self, name: str) -> State:
        """What it keeps of a user."""
        with urllib.request.urlopen(f"{self.url}/state/{name}", timeout=20) as answer:
            return State(**json.loads(answer.read()))

    def put(self, name: str, state: State) -> None:
        """Make a user, or change what is kept of it."""
        data = json.dumps(asdict(state)).encode()
        urllib.request.urlopen(
            urllib.request.Request(f"{self.url}/state/{name}", data, method="PUT"), timeout=20
        ).close()


class User(Service):
    """One user, who changes its own password or has keys issued."""

    misbehaviours: Mapping[str, Mapping[str, Any]] = {
        LONG: {"delay": 6.0},
        "answers slowly": {"delay": 0.2},
        "locked after three wrong passwords": {"locks": True},
        "refuses a former password": {"remembers": True},
        LATER: {"later": 3},
        CLOSED: {"later": 3, "closed": True},
    }
    worlds = tuple(misbehaviours)

    def __init__(self, door: Door, name: str, key: str, *, issues: bool) -> None:
        self.door, self.name, self._key, self._issues = door, name, key, issues
        self._odd: Mapping[str, Any] = {}
        self.reset()

    @property
    def upstream(self) -> Address:
        return "127.0.0.1", self.door.port

    def known(self, host: str, port: int) -> Mapping[str, Any]:
        return {"engine": "api", "host": host, "port": port, "username": self.name}

    def reset(self) -> Values:
        """One password, or one key."""
        return self._put(FIRST)

    def change(self) -> Values:
        """Another password, or another key, in place of what there was."""
        return self._put(CHANGED, issued=self.issued())

    def lock_out(self) -> None:
        self._put(LOST, issued=self.issued())

    def opens(self, text: str) -> bool:
        """Whether the value in the text logs in once a change is in effect and the user is not locked.

        It is not counted as a login.
        """
        with contextlib.suppress(ValueError):
            text = json.loads(text)[self._key]
        state = replace(self.door.state(self.name), wrong=0, left=0)
        _pass(state)
        return _is_accepted(state, text)

    def follow(self, message: str) -> bool:
        """A person unlocks the user, and sees to it that the next rotation does not lock it again."""
        state = self.door.state(self.name)
        if _is_locked(state):
            self.door.put(self.name, replace(state, wrong=0, locks=False))
        return _is_locked(state)

    def issued(self) -> int:
        return self.door.state(self.name).issued

    @contextlib.contextmanager
    def misbehave(self, name: str) -> Iterator[None]:
        odd = self._odd = self.misbehaviours[name]
        self.door.put(self.name, State(**{**asdict(self.door.state(self.name)), **odd}))
        try:
            yield
        finally:
            self._odd = {}
            usual = {name: getattr(State(), name) for name in ("wrong", *odd)}
            self.door.put(self.name, State(**{**asdict(self.door.state(self.name)), **usual}))

    def _put(self, value: str, issued: int = 0) -> Values:
        kept = State(keys=[value], issued=issued) if self._issues else State(value, former=[_hash(value)])
        self.door.put(self.name, State(**{**asdict(kept), **self._odd}))
        return {self._key: value}


@contextlib.contextmanager
def start(port: int = 0) -> Iterator[Door]:
    """Run it until the block ends, on a free port unless one is given."""
    command = [sys.executable, "-m", __name__, str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Door(int(process.stdout.readline().split()[0].rpartition(":")[2]))
        finally:
            process.terminate()


if __name__ == "__main__":
    _users["app"] = State("first-password")
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8099), _Handler)
    print(f"http://localhost:{server.server_port} has a user app, password first-password; Ctrl-C ends it", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
