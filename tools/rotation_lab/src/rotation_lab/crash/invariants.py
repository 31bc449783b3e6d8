"""What must hold whatever happens, by name."""

from dataclasses import dataclass

STORED = "some stored version opens the service"
"""At every moment: a value that the service accepts is never only in the memory of a function."""
VERIFIED = "AWSCURRENT moves only to a value that the service accepts"
CURRENT = "in the end AWSCURRENT opens the service"
CONVERGES = "the rotation goes on after the fault"
ONE_VALUE = "no token has two values"
"""Neither stored, nor issued by the service once one is stored."""
UNCHANGED = "other keys stay byte for byte"
TOLD = "what cannot go on says why"
IN_TIME = "a step ends within its time"
SILENT = "nothing secret is shown"

NAMES = (STORED, VERIFIED, CURRENT, CONVERGES, ONE_VALUE, UNCHANGED, TOLD, IN_TIME, SILENT)


@dataclass(frozen=True)
class Breach:
    """One invariant that did not hold in one run."""

    invariant: str
    run: str
    """The fault, and how it went on."""
    detail: str
    """What was seen; it holds no value."""

    def __str__(self) -> str:
        return f"{self.invariant}: {self.run}: {self.detail}"
