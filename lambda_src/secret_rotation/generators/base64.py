"""Random bytes in base64, from the operating system's generator."""

import base64
import secrets
from collections.abc import Mapping

from . import Source


def make(key: str, settings: Mapping[str, str], _: Source) -> dict[str, str]:
    """The standard alphabet, with padding."""
    return {key: base64.b64encode(secrets.token_bytes(int(settings["bytes"]))).decode()}
