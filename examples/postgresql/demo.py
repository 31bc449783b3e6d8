"""What the example needs besides AWS: a PostgreSQL server with TLS, and a role."""

import contextlib
import json
import secrets
from collections.abc import Iterator

from rotation_lab.sandbox.client import Sandbox
from rotation_lab.services import network, postgresql, stored

SECRET, ROLE = "app/postgresql", "app"
_server: list[postgresql.PostgreSQL] = []
_passwords: list[str] = []
"""Those that the role had, in order."""


@contextlib.contextmanager
def start(aws: Sandbox) -> Iterator[dict[str, object]]:
    """Run the server, and put the role's password in the secret."""
    with contextlib.ExitStack() as stack:
        server, first = stack.enter_context(postgresql.start()), secrets.token_urlsafe(24)
        _server[:], _passwords[:] = [server], [first]
        server.run_quoted("CREATE ROLE %I LOGIN PASSWORD %L", ROLE, first)
        place = {"engine": "postgres", "host": "localhost", "port": server.port, "dbname": "postgres"}
        stack.enter_context(stored.secret(aws, SECRET, {**place, "username": ROLE, "password": first}))
        yield {**stack.enter_context(network.start(aws)), "tls_ca": server.ca}


def check(value: str) -> str:
    """Log in with the current password, and with those before, which must not work."""
    password = json.loads(value)["password"]
    if password != _passwords[-1]:
        _passwords.append(password)
    works = [_server[0].accepts(ROLE, each) for each in reversed(_passwords)]
    if works != [index == 0 for index in range(len(works))]:
        raise RuntimeError(f"of the passwords, newest first, the server accepts {works}")
    return f"PostgreSQL accepts the current password, and none of the {len(works) - 1} before"
