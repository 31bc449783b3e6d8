"""How much of the function's time is left."""

import math
from typing import Protocol

from .errors import DeadlineError

MARGIN = 0.5
"""Seconds kept back to log what happened: a function that is killed says nothing."""


class LambdaContext(Protocol):
    """The part of Lambda's context object that this function uses."""

    invoked_function_arn: str
    """With the version or alias, if the invocation named one."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda kills the invocation."""


class Deadline:
    """The end of the current invocation. One object serves all invocations: ``start`` begins a new one."""

    total: float | None = None
    """Seconds that an invocation has, as seen at the first one: timeouts are a fraction of it."""

    def start(self, context: LambdaContext) -> None:
        """Count from now on with this invocation's context."""
        self._context = context
        if self.total is None:
            self.total = self.remaining()

    def remaining(self) -> float:
        """Seconds that are left for work."""
        return self._context.get_remaining_time_in_millis() / 1000 - MARGIN

    def timeout(self, most: float = 5.0) -> float:
        """Seconds to allow for one call to a service. Raises ``DeadlineError`` when the time is over."""
        self.require(0.1, "call the service")
        return min(most, self.remaining())

    def share(self) -> float:
        """Seconds to allow for one exchange that may be slow: what is left, but for a quarter, in which another one
        can find out what has become of it. Raises ``DeadlineError`` when the time is over.
        """
        return self.timeout(math.inf) * 3 / 4

    def require(self, seconds: float, what: str) -> None:
        """Raise ``DeadlineError`` unless ``seconds`` are left to do ``what``."""
        if self.remaining() < seconds:
            raise DeadlineError(
                f"Not enough time left to {what}: {max(self.remaining(), 0):.1f} s of the function's timeout. "
                "Nothing is lost: the rotation is tried again. If this repeats, raise `function.timeout`."
            )
