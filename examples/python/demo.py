"""What the example needs besides AWS: the service *door*, with one user."""

import contextlib
import json
import secrets
from collections.abc import Iterator

from sandbox.client import Sandbox
from tests.support import door

SECRET = "app/door"  # noqa: S105 - a name
_running: list[door.Door] = []


@contextlib.contextmanager
def start(aws: Sandbox) -> Iterator[dict[str, object]]:
    """Run the service, and put the first password of its user in a secret."""
    first, manager = secrets.token_urlsafe(24), aws.client("secretsmanager")
    with door.start() as service:
        _running.append(service)
        service.set("app", first)
        manager.create_secret(Name=SECRET, SecretString=json.dumps({"username": "app", "password": first}))
        try:
            yield {"url": service.url}
        finally:
            manager.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)
            _running.remove(service)


def check(value: str) -> str:
    """Log in with the secret's current value."""
    document = json.loads(value)
    if not _running[-1].accepts(document["username"], document["password"]):
        raise RuntimeError("the service does not accept the current password")
    return "the service accepts the current password"
