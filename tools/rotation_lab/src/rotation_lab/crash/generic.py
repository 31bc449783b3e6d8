"""Cases for any rotation function: a value alone, and databases, in the structure that AWS documents for secrets."""

import contextlib
import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

from rotation_lab.services.base import Nothing, Service

from .case import Case, CasesError, other_arn

PASSWORD = ("password",)
ALTERNATING: Mapping[str, Any] = {"masterarn": other_arn(1, "admin")}
"""How AWS's secrets of two alternating users name the secret of their administrator."""


def _nothing(*keys: str) -> Callable[[], AbstractContextManager[Service]]:
    return lambda: contextlib.nullcontext(Nothing(keys))


def _server(module: str) -> Callable[[], AbstractContextManager[Service]]:
    """A server of ``rotation_lab.services``; its driver is imported only when it is needed."""

    @contextlib.contextmanager
    def start() -> Iterator[Service]:
        try:
            found = importlib.import_module(f"rotation_lab.services.{module}")
        except ModuleNotFoundError as error:
            message = f"This case needs {error.name}: pip install 'rotation-lab[services]'."
            raise CasesError(message) from None
        with found.start() as server:
            yield server.credential()

    return start


def _database(name: str, module: str, **more: Any) -> tuple[Case, Case]:
    alternating = {**more, **ALTERNATING}
    return (
        Case(name, _server(module), PASSWORD, more=more),
        Case(
            f"{name}/alternating users", _server(module), PASSWORD, more=alternating, varies=("username",), quick=False
        ),
    )


CASES = (
    Case("plain text", _nothing()),
    Case("key-value", _nothing("password"), PASSWORD),
    *_database("postgresql", "postgresql"),
    *_database("mysql", "mariadb"),
    *_database("mariadb", "mariadb", engine="mariadb"),
    Case("redis", _server("redis_server"), PASSWORD),
)
