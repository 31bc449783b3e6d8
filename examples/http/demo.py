"""What the example needs besides AWS: RabbitMQ with its management API, an application's user, an administrator."""

import contextlib
import json
import secrets
from collections.abc import Iterator

from rotation_lab.sandbox.client import Sandbox
from rotation_lab.services import rabbitmq, stored

APP, ADMIN = "app/rabbitmq", "admin/rabbitmq"
_server: list[rabbitmq.RabbitMQ] = []
_passwords: list[str] = []
"""Those that the user had, in order."""


@contextlib.contextmanager
def start(aws: Sandbox) -> Iterator[dict[str, object]]:
    """Run the server, and put both users' passwords in secrets."""
    first = secrets.token_urlsafe(24)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(rabbitmq.start())
        server.put_user("app", first, "management")
        _server[:], _passwords[:] = [server], [first]
        stack.enter_context(stored.secret(aws, APP, {"username": "app", "password": first}))
        stack.enter_context(stored.secret(aws, ADMIN, {"username": server.admin, "password": server.admin_password}))
        yield {"url": server.url, "tls_ca": server.ca}


def check(value: str) -> str:
    """Log in with the current password, and with the one before, which must not work."""
    password = json.loads(value)["password"]
    if password != _passwords[-1]:
        _passwords.append(password)
    works = [_server[0].accepts("app", each) for each in reversed(_passwords)]
    if works != [index < 1 for index in range(len(works))]:
        raise RuntimeError(f"of the passwords, newest first, the server accepts {works}")
    return f"RabbitMQ accepts the current password and none of the {len(works) - 1} before"
