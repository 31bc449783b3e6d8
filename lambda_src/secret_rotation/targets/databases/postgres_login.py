"""To log in to PostgreSQL as libpq does, and what the answers of servers and poolers mean for the operator."""

import re
import ssl
from dataclasses import dataclass
from typing import Any

from ...kit import connection as network
from ...kit import driver, tls
from ...target import (
    AuthenticationError,
    ConfigurationError,
    Context,
    NetworkError,
    RotationError,
    SecretError,
    TargetError,
    ValueRefusedError,
    explained,
)
from . import password_rules, strategies
from .strategies import Server

try:
    from pg8000 import native

    from .scram import Exchange, ScramError
except ImportError:
    raise driver.missing("pg8000") from None

Channel = network.Socket | network.SecureSocket
SASL, MD5, CLEAR = 10, 5, 3
"""How a server asks for a password."""

_SSL_REQUEST = bytes.fromhex("0000000804d2162f")
_UNDERSTOOD = {0, CLEAR, MD5, SASL, 11, 12}
_READ_ONLY = "is read-only: the host must be the primary"
_CONFIGURATION = {
    "0A000": _READ_ONLY,
    "0LP01": "has the first role as a member of the clone already, and the clone has to be a member of it: REVOKE that",
    "25006": _READ_ONLY,
    "28000": "does not admit the user: it may not log in, pg_hba.conf has no line for it with this TLS setting, or the "
    "line asks for a client's certificate ('tls_client_secret_arn')",
    "3D000": "has no such database: correct 'dbname'",
    "42501": "does not let the user that is logged in do this: an administrator needs CREATEROLE and, from version 16 "
    "on, the role WITH ADMIN OPTION; up to version 15 only a superuser changes a role with REPLICATION, even its own",
    "42704": "has no such role: the one that '_clone' is added to must be there",
}
"""What the server's SQLSTATE means for the operator."""
_NOT_NOW = ("53", "57", "08")
"""Classes of SQLSTATE: too many connections, starting or stopping, connection lost."""
_CONFLICTS = ("23505", "40001", "40P01", "42710", "XX000")
"""What the losers get when several sessions change one role. XX000: a tuple was updated by another session."""

_SAYS_PASSWORD = re.compile(r"auth(entication)? failed|no such user|password.*(wrong|incorrect)", re.IGNORECASE)
_SAYS_TLS = re.compile(r"no encryption|SSL off|(requires|required).*(TLS|SSL)|(TLS|SSL).*required", re.IGNORECASE)
_SAYS_DATABASE = re.compile("no such database", re.IGNORECASE)
_SAYS_PROXY = re.compile("RDS proxy has no credentials", re.IGNORECASE)


class ConflictError(NetworkError):
    """Another session changes the same role at this moment."""


@dataclass
class Way:
    """How the server asked for the password."""

    kind: int = 0
    exchange: Exchange | None = None
    accepted: bool = False
    """Whether the server said that the password is right."""


class _ProbedError(Exception):
    """What was to be known is known."""


def connect(context: Context, server: Server, username: str, password: str) -> "tuple[_Connection, Channel]":
    """Log in. TLS begins before anything is said, and the server has to ask for the password."""
    if "\0" in password:  # where libpq, and the protocol, end a password
        raise SecretError("The password holds a NUL character, which PostgreSQL cannot have in a password.")
    return _open(context, server, Way(), username, password)


def probe(context: Context, server: Server, username: str) -> Way:
    """How the server asks ``username`` for the password, without an answer to it: no failed login is counted."""
    way = Way()
    try:
        _, channel = _open(context, server, way, username, "", probes=True)
    except _ProbedError:
        return way
    channel.close()
    raise AssertionError("A probe ends before the login.")


def _open(
    context: Context, server: Server, way: Way, username: str, password: str, *, probes: bool = False
) -> "tuple[_Connection, Channel]":
    security = tls.context(context.settings, server.client)
    limit = network.Limit(context.deadline.share())

    def explain_login(error: Exception) -> RotationError:
        problem = explain(error, server, username, limit.waited(), is_login=True, has_tls=security is not None)
        return strategies.FullError(str(problem)) if way.accepted and _state(error).startswith("53") else problem

    with explained(explain_login, native.Error, ScramError, OSError):
        channel: Channel = network.connect(server.host, server.port, limit)
        try:
            if security is not None:
                channel = _secure(channel, security, server)
            connection = _Connection(
                way,
                probes=probes,
                user=username,
                password=password,
                database=server.dbname,
                sock=channel,
                ssl_context=False,
            )
        except BaseException:
            channel.close()
            raise
    return connection, channel


class _Connection(native.Connection):  # type: ignore[misc]
    """Logs in with our own SCRAM, and notes in ``way`` how the server asked for the password."""

    def __init__(self, way: Way, *, probes: bool, **options: Any) -> None:
        self.way, self._probes = way, probes
        super().__init__(**options)

    def handle_AUTHENTICATION_REQUEST(self, data: bytes, context: Any) -> None:  # noqa: N802
        kind = int.from_bytes(data[:4], "big")
        if kind not in _UNDERSTOOD:
            raise ConfigurationError(f"The server asks for a way to log in (number {kind}) that is not by password.")
        if kind in (SASL, MD5, CLEAR):
            self.way.kind = kind
        if self._probes and kind in (MD5, CLEAR):
            raise _ProbedError
        if kind == 0:
            self._accept()
        elif kind >= SASL:
            self._go_on(kind, data[4:])
        else:
            super().handle_AUTHENTICATION_REQUEST(data, context)

    def _accept(self) -> None:
        if not self.way.kind:
            raise ConfigurationError(
                f"The server does not ask {self.user.decode()!r} for a password (trust in pg_hba.conf), so none can be "
                "verified."
            )
        if self.way.exchange and not self.way.exchange.finished:
            raise ScramError("The server ended the exchange before it showed that it knows the password.")
        self.way.accepted = True

    def _go_on(self, kind: int, data: bytes) -> None:
        if kind == SASL:
            self.way.exchange = Exchange(self.password.decode(), self._usock)
            name, first = self.way.exchange.begin(data.decode("ascii", "replace").split("\0"))
            return self._answer(name.encode() + b"\0" + len(first).to_bytes(4, "big") + first)
        if self.way.exchange is None:
            raise ScramError("The server goes on with an exchange that it did not begin.")
        text = data.decode("ascii", "replace")
        if kind == SASL + 2:
            return self.way.exchange.read_final(text)
        self.way.exchange.read_first(text)
        if self._probes:
            raise _ProbedError
        return self._answer(self.way.exchange.prove())

    def _answer(self, message: bytes) -> None:
        self._send_message(b"p", message)
        self._sock.flush()


def _secure(channel: Channel, security: tls.Trust, server: Server) -> network.SecureSocket:
    # Not left to the driver, which tells a server that hangs up and one without TLS by the same error.
    channel.sendall(_SSL_REQUEST)
    answer = channel.recv(1)
    if answer == b"N":
        raise tls.refused(str(server))
    if answer != b"S":
        raise NetworkError(f"{server}: no answer of a PostgreSQL server. Check host and port.")
    return security.wrap_socket(channel, server_hostname=server.host)


def explain(
    error: Exception,
    server: Server,
    username: str = "",
    waited: float = 0,
    *,
    is_login: bool = False,
    has_tls: bool = True,
) -> RotationError:
    """What an exception of the driver means."""
    if isinstance(error, ssl.SSLError):
        return tls.problem(str(server), error)
    if isinstance(error, ScramError):
        return TargetError(f"{server}: the exchange of the password failed. {error}")
    answer = _answer_of(error)
    if answer is None:
        return network.unanswered(str(server), error, waited)
    state = answer.get("C", "")
    problem = _explain_login(state, answer.get("M", ""), server, username, has_tls=has_tls) if is_login else None
    return problem or _explain_state(state, server)


def explain_judged(error: Exception, server: Server) -> RotationError | None:
    """The server's rules have refused the new password; None where the error is another one."""
    state = _state(error)
    if state not in password_rules.POSTGRESQL_ALTER_ROLE:
        return None
    return ValueRefusedError(f"{server} {password_rules.postgresql(state)}")


def _explain_login(state: str, message: str, server: Server, username: str, *, has_tls: bool) -> RotationError | None:
    """Where the code alone does not say it: poolers answer all that is wrong with 08P01."""
    if _SAYS_PROXY.search(message):
        return ConfigurationError(
            f"{server} is an RDS Proxy, which accepts only values that are AWSCURRENT already. Give the endpoint of "
            "the instance or cluster as 'host'."
        )
    if state == "28P01" or _SAYS_PASSWORD.search(message):
        return AuthenticationError(
            f"{server} refused the password of {username!r}. It is wrong, or the role's VALID UNTIL is over."
        )
    if not has_tls and _SAYS_TLS.search(message):
        return ConfigurationError(f"{server} demands TLS of {username!r}: remove the setting 'tls' ('disable').")
    if state == "42501":
        return ConfigurationError(
            f"{server} does not let {username!r} connect to the database {server.dbname!r} (SQLSTATE {state}). Name "
            "one in 'dbname', or GRANT CONNECT."
        )
    if _SAYS_DATABASE.search(message):
        return ConfigurationError(f"{server} {_CONFIGURATION['3D000']}.")
    return None


def _explain_state(state: str, server: Server) -> RotationError:
    if state in _CONFIGURATION:
        return ConfigurationError(f"{server} {_CONFIGURATION[state]} (SQLSTATE {state}).")
    if state in _CONFLICTS:
        return ConflictError(
            f"{server}: another session changed the same role at that moment (SQLSTATE {state}). The rotation is tried "
            "again."
        )
    if state.startswith(_NOT_NOW):
        return NetworkError(f"{server} cannot serve now (SQLSTATE {state}). The rotation is tried again.")
    return TargetError(f"{server} refused a statement (SQLSTATE {state}).")


def _state(error: Exception) -> str:
    return (_answer_of(error) or {}).get("C", "")


def _answer_of(error: Exception) -> dict[str, str] | None:
    """The fields of the server's error message, by their letters: C is SQLSTATE, M the text."""
    for one in strategies.causes(error):
        if isinstance(one, native.DatabaseError):
            return dict(one.args[0])
    return None
