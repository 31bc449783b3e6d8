"""LDAP directories: the password of an entry. OpenLDAP and others by RFC 3062, Active Directory by ``unicodePwd``.

A login is a simple bind, over TLS. The user changes its own password, naming the old one, or an administrator sets it.
The change is one request, which the directory makes whole or not at all; what a crash leaves is the one or the other.
So the pending value is tried first, always: a directory refuses to set a password again (history), or so soon
(minimum age).

A domain controller may accept the old password for an hour after a change. So a stored value that logs in need not be
the one that a change has to name. Each candidate therefore logs in *and* changes the password; one whose change is
refused is passed over as one that does not log in.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..kit import address, administrator, certificate, ldap_client, tls
from ..kit import connection as network
from ..kit.ldap_client import Client, Entry, Result
from ..target import (
    AuthenticationError,
    ConfigurationError,
    Context,
    Credential,
    IdentityMismatchError,
    LockedError,
    NetworkError,
    RotationError,
    SecretError,
    TargetError,
    ValueRefusedError,
    explained,
)

_DIRECTORY = "active_directory"
_NOT_AFTER_RESET = (
    "has to be changed by the user itself (pwdMustChange): an administrator's change marks it so. Exempt the user "
    "from that policy, or leave 'admin_secret_arn' out"
)
_CODES: dict[int, tuple[type[RotationError], str]] = {
    7: (ConfigurationError, "does not take a password as it is (simple bind)"),
    8: (ConfigurationError, 'takes passwords over TLS only: tls = "verify"'),
    10: (ConfigurationError, "points to another server (a referral), which is not followed: name that one as 'host'"),
    11: (ConfigurationError, "would have to look at too many entries: give the user's DN as its name"),
    13: (ConfigurationError, 'takes passwords over TLS only: tls = "verify"'),
    16: (AuthenticationError, "did not find the old password that a change has to name"),
    19: (ValueRefusedError, "refuses the new password by its policy (length, characters, history, minimum age)"),
    32: (ConfigurationError, "has no such entry, or does not let it be seen: correct the user's name"),
    34: (SecretError, "takes the user's name for no distinguished name"),
    48: (AuthenticationError, "does not let this user log in by a password"),
    49: (AuthenticationError, "refused the password of {name!r}"),
    50: (ConfigurationError, "does not let {name!r} change the password: allow it to write that attribute"),
    51: (NetworkError, "is busy; it is tried again"),
    52: (NetworkError, "is not available now; it is tried again"),
    53: (ConfigurationError, "does not do this: it is read-only (a replica), locks the entry, or demands TLS"),
}
"""LDAP's result codes."""
_POLICY: dict[int, tuple[type[RotationError], str]] = {
    0: (ConfigurationError, "says that the password of {name!r} has expired: an administrator has to change it"),
    1: (LockedError, "has locked {name!r} after wrong passwords: remove pwdAccountLockedTime"),
    2: (ConfigurationError, f"says that the password of {{name!r}} {_NOT_AFTER_RESET}"),
    3: (ConfigurationError, "does not let users change their passwords (pwdAllowUserChange): set 'admin_secret_arn'"),
    4: (ConfigurationError, "demands the old password too (pwdSafeModify): leave 'admin_secret_arn' out"),
    5: (ValueRefusedError, "refuses the new password (pwdCheckQuality): change `password`"),
    6: (ValueRefusedError, "says that the new password is too short (pwdMinLength): raise `password.length`"),
    7: (ConfigurationError, "lets the password be changed again only after a while (pwdMinAge): it is tried again"),
    8: (ValueRefusedError, "has had the new password before (pwdInHistory)"),
}
"""Errors of the password policy control."""
_ACTIVE_DIRECTORY: dict[str, tuple[type[RotationError], str]] = {
    "530": (ConfigurationError, "does not let {name!r} log in at this time (logon hours)"),
    "531": (ConfigurationError, "does not let {name!r} log in from here (workstations)"),
    "532": (ConfigurationError, "says that the password of {name!r} has expired: an administrator has to change it"),
    "533": (ConfigurationError, "has disabled {name!r}: enable the account"),
    "701": (ConfigurationError, "says that the account of {name!r} has expired"),
    "773": (ConfigurationError, "demands that {name!r} changes its password at the next logon: clear that flag"),
    "775": (LockedError, "has locked {name!r} after wrong passwords: unlock the account"),
}
"""The ``data`` of its answer to a refused login."""
_WRONG_OLD, _BREAKS_RULES = "00000056", "0000052D"
_PRIVILEGED = {500, 502, 512, 516, 518, 519, 520, 544, 548, 549, 551}
"""The last part of the SIDs of those that can change accounts or read their hashes: administrators, operators."""


def identity(credential: Credential) -> dict[str, str]:
    """The server and the user that the credential is for."""
    return {name: credential.get(name) or "" for name in ("host", "port", "username")}


def set_secret(context: Context) -> None:
    """Change the password, unless the pending one is accepted already."""
    server = Server.of(context, context.pending)
    change = _by_administrator if administrator.is_given(context) else _by_itself
    context.set_once(lambda pending: server.test(context, pending), lambda: change(context, server))


def test_secret(context: Context) -> None:
    """Log in."""
    Server.of(context, context.subject).test(context, context.subject)


def check(context: Context) -> None:
    """Find the user as the administrator, if there is one."""
    if administrator.is_given(context):
        server = Server.of(context, context.subject)
        administrator.log_in(context, server.host, server.username, lambda *admin: _checked(context, server, *admin))


@dataclass(frozen=True)
class Server:
    """Where the directory is, and the user whose password rotates."""

    host: str
    port: int
    username: str
    is_active_directory: bool
    starts_tls: bool

    @classmethod
    def of(cls, context: Context, credential: Credential) -> "Server":
        """Read the settings; what they leave out is in the secret."""
        username = context.look_up("username", credential) or credential.require("username")
        expected = context.look_up("username", context.current) if context.current else username
        if username != expected:
            raise IdentityMismatchError(
                f"The pending value is for the user {username!r}, and the current one for {expected!r}. It is not "
                "used. To abandon this rotation, put a new value into the secret."
            )
        return cls(
            host=address.host(context, credential),
            port=address.port(context, credential),
            username=username,
            is_active_directory=context.setting("directory") == _DIRECTORY,
            starts_tls=context.setting("start_tls") == "true",
        )

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def test(self, context: Context, credential: Credential) -> None:
        """Log in. A password that is good for nothing but its change is not accepted."""
        with self.connect(context) as client:
            self.log_in(client, self.username, credential.value)

    @contextmanager
    def connect(self, context: Context, admin: Credential | None = None) -> Iterator[Client]:
        """A connection that has not logged in. What the network does in the block becomes an error of this package."""
        trust = tls.context(context.settings, certificate.of(context, admin))
        limit = network.Limit(context.deadline.share())

        def explain(error: Exception) -> RotationError:
            return tls.broken(str(self), error, limit.waited(), "host, port, and that LDAP is spoken there")

        with (
            explained(explain, OSError, ldap_client.MalformedError),
            Client(network.connect(self.host, self.port, limit)) as client,
        ):
            if trust is not None:
                self._secure(client, trust)
            yield client

    def _secure(self, client: Client, trust: tls.Trust) -> None:
        if self.starts_tls and client.extended(ldap_client.START_TLS).code:
            raise tls.refused(str(self))
        client.socket = trust.wrap_socket(client.socket, server_hostname=self.host)

    def log_in(self, client: Client, name: str, password: str, *, to_change: bool = False) -> None:
        """Bind. ``to_change``: a password that only may be changed will do."""
        if not name or not password:
            raise SecretError("An empty name or password is no login: a directory takes it for an anonymous one.")
        answer = client.bind(name, password)
        if answer.code or (not to_change and answer.policy == 2):
            raise self.problem(answer, name)

    def expect(self, answer: Result, name: str) -> None:
        """Raise an error unless the answer is success."""
        if answer.code:
            raise self.problem(answer, name)

    def problem(self, answer: Result, name: str) -> RotationError:
        """What an answer means. Of its text, which may hold anything, only numbers that are known here are read."""
        kind, text = _CODES.get(answer.code, (TargetError, "refused a request"))
        known = [found for number, found in _ACTIVE_DIRECTORY.items() if f"data {number}," in answer.text]
        if answer.policy in _POLICY:
            kind, text = _POLICY[answer.policy]
        elif answer.code == 49 and known:
            kind, text = known[0]
        elif answer.code == 53 and _BREAKS_RULES in answer.text:
            kind, text = _CODES[19]
        elif answer.code == 19 and _WRONG_OLD in answer.text:
            kind, text = _CODES[16]
        made: RotationError = kind(f"{self} {text.format(name=name)} (LDAP result {answer.code}).")
        return made

    def find(self, client: Client, name: str) -> Entry:
        """The one entry of this name: a distinguished name or, in Active Directory, a user principal name."""
        wanted = ("adminCount", "tokenGroups") if self.is_active_directory else ("1.1",)
        if self.is_active_directory and "=" not in name:
            name = self._named(client, name)
        answer, found = client.search(name, ldap_client.BASE, ldap_client.present(), *wanted)
        self.expect(answer, name)
        if len(found) != 1:
            raise self.problem(Result(32), name)
        return found[0]

    def _named(self, client: Client, name: str) -> str:
        _, (root, *_) = client.search("", ldap_client.BASE, ldap_client.present(), "defaultNamingContext")
        base = root.attributes["defaultnamingcontext"][0].decode()
        by_name = ldap_client.equals("userPrincipalName", name)
        answer, found = client.search(base, ldap_client.SUBTREE, by_name, "1.1")
        if len(found) != 1:
            self.expect(answer, name)
            raise ConfigurationError(f"{self} has {len(found)} users with the user principal name {name!r}.")
        return found[0].dn


def _by_itself(context: Context, server: Server) -> None:
    def change(candidate: Credential) -> bool:
        with server.connect(context) as client:
            server.log_in(client, server.username, candidate.value, to_change=True)
            if server.is_active_directory:
                dn = server.find(client, server.username).dn
                changes = [
                    (ldap_client.DELETE, "unicodePwd", [_unicode(candidate.value)]),
                    (ldap_client.ADD, "unicodePwd", [_unicode(context.pending.value)]),
                ]
                answer = client.modify(dn, changes)
            else:
                value = ldap_client.new_password(context.pending.value, candidate.value)
                answer = client.extended(ldap_client.MODIFY_PASSWORD, value)
            server.expect(answer, server.username)
        return True

    context.log_in(change, administrator.no_password_accepted(str(server), server.username))


def _by_administrator(context: Context, server: Server) -> None:
    def change(name: str, admin: Credential) -> None:
        _checked(context, server, name, admin, lambda client, dn: _set(client, dn))

    def _set(client: Client, dn: str) -> None:
        password = context.pending.value
        if server.is_active_directory:
            answer = client.modify(dn, [(ldap_client.REPLACE, "unicodePwd", [_unicode(password)])])
        else:
            answer = client.extended(ldap_client.MODIFY_PASSWORD, ldap_client.new_password(password, dn=dn))
        server.expect(answer, server.username)

    administrator.log_in(context, server.host, server.username, change)


def _checked(
    context: Context, server: Server, name: str, admin: Credential, then: Callable[[Client, str], None] | None = None
) -> None:
    """Log in as the administrator, and look whether the user is one that it is to change; ``then`` do that."""
    with server.connect(context, admin) as client:
        server.log_in(client, name, admin.value)
        user, own = server.find(client, server.username), server.find(client, name)
        administrator.refuse_itself(own.dn.lower(), user.dn.lower())
        _check_place(context, user.dn)
        _refuse_superuser(context, server, user)
        if then:
            then(client, user.dn)


def _check_place(context: Context, dn: str) -> None:
    """Who may write the rotated secret would else be given any entry that the administrator may change."""
    base = context.settings.get("user_base")
    if base is None and context.settings.get("username"):
        return
    if base is None:
        raise ConfigurationError(
            "An administrator changes the password of whoever the secret names: set 'user_base' to the subtree that "
            "these users are in (such as ou=services,dc=example,dc=com), or 'username'."
        )
    parts, wanted = _parts(dn), _parts(base)
    if parts[-len(wanted) :] != wanted:
        raise ConfigurationError(f"The user {dn!r} is not below 'user_base' ({base}): correct the one that is wrong.")


def _parts(dn: str) -> list[str]:
    parts = [""]
    escaped = False
    for letter in dn.lower():
        if letter in ",;" and not escaped:
            parts.append("")
        else:
            parts[-1] += letter
        escaped = letter == "\\" and not escaped
    return ["=".join(piece.strip() for piece in part.split("=")) for part in parts]


def _refuse_superuser(context: Context, server: Server, user: Entry) -> None:
    """Active Directory says which groups a user is in. Elsewhere, what an entry may do stands in the server's rules."""
    if context.setting("superusers") == "allow" or not server.is_active_directory:
        return
    groups = {int.from_bytes(sid[-4:], "little") for sid in user.attributes.get("tokengroups", [])}
    if user.attributes.get("admincount", [b"0"])[0] != b"0" or groups & _PRIVILEGED:
        raise ConfigurationError(
            f"{server}: {user.dn!r} is in a group of administrators or operators (adminCount, tokenGroups). An "
            "administrator does not change its password, since whoever can write the secret would get that account. "
            'To allow it: superusers = "allow".'
        )


def _unicode(password: str) -> bytes:
    return f'"{password}"'.encode("utf-16-le")
