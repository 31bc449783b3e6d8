"""A random UUID (version 4)."""

import uuid
from collections.abc import Mapping

from . import Source


def make(key: str, _: Mapping[str, str], __: Source) -> dict[str, str]:
    """From the operating system's generator."""
    return {key: str(uuid.uuid4())}
