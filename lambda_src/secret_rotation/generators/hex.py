"""Random bytes in hexadecimal, from the operating system's generator."""

import secrets
from collections.abc import Mapping

from . import Source


def make(key: str, settings: Mapping[str, str], _: Source) -> dict[str, str]:
    """Two characters for each byte."""
    return {key: secrets.token_hex(int(settings["bytes"]))}
