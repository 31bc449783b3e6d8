"""Where a function can die, and how."""

from dataclasses import dataclass

BEFORE, AFTER = "before", "after"

EXCEPTION = "exception"
"""The call raises something that nobody expects; a connection to the service is reset."""
KILLED = "killed"
"""The process ends at once, without a word."""
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

DEATHS = (EXCEPTION, KILLED, TIMEOUT, LOST, DENIED)
OVERLAPS = (TWICE, SECOND, PERSON)


@dataclass(frozen=True)
class Call:
    """A call that the function makes in a clean run: the ``index``-th one of ``step``, counted from 0."""

    step: str
    index: int
    name: str
    """Such as "secretsmanager:PutSecretValue", "service:connect" or "service:request"."""

    @property
    def is_aws(self) -> bool:
        """Whether AWS is called, not the service that the secret opens."""
        return not self.name.startswith("service:")


@dataclass(frozen=True)
class Fault:
    """What happens at one point: just before, or just after, one call."""

    call: Call
    moment: str
    way: str

    def __str__(self) -> str:
        return f"{self.way} {self.moment} {self.call.step}/{self.call.index} {self.call.name}"


def faults(calls: list[Call]) -> list[Fault]:
    """Every fault of a recorded run: each call, before and after it, in each way that there is."""
    return [Fault(call, moment, way) for call in calls for moment in (BEFORE, AFTER) for way in _ways(call, moment)]


def _ways(call: Call, moment: str) -> tuple[str, ...]:
    if moment == AFTER:
        return (EXCEPTION, KILLED, TIMEOUT, LOST, *OVERLAPS)
    denied = (DENIED,) if call.is_aws else ()
    return (EXCEPTION, KILLED, TIMEOUT, *denied, *OVERLAPS)
