"""What database targets share: the two ways to change a password. Each database has its own statements.

``strategy`` "single" (the default): the user's own password changes. The user logs in with any stored value that still
works, or an administrator does, when 'admin_secret_arn' is given. Connections that are open stay; new ones with the
old password are refused until their application reads the new value.

``strategy`` "alternating": two users take turns, ``app`` and ``app_clone``. A rotation changes the password of the one
that is not in use, and the secret then names that one, so the former user and password work until the next rotation.
An administrator makes the clone with the rights of the first user, and sets the passwords.

What a crash leaves behind: the password is the last thing that changes, in one statement. So if the pending value logs
in, all is done; else everything is done again, and each statement may be repeated.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Protocol

from ...kit import address, administrator, certificate
from ...target import (
    AuthenticationError,
    Context,
    Credential,
    IdentityMismatchError,
    SecretError,
    SettingError,
)

CLONE = "_clone"
"""What is added to the name of the second user; AWS's templates add the same."""


@dataclass(frozen=True)
class Server:
    """Where the database is. ``dbname`` is empty when the secret and the settings name none."""

    host: str
    port: int
    dbname: str
    client: Credential | None = field(default=None, compare=False)
    """Holds the certificate to show to the server, which may ask for one."""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Session(Protocol):
    """A connection that has logged in. Its statements raise errors of this package."""

    def change_password(self, username: str, password: str) -> None:
        """Set a user's password: one's own or, as an administrator, somebody else's."""

    def prepare_clone(self, clone: str, original: str) -> None:
        """Make the user ``clone`` if there is none, unable to log in, and give it the rights of ``original``."""

    def close(self) -> None:
        """End the connection; never raises."""


Connect = Callable[[Context, Server, str, str], Session]
"""Log in to a server with a user name and a password."""


@dataclass(frozen=True)
class Database:
    """One kind of database: how to log in."""

    connect: Connect

    def create_secret(self, context: Context) -> Mapping[str, str]:
        """For users who alternate: the name of the other one."""
        if not _alternates(context) or context.current is None:
            return {}
        _ = context.setting(administrator.SETTING)  # refused before anything is stored
        return {_username_key(context): other(_username(context, context.current))}

    def set_secret(self, context: Context) -> None:
        """Change the password of the user that the pending value names, unless that value is accepted already."""
        pending, server = context.pending, self._server(context, context.pending)
        username = _check_username(context, pending)
        session = self._try(context, server, pending)
        if session is not None:
            session.close()
            return
        with closing(self._log_in(context, server, username)) as session:
            if _alternates(context) and username.endswith(CLONE):
                session.prepare_clone(username, other(username))
            session.change_password(username, pending.value)

    def test_secret(self, context: Context) -> None:
        """Log in with the value to be tested."""
        server, username = self._server(context, context.subject), _check_username(context, context.subject)
        self.connect(context, server, username, context.subject.value).close()

    def _log_in(self, context: Context, server: Server, username: str) -> Session:
        """A session that may change the user's password; the pending value has been tried."""
        if _alternates(context) or context.settings.get(administrator.SETTING):
            admin = administrator.read(context)
            administrator.check_host(context, admin, server.host)
            server = replace(server, client=certificate.of(context, admin))
            return self.connect(context, server, _name(admin.require("username")), admin.value)
        for candidate in context.candidates():
            # Of another user's password nothing is to be expected.
            if candidate is not context.pending and _username(context, candidate) == username:
                session = self._try(context, server, candidate)
                if session is not None:
                    return session
        raise administrator.no_password_accepted(str(server), username)

    def _try(self, context: Context, server: Server, credential: Credential) -> Session | None:
        try:
            return self.connect(context, server, _username(context, credential), credential.value)
        except AuthenticationError:
            context.log.info("A stored password is not accepted.", candidate=credential.version)
            return None

    def _server(self, context: Context, credential: Credential) -> Server:
        dbname = context.look_up("dbname", credential) or ""
        host, port = address.host(context, credential), address.port(context, credential)
        return Server(host, port, _name(dbname), certificate.of(context))


def identity(credential: Credential) -> dict[str, str]:
    """The server, the database and the user, without regard to which of two users that take turns."""
    found = {name: credential.get(name) or "" for name in ("host", "port", "dbname", "username")}
    return {**found, "username": found["username"].removesuffix(CLONE)}


def other(username: str) -> str:
    """The user whose turn is next."""
    return username.removesuffix(CLONE) if username.endswith(CLONE) else username + CLONE


def _alternates(context: Context) -> bool:
    alternates = context.setting("strategy") == "alternating"
    if alternates and context.settings.get("username"):
        raise SettingError("Users who alternate are named in the secret: leave out the setting 'username'.")
    return alternates


def _username_key(context: Context) -> str:
    return context.setting("username_key")


def _username(context: Context, credential: Credential) -> str:
    return _name(context.settings.get("username") or credential.require(_username_key(context)))


def _name(text: str) -> str:
    if "\0" in text:  # where a name ends in both protocols: what follows would be taken for something else
        raise SecretError("A name in the secret holds a NUL character.")
    return text


def _check_username(context: Context, credential: Credential) -> str:
    """The user of the credential. Raises ``IdentityMismatchError`` when it is not the one whose turn it is."""
    username = _username(context, credential)
    current = context.current
    if current is None or current.version == credential.version:
        return username
    expected = _username(context, current)
    if username != (other(expected) if _alternates(context) else expected):
        raise IdentityMismatchError(
            f"The pending value is for the user {username!r}, and the current one for {expected!r}. It is not used. "
            "To abandon this rotation, put a new value into the secret."
        )
    return username


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The exception and those that it came from: a driver may fail once more while it cleans up."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
