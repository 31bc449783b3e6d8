"""The administrator's credential, for targets that change somebody else's password."""

from ..target import AuthenticationError, ConfigurationError, Context, Credential, IdentityMismatchError

SETTING = "admin_secret_arn"
"""The setting that names the administrator's secret; the module grants the function to read exactly that one."""


def read(context: Context) -> Credential:
    """The AWSCURRENT value of the administrator's secret."""
    arn = context.setting(SETTING)
    found = context.secrets.read_current(arn)
    if found is None:
        raise ConfigurationError(
            f"The administrator's secret {arn} does not exist, or has no AWSCURRENT value. Check {SETTING!r}."
        )
    return found


def check_host(context: Context, admin: Credential, host: str) -> None:
    """Refuse to take the administrator's password to a ``host`` that only the rotated secret names.

    Who may write that secret would else be sent the password by naming a server of theirs.
    """
    trusted = context.settings.get("host") or admin.get("host")
    if not trusted:
        raise ConfigurationError(
            "The administrator's secret has no key 'host' (those that RDS creates have none). Use the setting 'host'."
        )
    if trusted != host:
        raise IdentityMismatchError(
            "The administrator's secret is for another host than this secret. Correct the one that is wrong."
        )


def no_password_accepted(server: str, username: str) -> AuthenticationError:
    """The error when the server rejected every stored value."""
    return AuthenticationError(
        f"{server} accepts no stored password of {username!r}: pending, current, previous and the versions without a "
        "label were tried. Put a value that works into the secret, or set 'admin_secret_arn'."
    )
