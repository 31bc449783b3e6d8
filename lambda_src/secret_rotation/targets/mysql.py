"""MySQL and MariaDB: the password of an account. Its strategies: ``strategies.py``, and MySQL's own ``mysql_dual.py``.

An account is a user name and the hosts that it may come from. Who changes the own password changes that of the account
that the server took it for. An administrator changes the account with the user's name: there must be one only, or the
setting 'user_host' says which.
"""

import secrets
import ssl
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from typing import Any

from ..kit import certificate, driver, tls
from ..kit import connection as network
from ..target import (
    AuthenticationError,
    ConfigurationError,
    Context,
    LockedError,
    NetworkError,
    RotationError,
    SecretError,
    TargetError,
    ValueRefusedError,
    explained,
)
from .databases import mysql_accounts as accounts
from .databases import mysql_dual as dual
from .databases import mysql_hashes, password_rules, strategies
from .databases.strategies import Server, Session, identity, issued_keys

try:
    import pymysql
    from pymysql.constants import CR, ER
except ImportError:
    raise driver.missing("PyMySQL") from None

__all__ = ["create_secret", "identity", "issued_keys", "set_secret", "test_secret"]

_CONFIGURATION = {
    ER.ACCESS_DENIED_ERROR: "does not let the administrator do this: grant it, WITH GRANT OPTION, what the user has",
    1698: "does not let the administrator give the user's role to the other one: grant it that role WITH ADMIN OPTION",
    ER.DBACCESS_DENIED_ERROR: "does not let the user use the database 'dbname', or the administrator grant rights",
    ER.BAD_DB_ERROR: "has no such database: correct 'dbname'",
    ER.HOST_NOT_PRIVILEGED: "does not admit the function's address",
    ER.SPECIFIC_ACCESS_DENIED_ERROR: "does not let the user that is logged in do this: grant it CREATE USER, and "
    "WITH GRANT OPTION what the user has, its roles WITH ADMIN OPTION",
    ER.TABLEACCESS_DENIED_ERROR: "does not let the administrator read mysql.user: grant it SELECT",
    ER.CANNOT_USER: "could not change the account: it is not there, or the administrator lacks CREATE USER",
    ER.OPTION_PREVENTS_STATEMENT: "prevents this by an option: it is read-only (the host must be the primary), or "
    "strict-password-validation wants to see passwords",
    3159: "takes connections over TLS only (require_secure_transport): 'tls' is 'disable'",
    1184: "ends the session at its start: correct 'init_connect', which fails for this user (SHOW GLOBAL VARIABLES)",
    1470: "does not take so long a user name: '_clone' is added to it",
    1820: "says that the password has expired: it has to be changed before anything else",
    1862: "says that the password has expired: only an administrator ('admin_secret_arn') can change it",
    CR.CR_AUTH_PLUGIN_CANNOT_LOAD: "has another way for the account to log in than by a password that is known here",
}
"""What the server's error number means for the operator. Where PyMySQL has no name: MySQL's."""
_LOCKED = {
    ER.HOST_IS_BLOCKED: "has blocked the function's address after many errors: FLUSH HOSTS",
    3118: "has locked the account: ALTER USER ... ACCOUNT UNLOCK",
    3955: "has locked the account after wrong passwords (FAILED_LOGIN_ATTEMPTS): ALTER USER ... ACCOUNT UNLOCK",
    4150: "has blocked the user after wrong passwords (max_password_errors): FLUSH PRIVILEGES",
    4151: "has locked the account: ALTER USER ... ACCOUNT UNLOCK",
}
"""MySQL's numbers from 3000, MariaDB's from 4000. No further password is tried."""
_REFUSED = {ER.ACCESS_DENIED_ERROR, 1698}
"""MariaDB's 1698: the last of several ways, or that of another account when there is no such user, has no password."""
_EXPIRED_MAY_LOG_IN = 1 << 22
"""The client's flag by which a server lets in who can do nothing but set a new password."""
_MAY_WANT_TO_SEE = {ER.OPTION_PREVENTS_STATEMENT, ER.CANNOT_USER}
_JUDGES = """
SELECT @@strict_password_validation AND EXISTS (
    SELECT 1 FROM information_schema.PLUGINS
    WHERE PLUGIN_TYPE = 'PASSWORD VALIDATION' AND PLUGIN_STATUS = 'ACTIVE'
), @@general_log OR @@slow_query_log
"""
_ACCOUNTS = """
SELECT Host, IF(ssl_type = 'SPECIFIED' AND CONCAT(x509_issuer, x509_subject) = '', 'ANY', CAST(ssl_type AS CHAR))
FROM mysql.user WHERE User = %s
"""
_NOT_NOW = {
    ER.UNKNOWN_COM_ERROR: "Galera: the node is outside the primary component or not synced",
    ER.CON_COUNT_ERROR: "too many connections",
    ER.SERVER_SHUTDOWN: "it is shutting down",
    ER.TOO_MANY_USER_CONNECTIONS: "the user's limit of connections",
    ER.USER_LIMIT_REACHED: "the user's limit of resources",
    ER.LOCK_WAIT_TIMEOUT: "a lock",
    1969: "a limit of time for statements, max_statement_time",
    3024: "a limit of time for statements, max_execution_time",
}
_LIMITS_OF_USERS = {ER.TOO_MANY_USER_CONNECTIONS, ER.USER_LIMIT_REACHED}
"""Looked at after the password: who reaches them has the right one."""
_NETWORK = {CR.CR_CONN_HOST_ERROR, CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST}


def create_secret(context: Context) -> Mapping[str, str]:
    """Users who alternate: the name of the other one."""
    return _DATABASE.create_secret(context)


def set_secret(context: Context) -> None:
    """Change the account's password, unless the pending one is accepted already."""
    _DATABASE.set_secret(context)


def test_secret(context: Context) -> None:
    """Log in."""
    _DATABASE.test_secret(context)


def check(context: Context) -> None:
    """Log in as the administrator, if there is one."""
    _DATABASE.check(context)


class MysqlSession(Session):
    """A connection that has logged in. Names and passwords are quoted by the driver."""

    def __init__(
        self,
        context: Context,
        server: Server,
        login: tuple[str, str],
        connection: Any,
        limit: network.Limit = network.ENDLESS,
    ) -> None:
        self._context, self._server, self._connection = context, server, connection
        self._username, self._password = login
        self._waited = limit.waited

    def change_password(self, username: str, password: str) -> None:
        """One statement, which keeps the account's rights and its other ways to log in."""
        if self._is_dual and self._is_mariadb:
            dual.refuse_mariadb(self._server)
        if username == self._username:
            (self._retain_own if self._is_dual else self._change_own)(password)
            return
        host = self._account(username)
        self._refuse_superuser(username, host)
        there = self._definition(username, host)
        there.check(username)
        if self._is_mariadb:
            before, after = map(accounts.escaped, there.around_native())
            self._set(f"ALTER USER %s@%s {before}", password, username, host, tail=after)
        elif self._is_dual:
            self._retain(username, host, password)
        else:
            self._run("ALTER USER %s@%s IDENTIFIED BY %s", username, host, password)
        self._prove((username, host), password, there)

    def prepare_clone(self, clone: str, original: str) -> None:
        """Nobody knows the new account's first password. It gets what the original one has, now and each time.

        Its rights, and what protects it: TLS, certificate, limits, expiry. Never the other way: a right that was taken
        from the original must not come back from the clone.
        """
        self._use_all_roles()
        host = self._account(original)
        self._refuse_superuser(original, host)
        there = self._definition(original, host)
        there.check(original)
        self._create(clone, host, there)
        self._run(f"ALTER USER %s@%s {accounts.escaped(there.protection)}", clone, host)
        for grant in self._grants(original, host):
            statement = accounts.grant_to(grant, (original, host), (clone, host))
            if grant.startswith("SET DEFAULT ROLE "):
                self._give_default_role(statement, clone, host)
            elif not grant.startswith("GRANT USAGE ON *.*"):  # that is no right, and giving it needs one
                self._run(*statement)
        if there.roles:
            self._run(f"ALTER USER %s@%s DEFAULT ROLE {accounts.escaped(there.roles)}", clone, host)

    def check(self) -> None:
        """Whether the session is good for more than setting a new password."""
        self._run("DO 1")

    def close(self) -> None:
        """End the connection."""
        if self._connection.open:
            self._connection.close()

    @property
    def _is_mariadb(self) -> bool:
        return "MariaDB" in self._connection.server_version

    def _prove(self, account: tuple[str, str], password: str, before: accounts.Definition) -> None:
        """Log in as the user, while the change can still be undone: applications have the old value."""
        server = replace(self._server, client=certificate.of(self._context))
        try:
            with suppress(strategies.FullError):  # the password was right
                connect(self._context, server, account[0], password).close()
        except AuthenticationError as error:
            self._put_back(account, before)
            if isinstance(error, LockedError):
                raise
            raise ConfigurationError(
                f"{error} The password of {account[0]!r}@{account[1]!r} had just been set, so the former one was put "
                "back, where it is known. Another account of that name may be the one that the function's address "
                "belongs to ('user_host'), or this one may require what the function does not have."
            ) from None

    def _put_back(self, account: tuple[str, str], before: accounts.Definition) -> None:
        current = self._context.current
        if self._is_dual:  # so the former one still works
            return
        if self._is_mariadb:  # which shows the hash as text
            self._run(f"ALTER USER %s@%s {accounts.escaped(before.identified)}", *account)
        elif current is not None and strategies.user_of(self._context, current) == account[0]:
            self._run("ALTER USER %s@%s IDENTIFIED BY %s", *account, current.value)

    @property
    def _is_dual(self) -> bool:
        return self._context.setting("strategy") == "dual"

    def _retain_own(self, password: str) -> None:
        others = (each.value for each in self._context.candidates())
        with self._explained():
            dual.change_own(self._execute, password, self._password, others, self._check_current)

    def _retain(self, username: str, host: str, password: str) -> None:
        current, account = self._context.current, (username, host)
        known = current.value if current and current.is_usable else None
        with self._explained():
            dual.lock(self._execute, account, self._context.deadline.share() / 2)
            dual.change(self._execute, account, password, known, self._check_current)

    def _check_current(self) -> None:
        """Whether the value that is kept is still that of the consumers. Raises ``SecretError``."""
        now, known = self._context.secrets.read(self._context.secret_id), self._context.current
        if now and known and now.text != known.text:
            raise SecretError(
                "AWSCURRENT has moved since this step began: another rotation has ended meanwhile. Nothing was changed."
            )

    def _change_own(self, password: str) -> None:
        if self._is_mariadb:  # whose ALTER USER needs CREATE USER for oneself too
            self._set("SET PASSWORD = ", password)
            return
        own = "ALTER USER CURRENT_USER() IDENTIFIED BY %s"
        with self._explained():
            try:
                self._execute(own, password)
            except pymysql.MySQLError as error:
                if error.args[0] not in dual.MISSING_CURRENT_PASSWORD:
                    raise
                self._execute(f"{own} REPLACE %s", password, self._password)

    def _create(self, clone: str, host: str, there: accounts.Definition) -> None:
        nobody_knows = secrets.token_urlsafe(24) + "aA1!"  # characters for a server's password policy
        if self._is_mariadb:
            start = f"CREATE USER IF NOT EXISTS %s@%s IDENTIFIED VIA {accounts.NATIVE} USING "
            self._set(start, nobody_knows, clone, host)
        else:
            start = f"CREATE USER IF NOT EXISTS %s@%s IDENTIFIED WITH {there.plugins[0]} BY %s"
            self._run(start, clone, host, nobody_knows)

    def _use_all_roles(self) -> None:
        """Who may give a role (WITH ADMIN OPTION) may do so in MySQL only while that role is active."""
        with suppress(pymysql.MySQLError):  # there are no roles, or one of them is mandatory or gone
            self._execute("SET ROLE ALL")

    def _give_default_role(self, statement: tuple[str, ...], clone: str, host: str) -> None:
        """MariaDB lists it among the grants, and demands more of who gives it."""
        start = statement[0].replace("%%", "%").removesuffix("%s@%s")
        if any(line.startswith(start) for line in self._grants(clone, host)):
            return
        with self._explained():
            try:
                self._execute(*statement)
            except pymysql.MySQLError as error:
                if error.args[0] != ER.DBACCESS_DENIED_ERROR:
                    raise
                raise ConfigurationError(
                    f"{self._server}: to give {clone!r} the default role of the other user, the administrator needs "
                    f"UPDATE on mysql.*. Or do it yourself, once: {start}{clone!r}@{host!r}"
                ) from None

    def _set(self, start: str, password: str, *names: str, tail: str = "") -> None:
        """A statement with a password for MariaDB. It gets the hash that it keeps: it logs statements as they are.

        A server that judges passwords wants to see them. It does, while it logs no statements. MySQL keeps passwords
        out of its logs, and there the account may have one of several ways to hash.
        """
        with self._explained():
            try:
                self._execute(f"{start}%s{tail}", *names, mysql_hashes.native(password))
            except pymysql.MySQLError as error:
                if error.args[0] not in _MAY_WANT_TO_SEE or not self._judges_passwords():
                    raise
                with explained(self._explain_judged, pymysql.MySQLError):
                    self._execute(f"{start}PASSWORD(%s){tail}", *names, password)

    def _explain_judged(self, error: Exception) -> RotationError:
        """MariaDB's ALTER USER answers to a password that its plugins refuse as to an account that is not there."""
        if _number(error) != ER.CANNOT_USER:
            return _explain(error, self._server, waited=self._waited())
        return ValueRefusedError(f"{self._server} {password_rules.MYSQL[1819]} (error {ER.CANNOT_USER}).")

    def _judges_passwords(self) -> bool:
        """Whether the server wants to see passwords. Raises ``ConfigurationError`` when it would log them."""
        judges, logs = self._execute(_JUDGES)[0]
        if judges and logs:
            raise ConfigurationError(
                f"{self._server} wants to see the new password (strict-password-validation), and would log it: turn "
                "general_log and slow_query_log off, or strict_password_validation."
            )
        return bool(judges)

    def _account(self, username: str) -> str:
        """The host of the user's account. Refuses one that demands more of a connection than the settings give it."""
        found = self._run(_ACCOUNTS, username)
        wanted = self._context.settings.get("user_host")
        hosts = {host: demanded for host, demanded in found if wanted in (None, host)}
        if len(hosts) == 1:
            host, demanded = hosts.popitem()
            self._check_tls(username, demanded)
            return str(host)
        if hosts:
            named = ", ".join(map(repr, sorted(hosts)))
            raise ConfigurationError(
                f"{self._server}: {username!r} has accounts for {named}: say which, as 'user_host'."
            )
        raise ConfigurationError(f"{self._server} has no account of {username!r}{f'@{wanted!r}' if wanted else ''}.")

    def _check_tls(self, username: str, demanded: str) -> None:
        """What the account demands, the test of its new password has to have."""
        if demanded and self._context.setting("tls") == "disable":
            raise ConfigurationError(
                f"{self._server}: the account of {username!r} requires TLS, and 'tls' is 'disable': set it to 'verify'."
            )
        if demanded in ("X509", "SPECIFIED") and certificate.of(self._context) is None:
            raise ConfigurationError(
                f"{self._server}: the account of {username!r} requires a client's certificate: give a secret with the "
                f"keys 'certificate' and 'private_key' as {tls.CLIENT_SETTING!r}."
            )

    def _refuse_superuser(self, username: str, host: str) -> None:
        if self._context.setting("superusers") == "allow":
            return
        if accounts.changes_accounts(self._grants(username, host), self._grants):
            raise ConfigurationError(
                f"{self._server}: {username!r} can change accounts itself (SUPER, CREATE USER, writing everywhere or "
                "rights on mysql.*). An administrator does not change its password, since whoever can write the secret "
                'would get that account. To allow it: superusers = "allow".'
            )

    def _definition(self, username: str, host: str) -> accounts.Definition:
        return accounts.Definition.of(line for (line,) in self._run("SHOW CREATE USER %s@%s", username, host))

    def _grants(self, name: str, host: str) -> list[str]:
        account = ("%s@%s", name, host) if host else ("%s", name)  # MariaDB's roles have none
        return [line for (line,) in self._run(f"SHOW GRANTS FOR {account[0]}", *account[1:])]

    def _run(self, statement: str, *values: str) -> Any:
        with self._explained():
            return self._execute(statement, *values)

    def _execute(self, statement: str, *values: str) -> Any:
        cursor = self._connection.cursor()
        cursor.execute(statement, values)
        return cursor.fetchall()

    def _explained(self) -> AbstractContextManager[None]:
        return explained(lambda error: _explain(error, self._server, waited=self._waited()), pymysql.MySQLError)


def connect(context: Context, server: Server, username: str, password: str) -> MysqlSession:
    """Log in, with TLS before the password."""
    security, limit = tls.context(context.settings, server.client), network.Limit(context.deadline.share())

    def explain(error: Exception) -> RotationError:
        problem = _explain(error, server, username, limit.waited())
        if _number(error) in _LIMITS_OF_USERS:
            return strategies.FullError(str(problem))
        same = _refused_as_well(server, has_tls=security is not None)
        return AuthenticationError(f"{problem}{same}") if type(problem) is AuthenticationError else problem

    with explained(explain, pymysql.MySQLError, RuntimeError):
        connection = pymysql.connect(
            host=server.host,
            user=username,
            password=password.encode(),  # the driver would take a text for Latin-1
            database=server.dbname or None,
            ssl=security,
            ssl_disabled=security is None,  # else the driver tries it unverified
            autocommit=True,
            sql_mode="",  # another one gives other meaning to quotes, or pads what is read
            init_command="SET SESSION TRANSACTION READ WRITE",
            client_flag=_EXPIRED_MAY_LOG_IN,
            defer_connect=True,  # for a connection that has a limit
        )
        connection.connect(network.connect(server.host, server.port, limit))
    return MysqlSession(context, server, (username, password), connection, limit)


def _explain(error: Exception, server: Server, username: str = "", waited: float = 0) -> RotationError:
    if isinstance(error, RuntimeError):
        return _without_package(server, str(error))
    original = getattr(error, "original_exception", None)
    if isinstance(original, ssl.SSLError):
        return tls.problem(str(server), original)
    number = _number(error)
    if number in _REFUSED and username:
        return AuthenticationError(f"{server} refused the password of {username!r}.")
    if number in _NETWORK:
        return network.unanswered(str(server), f"error {number}", waited)
    return _by_number(number, server)


def _number(error: Exception) -> int:
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0


def _refused_as_well(server: Server, *, has_tls: bool) -> str:
    """For what else than a wrong password a server gives the same answer."""
    if not has_tls:
        return " So it does where the account requires TLS (REQUIRE SSL, require_secure_transport): 'tls' is 'disable'."
    if server.client is None:
        return f" So it does where the account requires a client's certificate (REQUIRE X509): {tls.CLIENT_SETTING!r}."
    return " So it does where the account requires another certificate or cipher (REQUIRE ISSUER, SUBJECT, CIPHER)."


def _by_number(number: int, server: Server) -> RotationError:
    if number == CR.CR_SSL_CONNECTION_ERROR:
        return tls.refused(str(server))
    if number in _LOCKED:
        return LockedError(f"{server} {_LOCKED[number]} (error {number}).")
    if number in password_rules.MYSQL:
        return ValueRefusedError(f"{server} {password_rules.MYSQL[number]} (error {number}).")
    if number in _CONFIGURATION:
        return ConfigurationError(f"{server} {_CONFIGURATION[number]} (error {number}).")
    if number in _NOT_NOW:
        return NetworkError(f"{server} cannot serve now ({_NOT_NOW[number]}; error {number}). It is tried again.")
    return TargetError(f"{server} refused a statement (error {number}).")


def _without_package(server: Server, what: str) -> RotationError:
    """The driver lacks a package for a way to log in, which its text names."""
    if "ed25519" not in what:
        return ConfigurationError(
            f"{server}: without TLS, this way to log in needs a Python package that the layer does not have: use TLS."
        )
    return ConfigurationError(
        f"{server} asks for ed25519, which this function does not speak. An account whose first way to log in is "
        f"{accounts.NATIVE} has another password than this one. To any other give that way, before ed25519: "
        f"ALTER USER ... IDENTIFIED VIA {accounts.NATIVE} USING PASSWORD('...') OR ed25519 USING ..."
    )


_DATABASE = strategies.Database(connect)
