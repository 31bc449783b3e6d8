"""The certificate by which the function shows a server who it is, where the server asks for one."""

from ..target import ConfigurationError, Context, Credential
from .tls import CLIENT_KEYS, CLIENT_SETTING


def of(context: Context, admin: Credential | None = None) -> Credential | None:
    """That of the ``admin`` who logs in, when its secret holds one; else that of the setting; None without either.

    Raises ``ConfigurationError`` when the setting's secret holds none.
    """
    if admin is not None and _has(admin):
        return admin
    arn = context.settings.get(CLIENT_SETTING)
    if not arn:
        return None
    found = context.secrets.read_current(arn)
    if found is not None and _has(found):
        return found
    raise ConfigurationError(
        f"The secret {arn} of {CLIENT_SETTING!r} does not exist, or is no JSON object with the keys 'certificate' and "
        "'private_key', both PEM."
    )


def _has(secret: Credential) -> bool:
    return all(secret.get(key) for key in CLIENT_KEYS)
