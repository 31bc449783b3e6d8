"""Load a target by its type: the core knows none of them, the catalogue names them, and one is imported here."""

import importlib

from .target import Given, Target


def load(kind: str, given: Given | None = None) -> Target:
    """The target of a type that is in the catalogue. Raises ``SettingError`` for one that cannot be used."""
    module = importlib.import_module(f"{__package__}.targets.{kind}")
    return Target.of(kind, module.load(given or Given()) if hasattr(module, "load") else module)
