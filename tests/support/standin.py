"""Small HTTP services that answer as documented APIs do: each a class with one method for all requests."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names as Content-Type."""
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> Mapping[str, str]:
        return {name: found[0] for name, found in parse_qs(self.body.decode()).items()}


@dataclass
class Answered:
    """What comes back: text as it is, everything else as JSON."""

    status: int = 200
    body: Any = None
    headers: list[tuple[str, str]] = field(default_factory=list)


class Service:
    """What answers; ``url`` is where."""

    url = ""

    def answer(self, asked: Asked) -> Answered:
        raise NotImplementedError


@contextlib.contextmanager
def serving(service: Service) -> Iterator[None]:
    """Run it until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            parts, body = urlsplit(self.path), self.rfile.read(int(self.headers.get("Content-Length", 0)))
            query = {name: found[0] for name, found in parse_qs(parts.query, keep_blank_values=True).items()}
            made = service.answer(
                Asked(
                    self.command, parts.path, query, {name.title(): text for name, text in self.headers.items()}, body
                )
            )
            is_text = isinstance(made.body, str)
            data = b"" if made.body is None else made.body.encode() if is_text else json.dumps(made.body).encode()
            self.send_response(made.status)
            for name, value in [("Content-Length", str(len(data))), *made.headers]:
                self.send_header(name, value)
            if "Content-Type" not in dict(made.headers):
                self.send_header("Content-Type", "text/plain" if is_text else "application/json")
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = _any  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
