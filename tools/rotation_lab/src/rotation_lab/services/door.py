"""The service *door* of examples/python: users with passwords, and a small HTTP API.

python -m rotation_lab.services.door [PORT]      runs it until Ctrl-C, with the user app and the password first-password
"""

import base64
import contextlib
import hashlib
import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Door:
    """The service. ``url`` is where it listens."""

    def __init__(self) -> None:
        self.url = ""
        self._hashes: dict[str, str] = {}

    def set(self, user: str, password: str) -> None:
        """Make a user, or give it another password; only the hash is kept."""
        self._hashes[user] = _hash(password)

    def accepts(self, user: str, password: str) -> bool:
        """Whether the user can log in."""
        return self._hashes.get(user) == _hash(password)


@contextlib.contextmanager
def start(port: int = 0) -> Iterator[Door]:
    """Run the service until the block ends; on a free port unless one is given."""
    service = Door()
    with ThreadingHTTPServer(("127.0.0.1", port), _handler(service)) as server:
        service.url = f"http://localhost:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield service
        finally:
            server.shutdown()


def _handler(service: Door) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200 if self._user() else 401)

        def do_PUT(self) -> None:
            user, body = self._user(), self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if user:
                service.set(user, json.loads(body)["password"])
            self._answer(204 if user else 401)

        def _user(self) -> str | None:
            _, _, login = self.headers.get("Authorization", "").partition(" ")
            name, _, password = base64.b64decode(login).decode().partition(":")
            return name if service.accepts(name, password) else None

        def _answer(self, status: int) -> None:
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _hash(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()  # a real service would salt it


if __name__ == "__main__":
    with start(int(sys.argv[1]) if len(sys.argv) > 1 else 8099) as running, contextlib.suppress(KeyboardInterrupt):
        running.set("app", "first-password")
        print(f"door: {running.url}, user app, password first-password; Ctrl-C ends it", flush=True)
        while True:
            time.sleep(60)
