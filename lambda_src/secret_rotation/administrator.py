"""The administrator's credential, for targets that change somebody else's password."""

from . import document
from .errors import SecretError
from .targets.base import Context, Credential

SETTING = "admin_secret_arn"
"""The setting that names the administrator's secret; the module grants the function to read exactly that one."""

_SHOWN = {"engine", "host", "port", "dbname", "username"}


def read(context: Context) -> Credential:
    """The AWSCURRENT value of the administrator's secret. Nothing of it but its user name can be logged from now on."""
    arn = context.setting(SETTING)
    answer = context.client("secretsmanager").get_secret_value(SecretId=arn)
    if "SecretString" not in answer:
        raise SecretError(f"The administrator's secret {arn} holds SecretBinary. Put its value as text.")
    text = answer["SecretString"]
    found = Credential(answer["VersionId"], text, ("password",) if document.is_object(text) else ())
    context.log.hide(text, *(str(value) for key, value in found.fields.items() if key not in _SHOWN))
    return found
