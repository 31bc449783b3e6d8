"""A pytest plugin for the mutation check: tests use the servers that run already, and one that hangs has failed."""

import contextlib
import importlib
import json
import os
import signal
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

LONGEST = 30
"""Seconds that a test may take; all take much less. mutmut itself would wait for a quarter of an hour."""

RESTORE: Mapping[str, Callable[[Any], object]] = {
    "postgresql": lambda server: (
        server.run("DROP FUNCTION IF EXISTS public.format"),
        server.run("ALTER ROLE postgres RESET password_encryption"),
        server.set_tls("on"),
    ),
    "mariadb": lambda server: server.run("SET GLOBAL read_only = 0, GLOBAL sql_mode = DEFAULT"),
}
"""Undoes what tests change for a while, and have left so when a mutant ran out of time."""


class HangsError(BaseException):
    """Not an exception that the function under test could take for one of its own."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """End a test that takes too long."""
    signal.signal(signal.SIGALRM, _end)
    signal.alarm(LONGEST)
    try:
        return (yield)
    finally:
        signal.alarm(0)


def _end(*_: object) -> None:
    raise HangsError


def pytest_configure() -> None:
    """Take the place of ``start`` in rotation_lab.services."""
    running: list[dict[str, Any]] = json.loads(os.environ["RUNNING_SERVERS"])
    for name in {each["module"] for each in running}:
        module: Any = importlib.import_module(f"rotation_lab.services.{name}")
        servers = [(each["options"], _server(module, **each)) for each in running if each["module"] == name]
        for _, server in servers:
            RESTORE.get(name, lambda _: None)(server)
        original = getattr(module.start, "original", module.start)  # mutmut configures one process several times
        module.start = _start(servers, original)
        module.start.original = original


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
