"""The targets: services that have to accept a new value; one file for each type of ``catalogue.json``."""

import importlib

from ..target import Target


def load(kind: str) -> Target:
    """The target of a type that is in the catalogue. Raises ``SettingError`` for one that cannot be used."""
    module = importlib.import_module(f"{__name__}.{kind}")
    return Target.of(kind, module.load() if hasattr(module, "load") else module)
