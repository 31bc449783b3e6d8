"""The administrator's credential, for targets that change somebody else's password."""

from .. import aws, document
from ..errors import AuthenticationError, ConfigurationError, IdentityMismatchError, SecretError
from ..target import Context, Credential

SETTING = "admin_secret_arn"
"""The setting that names the administrator's secret; the module grants the function to read exactly that one."""

_SHOWN = {"engine", "host", "port", "dbname", "username"}


def read(context: Context) -> Credential:
    """The AWSCURRENT value of the administrator's secret. Nothing of it but its user name can be logged from now on."""
    arn = context.setting(SETTING)
    manager = context.client("secretsmanager")
    answer = aws.call("secretsmanager:GetSecretValue", lambda: manager.get_secret_value(SecretId=arn))
    if "SecretString" not in answer:
        raise SecretError(f"The administrator's secret {arn} holds SecretBinary. Put its value as text.")
    text = answer["SecretString"]
    found = Credential(answer["VersionId"], text, ("password",) if document.is_object(text) else ())
    context.log.hide(text, *(str(value) for key, value in found.fields.items() if key not in _SHOWN))
    return found


def check_host(context: Context, admin: Credential, host: str) -> None:
    """Refuse to take the administrator's password to a ``host`` that only the rotated secret names.

    Who may write that secret would else be sent the password by naming a server of theirs.
    """
    trusted = context.settings.get("host") or admin.get("host")
    if not trusted:
        raise ConfigurationError(
            "The administrator's secret has no key 'host', as it is for those that RDS makes: give the setting 'host'."
        )
    if trusted != host:
        raise IdentityMismatchError(
            "The administrator's secret is for another host than this secret. Correct the one that is wrong."
        )


def locked_out(server: str, username: str) -> AuthenticationError:
    """What to tell when the server has refused all that Secrets Manager holds."""
    return AuthenticationError(
        f"{server} accepts no stored password of {username!r}: pending, current, previous and the versions without a "
        "label were tried. Put a working value by hand, or give 'admin_secret_arn'."
    )
