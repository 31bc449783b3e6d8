"""A pytest plugin for the mutation check: tests use the servers that run already instead of starting their own."""

import contextlib
import importlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

RESTORE: Mapping[str, Callable[[Any], object]] = {
    "postgresql": lambda server: (
        server.run("DROP FUNCTION IF EXISTS public.format"),
        server.run("ALTER ROLE postgres RESET password_encryption"),
        server.set_tls("on"),
    ),
    "mariadb": lambda server: server.run("SET GLOBAL read_only = 0, GLOBAL sql_mode = DEFAULT"),
}
"""Undoes what tests change for a while, and have left so when a mutant ran out of time."""


def pytest_configure() -> None:
    """Take the place of ``start`` in tests.support."""
    running: list[dict[str, Any]] = json.loads(os.environ["RUNNING_SERVERS"])
    for name in {each["module"] for each in running}:
        module: Any = importlib.import_module(f"tests.support.{name}")
        servers = [(each["options"], _server(module, **each)) for each in running if each["module"] == name]
        for _, server in servers:
            RESTORE.get(name, lambda _: None)(server)
        module.start = _start(servers, module.start)


def _server(support: Any, kind: str, place: tuple[str, int, str], **_: Any) -> Any:
    folder, port, ca = place
    return getattr(support, kind)(Path(folder), port, ca)


def _start(servers: list[tuple[dict[str, Any], Any]], original: Any) -> Any:
    @contextlib.contextmanager
    def start(**options: Any) -> Iterator[Any]:
        for known, server in servers:
            if known == options:
                yield server
                return
        with original(**options) as other:
            yield other

    return start
