"""What the example needs besides AWS: a MariaDB server with TLS, and an account."""

import contextlib
import json
import secrets
from collections.abc import Iterator

from rotation_lab.sandbox.client import Sandbox
from rotation_lab.services import mariadb, network, stored

SECRET, USER = "app/mysql", "app"
_server: list[mariadb.MariaDB] = []
_passwords: list[str] = []
"""Those that the account had, in order."""


@contextlib.contextmanager
def start(aws: Sandbox) -> Iterator[dict[str, object]]:
    """Run the server, and put the account's password in the secret."""
    with contextlib.ExitStack() as stack:
        server, first = stack.enter_context(mariadb.start()), secrets.token_urlsafe(24)
        _server[:], _passwords[:] = [server], [first]
        server.run("CREATE USER %s@'%%' IDENTIFIED BY %s", USER, first)
        place = {"engine": "mysql", "host": "localhost", "port": server.port}
        stack.enter_context(stored.secret(aws, SECRET, {**place, "username": USER, "password": first}))
        yield {**stack.enter_context(network.start(aws)), "tls_ca": server.ca}


def check(value: str) -> str:
    """Log in with the current password, and with those before, which must not work."""
    password = json.loads(value)["password"]
    if password != _passwords[-1]:
        _passwords.append(password)
    works = [_server[0].accepts(USER, each) for each in reversed(_passwords)]
    if works != [index == 0 for index in range(len(works))]:
        raise RuntimeError(f"of the passwords, newest first, the server accepts {works}")
    return f"MariaDB accepts the current password, and none of the {len(works) - 1} before"
