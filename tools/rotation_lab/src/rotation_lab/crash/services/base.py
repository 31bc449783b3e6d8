"""The services that a secret opens, as the harness needs them: put back, asked, and changed by a person."""

from collections.abc import Mapping
from typing import Any, Protocol

from rotation_lab.model.secrets_manager import ACCOUNT, REGION, SecretsManager

from .. import amazon


def other_arn(number: int, name: str) -> str:
    """The ARN of the ``number``-th of the other secrets, counted from 1."""
    return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-{number:06}"


class BusyError(Exception):
    """The service lets a person wait, since the function that waits at the fault's point holds a lock."""


class Service(Protocol):
    """A service that is running. ``values`` map the keys of the secret's document to their values.

    It may have three functions more: ``issued()``, how many values it has issued itself; ``later(time)``, what it has
    becomes so much older; ``follow(message)``, a person does what the function's error asks for, if it asks for
    anything in the service, and it says whether it does.
    """

    @property
    def upstream(self) -> tuple[str, int] | None:
        """Where it listens; None when it is reached through AWS, or not at all."""

    def known(self, host: str, port: int) -> Mapping[str, Any]:
        """The members of the secret that are not rotated, with the address that the function is to use."""

    def reset(self) -> Mapping[str, str]:
        """Put it back as it was before any rotation, and return the values that it then accepts."""

    def opens(self, text: str) -> bool:
        """Whether it accepts the secret with this text."""

    def by_hand(self) -> Mapping[str, str]:
        """A person sets other values in the service; return them. Raises ``BusyError``."""

    def apis(self, manager: SecretsManager) -> Mapping[str, amazon.Api]:
        """AWS services that the function calls besides Secrets Manager, over whose secrets they work."""

    def others(self, host: str, port: int) -> Mapping[str, str | None]:
        """Other secrets that the target needs, in the order in which they are made: name → text."""


class Nothing:
    """The target none: a value opens what it is for as soon as consumers can read it."""

    upstream: tuple[str, int] | None = None

    def __init__(self, keys: tuple[str, ...] = ()) -> None:
        self._keys, self._count = keys or ("",), 0

    def known(self, host: str, port: int) -> Mapping[str, Any]:
        """Nothing but what is rotated."""
        return {}

    def reset(self) -> Mapping[str, str]:
        """The first values."""
        return {key: f"first-{n}-wHjq83" for n, key in enumerate(self._keys)}

    def opens(self, text: str) -> bool:
        """Any value will do."""
        return bool(text)

    def by_hand(self) -> Mapping[str, str]:
        """Other values."""
        return {key: f"hand-{n}-Zk20xv" for n, key in enumerate(self._keys)}

    def apis(self, manager: SecretsManager) -> Mapping[str, amazon.Api]:
        """None."""
        return {}

    def others(self, host: str, port: int) -> Mapping[str, str | None]:
        """None."""
        return {}
