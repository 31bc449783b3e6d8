"""Where a service is: host and port, of the settings or of the secret."""

import re

from ..target import ConfigurationError, Context, Credential

_WITH_PORT = re.compile(r"(?:[^:]*|\[.*\]):\d*")


def host(context: Context, credential: Credential) -> str:
    """The setting 'host', which goes before the secret's key. Raises ``ConfigurationError`` when there is neither."""
    found = context.look_up("host", credential)
    if not found:
        raise ConfigurationError("The host is not known. Use the setting 'host', or add a key 'host' to the secret.")
    if _WITH_PORT.fullmatch(found):
        raise ConfigurationError(
            "The host holds a port as well (as the endpoint of an RDS instance does): put the port into 'port'."
        )
    if not is_host(found):
        raise ConfigurationError(
            "The host is not a name or an address: correct the setting, or the secret's key 'host'."
        )
    return found


def is_host(text: str) -> bool:
    """Whether Python can look ``text`` up: its sockets raise another kind of exception when they cannot."""
    try:
        return "\0" not in text and bool(text.encode("idna"))
    except UnicodeError:
        return False


def port(context: Context, credential: Credential) -> int:
    """The setting 'port', or the secret's key, or the default. Raises ``ConfigurationError`` when it is no port."""
    text = context.look_up("port", credential) or ""
    if text.isascii() and text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise ConfigurationError("The port must be a number from 1 to 65535.")
