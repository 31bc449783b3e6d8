"""Lambda's Runtime API: the four HTTP routes through which the runtime client gets invocations and answers them."""

from __future__ import annotations

import queue
import socketserver
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Literal

_PREFIX = "/2018-06-01/runtime/"

Kind = Literal["response", "error", "init-error"]


@dataclass(frozen=True)
class Invocation:
    """One call of the function. ``deadline`` is in milliseconds since the epoch."""

    request_id: str
    payload: bytes
    arn: str
    deadline: int
    trace: str | None = None

    def headers(self) -> dict[str, str]:
        """As the Runtime API sends them with the payload."""
        headers = {
            "Lambda-Runtime-Aws-Request-Id": self.request_id,
            "Lambda-Runtime-Deadline-Ms": str(self.deadline),
            "Lambda-Runtime-Invoked-Function-Arn": self.arn,
            "Content-Type": "application/json",
        }
        return headers | ({"Lambda-Runtime-Trace-Id": self.trace} if self.trace else {})


# Not http.server.HTTPServer: it looks up the host's name when it binds, which can take seconds.
class RuntimeApi(socketserver.ThreadingTCPServer):
    """The server for one execution environment, on a port of its own."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.invocations: queue.Queue[Invocation | None] = queue.Queue()
        self.answers: queue.Queue[tuple[Kind, bytes]] = queue.Queue()
        self.initialized = threading.Event()
        """Set when the function has asked for work, or has told why it cannot."""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """``host:port``, as AWS_LAMBDA_RUNTIME_API has it."""
        return "{}:{}".format(*self.server_address[:2])

    def stop(self) -> None:
        """Returns at once; the port is closed shortly after."""
        self.invocations.put(None)  # wakes the long poll, whose other end may be gone
        threading.Thread(target=self._stop, daemon=True).start()

    def _stop(self) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in one write: the second of two would wait for the first to be acknowledged, 40 ms (Nagle).
    wbufsize = -1
    server: RuntimeApi

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the paths hold request ids only, and there are many."""

    def do_GET(self) -> None:
        if self.path != f"{_PREFIX}invocation/next":
            self._reply(404)
            return
        self.server.initialized.set()
        invocation = self.server.invocations.get()
        if invocation is None:
            self.close_connection = True
        else:
            self._reply(200, invocation.payload, invocation.headers())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._reply(202, b'{"status":"OK"}')
        if self.path == f"{_PREFIX}init/error":
            self.server.answers.put(("init-error", body))
            self.server.initialized.set()
        elif self.path.startswith(f"{_PREFIX}invocation/"):
            self.server.answers.put(("response" if self.path.endswith("/response") else "error", body))

    def _reply(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        try:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()
        except OSError:  # the function has been killed meanwhile
            self.close_connection = True
