"""What the example needs besides AWS: PostgreSQL behind a local Data API, an application's user, an administrator."""

import contextlib
import json
import secrets
from collections.abc import Iterator

from rotation_lab.sandbox.client import Sandbox
from rotation_lab.services import data_api, postgresql, stored

APP, ADMIN = "app/aurora", "admin/aurora"
_server: list[postgresql.PostgreSQL] = []
_passwords: list[str] = []
"""Those that the user had, in order."""


@contextlib.contextmanager
def start(aws: Sandbox) -> Iterator[dict[str, object]]:
    """Run the server and the Data API before it, and put both users' passwords in secrets."""
    first, admin = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    manager = aws.client("secretsmanager")

    def read(arn: str) -> str | None:
        try:
            return str(manager.get_secret_value(SecretId=arn)["SecretString"])
        except manager.exceptions.ResourceNotFoundException:
            return None

    with contextlib.ExitStack() as stack:
        server = stack.enter_context(postgresql.start())
        server.run_quoted("CREATE ROLE %I LOGIN PASSWORD %L", "app", first)
        server.run_quoted("CREATE ROLE %I LOGIN CREATEROLE PASSWORD %L", "operator", admin)
        _server[:], _passwords[:] = [server], [first]
        stack.enter_context(stored.secret(aws, APP, {"engine": "postgres", "username": "app", "password": first}))
        stack.enter_context(stored.secret(aws, ADMIN, {"username": "operator", "password": admin}))
        api = stack.enter_context(data_api.start(server))
        api.read_secret = read
        aws.use_data_api(api.url.removeprefix("http://"))
        stack.callback(aws.use_data_api, None)
        yield {"cluster_arn": "arn:aws:rds:us-east-1:123456789012:cluster:app"}


def check(value: str) -> str:
    """Log in with the current password, and with those before, which must not work."""
    password = json.loads(value)["password"]
    if password != _passwords[-1]:
        _passwords.append(password)
    works = [_server[0].accepts("app", each) for each in reversed(_passwords)]
    if works != [True] + [False] * (len(works) - 1):
        raise RuntimeError(f"of the passwords, newest first, the server accepts {works}")
    return f"PostgreSQL accepts the current password only, of {len(works)} so far"
