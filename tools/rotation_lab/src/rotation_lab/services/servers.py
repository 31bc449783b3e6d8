"""The real servers that there are: the modules of this package that say which version is installed."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator

from rotation_lab import services


def versions() -> Iterator[str]:
    """A line for each server: its version, or how to install it."""
    for found in pkgutil.iter_modules(services.__path__):
        module = importlib.import_module(f"{services.__name__}.{found.name}")
        if hasattr(module, "version"):
            yield f"{found.name}: {_version(module.version)}"


def _version(ask: Callable[[], str]) -> str:
    try:
        return ask()
    except RuntimeError as error:
        return str(error)
