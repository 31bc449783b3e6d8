"""MySQL's dual passwords (``strategy = "dual"``): an account has a primary and a secondary password, and both log in.

A rotation makes the pending password the primary one and keeps the current one as the secondary one, in one statement
(RETAIN CURRENT PASSWORD), which drops the secondary one that was there. What must never be dropped is the password that
consumers have now, and what MySQL retains is the primary one, whatever that is. So it is retained only where it is the
current password. Otherwise the current one is the secondary one already: after a rotation that was abandoned when it
had set its password, or when the same step runs twice at once. Then the primary one is changed alone, and the secondary
one stays; but before that the secret is read again: if another rotation has ended meanwhile, the primary password is
the current one by now. Which of the two it is may not change in between:

- The user itself names the current password (REPLACE), and the server compares it as it changes the primary one.
- An administrator cannot name it, so it compares the hash of the primary one, under a lock: two that ran at once would
  both retain, the second one the pending password, and the current one would be gone.

A crash leaves the statement done or not done. If it was done, the pending password logs in.
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from ...kit import driver
from ...target import ConfigurationError, NetworkError
from . import mysql_hashes

try:
    import pymysql
    from pymysql.constants import ER
except ImportError:
    raise driver.missing("PyMySQL") from None

Execute = Callable[..., Any]
"""Runs a statement with its values, and returns its rows. Raises the driver's errors."""

WRONG_CURRENT_PASSWORD = {3891, 13225}
MISSING_CURRENT_PASSWORD = {3892, 13226}
"""MySQL's numbers, and those of the first releases of 8.0."""
_LOST_AFTER = 60
"""Seconds after which the server ends a session, and its lock, that a killed function has left behind."""
_PRIMARY = "SELECT authentication_string FROM mysql.user WHERE User = %s AND Host = %s"


def refuse_mariadb(server: object) -> None:
    """Before it is sent a statement with a password, which it would log. Raises ``ConfigurationError``."""
    raise ConfigurationError(f'{server} is MariaDB, which has no dual passwords: use strategy = "alternating".')


def change_own(execute: Execute, password: str, kept: str, others: Iterable[str], check: Callable[[], None]) -> None:
    """The user itself. ``kept`` logs in and is to go on doing so; ``others`` are further passwords that it may have.

    ``check`` raises an error when AWSCURRENT has moved.
    """
    try:
        _own(execute, password, kept, " RETAIN CURRENT PASSWORD")
    except pymysql.MySQLError as error:
        if error.args[0] not in WRONG_CURRENT_PASSWORD:
            raise _explained(error) from None
        check()
        _change_primary(execute, password, others)


def change(
    execute: Execute, account: tuple[str, str], password: str, current: str | None, check: Callable[[], None]
) -> None:
    """An administrator, who has the ``lock``."""
    primary = execute(_PRIMARY, *account)[0][0]
    if mysql_hashes.is_of(primary, password):
        return  # the same step ran at the same time
    retain = current is None or mysql_hashes.is_of(primary, current)
    if not retain:
        check()
    try:
        execute(f"ALTER USER %s@%s IDENTIFIED BY %s{' RETAIN CURRENT PASSWORD' if retain else ''}", *account, password)
    except pymysql.MySQLError as error:
        raise _explained(error) from None


def _own(execute: Execute, password: str, replaced: str, tail: str = "") -> None:
    execute(f"ALTER USER CURRENT_USER() IDENTIFIED BY %s REPLACE %s{tail}", password, replaced)


def _change_primary(execute: Execute, password: str, others: Iterable[str]) -> None:
    """And leave the secondary one. A server may demand the primary one (PASSWORD REQUIRE CURRENT)."""
    try:
        execute("ALTER USER CURRENT_USER() IDENTIFIED BY %s", password)
    except pymysql.MySQLError as error:
        if error.args[0] not in MISSING_CURRENT_PASSWORD or not _change_one_of(execute, password, others):
            raise


def _change_one_of(execute: Execute, password: str, others: Iterable[str]) -> bool:
    for other in others:
        try:
            _own(execute, password, other)
        except pymysql.MySQLError as error:
            if error.args[0] not in WRONG_CURRENT_PASSWORD:
                raise
        else:
            return True
    return False


def lock(execute: Execute, account: tuple[str, str], wait: float) -> None:
    """Keep it until the session ends. Raises ``NetworkError`` when another session keeps it for so many seconds."""
    name = hashlib.sha256("@".join(account).encode()).hexdigest()[:32]
    execute(f"SET SESSION wait_timeout = {_LOST_AFTER}")
    if execute("SELECT GET_LOCK(%s, %s)", f"secret-rotation-{name}", max(1, int(wait)))[0][0] != 1:
        raise NetworkError(
            f"Another session holds the lock for the account of {account[0]!r}: the same step runs elsewhere. It is "
            "tried again."
        )


def _explained(error: pymysql.MySQLError) -> Exception:
    """What refuses dual passwords as such; any other error is as it was."""
    if error.args[0] == ER.PARSE_ERROR:
        return ConfigurationError(
            'The server has no dual passwords (MySQL has them from 8.0.14 on): use strategy = "alternating".'
        )
    if error.args[0] == ER.SPECIFIC_ACCESS_DENIED_ERROR:
        return ConfigurationError(
            "The server does not let the user that is logged in keep the current password beside the new one: GRANT "
            "APPLICATION_PASSWORD_ADMIN ON *.* to the user itself, or CREATE USER to the administrator."
        )
    return error
