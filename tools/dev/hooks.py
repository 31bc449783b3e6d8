"""An example's own part in the demo and in the end-to-end tests: ``examples/<name>/demo.py``.

The file is optional; so is each of its two functions:

    @contextmanager
    def start(aws: Sandbox) -> Iterator[dict[str, object]]:
        # Starts what the example needs besides AWS (a database, say), yields the variables that the example is then
        # applied with, and stops it. ``aws`` is a rotation_lab.sandbox.client.Sandbox.

    def check(value: str) -> str | None:
        # Logs in with the current value of the secret, and returns what to tell, in one short line without the
        # value. Raises if it cannot log in. Called after apply and after each rotation.

It may import from ``scripts`` and ``sandbox``, and from ``tests.support``.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Start = Callable[[Any], AbstractContextManager[Mapping[str, Any]]]
Check = Callable[[str], str | None]


@dataclass(frozen=True)
class Hooks:
    """The two functions of an example; without a file, they do nothing."""

    start: Start = lambda aws: nullcontext({})
    check: Check = lambda value: None


NONE = Hooks()


def load(example: Path) -> Hooks:
    """The hooks of the example in folder ``example``."""
    path = example / "demo.py"
    if not path.exists():
        return NONE
    spec = importlib.util.spec_from_file_location(f"demo_{example.name}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Hooks(getattr(module, "start", NONE.start), getattr(module, "check", NONE.check))
