"""The administrator's credential, for targets that change somebody else's password."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import TypeVar

from ..target import (
    AuthenticationError,
    ConfigurationError,
    Context,
    Credential,
    IdentityMismatchError,
    NetworkError,
    RotationError,
    SecretError,
    explained,
)

SETTING = "admin_secret_arn"
"""The setting that names the administrator's secret; the module grants the function to read exactly that one."""

_T = TypeVar("_T")


def is_given(context: Context) -> bool:
    """Whether an administrator changes the password, and not the user itself."""
    return bool(context.settings.get(SETTING))


def read(context: Context) -> Credential:
    """The AWSCURRENT value of the administrator's secret."""
    arn = _arn(context)
    with explained(lambda error: _unreadable(arn, error), RotationError):
        found = context.secrets.read_current(arn)
    if found is None:
        raise ConfigurationError(
            f"The administrator's secret {arn} does not exist, or has no AWSCURRENT value. Check {SETTING!r}."
        )
    return found


def log_in(
    context: Context, host: str, rotated: str, attempt: Callable[[str, Credential], _T], default: str | None = None
) -> _T:
    """What ``attempt`` returns for the administrator's user name and credential.

    Refused before: another host than the administrator's, and the user ``rotated`` being the administrator itself.
    ``default``: the user name where its secret has none.
    """
    check_allowed(context, rotated)
    admin = read(context)
    with explained(lambda error: _named(context, admin, error), AuthenticationError, SecretError):
        check_host(context, admin, host)
        username = admin.get("username") or default or admin.require("username")
        refuse_itself(username, rotated)
        return attempt(username, admin)


def check_allowed(context: Context, rotated: str) -> None:
    """Refuse a user that no pattern of the setting 'allowed_usernames' names; of two that take turns, either is named.

    Who may write the rotated secret would else be given any user that the administrator may change.
    """
    patterns = context.settings.get("allowed_usernames")
    names = {rotated}
    if context.settings.get("strategy") == "alternating":
        names.add(rotated.removesuffix("_clone"))
    if patterns and not any(fnmatchcase(name, pattern.strip()) for name in names for pattern in patterns.split(",")):
        raise ConfigurationError(
            f"The secret names the user {rotated!r}, which is not one of 'allowed_usernames' ({patterns}). If the "
            "administrator is to change it, add it there; else correct the secret."
        )


def refuse_itself(administrator: str, rotated: str) -> None:
    """Refuse to change the administrator's own password: its secret would be wrong from then on.

    In whatever case: to some services the names are the same.
    """
    if administrator.casefold() == rotated.casefold():
        raise ConfigurationError(
            f"{rotated!r} is the administrator itself, whose secret would be wrong from then on. Name another "
            f"administrator in {SETTING!r}, or leave the setting out, so that the user changes its own password."
        )


def check_host(context: Context, admin: Credential, host: str) -> None:
    """Refuse to take the administrator's password to a ``host`` that only the rotated secret names.

    Who may write that secret would else be sent the password by naming a server of theirs.
    """
    trusted = context.settings.get("host") or admin.get("host")
    if not trusted:
        raise ConfigurationError(
            "The administrator's secret has no key 'host' (those that RDS creates have none). Use the setting 'host'."
        )
    if trusted.casefold().removesuffix(".") != host.casefold().removesuffix("."):
        raise IdentityMismatchError(
            "The administrator's secret is for another host than this secret. Correct the one that is wrong."
        )


def no_password_accepted(server: str, username: str) -> str:
    """How the error begins when the server rejects every stored value."""
    return (
        f"{server} accepts no stored password of {username!r}. Put a value that works into the secret, or set "
        f"{SETTING!r}."
    )


def _arn(context: Context) -> str:
    arn = context.setting(SETTING)
    if arn == context.secret_id:
        raise ConfigurationError(
            f"{SETTING!r} names the secret that rotates: an administrator cannot rotate itself away. Name the secret "
            "of another user, or leave the setting out, so that the user changes its own password."
        )
    return arn


def _unreadable(arn: str, error: Exception) -> RotationError:
    kind = type(error) if isinstance(error, NetworkError | ConfigurationError) else ConfigurationError
    made: RotationError = kind(f"The administrator's secret {arn} cannot be read. {error}")
    return made


def _named(context: Context, admin: Credential, error: Exception) -> RotationError:
    kind = type(error) if isinstance(error, RotationError) else SecretError
    hint = admin.white_space if isinstance(error, AuthenticationError) else ""
    return kind(f"{error} The credential is that of the administrator's secret {context.setting(SETTING)}.{hint}")
