"""PostgreSQL: the password of a role. The two strategies are in ``databases.strategies``.

The new password never reaches the server as text, since ALTER ROLE, which takes no parameters, stands in the server's
log when it logs statements. What is sent is the verifier that the server would make of it, and keep: its SCRAM-SHA-256
verifier, or MD5 where ``password_encryption`` asks for that and the role logs in that way now. The price: extensions
that judge passwords cannot.

A session may be a pooler's, lent for one transaction. So all that is set is set for the transaction alone.
"""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ..kit import administrator, certificate, driver
from ..target import (
    AuthenticationError,
    ConfigurationError,
    Context,
    Credential,
)
from .databases import postgres_login as login
from .databases import strategies
from .databases.postgres_privileges import PRIVILEGED
from .databases.strategies import Server, Session, identity, issued_keys

try:
    from pg8000 import native

    from .databases import scram
    from .databases.postgres_clone import Clone
    from .databases.postgres_statements import Statements
except ImportError:
    raise driver.missing("pg8000") from None

__all__ = ["create_secret", "identity", "issued_keys", "set_secret", "test_secret"]

LONGEST_NAME = 63
"""Bytes. The server cuts longer names off, without an error."""
_FACTS = """
SELECT rolcanlogin, rolvaliduntil <= now(), has_database_privilege(oid, current_database(), 'CONNECT'), EXISTS (
    SELECT FROM pg_roles s WHERE pg_has_role(r.oid, s.oid, 'MEMBER')
    AND (s.rolsuper OR CAST(s.rolname AS text) = ANY (string_to_array(CAST(:privileged AS text), ',')))
) FROM pg_roles r WHERE rolname = CAST(:name AS text)
"""
_OLD = ("on", "off")
"""password_encryption of a server that is too old for SCRAM."""


def create_secret(context: Context) -> Mapping[str, str]:
    """Roles that alternate: the name of the other one."""
    changes = _DATABASE.create_secret(context)
    for name in changes.values():
        if len(name.encode()) > LONGEST_NAME:
            raise ConfigurationError(f"The role's name {name!r} is longer than {LONGEST_NAME} bytes.")
    return changes


def set_secret(context: Context) -> None:
    """Change the role's password, unless the pending one is accepted already."""
    _DATABASE.set_secret(context)


def test_secret(context: Context) -> None:
    """Log in."""
    _DATABASE.test_secret(context)


def check(context: Context) -> None:
    """Log in as the administrator, if there is one."""
    _DATABASE.check(context)


class PostgresqlSession(Session):
    """A connection that has logged in."""

    def __init__(
        self, context: Context, server: Server, username: str, password: str, opened: tuple[Any, login.Channel]
    ) -> None:
        self._context, self._server = context, server
        self._username, self._password = username, password
        self._connection, self._channel = opened
        self._statements = Statements(server, *opened)

    def change_password(self, username: str, password: str) -> None:
        """ALTER ROLE, with the verifier of the password. Then the password is tried, while it can still be undone."""
        way = self._way(username)

        def change() -> None:
            role = self._role(username)
            self._set(role, self._verifier(role, password, way))

        self._statements.in_transaction(change)
        try:
            self._try(username, password)
        except AuthenticationError:
            self._statements.in_transaction(lambda: self._put_back(username, way))
            raise ConfigurationError(
                f"{self._server} does not accept the new password of {username!r}, so the former one was put back, "
                "where it is known. A pooler or proxy with passwords of its own does so, and a way to log in that does "
                "not use the role's password, such as LDAP: rotate where the password is kept."
            ) from None

    def prepare_clone(self, clone: str, original: str) -> None:
        """Without a password the new role cannot log in. Its rights are those of ``original``, as its member, and it
        acts as ``original``, so that what it creates is owned by the one role.
        """

        def prepare() -> None:
            self._role(original)
            Clone(self._statements, clone, original).prepare()

        self._statements.in_transaction(prepare)

    def close(self) -> None:
        """End the connection."""
        with suppress(native.Error, OSError):
            self._connection.close()
        self._channel.close()

    # How the user logs in.

    @property
    def _is_administrator(self) -> bool:
        return administrator.is_given(self._context)

    @property
    def _users_server(self) -> Server:
        return replace(self._server, client=certificate.of(self._context))

    def _way(self, username: str) -> login.Way:
        """How the server asks the user for the password. Refused before a change: a way that no test could use."""
        if not self._is_administrator:
            way: login.Way = self._connection.way
            return way
        return login.probe(self._context, self._users_server, username)

    def _try(self, username: str, password: str) -> None:
        with suppress(strategies.FullError):  # the password was right, and this session may be in the way
            login.connect(self._context, self._users_server, username, password)[1].close()

    def _verifier(self, role: str, password: str, way: login.Way) -> str:
        settings = "SELECT current_setting('password_encryption'), current_setting('scram_iterations', true)"
        return _verifier(role, password, way.kind, *self._statements.run(settings)[0])

    def _put_back(self, username: str, way: login.Way) -> None:
        """The password that worked before, or that applications have: the same verifier, where it is known."""
        role, former = self._role(username), self._former(username)
        if former is None:
            return
        if way.exchange is None:
            self._set(role, self._verifier(role, former, way))
        else:
            self._set(role, scram.verifier(former, way.exchange.iterations, way.exchange.salt))

    def _set(self, role: str, verifier: str) -> None:
        self._statements.set_password(role, verifier)

    def _former(self, username: str) -> str | None:
        current = self._context.current
        if not self._is_administrator:
            return self._password
        if current is None or self._name_in(current) != username:
            return None
        return current.value

    def _name_in(self, credential: Credential) -> str | None:
        return self._context.settings.get("username") or credential.get(self._context.setting("username_key"))

    # Which role it is.

    def _role(self, username: str) -> str:
        """The role that is to change. Raises ``ConfigurationError`` when it may not, or could not log in after it."""
        own = self._statements.run("SELECT session_user")[0][0]
        suffix = self._suffix(own)
        if not self._is_administrator:
            return str(own)
        if suffix and self._context.setting("strategy") == "alternating":
            raise ConfigurationError(
                f"{self._server} logs {self._username!r} in as the role {own!r}, so the name of a second user is not "
                "known. Use the strategy 'single', or connect to the server itself."
            )
        role = username.removesuffix(suffix)
        administrator.refuse_itself(own, role)
        self._check(role)
        return role

    def _suffix(self, own: str) -> str:
        """What poolers want behind the role's name, such as ``@server``; empty when the name is the role's."""
        suffix = self._username.removeprefix(own)
        if self._username == own or (self._username.startswith(own) and not (suffix[0].isalnum() or suffix[0] == "_")):
            return suffix if self._username != own else ""
        raise ConfigurationError(
            f"{self._server} logs {self._username!r} in as another role, {own!r}: a pooler does so. Connect to the "
            "server itself, or name that role in the secret."
        )

    def _check(self, role: str) -> None:
        rows = self._statements.run(_FACTS, name=role, privileged=",".join(PRIVILEGED))
        if not rows:
            raise ConfigurationError(f"{self._server} has no such role: {role!r}.")
        may_log_in, is_over, may_connect, is_privileged = rows[0]
        if is_privileged and self._context.setting("superusers", "reject") == "reject":
            raise ConfigurationError(
                f"{role!r} is a superuser, or a member of one or of {PRIVILEGED[0]}: whoever may write this secret "
                'would get its rights. If that is what you want: superusers = "allow".'
            )
        if not may_log_in:
            raise ConfigurationError(f"The role {role!r} may not log in: ALTER ROLE ... LOGIN.")
        if is_over:
            raise ConfigurationError(f"The VALID UNTIL of the role {role!r} is over: ALTER ROLE ... VALID UNTIL.")
        if not may_connect:
            raise ConfigurationError(
                f"The role {role!r} may not connect to the database {self._server.dbname!r}: name one in 'dbname' "
                "that it may connect to, or GRANT CONNECT."
            )


def connect(context: Context, server: Server, username: str, password: str) -> PostgresqlSession:
    """Log in."""
    opened = login.connect(context, server, username, password)
    return PostgresqlSession(context, server, username, password, opened)


def _verifier(role: str, password: str, kind: int, encryption: str, iterations: str | None) -> str:
    """What the server itself would keep of the password. ``encryption``: its setting password_encryption.

    But not MD5 for a role that logs in with SCRAM, as ``kind`` says: where pg_hba.conf demands SCRAM, it could not any
    more.
    """
    if encryption in _OLD or (encryption == "md5" and kind == login.MD5):
        return "md5" + hashlib.md5((password + role).encode(), usedforsecurity=False).hexdigest()
    return scram.verifier(password, max(int(iterations or 0), scram.ITERATIONS))


_DATABASE = strategies.Database(connect)
