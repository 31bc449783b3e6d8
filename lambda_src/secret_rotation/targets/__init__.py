"""The targets: services that have to accept a new value; one file for each type of ``catalogue.json``."""

import importlib

from .. import catalogue
from ..target import Target


def load(kind: str) -> Target | None:
    """The target of a type that is in the catalogue; None for one that has nothing to do.

    Raises ``SettingError`` for a module without the two functions.
    """
    if not catalogue.targets()[kind].get("steps", True):
        return None
    module = importlib.import_module(f"{__name__}.{kind}")
    return Target.of(kind, module.load() if hasattr(module, "load") else module)
