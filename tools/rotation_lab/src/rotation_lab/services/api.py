"""A small HTTP API that tests script: it records each request, and answers with the status that a function gives."""

import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Request:
    """What was received."""

    method: str
    path: str
    headers: Message
    body: bytes


@dataclass
class Api:
    """``answer`` gives the status for a request, or the status and further headers."""

    port: int = 0
    scheme: str = "http"
    requests: list[Request] = field(default_factory=list)
    answer: Callable[[Request], int | tuple[int, dict[str, str]]] = lambda request: 204

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.port}"

    @property
    def last(self) -> Request:
        return self.requests[-1]


@contextlib.contextmanager
def start(tls: ssl.SSLContext | None = None) -> Iterator[Api]:
    """Run it until the block ends, with TLS when a context with the server's certificate is given."""
    api = Api(scheme="https" if tls else "http")

    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            with contextlib.suppress(OSError):  # a client that gave up, or that did not trust the certificate
                super().handle_one_request()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            api.requests.append(Request(self.command, self.path, self.headers, body))
            answer = api.answer(api.last)
            status, headers = answer if isinstance(answer, tuple) else (answer, {})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def get_request(self):  # type: ignore[no-untyped-def]
            connection, address = super().get_request()
            if tls is not None:
                connection.settimeout(5)
                connection = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            return connection, address

        def handle_error(self, *_: object) -> None:
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        api.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield api
        finally:
            server.shutdown()
