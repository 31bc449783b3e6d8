"""Redis and Valkey: the password of an ACL user, or of the default user.

A user may have several passwords. After each rotation exactly two are left: the new one and the one before it, so that
consumers that still hold the old one go on working until the next rotation. Both are sent as SHA-256 hashes, in one
ACL SETUSER, which the server applies as a whole: there is no moment in which neither works, and a repetition, or the
same step twice at once, ends in the same two passwords. What a crash may leave:

- before ACL SETUSER: nothing changed. After it, before it is saved: the pending password works, which is stored; the
  retry logs in with it and saves.
- AWSPENDING removed after ACL SETUSER: current still works, so the next rotation logs in with it, and drops
  the abandoned password.
"""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from ..kit import address, administrator, certificate, tls
from ..kit import connection as network
from ..kit.redis_client import Client, MalformedError, RefusedError
from ..target import (
    AuthenticationError,
    ConfigurationError,
    Context,
    Credential,
    NetworkError,
    RotationError,
    TargetError,
    explained,
)

SAVE_COMMANDS = {"acl-save": "ACL SAVE", "config-rewrite": "CONFIG REWRITE", "none": None}
"""How the new password survives a restart of the server.

ACL SAVE by default: without it a restart brings back passwords that no version of the secret may hold any
more, and a server that cannot do it says so at the first rotation, while the old password still works.
"""
_MAY_CHANGE_USERS = ("@all", "@admin", "@dangerous", "acl", "acl|setuser")
"""Permissions that hold that for ACL SETUSER: who has it can get every other one."""
_SENTINEL = "sentinel-"
"""How the names begin that sentinels give to their connections."""
_NOT_NOW = {"BUSY", "CLUSTERDOWN", "FAILOVER", "LOADING", "MASTERDOWN", "NOREPLICAS", "TRYAGAIN"}
"""Codes of a server that does not do this now, whoever asks; a script holds it, say."""
_WRONG = ("invalid password", "client sent auth, but no password", "auth <password> called without any password")
"""How older servers, and those without users, refuse a password."""
_UNWRITABLE = ("error trying to save", "rewriting config file")
"""What the server says when it has a file and cannot write it."""


def identity(credential: Credential) -> dict[str, str]:
    """The server and the user that the credential is for."""
    return {name: credential.get(name) or "" for name in ("host", "port", "username")}


def set_secret(context: Context) -> None:
    """Make the pending password valid, and beside it only the one that consumers have now."""
    try:
        _set_secret(context)
    except NetworkError:
        if not _is_accepted(context):
            raise
        context.log.info("The answer was lost, but the server accepts the pending value. It may not be saved yet.")
        _set_secret(context)


def _is_accepted(context: Context) -> bool:
    server = Server.of(context, context.pending)
    with suppress(RotationError), server.connect(context, server.username, context.pending.value):
        return True
    return False


def _set_secret(context: Context) -> None:
    server, command = Server.of(context, context.pending), _save_command(context)
    with ExitStack() as stack:
        connection, keep = _log_in(context, server, stack)
        _check_user(context, connection, server.username)
        _replace_passwords(connection, server.username, context.pending, keep)
        if command:
            _save(connection, command)


def test_secret(context: Context) -> None:
    """Log in with the password to be tested."""
    server = Server.of(context, context.subject)
    with server.connect(context, server.username, context.subject.value):
        pass


def check(context: Context) -> None:
    """Look at the user as whoever is going to change it. That its own password is refused is the test's to report."""
    server = Server.of(context, context.subject)
    if administrator.is_given(context):
        with ExitStack() as stack:
            connection, _ = _log_in(context, server, stack)
            _check_as(context, connection, server)
        return
    with (
        suppress(AuthenticationError),
        server.connect(context, server.username, context.subject.value) as connection,
    ):
        _check_as(context, connection, server)


def _check_as(context: Context, connection: Client, server: "Server") -> None:
    _check_user(context, connection, server.username)
    _user(connection, server.username)


@dataclass(frozen=True)
class Server:
    """Where the user is, and how to connect: ``trust`` is None for no TLS."""

    host: str
    port: int
    username: str
    trust: tls.Trust | None

    @classmethod
    def of(cls, context: Context, credential: Credential) -> "Server":
        """Read the settings; what they leave out is in the secret. Raises ``ConfigurationError``."""
        return cls(
            host=address.host(context, credential),
            port=address.port(context, credential),
            username=context.look_up("username", credential) or "",
            trust=tls.context(context.settings, certificate.of(context)),
        )

    @contextmanager
    def connect(self, context: Context, username: str, password: str) -> Iterator[Client]:
        """A connection that has logged in. Its errors, in the block too, become those of this package."""
        limit = network.Limit(context.deadline.share())

        def explain(error: Exception) -> RotationError:
            return self._explain(error, username, limit.waited())

        with explained(explain, RefusedError, MalformedError, OSError), self._open(limit) as client:
            client.log_in(username, password)
            with _no_permission():  # logged in, and not allowed to PING
                client.run("PING")
            yield client

    def _open(self, limit: network.Limit) -> Client:
        plain = network.connect(self.host, self.port, limit)
        return Client(plain if self.trust is None else self.trust.wrap_socket(plain, server_hostname=self.host))

    def _explain(self, error: Exception, username: str, waited: float = 0) -> RotationError:
        where = f"{self.host}:{self.port}"
        if isinstance(error, RefusedError):
            return _refused(where, username, error)
        check = "host, port, and that the server speaks TLS" if self.trust else "host and port"
        if isinstance(error, MalformedError):
            return network.unanswered(where, "it does not speak as Redis does", waited, check)
        return tls.broken(where, error, waited, check)


@contextmanager
def _no_permission() -> Iterator[None]:
    """The block may be refused for want of a permission."""
    try:
        yield
    except RefusedError as error:
        if error.code != "NOPERM":
            raise


def _refused(where: str, username: str, error: RefusedError) -> RotationError:
    if error.code in ("WRONGPASS", "NOAUTH") or error.says(*_WRONG):
        return AuthenticationError(f"{where} refused the password of {username!r}.")
    if error.code == "NOPERM":
        return ConfigurationError(
            f"{where}: the user {username!r} may not change passwords. Grant it +acl|getuser, +acl|setuser and "
            "what 'persist' needs, or set 'admin_secret_arn'."
        )
    if error.says("unknown command"):
        return ConfigurationError(
            f"{where} has no ACL commands, so the password of an ACL user cannot be changed there. Use Redis 6 or "
            "later, in which they are not renamed (rename-command)."
        )
    if error.code in _NOT_NOW:
        return NetworkError(
            f"{where} cannot serve now ({error.code}), because of a script that runs, or as a replica "
            "without its primary, say. The rotation is tried again."
        )
    return TargetError(f"{where} refused a command ({error.code}).")


def _log_in(context: Context, server: Server, stack: ExitStack) -> tuple[Client, list[Credential]]:
    """A connection that may change the user, and the credentials whose passwords consumers may have now.

    Raises ``AuthenticationError`` when no stored password opens it.
    """
    known = [context.current] if context.current and context.current.is_usable else []

    def as_user(candidate: Credential) -> tuple[Client, list[Credential]]:
        opened = server.connect(context, server.username, candidate.value)
        return stack.enter_context(opened), [candidate, *known]

    def as_administrator(name: str, admin: Credential) -> tuple[Client, list[Credential]]:
        shown = replace(server, trust=tls.context(context.settings, certificate.of(context, admin)))
        return stack.enter_context(shown.connect(context, name, admin.value)), known

    if administrator.is_given(context):
        return administrator.log_in(context, server.host, server.username, as_administrator, "default")
    return context.log_in(as_user, administrator.no_password_accepted(f"{server.host}:{server.port}", server.username))


def _check_user(context: Context, connection: Client, username: str) -> None:
    """Refuse a user whose password others need, or that is more than an administrator is to hand out."""
    if _replicates(connection, username):
        raise ConfigurationError(
            f"{username!r} is the user with which replicas or sentinels log in (masteruser, sentinel auth-user). They "
            "would be refused after the second rotation. Give them a user of their own, or rotate another user."
        )
    if not administrator.is_given(context):
        return
    user = _user(connection, username)
    if "off" in user["flags"]:
        raise ConfigurationError(f"The user {username!r} is off, and no password would log it in: ACL SETUSER ... on.")
    if context.setting("superusers") != "allow":
        _refuse_superuser(username, user["commands"])


def _replicates(connection: Client, username: str) -> bool:
    """Whether this server logs in as the user to a primary, or a replica or a sentinel does so here."""
    named = _pairs(_ask(connection, "CONFIG GET", "master*") or [])
    replicas = _clients(_ask(connection, "CLIENT LIST", "TYPE", "replica") or "")
    listeners = _clients(_ask(connection, "CLIENT LIST", "TYPE", "pubsub") or "")
    sentinels = [client for client in listeners if client.get("name", "").startswith(_SENTINEL)]
    # Without a masteruser, masterauth is the password of the default user.
    own = named.get("masteruser") or ("default" if named.get("masterauth") else None)
    return username in {own, *(client.get("user") for client in [*replicas, *sentinels])}


def _ask(connection: Client, *command: str) -> Any:
    """The answer, or None where the user may not ask, or the server (a managed one, say) has no such command."""
    try:
        return connection.run(*command)
    except RefusedError:
        return None


def _pairs(found: Any) -> dict[str, Any]:
    """A list of names and values in turn, as Redis writes a map."""
    return dict(zip(found[::2], found[1::2], strict=True))


def _clients(text: str) -> list[dict[str, str]]:
    """The connections that CLIENT LIST shows, one a line."""
    return [dict(word.partition("=")[::2] for word in line.split()) for line in text.splitlines()]


def _refuse_superuser(username: str, commands: str) -> None:
    may = False
    for rule in commands.split():  # a later one overrides
        if rule[1:] in _MAY_CHANGE_USERS:
            may = rule.startswith("+")
    if may:
        raise ConfigurationError(
            f"{username!r} may change users itself (+@all, +@admin, +acl|setuser). An administrator does not change "
            'its password, since whoever can write the secret would get it: set superusers = "allow" if you want that.'
        )


def _user(connection: Client, username: str) -> Any:
    found: Any = connection.run("ACL GETUSER", username)
    if found is None:
        raise ConfigurationError(f"The server has no user {username!r}. Create it with the permissions that it needs.")
    return _pairs(found)


def _replace_passwords(connection: Client, username: str, pending: Credential, keep: list[Credential]) -> None:
    user = _user(connection, username)
    there, nopass = set(user["passwords"]), "nopass" in user["flags"]
    # Only what is accepted now is kept: an old password that does not work must not come to work.
    wanted = {_hash(old) for old in keep if nopass or _hash(old) in there} | {_hash(pending)}
    if there != wanted:
        connection.run("ACL SETUSER", username, "resetpass", *(f"#{value}" for value in sorted(wanted)))


def _save(connection: Client, command: str) -> None:
    # Also when nothing was replaced: an earlier try may have ended just before.
    # With an ACL file CONFIG REWRITE succeeds and leaves the users out.
    if command == "CONFIG REWRITE" and _pairs(connection.run("CONFIG GET", "aclfile")).get("aclfile"):
        raise _not_saved(command)
    try:
        connection.run(command)
    except RefusedError as error:
        if error.code == "NOPERM":
            raise
        has_file = any(text in str(error).lower() for text in _UNWRITABLE)
        raise (_not_written if has_file else _not_saved)(command) from None


def _not_saved(command: str) -> RotationError:
    return ConfigurationError(
        f"{command} does not save the server's users, so a restart would bring the old passwords back. Set "
        "'persist' to acl-save when the server has an ACL file (aclfile), to config-rewrite when its users are in "
        "the configuration file, or to none when another program keeps them."
    )


def _not_written(command: str) -> RotationError:
    return ConfigurationError(
        f"{command} failed: the server cannot write the file (its log says why). The new password works, beside the "
        "old one, but a restart would bring the passwords of the file back. Let the server write the file and its "
        "folder: the next try saves it."
    )


def _save_command(context: Context) -> str | None:
    return SAVE_COMMANDS[context.setting("persist")]


def _hash(credential: Credential) -> str:
    return hashlib.sha256(credential.value.encode()).hexdigest()
