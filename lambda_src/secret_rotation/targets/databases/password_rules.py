"""By which codes a server says that its rules for passwords refuse the new one. The next try would send it again."""

from collections.abc import Mapping

MYSQL: Mapping[int, str] = {
    1819: "has a password policy that refuses the new password: change `password`",
    3638: "has a password history that refuses the new password (password_history, password_reuse_interval)",
}
"""Of validate_password or MariaDB's plugins, and of the account."""
POSTGRESQL = ("22023", "P0001")
"""passwordcheck, credcheck, and hooks in PL/pgSQL (pg_tle)."""
POSTGRESQL_ALTER_ROLE = (*POSTGRESQL, "28000")
"""The same of ALTER ROLE alone: credcheck. At a login it means something else."""


def postgresql(state: str) -> str:
    """What it means for the operator."""
    return (
        f"has rules for passwords that refuse the new one (SQLSTATE {state}): passwordcheck, credcheck or a hook. "
        "Change `password`. The server is sent a verifier of the password, and has to accept that "
        "(credcheck.encrypted_password_allowed = on)."
    )
