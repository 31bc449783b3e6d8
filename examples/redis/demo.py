"""What the example needs besides AWS: a Redis server with TLS, an application's user, and one that may change users."""

import contextlib
import json
import secrets
from collections.abc import Iterator

from rotation_lab.sandbox.client import Sandbox
from rotation_lab.services import network, redis_server, stored

APP, ADMIN = "app/redis", "admin/redis"
_server: list[redis_server.RedisServer] = []
_passwords: list[str] = []
"""Those that the user had, in order."""


@contextlib.contextmanager
def start(aws: Sandbox) -> Iterator[dict[str, object]]:
    """Run the server, and put both users' passwords in secrets."""
    first, operator = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    users = (f"app on >{first} ~app:* +@read +@write", f"operator on >{operator} +acl|getuser +acl|setuser +acl|save")
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(redis_server.start(*users))
        _server[:], _passwords[:] = [server], [first]
        value = {"host": "localhost", "port": server.port, "username": "app", "password": first}
        stack.enter_context(stored.secret(aws, APP, value))
        administrator = {"host": "localhost", "username": "operator", "password": operator}
        stack.enter_context(stored.secret(aws, ADMIN, administrator))
        yield {**stack.enter_context(network.start(aws)), "tls_ca": server.ca}


def check(value: str) -> str:
    """Log in with the current password, the one before, and the one before that, which must not work."""
    password = json.loads(value)["password"]
    if password != _passwords[-1]:
        _passwords.append(password)
    works = [_server[0].accepts("app", each) for each in reversed(_passwords)]
    if works != [index < 2 for index in range(len(works))]:
        raise RuntimeError(f"of the passwords, newest first, the server accepts {works}")
    return f"Redis accepts the current password and the one before, of {len(works)} so far"
