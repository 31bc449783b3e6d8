"""What a recipe is run against: a service that is running, with a credential that works."""

from __future__ import annotations

import base64
import contextlib
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import run
from typing import Any
from urllib.parse import urlencode

from rotation_lab.services import process

Document = Mapping[str, Any]
PASSWORD, ADMIN = "first-kX81vB6nRw3z", "root-Lw93nH5dTz8q"


@dataclass(frozen=True)
class Running:
    """A service with a credential."""

    against: str
    secret: Document
    """The first value, which works."""
    opens: Callable[[Document], bool]
    admin: str | None = None
    """The administrator's secret."""
    written: Mapping[str, str] = field(default_factory=dict)
    """What stands for it on the page, such as the host → what it is here."""
    clients: Mapping[str, Any] = field(default_factory=dict)
    """AWS services."""
    waited: Callable[[float], None] | None = None
    """Called when the function waits, with the seconds."""
    pause: float = 0.0
    """Seconds after which createSecret may be repeated, where the function waits for another run."""
    count: Callable[[], int] | None = None
    """How many credentials it holds that it has issued."""


def ask(method: str, url: str, body: object = None, *, basic: str = "", **headers: str) -> tuple[int, Any]:
    """Status and JSON of the answer. The body is sent as JSON, or as it is when it is bytes."""
    sent = {"Content-Type": "application/json", **headers}
    if basic:
        sent["Authorization"] = "Basic " + base64.b64encode(basic.encode()).decode()
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, sent, method=method), timeout=20) as answer:
            return answer.status, _json(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _json(error.read())


def post_form(url: str, **fields: str) -> tuple[int, Any]:
    """The same of a form."""
    return ask("POST", url, urlencode(fields).encode(), **{"Content-Type": "application/x-www-form-urlencoded"})


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


@contextlib.contextmanager
def serve(
    name: str, command: list[str], folder: Path, ready: str, *, seconds: float = 60, **options: Any
) -> Iterator[None]:
    """Run a program that answers at the URL ``ready``, whatever it says, within so many seconds."""

    def answers() -> bool:
        try:
            return ask("GET", ready)[0] < 500
        except OSError:
            return False

    with process.running(command, folder, family=True, **options) as started:
        process.wait(name, answers, started, lambda: (folder / process.LOG).read_text(errors="replace"), seconds)
        yield


def version(command: list[str], word: int) -> str:
    """A word of what the program says its version is."""
    return run(command, capture_output=True, text=True, check=True).stdout.split()[word].strip(",v")
