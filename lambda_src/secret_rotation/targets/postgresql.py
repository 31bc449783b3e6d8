"""PostgreSQL: the password of a role. The two strategies are in ``databases.strategies``.

The new password never reaches the server as text, since ALTER ROLE, which takes no parameters, stands in the server's
log when it logs statements. What is sent is the verifier that the server would make of it, and keep: its SCRAM-SHA-256
verifier, or MD5 where ``password_encryption`` asks for that. The price: extensions that judge passwords cannot.
"""

import base64
import hashlib
import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ..kit import connection as network
from ..kit import driver, tls
from ..target import (
    AuthenticationError,
    ConfigurationError,
    Context,
    NetworkError,
    RotationError,
    TargetError,
    explained,
)
from .databases import strategies
from .databases.strategies import Server, Session, identity

try:
    from pg8000 import native
    from scramp import ScramException, ScramMechanism
except ImportError:
    raise driver.missing("pg8000") from None

__all__ = ["create_secret", "identity", "set_secret", "test_secret"]

LONGEST_NAME = 63
"""Bytes. The server cuts longer names off, without an error."""
_SSL_REQUEST = bytes.fromhex("0000000804d2162f")
_ASKS_PASSWORD, _UNDERSTOOD = {3, 5, 10}, {0, 3, 5, 10, 11, 12}
_CONFIGURATION = {
    "28000": "does not admit the user: it may not log in, pg_hba.conf has no line for it with this TLS setting, or the "
    "line asks for a client's certificate ('tls_client_secret_arn')",
    "3D000": "has no such database: correct 'dbname'",
    "42501": "does not let the user that is logged in do this: grant it, or give another administrator's secret",
    "42704": "has no such role: the one that '_clone' is added to must be there",
    "25006": "is read-only: the host must be the primary",
}
"""What the server's SQLSTATE means for the operator."""
_NOT_NOW = ("53", "57", "08")
"""Classes of SQLSTATE: too many connections, starting or stopping, connection lost."""


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


Channel = network.Socket | network.SecureSocket


class PostgresqlSession(Session):
    """A connection that has logged in."""

    def __init__(self, server: Server, connection: native.Connection, channel: Channel) -> None:
        self._server, self._connection, self._channel = server, connection, channel
        # A role that may create functions must not lend its own to the statements of an administrator.
        self._run("SET search_path TO ''")

    def change_password(self, username: str, password: str) -> None:
        """ALTER ROLE, with the verifier of the password."""
        rows = self._run("SELECT current_setting('password_encryption'), current_setting('scram_iterations', true)")
        verifier = _verifier(username, password, *rows[0])
        self._run_quoted("ALTER ROLE %I PASSWORD %L", username, verifier)

    def prepare_clone(self, clone: str, original: str) -> None:
        """Without a password the new role cannot log in. Its rights are those of ``original``, as its member."""
        if not self._run("SELECT FROM pg_roles WHERE rolname = CAST(:name AS text)", name=clone):
            self._run_quoted("CREATE ROLE %I LOGIN", clone)
        member = "SELECT FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles c ON c.oid = m.member"
        names = {"clone": clone, "original": original}
        if not self._run(
            f"{member} WHERE r.rolname = CAST(:original AS text) AND c.rolname = CAST(:clone AS text)", **names
        ):
            self._run_quoted("GRANT %I TO %I", original, clone)

    def close(self) -> None:
        """End the connection."""
        with suppress(native.Error, OSError):
            self._connection.close()
        self._channel.close()

    def _run_quoted(self, template: str, *values: str) -> None:
        """Run a statement that takes no parameters, with names and values that the server itself quotes."""
        marks = {f"value{n}": value for n, value in enumerate(values)}
        arguments = "".join(f", CAST(:{mark} AS text)" for mark in marks)
        self._run(self._run(f"SELECT format('{template}'{arguments})", **marks)[0][0])

    def _run(self, statement: str, **values: str) -> Any:
        waited = self._channel.limit.waited
        with explained(lambda error: _explain(error, self._server, waited=waited()), native.Error, OSError):
            return self._connection.run(statement, **values)


def connect(context: Context, server: Server, username: str, password: str) -> PostgresqlSession:
    """Log in. TLS begins before anything is said, and the server has to ask for the password."""
    where, security = str(server), tls.context(context.settings, server.client)
    limit = network.Limit(context.deadline.share())

    def explain(error: Exception) -> RotationError:
        return _explain(error, server, username, limit.waited())

    with explained(explain, native.Error, ScramException, OSError):
        channel: Channel = network.connect(server.host, server.port, limit)
        try:
            if security is not None:
                channel = _secure(channel, security, server)
            connection = _Connection(
                user=username,
                password=password,
                database=server.dbname,
                sock=channel,
                ssl_context=False,
            )
            if not connection.asked:
                raise ConfigurationError(
                    f"{where} does not ask {username!r} for a password (trust in pg_hba.conf), so none can be verified."
                )
            return PostgresqlSession(server, connection, channel)
        except BaseException:
            channel.close()
            raise


class _Connection(native.Connection):  # type: ignore[misc]
    """Knows how the server asked for the password."""

    asked = False

    def handle_AUTHENTICATION_REQUEST(self, data: bytes, context: Any) -> None:  # noqa: N802
        kind = int.from_bytes(data[:4], "big")
        if kind not in _UNDERSTOOD:
            raise ConfigurationError(f"The server asks for a way to log in (number {kind}) that is not by password.")
        self.asked = self.asked or kind in _ASKS_PASSWORD
        super().handle_AUTHENTICATION_REQUEST(data, context)


def _secure(channel: Channel, security: tls.Trust, server: Server) -> network.SecureSocket:
    # Not left to the driver, which tells a server that hangs up and one without TLS by the same error.
    channel.sendall(_SSL_REQUEST)
    answer = channel.recv(1)
    if answer == b"N":
        raise tls.refused(str(server))
    if answer != b"S":
        raise NetworkError(f"{server}: no answer of a PostgreSQL server. Check host and port.")
    return security.wrap_socket(channel, server_hostname=server.host)


def _explain(error: Exception, server: Server, username: str = "", waited: float = 0) -> RotationError:
    if isinstance(error, ssl.SSLError):
        return tls.problem(str(server), error)
    if isinstance(error, ScramException):
        return TargetError(
            f"{server}: the exchange of the password failed: the server does not know it either, or it has characters "
            "that SCRAM does not allow."
        )
    for one in strategies.causes(error):
        if isinstance(one, native.DatabaseError):
            return _explain_state(str(one.args[0].get("C", "")), server, username)
    return network.unanswered(str(server), error, waited)


def _explain_state(state: str, server: Server, username: str) -> RotationError:
    if state == "28P01":
        return AuthenticationError(f"{server} refused the password of {username!r}.")
    if state in _CONFIGURATION:
        return ConfigurationError(f"{server} {_CONFIGURATION[state]} (SQLSTATE {state}).")
    if state.startswith(_NOT_NOW):
        return NetworkError(f"{server} cannot serve now (SQLSTATE {state}). The rotation is tried again.")
    return TargetError(f"{server} refused a statement (SQLSTATE {state}).")


def _verifier(username: str, password: str, encryption: str, iterations: str | None) -> str:
    """What the server itself would keep of the password. ``encryption``: its setting password_encryption."""
    if encryption in ("md5", "on"):
        return "md5" + hashlib.md5((password + username).encode(), usedforsecurity=False).hexdigest()
    problem = ConfigurationError("The new password has characters that SCRAM does not allow.")
    with explained(lambda _: problem, ScramException):
        made = ScramMechanism().make_auth_info(password, iteration_count=max(int(iterations or 0), 4096))
    salt, stored, server_key = (base64.b64encode(part).decode() for part in made[:3])
    return f"SCRAM-SHA-256${made[3]}:{salt}${stored}:{server_key}"


_DATABASE = strategies.Database(connect)
