"""Statements to PostgreSQL, in transactions that leave nothing behind in a connection that a pooler lends."""

import time
from collections.abc import Callable
from typing import Any

from ...kit import driver
from ...target import RotationError, explained
from . import postgres_login as login
from .strategies import Server

try:
    from pg8000 import native
except ImportError:
    raise driver.missing("pg8000") from None

_ATTEMPTS, _PAUSE = 5, 0.1
"""For a transaction in whose way another session was, and seconds between them, more each time."""
_BEGIN = (
    # Whatever the role's or the database's defaults are: read only, another role, functions of others in the way, and
    # limits of time, which are made for the application's own statements.
    "BEGIN READ WRITE",
    "SET LOCAL ROLE NONE",
    "SELECT pg_catalog.set_config(pg_catalog.unnest(ARRAY['search_path', 'statement_timeout', 'lock_timeout', "
    "'idle_in_transaction_session_timeout']), pg_catalog.unnest(ARRAY['', '0', '0', '0']), true)",
)


class Statements:
    """What is run over one connection."""

    def __init__(self, server: Server, connection: Any, channel: login.Channel) -> None:
        self._server, self._connection, self._channel = server, connection, channel

    def in_transaction(self, work: Callable[[], None]) -> None:
        """Do it and commit; again when another session was in the way."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                for statement in _BEGIN:
                    self.run(statement)
                work()
                self.run("COMMIT")
                return
            except login.ConflictError:
                self.run("ROLLBACK")
                if attempt == _ATTEMPTS:
                    raise
                time.sleep(_PAUSE * attempt)

    def run_quoted(self, template: str, *values: str, path: str = "") -> None:
        """Run a statement that takes no parameters, with names and values that the server itself quotes."""
        self.run(self._quoted(template, *values, path=path))

    def set_password(self, role: str, verifier: str) -> None:
        """ALTER ROLE. What an extension that judges passwords answers means something else of other statements."""
        statement = self._quoted("ALTER ROLE %I PASSWORD %L", role, verifier)

        def explain(error: Exception) -> RotationError:
            return login.explain_judged(error, self._server) or self._explain(error)

        with explained(explain, native.Error, OSError):
            self._connection.run(statement)

    def run(self, statement: str, **values: str) -> Any:
        """Run one statement; return its rows."""
        with explained(self._explain, native.Error, OSError):
            return self._connection.run(statement, **values)

    def _quoted(self, template: str, *values: str, path: str = "") -> str:
        marks = {f"value{n}": value for n, value in enumerate(values)}
        arguments = "".join(f", CAST(:{mark} AS {path}text)" for mark in marks)
        return str(self.run(f"SELECT {path}format('{template}'{arguments})", **marks)[0][0])

    def _explain(self, error: Exception) -> RotationError:
        return login.explain(error, self._server, waited=self._channel.limit.waited())
