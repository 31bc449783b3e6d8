"""What the example needs besides AWS: the service *door*, with one user."""

import contextlib
import json
import secrets
from collections.abc import Iterator

from rotation_lab.sandbox.client import Sandbox
from rotation_lab.services import door, stored

_running: list[door.Door] = []


@contextlib.contextmanager
def start(aws: Sandbox) -> Iterator[dict[str, object]]:
    """Run the service, and put the first password of its user in a secret."""
    first = secrets.token_urlsafe(24)
    with door.start() as service, stored.secret(aws, "app/door", {"username": "app", "password": first}):
        _running[:] = [service]
        service.put("app", door.State(first))
        yield {"url": service.url}


def check(value: str) -> str:
    """Log in with the secret's current value."""
    document = json.loads(value)
    if _running[0].state(document["username"]).password != document["password"]:
        raise RuntimeError("the service does not accept the current password")
    return "the service accepts the current password"
