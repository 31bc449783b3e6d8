"""The second of two roles that take turns: it can do what the first one can, and no more."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from ...target import ConfigurationError, explained
from .postgres_statements import Statements

_LISTS = ("search_path", "temp_tablespaces", "local_preload_libraries", "session_preload_libraries")
"""Settings whose value is a list of names, which one quoted text would not be."""
_LIMITS = """
SELECT rolconnlimit, coalesce(CAST(rolvaliduntil AS text), 'infinity') FROM pg_roles
WHERE rolname = CAST(:name AS text)
"""


class Clone:
    """The role ``clone``, which becomes like ``original``; in a transaction of the caller's."""

    def __init__(self, statements: Statements, clone: str, original: str) -> None:
        self._statements, self._clone, self._original = statements, clone, original

    def prepare(self) -> None:
        """Create it where it is not there, unable to log in, and copy what the first role has."""
        if not self._statements.run("SELECT FROM pg_roles WHERE rolname = CAST(:name AS text)", name=self._clone):
            self._statements.run_quoted("CREATE ROLE %I LOGIN", self._clone)
        member = "SELECT FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles c ON c.oid = m.member"
        names = {"clone": self._clone, "original": self._original}
        if not self._statements.run(
            f"{member} WHERE r.rolname = CAST(:original AS text) AND c.rolname = CAST(:clone AS text)", **names
        ):
            self._statements.run_quoted("GRANT %I TO %I", self._original, self._clone)
        self._copy_limits()
        self._copy_settings()

    def _copy_limits(self) -> None:
        limit, until = self._statements.run(_LIMITS, name=self._original)[0]
        self._statements.run_quoted(f"ALTER ROLE %I CONNECTION LIMIT {int(limit)} VALID UNTIL %L", self._clone, until)

    def _copy_settings(self) -> None:
        wanted = {**self._acting(), **self._settings(self._original)}
        found = self._settings(self._clone)
        for database, name in found.keys() - wanted.keys():
            self._alter(database, name, "RESET {}")
        for (database, name), value in wanted.items():
            if found.get((database, name)) != value:
                self._copy_or_refuse(database, name, value)

    def _copy_or_refuse(self, database: str, name: str, value: str) -> None:
        problem = ConfigurationError(
            f"Only a superuser can copy the setting {name!r} of the role {self._original!r} to {self._clone!r}, which "
            f"would be another role without it. As a superuser: CREATE ROLE {self._clone} LOGIN, if it is not there, "
            f"and ALTER ROLE {self._clone} SET {name} to the same value."
        )
        member = self._member_of() if name == "role" else nullcontext()
        with explained(lambda _: problem, ConfigurationError), member:
            self._copy_setting(database, name, value)

    @contextmanager
    def _member_of(self) -> Iterator[None]:
        """The administrator is a member until the block ends: else it may not say who acts as ``original``."""
        is_member = "SELECT pg_has_role(session_user, CAST(:name AS name), 'MEMBER')"
        if self._statements.run(is_member, name=self._original)[0][0]:
            yield
            return
        self._statements.run_quoted("GRANT %I TO SESSION_USER", self._original)
        yield
        self._statements.run_quoted("REVOKE %I FROM SESSION_USER", self._original)

    def _acting(self) -> dict[tuple[str, str], str]:
        """That the clone acts as ``original``; but not where it owns something, to which it would lose its rights."""
        owns = self._statements.run(
            "SELECT FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid AND d.deptype = 'o' "
            "AND d.refclassid = CAST('pg_authid' AS regclass) WHERE rolname = CAST(:name AS text)",
            name=self._clone,
        )
        return {} if owns else {("", "role"): self._original}

    def _settings(self, role: str) -> dict[tuple[str, str], str]:
        """Database (empty for all of them) and name → value, as ALTER ROLE ... SET made them."""
        rows = self._statements.run(
            "SELECT coalesce(d.datname, ''), split_part(c, '=', 1), substr(c, strpos(c, '=') + 1) FROM pg_roles r "
            "JOIN pg_db_role_setting s ON s.setrole = r.oid LEFT JOIN pg_database d ON d.oid = s.setdatabase "
            "CROSS JOIN unnest(s.setconfig) c WHERE r.rolname = CAST(:name AS text)",
            name=role,
        )
        return {(database, name): value for database, name, value in rows}

    def _copy_setting(self, database: str, name: str, value: str) -> None:
        if name.lower() not in _LISTS:
            return self._alter(database, name, "SET {} TO %L", value)
        self._statements.run("SELECT set_config(:name, :value, true)", name=name, value=value)
        self._alter(database, name, "SET {} FROM CURRENT", path="pg_catalog.")
        self._statements.run("SET LOCAL search_path TO ''")
        return None

    def _alter(self, database: str, name: str, action: str, *values: str, path: str = "") -> None:
        """ALTER ROLE ... SET or RESET; a setting of an extension has a dot in its name."""
        parts = name.split(".")
        where = ["IN DATABASE %I"] if database else []
        template = " ".join(["ALTER ROLE %I", *where, action.format(".".join("%I" for _ in parts))])
        names = [self._clone, *([database] if database else []), *parts]
        self._statements.run_quoted(template, *names, *values, path=path)
