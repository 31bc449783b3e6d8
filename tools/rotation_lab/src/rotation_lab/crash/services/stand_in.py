"""A small HTTP API in a process of its own: users with a password, and keys that it issues itself.

GET    /me                  whoever logs in (basic authentication) is told 200, else 401
PUT    /password            {"password": "..."}: change the password of whoever logs in
POST   /keys                issue a key (at most three) to whoever logs in with one: {"key": "..."}
DELETE /keys                all but the one that logs in and the one in the header X-Keep
GET, PUT /state             for the harness
"""

import base64
import contextlib
import json
import secrets
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rotation_lab.model.secrets_manager import SecretsManager

from .. import amazon

USER, MOST_KEYS = "app", 3


class _State:
    password = ""
    keys: list[str] = []  # noqa: RUF012 - one server, one state
    issued = 0


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/state":
            self._answer(200, {"password": _State.password, "keys": _State.keys, "issued": _State.issued})
        else:
            self._answer(200 if self._login() else 401)

    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/state":
            _State.password, _State.keys, _State.issued = body["password"], body["keys"], body.get("issued", 0)
        elif self._login():
            _State.password = body["password"]
        else:
            self._answer(401)
            return
        self._answer(204)

    def do_POST(self) -> None:
        if self._login() not in _State.keys:
            self._answer(401)
        elif len(_State.keys) >= MOST_KEYS:
            self._answer(409)
        else:
            _State.issued += 1
            _State.keys.append(f"key{_State.issued}-{secrets.token_hex(12)}")
            self._answer(200, {"key": _State.keys[-1]})

    def do_DELETE(self) -> None:
        login = self._login()
        if login in _State.keys:
            _State.keys = [key for key in _State.keys if key in (login, self.headers.get("X-Keep"))]
        self._answer(204 if login else 401)

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # whoever asked has died
            super().handle()

    def log_message(self, *_: Any) -> None:
        pass

    def _login(self) -> str | None:
        scheme, _, text = self.headers.get("Authorization", "").partition(" ")
        user, _, password = base64.b64decode(text).decode().partition(":")
        known = scheme == "Basic" and user == USER and password in (_State.password, *_State.keys)
        return password if known and password else None

    def _answer(self, status: int, body: Any = None) -> None:
        data = json.dumps(body).encode() if body is not None else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class StandIn:
    """The harness's view of it. ``issues``: the rotated value is a key that the API issues, not a password."""

    def __init__(self, port: int, key: str, *, issues: bool = False) -> None:
        self.upstream = ("127.0.0.1", port)
        self._key, self._issues = key, issues

    def known(self, host: str, port: int) -> Mapping[str, Any]:
        """Where it is, and the user."""
        return {"engine": "api", "host": host, "port": port, "username": USER}

    def reset(self) -> Mapping[str, str]:
        """One password, or one key."""
        return self._set("first-kX81vB6nRw3z")

    def by_hand(self) -> Mapping[str, str]:
        """Another password, or another key, in place of what there was."""
        return self._set("hand-Qm27tY9sLc4x", issued=self._state()["issued"])

    def opens(self, text: str) -> bool:
        """Whether the value in the text logs in."""
        with contextlib.suppress(ValueError):
            text = json.loads(text)[self._key]
        state = self._state()
        return text in (state["password"], *state["keys"]) and bool(text)

    def issued(self) -> int:
        """How many keys it has issued."""
        return int(self._state()["issued"])

    def apis(self, manager: SecretsManager) -> Mapping[str, amazon.Api]:
        """None."""
        return {}

    def others(self, host: str, port: int) -> Mapping[str, str | None]:
        """None."""
        return {}

    def _set(self, value: str, issued: int = 0) -> Mapping[str, str]:
        self._state({"password": "" if self._issues else value, "keys": [value] * self._issues, "issued": issued})
        return {self._key: value}

    def _state(self, new: Any = None) -> Any:
        url, data = f"http://127.0.0.1:{self.upstream[1]}/state", None if new is None else json.dumps(new).encode()
        request = urllib.request.Request(url, data, method="GET" if new is None else "PUT")
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or b"null")


@contextlib.contextmanager
def start(key: str = "", *, issues: bool = False) -> Iterator[StandIn]:
    """Run it until the block ends. ``key``: the key of the secret with the value; "" for a plain-text secret."""
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield StandIn(int(process.stdout.readline()), key, issues=issues)
        finally:
            process.terminate()


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    print(server.server_port, flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
