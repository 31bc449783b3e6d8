"""MySQL and MariaDB: the password of an account. The two strategies are in ``secret_rotation.sql``.

An account is a user name and the hosts that it may come from. Who changes the own password changes that of the account
that the server took it for. An administrator changes the account with the user's name: there must be one only, or the
setting 'user_host' says which.
"""

import hashlib
import secrets
import ssl
from collections.abc import Mapping
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
from .databases.strategies import Server, Session, identity, issued_keys

try:
    import pymysql
    from pymysql.constants import CR, ER
except ImportError:
    raise driver.missing("PyMySQL") from None

__all__ = ["create_secret", "identity", "issued_keys", "set_secret", "test_secret"]

_CONFIGURATION = {
    ER.ACCESS_DENIED_ERROR: "does not let the administrator do this: grant it, WITH GRANT OPTION, what the user has",
    ER.DBACCESS_DENIED_ERROR: "does not let the user use the database 'dbname', or the administrator grant rights",
    ER.BAD_DB_ERROR: "has no such database: correct 'dbname'",
    ER.HOST_NOT_PRIVILEGED: "does not admit the function's address",
    ER.HOST_IS_BLOCKED: "has blocked the function's address after many errors: FLUSH HOSTS",
    ER.SPECIFIC_ACCESS_DENIED_ERROR: "does not let the user that is logged in do this: grant it CREATE USER",
    ER.TABLEACCESS_DENIED_ERROR: "does not let the administrator read mysql.user: grant it SELECT",
    ER.CANNOT_USER: "could not change the account: it is not there, or the administrator lacks CREATE USER",
    ER.OPTION_PREVENTS_STATEMENT: "prevents this by an option: it is read-only (the host must be the primary), or "
    "strict-password-validation wants to see passwords",
    1470: "does not take so long a user name: '_clone' is added to it",
    1819: "has a password policy that refuses the new password: change `password`",
    1862: "says that the password has expired: only an administrator ('admin_secret_arn') can change it",
    3118: "has locked the account",
    4151: "has locked the account",
    CR.CR_AUTH_PLUGIN_CANNOT_LOAD: "has another way for the account to log in than by a password that is known here",
}
"""What the server's error number means for the operator. Where PyMySQL has no name: MySQL's, and MariaDB's 4151."""
_NOT_NOW = {
    ER.CON_COUNT_ERROR, ER.SERVER_SHUTDOWN, ER.TOO_MANY_USER_CONNECTIONS, ER.USER_LIMIT_REACHED, ER.LOCK_WAIT_TIMEOUT,
}  # fmt: skip
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


class MysqlSession(Session):
    """A connection that has logged in. Names and passwords are quoted by the driver."""

    def __init__(
        self, context: Context, server: Server, username: str, connection: Any, limit: network.Limit = network.ENDLESS
    ) -> None:
        self._context, self._server, self._username, self._connection = context, server, username, connection
        self._waited = limit.waited

    def change_password(self, username: str, password: str) -> None:
        """One statement, which keeps the account's rights."""
        clause, value = self._identified_by(password)
        if username != self._username:
            self._run(f"ALTER USER %s@%s {clause}", username, self._account(username)[0], value)
        elif self._is_mariadb:  # whose ALTER USER needs CREATE USER for oneself too
            self._run("SET PASSWORD = %s", value)
        else:
            self._run(f"ALTER USER CURRENT_USER() {clause}", value)

    def prepare_clone(self, clone: str, original: str) -> None:
        """Nobody knows the new account's first password. It gets what the original one is granted, now and each time.

        Never the other way: a right that was taken from the original must not come back from the clone.
        """
        host, tls_required = self._account(original)
        require = " REQUIRE SSL" if tls_required == "ANY" else ""
        nobody_knows = secrets.token_urlsafe(24) + "aA1!"  # characters for a server's password policy
        clause, value = self._identified_by(nobody_knows)
        self._run(f"CREATE USER IF NOT EXISTS %s@%s {clause}{require}", clone, host, value)
        for (grant,) in self._run("SHOW GRANTS FOR %s@%s", original, host):
            if not grant.startswith("GRANT USAGE ON *.*"):  # that is no right, and giving it needs one
                self._run(*_grant_to(grant, (original, host), (clone, host)))

    def close(self) -> None:
        """End the connection."""
        if self._connection.open:
            self._connection.close()

    @property
    def _is_mariadb(self) -> bool:
        return "MariaDB" in self._connection.server_version

    def _identified_by(self, password: str) -> tuple[str, str]:
        """How a statement gives a password. MariaDB gets the hash that it keeps: it logs statements as they are.

        MySQL keeps passwords out of its logs, and there the account may have one of several ways to hash.
        """
        if not self._is_mariadb:
            return "IDENTIFIED BY %s", password
        once = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
        return "IDENTIFIED BY PASSWORD %s", "*" + hashlib.sha1(once, usedforsecurity=False).hexdigest().upper()

    def _account(self, username: str) -> tuple[str, str]:
        """The host of the user's account, and what TLS it requires."""
        found = self._run("SELECT Host, ssl_type FROM mysql.user WHERE User = %s", username)
        wanted = self._context.settings.get("user_host")
        accounts = {host: kind for host, kind in found if wanted in (None, host)}
        if len(accounts) == 1:
            return accounts.popitem()
        if accounts:
            hosts = ", ".join(map(repr, sorted(accounts)))
            raise ConfigurationError(
                f"{self._server}: {username!r} has accounts for {hosts}: say which, as 'user_host'."
            )
        raise ConfigurationError(f"{self._server} has no account of {username!r}{f'@{wanted!r}' if wanted else ''}.")

    def _run(self, statement: str, *values: str) -> Any:
        with explained(lambda error: _explain(error, self._server, waited=self._waited()), pymysql.MySQLError):
            cursor = self._connection.cursor()
            cursor.execute(statement, values)
            return cursor.fetchall()


def connect(context: Context, server: Server, username: str, password: str) -> MysqlSession:
    """Log in, with TLS before the password."""
    security, limit = tls.context(context.settings, server.client), network.Limit(context.deadline.share())

    def explain(error: Exception) -> RotationError:
        return _explain(error, server, username, limit.waited())

    with explained(explain, pymysql.MySQLError, RuntimeError):
        connection = pymysql.connect(
            host=server.host,
            user=username,
            password=password.encode(),  # the driver would take a text for Latin-1
            database=server.dbname or None,
            ssl=security,
            ssl_disabled=security is None,  # else the driver tries it unverified
            autocommit=True,
            defer_connect=True,  # for a connection that has a limit
        )
        connection.connect(network.connect(server.host, server.port, limit))
    return MysqlSession(context, server, username, connection, limit)


def _grant_to(grant: str, original: tuple[str, str], clone: tuple[str, str]) -> tuple[str, ...]:
    """A line of SHOW GRANTS as a statement for the clone, and its parameters.

    Only the last mention of the account is replaced: a database may have any name. Of what follows it only the options
    stay; MariaDB puts the hash of the password there too.
    """
    head, tail = _split_at_account(grant, *original)
    options = [option for option in ("WITH GRANT OPTION", "WITH ADMIN OPTION") if tail.strip().endswith(option)]
    statement = head.replace("%", "%%") + "%s@%s"
    return " ".join([statement, *options]), *clone


def _split_at_account(grant: str, username: str, host: str) -> tuple[str, str]:
    for quote in "`'":  # MySQL 5.7 quotes with apostrophes
        name, place = (text.replace(quote, quote * 2) for text in (username, host))
        head, found, tail = grant.rpartition(f"{quote}{name}{quote}@{quote}{place}{quote}")
        if found:
            return head, tail
    raise TargetError("SHOW GRANTS returned a line without the account. Create the clone yourself.")


def _explain(error: Exception, server: Server, username: str = "", waited: float = 0) -> RotationError:
    if isinstance(error, RuntimeError):
        return ConfigurationError(
            f"{server}: without TLS, this way to log in needs a Python package that the layer does not have."
        )
    original = getattr(error, "original_exception", None)
    if isinstance(original, ssl.SSLError):
        return tls.problem(str(server), original)
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    if number == ER.ACCESS_DENIED_ERROR and username:
        return AuthenticationError(f"{server} refused the password of {username!r}.")
    if number == CR.CR_SSL_CONNECTION_ERROR:
        return tls.refused(str(server))
    if number in _CONFIGURATION:
        return ConfigurationError(f"{server} {_CONFIGURATION[number]} (error {number}).")
    if number in _NOT_NOW:
        return NetworkError(f"{server} cannot serve now (error {number}). The rotation is tried again.")
    if number in _NETWORK:
        return network.unanswered(str(server), f"error {number}", waited)
    return TargetError(f"{server} refused a statement (error {number}).")


_DATABASE = strategies.Database(connect)
