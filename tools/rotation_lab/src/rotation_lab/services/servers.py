"""The real servers that the targets are tested against, for pytest's header."""

import importlib
from collections.abc import Iterator

MODULES = {
    "MariaDB": "mariadb",
    "PostgreSQL": "postgresql",
    "RabbitMQ": "rabbitmq",
    "Redis": "redis_server",
}
"""Server → module of this package, whose ``version()`` raises ``RuntimeError`` with the install command."""


def versions() -> Iterator[str]:
    """A line for each server: its version, or how to install it."""
    for name, module in MODULES.items():
        try:
            yield f"{name}: {importlib.import_module(f'{__package__}.{module}').version()}"
        except (ImportError, RuntimeError) as error:
            yield f"{name}: {error}"
