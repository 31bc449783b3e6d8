"""What the example needs besides AWS: a PostgreSQL server with TLS, a role, and one that may create roles."""

import contextlib
import json
import secrets
from collections.abc import Iterator

from rotation_lab.sandbox.client import Sandbox
from rotation_lab.services import network, postgresql, stored

APP, ADMIN = "app/postgresql-alternating", "admin/postgresql"
_server: list[postgresql.PostgreSQL] = []
_values: list[dict[str, str]] = []
"""User name and password of each value that the secret had, in order."""


@contextlib.contextmanager
def start(aws: Sandbox) -> Iterator[dict[str, object]]:
    """Run the server, and put the passwords of both roles in secrets."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(postgresql.start())
        _server[:], _values[:] = [server], []
        place = {"engine": "postgres", "host": "localhost", "port": server.port, "dbname": "postgres"}
        for name, role, options in ((APP, "app", ""), (ADMIN, "operator", "CREATEROLE")):
            password = secrets.token_urlsafe(24)
            server.run_quoted(f"CREATE ROLE %I LOGIN {options} PASSWORD %L", role, password)
            value = {"username": role, "password": password}
            stack.enter_context(stored.secret(aws, name, {**place, **value}))
            if name == APP:
                _values.append(value)
        yield {**stack.enter_context(network.start(aws)), "tls_ca": server.ca}


def check(value: str) -> str:
    """Log in with the current value, the one before, and the one before that, which must not work."""
    found = {name: json.loads(value)[name] for name in ("username", "password")}
    if found not in _values:
        _values.append(found)
    works = [_server[0].accepts(**each) for each in reversed(_values)]
    if works != [index < 2 for index in range(len(works))]:
        raise RuntimeError(f"of the values, newest first, the server accepts {works}")
    return f"PostgreSQL accepts {found['username']}, now current, and the value before, of {len(works)} so far"
