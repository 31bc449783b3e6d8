"""What a service may be able to do besides what every service does; a check that needs it asks for it by type."""

from datetime import timedelta
from typing import Protocol, runtime_checkable


@runtime_checkable
class Issues(Protocol):
    """It makes the values itself."""

    def issued(self) -> int:
        """How many it has made."""


@runtime_checkable
class Ages(Protocol):
    """How old something is there makes a difference."""

    def later(self, time: timedelta) -> None:
        """Everything that it has becomes so much older."""


@runtime_checkable
class Follows(Protocol):
    """A person may have to do something in it before a rotation goes on."""

    def follow(self, message: str) -> bool:
        """Do what the function's message asks for; whether it asks for anything there."""
