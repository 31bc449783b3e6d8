"""A pytest plugin for the mutation check: tests use the servers that run already instead of starting their own."""

import contextlib
import importlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CLASSES = {"postgresql": "PostgreSQL", "mariadb": "MariaDB"}


def pytest_configure() -> None:
    """Take the place of ``start`` in tests.support."""
    for name, kind in CLASSES.items():
        about = os.environ.get(f"RUNNING_{name.upper()}")
        if about:
            _replace(name, kind, json.loads(about))


def _replace(name: str, kind: str, about: dict[str, Any]) -> None:
    module: Any = importlib.import_module(f"tests.support.{name}")
    running = getattr(module, kind)(Path(about["folder"]), about["port"], about["ca"])

    @contextlib.contextmanager
    def start(**options: Any) -> Iterator[Any]:
        if options.get("tls", True):
            yield running
        else:
            with original(**options) as other:
                yield other

    original = module.start
    module.start = start
