"""What MySQL and MariaDB say of an account (SHOW CREATE USER, SHOW GRANTS), as statements for this or another one.

The server quotes what it shows, so that it can be used as it is. What stands within quotes is never looked at.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ...target import ConfigurationError, TargetError

NATIVE = "mysql_native_password"
"""The way of MariaDB for which this package makes the hash itself."""

_WITH_PASSWORD = (NATIVE, "caching_sha2_password", "sha256_password")
_QUOTED = re.compile(r"'(?:[^'\\]|''|\\.)*'|`(?:[^`]|``)*`", re.DOTALL)
_PROTECTION = re.compile(r" (?:REQUIRE|WITH MAX_|PASSWORD EXPIRE|ACCOUNT|COMMENT|ATTRIBUTE) ?")
_DEFAULT_ROLE = re.compile(r" DEFAULT ROLE ")
_EXPIRED = re.compile(r" PASSWORD EXPIRE(?! (?:DEFAULT|NEVER|INTERVAL))")
_GLOBAL = {"ALL PRIVILEGES", "SUPER", "CREATE USER", "SYSTEM_USER", "ROLE_ADMIN", "SET_USER_ID", "SET_ANY_DEFINER"}
_WRITES = {"INSERT", "UPDATE", "DELETE"}
"""Everywhere: in the tables of accounts too."""
_ON = re.compile(r"GRANT (.+) ON (?:TABLE )?(?:(\*)|[`']((?:[^`'])*)[`'])\.")
_ROLE = re.compile(r"`((?:[^`]|``)+)`(?:@`((?:[^`]|``)*)`)?")


@dataclass(frozen=True)
class Definition:
    """An account: how it logs in, and what protects it. Both are SQL."""

    identified: str
    protection: str
    roles: str
    """MySQL's default roles, which are not among the grants."""

    @classmethod
    def of(cls, lines: Iterable[str]) -> "Definition":
        """Read the lines of SHOW CREATE USER. MariaDB has a second one for the rule of an expired password."""
        first, *more = lines
        start = re.search(r" IDENTIFIED ", _masked(first))
        end = _PROTECTION.search(_masked(first))
        cut = end.start() if end else len(first)
        identified, roles = _split(first[start.start() : cut].strip() if start else "", _DEFAULT_ROLE)
        rules = [_split(line, _PROTECTION, keep=True)[1] for line in more]
        return cls(identified, "".join([_alive(first[cut:]), *rules]).strip(), roles)

    @property
    def plugins(self) -> list[str]:
        """The ways to log in; each is enough."""
        if not self.identified or self.identified.startswith("IDENTIFIED BY "):
            return [NATIVE]
        ways = re.sub(r"^IDENTIFIED (?:VIA|WITH) ", "", self.identified)
        return [ways[place.start() : place.end()].strip("'`") for place in re.finditer(r"(?:^|(?<= OR ))\S+", ways)]

    def check(self, username: str) -> None:
        """Refuse an account to which no password lets the function log in. Raises ``ConfigurationError``."""
        if " AND IDENTIFIED " in _masked(self.identified) or not set(self.plugins) & set(_WITH_PASSWORD):
            raise ConfigurationError(
                f"{username!r} logs in by {' or '.join(self.plugins)}, not by a password alone that the function knows "
                f"how to send. Let the account log in by {NATIVE} too, or by caching_sha2_password on MySQL."
            )

    def around_native(self) -> tuple[str, str]:
        """What stands before and after the hash of MariaDB's password, to leave the other ways as they are."""
        alone = f"IDENTIFIED VIA {NATIVE} USING "
        found = re.search(rf"{NATIVE}(?: USING '[^']*')?", self.identified)
        if found is None:
            return alone, ""
        return self.identified[: found.start()] + f"{NATIVE} USING ", self.identified[found.end() :]


def grant_to(grant: str, original: tuple[str, str], clone: tuple[str, str]) -> tuple[str, ...]:
    """A line of SHOW GRANTS as a statement for the clone, and its parameters.

    Only the last mention of the account is replaced: a database may have any name. Of what follows it only the options
    stay; MariaDB puts the hash of the password there too.
    """
    head, tail = _split_at_account(grant, *original)
    options = [option for option in ("WITH GRANT OPTION", "WITH ADMIN OPTION") if tail.strip().endswith(option)]
    return " ".join([f"{escaped(head)}%s@%s", *options]), *clone


def escaped(statement: str) -> str:
    """A statement's text for a driver that fills in parameters."""
    return statement.replace("%", "%%")


def changes_accounts(grants: Iterable[str], of_role: Callable[[str, str], Iterable[str]]) -> bool:
    """Whether who has these grants, or the grants of a role among them, can change accounts or read their hashes."""
    known = set[tuple[str, str]]()
    waiting = list(grants)
    while waiting:
        line = waiting.pop()
        if _is_privileged(line):
            return True
        new = set(_roles(line)) - known
        known |= new
        waiting += [more for role in sorted(new) for more in of_role(*role)]
    return False


def _is_privileged(grant: str) -> bool:
    found = _ON.match(grant)
    if not found:
        return False
    # MySQL puts a blank after the comma where the right is an old one, and none where it is a dynamic one.
    rights, everywhere, database = set(re.split(", ?", found[1])), bool(found[2]), found[3] or ""
    if everywhere:
        return bool(rights & (_GLOBAL | _WRITES))
    return _like(database, "mysql") and not rights <= {"EXECUTE", "USAGE"}


def _like(pattern: str, name: str) -> bool:
    parts = (part[1:] if part[0] == "\\" else {"%": ".*", "_": "."}.get(part, re.escape(part))
             for part in re.findall(r"\\.|.", pattern))  # fmt: skip
    return re.fullmatch("".join(parts), name) is not None


def _roles(grant: str) -> Iterator[tuple[str, str]]:
    if not _ON.match(grant) and grant.startswith("GRANT ") and " ON " not in _masked(grant):
        end = _masked(grant).find(" TO ")
        yield from ((name.replace("``", "`"), host) for name, host in _ROLE.findall(grant[:end]))


def _split_at_account(grant: str, username: str, host: str) -> tuple[str, str]:
    for quote in "`'":  # MySQL 5.7 quotes with apostrophes
        name, place = (text.replace(quote, quote * 2) for text in (username, host))
        head, found, tail = grant.rpartition(f"{quote}{name}{quote}@{quote}{place}{quote}")
        if found:
            return head, tail
    raise TargetError("SHOW GRANTS returned a line without the account. Create the clone yourself.")


def _split(text: str, at: re.Pattern[str], *, keep: bool = False) -> tuple[str, str]:
    found = at.search(_masked(text))
    if found is None:
        return text, ""
    return text[: found.start()], text[found.start() if keep else found.end() :]


def _alive(protection: str) -> str:
    """Without a password that has expired already: the clone's is new. And nothing stays that is required no more."""
    found = _EXPIRED.search(_masked(protection))
    kept = protection[: found.start()] + protection[found.end() :] if found else protection
    return kept if kept.startswith(" REQUIRE ") else f" REQUIRE NONE{kept}"


def _masked(text: str) -> str:
    return _QUOTED.sub(lambda found: "?" * len(found[0]), text)
