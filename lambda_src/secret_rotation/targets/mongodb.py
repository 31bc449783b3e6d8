"""MongoDB and DocumentDB: the password of a user, who logs in by SCRAM.

The user changes its own password, or an administrator sets it. The change is one command (updateUser), which the
primary makes whole or not at all, so what a crash leaves is the one or the other:

- before updateUser: nothing changed. After it, or if its answer was lost: the pending password works, which is stored,
  and the retry finds that it does.
- AWSPENDING removed after updateUser: its version still holds the password, and the next rotation logs in with it, or
  as the administrator.

The former password opens nothing from then on. Connections that are open stay open.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from ..kit import address, administrator, certificate, tls
from ..kit import connection as network
from ..kit.mongo_client import Client, Document, MalformedError
from ..target import (
    AuthenticationError,
    ConfigurationError,
    Context,
    Credential,
    NetworkError,
    RotationError,
    SecretError,
    TargetError,
    ValueRefusedError,
    explained,
)
from .databases.scram import Exchange, ScramError

_KEYS = ("host", "port", "username", "authSource", "dbname")
_SHA_1, _SHA_256 = "SCRAM-SHA-1", "SCRAM-SHA-256"
_LEAST_ITERATIONS = 4096
"""MongoDB demands it of every client, since a server could else learn the password."""
_SUPERUSER = {"root", "__system", "userAdminAnyDatabase", "restore", "backup"}
"""Roles that can change users, or read and write what is stored of their passwords."""
_SUPERUSER_OF_ADMIN = {"userAdmin", "dbOwner"}
"""Roles that can do that where they are given for the database ``admin``."""
_MAY_CHANGE_USERS = {"anyAction", "internal", "changePassword", "createUser", "createRole", "grantRole"}
"""Actions that hold that for a role of the caller's own."""
_NOT_NOW = "cannot do this now; the rotation is tried again"
_NO_COMMAND = (
    "does not know a command that this needs: MongoDB 3.6 or later, or Amazon DocumentDB. Users of MongoDB Atlas are "
    "changed by its Administration API: use the target calls"
)
_CODES: dict[int, tuple[type[RotationError], str]] = {
    11: (ConfigurationError, "has no user {user}: create it, or correct 'auth_source'"),
    13: (
        ConfigurationError,
        "does not allow this for {user}. A user that changes its own password needs a role with the action "
        "changeOwnPassword on its database; an administrator needs changePassword and viewUser there",
    ),
    18: (AuthenticationError, "refused the password of {user}"),
    59: (ConfigurationError, _NO_COMMAND),
    115: (ConfigurationError, _NO_COMMAND),
    238: (ConfigurationError, _NO_COMMAND),
    334: (ConfigurationError, "does not let {user} log in by SCRAM: give the user a password (mechanisms)"),
    8000: (ConfigurationError, _NO_COMMAND),
    **dict.fromkeys((6, 7, 46, 50, 64, 89, 91, 189, 202, 262, 462), (NetworkError, _NOT_NOW)),
    **dict.fromkeys((9001, 10107, 11600, 11602, 13435, 13436), (NetworkError, _NOT_NOW)),
}
"""MongoDB's error codes; those that are tried again are of elections, shutdowns, time limits and write concerns."""
_BAD_VALUE = 2

_T = TypeVar("_T")


def identity(credential: Credential) -> dict[str, str]:
    """The server and the user that the credential is for."""
    return {name: credential.get(name) or "" for name in _KEYS}


def set_secret(context: Context) -> None:
    """Change the password, unless the pending one is accepted already."""
    server, user = _named(context, context.pending)
    change = _by_administrator if administrator.is_given(context) else _by_itself
    context.set_once(lambda pending: server.test(context, user, pending), lambda: change(context, server, user))


def test_secret(context: Context) -> None:
    """Log in."""
    server, user = _named(context, context.subject)
    server.test(context, user, context.subject)


def check(context: Context) -> None:
    """Look at the user as the administrator, if there is one."""
    if administrator.is_given(context):
        server, user = _named(context, context.subject)
        _as_administrator(context, server, user, lambda client: _checked(context, server, client, user))


@dataclass(frozen=True)
class User:
    """A user, who is one of the database that it was created in."""

    name: str
    database: str

    def __str__(self) -> str:
        return f"{self.name!r} of the database {self.database!r}"


@dataclass(frozen=True)
class Server:
    """The members of a replica set, or one server, or a router of a sharded cluster."""

    hosts: list[tuple[str, int]]
    """The last one that was the primary comes first: one that is down costs its time once."""

    def __str__(self) -> str:
        return ",".join(f"{host}:{port}" for host, port in self.hosts)

    def test(self, context: Context, user: User, credential: Credential) -> None:
        """Log in, to the primary: another member may not have the password yet."""
        with self.log_in(context, user, credential.value):
            pass

    @contextmanager
    def log_in(self, context: Context, user: User, password: str, admin: Credential | None = None) -> Iterator[Client]:
        """A connection to the primary that has logged in. What the network does in the block becomes an error of
        this package.
        """
        trust = tls.context(context.settings, certificate.of(context, admin))
        limit = network.Limit(context.deadline.share())
        with explained(lambda error: _explain(str(self), error, limit), OSError, MalformedError), ExitStack() as stack:
            client, mechanisms = self._primary(stack, trust, limit, user)
            self._prove(client, user, password, mechanisms)
            yield client

    def _primary(
        self, stack: ExitStack, trust: tls.Trust | None, limit: network.Limit, user: User
    ) -> tuple[Client, Sequence[str]]:
        """The member that can be written to, and how it says that the user logs in."""
        problem: RotationError = self._no_primary()
        for n, address_of_one in enumerate(self.hosts):
            share = network.Limit(limit.left() / (len(self.hosts) - n))
            try:
                connection, hello = _greet(stack, *address_of_one, trust, share, user)
            except RotationError as error:
                problem = error
                continue
            if hello.get("ismaster") is True:
                self.hosts.insert(0, self.hosts.pop(n))
                connection.limit = limit
                return Client(connection), _mechanisms(hello)
            problem = problem if hello.get("ok") else self.problem(hello, user)
        raise problem

    def _no_primary(self) -> RotationError:
        return NetworkError(
            f"{self}: no member that answered is the primary, which alone changes users. During an election the "
            "rotation is tried again. Else name all members of the replica set in 'host', separated by commas."
        )

    def _prove(self, client: Client, user: User, password: str, mechanisms: Sequence[str]) -> None:
        """Log in by SCRAM. A server that does not say how the user logs in has SHA-1 alone."""
        if not user.name or not password:
            raise SecretError("An empty name or password is no login.")
        if _SHA_256 in mechanisms:
            exchange = Exchange(password, name=user.name)
        else:
            hashed = hashlib.md5(f"{user.name}:mongo:{password}".encode(), usedforsecurity=False).hexdigest()
            exchange = Exchange(hashed, name=user.name, digest="sha1")
        with explained(lambda error: TargetError(f"{self}: no login by SCRAM. {error}"), ScramError):
            self._exchange(client, user, exchange)

    def _exchange(self, client: Client, user: User, exchange: Exchange) -> None:
        mechanism, first = exchange.begin([_SHA_1, _SHA_256])
        start = {"saslStart": 1, "mechanism": mechanism, "payload": first, "options": {"skipEmptyExchange": True}}
        answer = self.ask(client, user, start)
        exchange.read_first(_payload(answer))
        if exchange.iterations < _LEAST_ITERATIONS:
            raise ScramError(
                f"The server asks for {exchange.iterations} iterations; {_LEAST_ITERATIONS} are the least."
            )
        goes_on = {"saslContinue": 1, "conversationId": _conversation(answer)}
        answer = self.ask(client, user, {**goes_on, "payload": exchange.prove()})
        exchange.read_final(_payload(answer))
        if answer.get("done") is not True:
            self.ask(client, user, {**goes_on, "payload": b""})

    def ask(self, client: Client, user: User, command: Mapping[str, Any]) -> Document:
        """The answer to a command in the user's database. Raises an error when it is a refusal."""
        answer = client.command(user.database, command)
        problem = answer if not answer.get("ok") else answer.get("writeConcernError")
        if problem:
            raise self.problem(problem, user, str(command.get("pwd", "")))
        return answer

    def problem(self, answer: Mapping[str, Any], user: User, new: str = "") -> RotationError:
        """What a refusal means, of the password ``new`` perhaps. Nothing of its text is shown, which may hold that."""
        code = answer.get("code")
        kind, text = _CODES.get(code if isinstance(code, int) else 0, (TargetError, "refused a command"))
        if kind is TargetError and new and (code == _BAD_VALUE or not (new.isascii() and new.isprintable())):
            kind, text = ValueRefusedError, "refuses the new password: change `password`, to printable ASCII perhaps"
        made: RotationError = kind(f"{self} {text.format(user=user)} (MongoDB's error {_number(code)}).")
        return made


def _named(context: Context, credential: Credential) -> tuple[Server, User]:
    """Where and who, from the settings; what they leave out is in the secret."""
    name = context.look_up("username", credential) or credential.require("username")
    database = context.settings.get("auth_source") or _database(credential)
    return Server(list(address.several(context, credential))), User(name, database)


def _database(credential: Credential) -> str:
    """As a connection string has it: authSource, else its database, else admin."""
    return credential.get("authSource") or credential.get("dbname") or "admin"


def _greet(
    stack: ExitStack, host: str, port: int, trust: tls.Trust | None, limit: network.Limit, user: User
) -> tuple[network.Socket | network.SecureSocket, Document]:
    """A connection, and what the server says of itself. The command has this name on every server since 3.6."""
    where = f"{host}:{port}"
    with explained(lambda error: _explain(where, error, limit), OSError, MalformedError):
        connection: Any = stack.enter_context(closing(network.connect(host, port, limit)))
        if trust is not None:
            connection = stack.enter_context(closing(trust.wrap_socket(connection, server_hostname=host)))
        asked = {"isMaster": 1, "saslSupportedMechs": f"{user.database}.{user.name}"}
        return connection, Client(connection).command("admin", asked)


def _mechanisms(hello: Document) -> Sequence[str]:
    found = hello.get("saslSupportedMechs")
    return found if isinstance(found, list) else []


def _payload(answer: Document) -> str:
    found = answer.get("payload")
    if not isinstance(found, bytes):
        raise MalformedError("The answer has no payload.")
    return found.decode(errors="replace")


def _conversation(answer: Document) -> int:
    found = answer.get("conversationId")
    if not isinstance(found, int) or not 0 <= found < 2**31:
        raise MalformedError("The answer has no conversation.")
    return found


def _number(code: object) -> str:
    return str(code) if isinstance(code, int) else "without a number"


def _explain(where: str, error: Exception, limit: network.Limit) -> RotationError:
    check = "host, port, TLS, and that MongoDB 3.6 or later, or DocumentDB, listens there"
    return tls.broken(where, error, limit.waited(), check)


def _by_itself(context: Context, server: Server, user: User) -> None:
    def change(candidate: Credential) -> bool:
        with server.log_in(context, user, candidate.value) as client:
            _set(context, server, client, user, _own_mechanisms(client, user))
        return True

    context.log_in(change, administrator.no_password_accepted(str(server), user.name))


def _by_administrator(context: Context, server: Server, user: User) -> None:
    def change(client: Client) -> None:
        _set(context, server, client, user, _checked(context, server, client, user))

    _as_administrator(context, server, user, change)


def _as_administrator(context: Context, server: Server, user: User, then: Callable[[Client], _T]) -> _T:
    def attempt(name: str, admin: Credential) -> _T:
        with server.log_in(context, User(name, _database(admin)), admin.value, admin) as client:
            return then(client)

    if not context.settings.get("auth_source"):
        raise ConfigurationError(
            "An administrator changes the user of whichever database the secret names: set 'auth_source' to the one "
            "that the users are in."
        )
    host = context.look_up("host", context.subject) or ""
    return administrator.log_in(context, host, user.name, attempt)


def _set(context: Context, server: Server, client: Client, user: User, mechanisms: Sequence[str]) -> None:
    """Once most members have it: a primary that is replaced does not take it back."""
    command = {"updateUser": user.name, "pwd": context.pending.value}
    kept = {"mechanisms": list(mechanisms)} if mechanisms else {}  # else every way to log in would be added
    server.ask(client, user, {**command, **kept, "writeConcern": {"w": "majority"}})


def _own_mechanisms(client: Client, user: User) -> Sequence[str]:
    """How the user logs in; nothing where it may not look, or the server does not say."""
    found = client.command(user.database, _about(user)).get("users") or [{}]
    return _scram(found[0])


def _checked(context: Context, server: Server, client: Client, user: User) -> Sequence[str]:
    """How the user logs in. Refuses one that an administrator is not to change."""
    found = _looked_up(server, client, user)
    if not found:
        raise server.problem({"code": 11}, user)
    if context.setting("superusers") != "allow":
        _refuse_superuser(server, user, found[0])
    return _scram(found[0])


def _looked_up(server: Server, client: Client, user: User) -> list[Document]:
    """With the actions of its roles, where the server can say them."""
    answer = client.command(user.database, {**_about(user), "showPrivileges": True})
    if not answer.get("ok"):
        answer = server.ask(client, user, _about(user))
    return answer.get("users") or []


def _about(user: User) -> Document:
    return {"usersInfo": {"user": user.name, "db": user.database}}


def _scram(found: Document) -> Sequence[str]:
    return [name for name in found.get("mechanisms") or () if name in (_SHA_1, _SHA_256)]


def _refuse_superuser(server: Server, user: User, found: Document) -> None:
    roles = [*(found.get("roles") or ()), *(found.get("inheritedRoles") or ())]
    privileges = found.get("inheritedPrivileges") or ()
    if any(map(_is_superuser, roles)) or any(map(_may_change_users, privileges)):
        raise ConfigurationError(
            f"{server}: {user} may change other users (root, userAdminAnyDatabase, userAdmin or dbOwner of admin, "
            "restore, backup, or a role with such actions). An administrator does not change its password, since "
            'whoever can write the secret would get that account. To allow it: superusers = "allow".'
        )


def _is_superuser(role: Mapping[str, Any]) -> bool:
    name = role.get("role")
    return name in _SUPERUSER or (name in _SUPERUSER_OF_ADMIN and role.get("db") == "admin")


def _may_change_users(privilege: Mapping[str, Any]) -> bool:
    """In all databases, or in ``admin``: who may do it in one alone gets no further."""
    where = privilege.get("resource") or {}
    reaches_all = where.get("anyResource") or where.get("cluster") or where.get("db") in ("", "admin")
    return bool(reaches_all and _MAY_CHANGE_USERS.intersection(privilege.get("actions") or ()))
