"""What database targets share: the two ways to change a password. Each database has its own statements.

``strategy`` "single" (the default): the user's own password changes. The user logs in with any stored value that still
works, or an administrator does, when 'admin_secret_arn' is given. Connections that are open stay; new ones with the
old password are refused until their application reads the new value.

``strategy`` "alternating": two users take turns, ``app`` and ``app_clone``. A rotation changes the password of the one
that is not in use, and the secret then names that one, so the former user and password work until the next rotation.
An administrator makes the clone with the rights of the first user, and sets the passwords.

What a crash leaves behind: the password is the last thing that changes, in one statement. So if the pending value logs
in, all is done; else everything is done again, and each statement may be repeated. The same is asked when a statement
fails or its answer is lost: the server may have done it, and may reject it the second time.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Protocol

from ...kit import address, administrator, certificate
from ...target import (
    Context,
    Credential,
    IdentityMismatchError,
    NetworkError,
    SecretError,
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


class FullError(NetworkError):
    """The server accepted the password, and then had no place for another connection of the user."""


class Session(Protocol):
    """A connection that has logged in. Its statements raise errors of this package."""

    def change_password(self, username: str, password: str) -> None:
        """Set a user's password: one's own or, as an administrator, somebody else's."""

    def prepare_clone(self, clone: str, original: str) -> None:
        """Make the user ``clone`` if there is none, unable to log in, and give it the rights of ``original``."""

    def check(self) -> None:
        """Raise an error when the session is good for nothing but to set a new password: the old one has expired."""
        return

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
        return {_username_key(context): other(user_of(context, context.current))}

    def set_secret(self, context: Context) -> None:
        """Change the password of the user that the pending value names, unless that value is accepted already."""
        server, username = self._server(context, context.pending), _check_username(context, context.pending)
        context.set_once(
            lambda pending: self._test(context, server, username, pending),
            lambda: self._change(context, server, username),
        )

    def test_secret(self, context: Context) -> None:
        """Log in with the value to be tested."""
        server, username = self._server(context, context.subject), _check_username(context, context.subject)
        self._test(context, server, username, context.subject)

    def check(self, context: Context) -> None:
        """Log in as the administrator, where one changes the password."""
        if _alternates(context) or administrator.is_given(context):
            username = user_of(context, context.subject)
            other_one = other(username) if _alternates(context) else username
            self._log_in(context, self._server(context, context.subject), other_one).close()

    def _test(self, context: Context, server: Server, username: str, credential: Credential) -> None:
        try:
            with closing(self.connect(context, server, username, credential.value)) as session:
                session.check()
        except FullError as error:
            # The applications' own connections are in the way. A rotation that waited for them would never end, and
            # the applications have a password that no longer works.
            context.log.warning(f"{error} The password was accepted.")

    def _change(self, context: Context, server: Server, username: str) -> None:
        with closing(self._log_in(context, server, username)) as session:
            if _alternates(context) and username.endswith(CLONE):
                session.prepare_clone(username, other(username))
            session.change_password(username, context.pending.value)

    def _log_in(self, context: Context, server: Server, username: str) -> Session:
        """A session that may change the user's password."""

        def as_user(candidate: Credential) -> Session:
            if user_of(context, candidate) != username:
                raise SecretError("It is for another user.")
            return self.connect(context, server, username, candidate.value)

        def as_administrator(name: str, admin: Credential) -> Session:
            if _alternates(context):
                administrator.refuse_itself(name, other(username))
            shown = replace(server, client=certificate.of(context, admin))
            return self.connect(context, shown, _name(name), admin.value)

        if _alternates(context) or administrator.is_given(context):
            return administrator.log_in(context, server.host, username, as_administrator)
        return context.log_in(as_user, administrator.no_password_accepted(str(server), username))

    def _server(self, context: Context, credential: Credential) -> Server:
        dbname = context.look_up("dbname", credential) or ""
        host, port = address.host(context, credential), address.port(context, credential)
        return Server(host, port, _name(dbname), certificate.of(context))


def identity(credential: Credential) -> dict[str, str]:
    """The server, the database and the user, without regard to which of two users that take turns."""
    found = {name: credential.get(name) or "" for name in ("host", "port", "dbname", "username")}
    return {**found, "username": found["username"].removesuffix(CLONE)}


def issued_keys(context: Context) -> tuple[str, ...]:
    """The key with the user's name, which changes when two users take turns."""
    return (_username_key(context),) if _alternates(context) else ()


def other(username: str) -> str:
    """The user whose turn is next."""
    return username.removesuffix(CLONE) if username.endswith(CLONE) else username + CLONE


def _alternates(context: Context) -> bool:
    return context.setting("strategy") == "alternating"


def _username_key(context: Context) -> str:
    return context.setting("username_key")


def user_of(context: Context, credential: Credential) -> str:
    """Who the credential is for, by the setting 'username' or the key that 'username_key' names."""
    return _name(context.settings.get("username") or credential.require(_username_key(context)))


def _name(text: str) -> str:
    if "\0" in text:  # where a name ends in both protocols: what follows would be taken for something else
        raise SecretError("A name in the secret holds a NUL character.")
    return text


def _check_username(context: Context, credential: Credential) -> str:
    """The user of the credential. Raises ``IdentityMismatchError`` when it is not the one whose turn it is."""
    username = user_of(context, credential)
    current = context.current
    if current is None or current.text == credential.text:  # the version of a test that comes alone holds a copy
        return username
    expected = user_of(context, current)
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
