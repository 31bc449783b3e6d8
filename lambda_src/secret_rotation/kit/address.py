"""Where a service is: host and port, or several of them, of the settings or of the secret."""

import re
from collections.abc import Iterator

from ..target import ConfigurationError, Context, Credential

_WITH_PORT = re.compile(r"(?:[^:]*|\[.*\]):\d*")
_IN_NO_HOST = re.compile(r"[\s/\\,@?#\[\]]|^-")
"""What a URL, a list, or a name with a line break has."""
_ONE_OF_SEVERAL = re.compile(r"([^:\[\]]+|\[[^\[\]]+\])(?::(\d{1,5}))?|([^\[\]]*:[^\[\]]*:[^\[\]]*)")


def host(context: Context, credential: Credential) -> str:
    """The setting 'host', which goes before the secret's key. Raises ``ConfigurationError`` when there is neither."""
    found = _known(context, credential)
    if _WITH_PORT.fullmatch(found):
        raise ConfigurationError(
            "The host holds a port as well (as the endpoint of an RDS instance does): put the port into 'port'."
        )
    if not is_host(found) or _IN_NO_HOST.search(found):
        raise ConfigurationError(
            "The host is not a name or an address alone (a URL, a list, or white space with it): correct the setting, "
            "or the secret's key 'host'."
        )
    return found


def several(context: Context, credential: Credential) -> Iterator[tuple[str, int]]:
    """The hosts and ports of a service with several members: the setting 'host', or the secret's key, with commas.

    One without a port of its own has that of ``port``.
    """
    known, usual = _known(context, credential), port(context, credential)
    for each in known.split(","):
        found = _ONE_OF_SEVERAL.fullmatch(each.strip())
        name = (found[1] or found[3]).strip("[]") if found else ""
        own = int(found[2] or usual) if found else 0
        if not name or not is_host(name) or "/" in name or not 0 < own < 65536:
            raise ConfigurationError(
                "The host is not a name or an address, or several with commas, each with :port or without: correct "
                "the setting, or the secret's key 'host'. A connection string (mongodb://...) is not one."
            )
        yield name, own


def _known(context: Context, credential: Credential) -> str:
    found = context.look_up("host", credential)
    if not found:
        raise ConfigurationError("The host is not known. Use the setting 'host', or add a key 'host' to the secret.")
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
