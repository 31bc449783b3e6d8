"""Where something can go wrong: one vocabulary for the crash harness, the contract, the sandbox and property tests."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

BEFORE, AFTER = "before", "after"
MOMENTS = (BEFORE, AFTER)

CONNECT, REQUEST = "service:connect", "service:request"
"""The actions at the service that the secret opens, whatever its protocol."""


@dataclass(frozen=True)
class Point:
    """Just before, or just after, one action of one step.

    ``action`` is a call to AWS such as "secretsmanager:PutSecretValue", or one to the service. ``turn`` tells equal
    actions of a step apart; it counts from 1.
    """

    step: str
    action: str
    moment: str = BEFORE
    turn: int = 1

    @property
    def is_aws(self) -> bool:
        """Whether AWS is called, not the service that the secret opens."""
        return not self.action.startswith("service:")

    def at(self, moment: str) -> "Point":
        """The same action at another moment."""
        return replace(self, moment=moment)

    def __str__(self) -> str:
        turn = f" ({self.turn})" if self.turn > 1 else ""
        return f"{self.moment} {self.step} {self.action}{turn}"


class Turns:
    """Counts the actions of one step, so that each call has its points."""

    def __init__(self, step: str) -> None:
        self.step, self._seen = step, Counter[str]()

    def next(self, action: str) -> Point:
        """The point before this call."""
        self._seen[action] += 1
        return Point(self.step, action, BEFORE, self._seen[action])


def around(calls: list[Point]) -> Iterator[Point]:
    """Each call's two points, in order."""
    for call in calls:
        yield from (call.at(moment) for moment in MOMENTS)
