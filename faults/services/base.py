"""The services that a secret opens, as the harness needs them: put back, asked, and changed by a person."""

from collections.abc import Mapping
from typing import Any, Protocol

from .. import amazon


class Service(Protocol):
    """A service that is running. ``values`` map the keys of the secret's document to their values."""

    upstream: tuple[str, int] | None
    """Where it listens; None when it is reached through AWS, or not at all."""

    def known(self, host: str, port: int) -> Mapping[str, Any]:
        """The members of the secret that are not rotated, with the address that the function is to use."""

    def reset(self) -> Mapping[str, str]:
        """Put it back as it was before any rotation, and return the values that it then accepts."""

    def opens(self, text: str) -> bool:
        """Whether it accepts the secret with this text."""

    def by_hand(self) -> Mapping[str, str]:
        """A person sets other values in the service; return them."""

    def apis(self) -> Mapping[str, amazon.Api]:
        """AWS services that the function calls besides Secrets Manager."""


class Nothing:
    """The target none: a value opens what it is for as soon as consumers can read it."""

    upstream = None

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

    def apis(self) -> Mapping[str, amazon.Api]:
        """None."""
        return {}
