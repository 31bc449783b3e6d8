"""What can happen at a point."""

from collections.abc import Iterator
from dataclasses import dataclass

from rotation_lab.points import AFTER, Point, around

EXCEPTION = "exception"
"""The call raises an exception of no expected class; a connection to the service is reset."""
KILLED = "killed"
"""The process ends at once and logs nothing."""
TIMEOUT = "timeout"
"""Nothing answers any more until the function's time is over."""
LOST = "lost answer"
"""The call had its effect, and the answer is lost: the connection is closed. Later calls are answered."""
DENIED = "denied"
"""AWS answers that the call is not allowed."""
TWICE = "step twice"
"""The function waits at the point while another environment does the same step with the same token."""
SECOND = "second rotation"
"""The function waits at the point while AWSPENDING is cleared and another rotation runs from start to end."""
PERSON = "value by hand"
"""The function waits at the point while a person puts a value, and sets it in the service."""

OVERLAPS = (TWICE, SECOND, PERSON)


@dataclass(frozen=True)
class Fault:
    """What happens at one point."""

    way: str
    point: Point

    def __str__(self) -> str:
        return f"{self.way} {self.point}"


def faults(calls: list[Point]) -> Iterator[Fault]:
    """Every fault of a recorded run: each of its points, in each way that there is."""
    for point in around(calls):
        yield from (Fault(way, point) for way in _ways(point))


def _ways(point: Point) -> tuple[str, ...]:
    if point.moment == AFTER:
        return (EXCEPTION, KILLED, TIMEOUT, LOST, *OVERLAPS)
    denied = (DENIED,) if point.is_aws else ()
    return (EXCEPTION, KILLED, TIMEOUT, *denied, *OVERLAPS)
