"""The clock of schedules, versions, metrics and alarms. It can be moved forward, never back."""

from __future__ import annotations

import time

_FARTHEST = 100 * 365 * 86_400.0


class Clock:
    """Real time plus what ``advance`` has added. Signatures, sessions, logs and functions keep to real time."""

    def __init__(self) -> None:
        self._offset = 0.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        """Moves forward; ``ValueError`` for a negative number, since what has happened cannot be undone."""
        if seconds < 0:
            raise ValueError("the clock moves forward only")
        if self._offset + seconds > _FARTHEST:
            raise ValueError("the clock moves forward by a hundred years at most")
        self._offset += seconds
