"""The targets: services that have to accept a new value. ``catalogue.json`` is the one list of them."""

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import SettingError
from ..target import Target


def catalogue() -> dict[str, Any]:
    """The content of ``catalogue.json``: type → module, summary, settings, permissions."""
    found: dict[str, Any] = json.loads((Path(__file__).parent.parent / "catalogue.json").read_text("utf-8"))
    return found


def load(kind: str, settings: Mapping[str, str]) -> Target | None:
    """Return the target, checked; None for the target that has nothing to do.

    Raises ``SettingError`` for an unknown type, a missing or unknown setting, or a module without the two functions.
    """
    listed = catalogue()
    if kind not in listed:
        raise SettingError(f"TARGET is {kind!r}; allowed: {', '.join(sorted(listed))}.")
    _check_settings(kind, listed[kind]["settings"], settings)
    module = importlib.import_module(f"{__name__}.{listed[kind]['module']}")
    if getattr(module, "NOTHING_TO_DO", False):
        return None
    return Target.of(kind, module.load() if hasattr(module, "load") else module)


def _check_settings(kind: str, known: Mapping[str, Any] | None, given: Mapping[str, str]) -> None:
    if known is None:  # the caller's own target takes any
        return
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise SettingError(f"The target {kind!r} has no setting {unknown[0]!r}; allowed: {', '.join(known) or 'none'}.")
    missing = [name for name, about in known.items() if about["required"] and not given.get(name)]
    if missing:
        raise SettingError(f"The target {kind!r} needs the setting {missing[0]!r}: {known[missing[0]]['summary']}")
