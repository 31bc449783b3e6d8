"""What happened in one run: what was called, how the steps ended, what was stored, and what of it opened the service.

The world writes it, and the checks read it: neither knows the other.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from rotation_lab.leaks import LeakSearch
from rotation_lab.points import Point

from .document import Document

AT_REST, MOVED, END, KEPT = "at rest", "moved", "end", "kept"
"""When versions are looked at: after a step, when a call has moved AWSCURRENT, and when no more is to come."""


@dataclass(frozen=True)
class Outcome:
    """How one step ended: "done", "failed", "killed" (by the fault) or "late" (its time was over)."""

    step: str
    result: str
    kinds: tuple[str, ...] = ()
    """Names of the exception's class and its bases."""
    message: str = ""

    @property
    def ok(self) -> bool:
        """Whether Secrets Manager takes the step as done."""
        return self.result == "done"

    def __str__(self) -> str:
        error = f" with {self.kinds[0]}" if self.kinds else ""
        return f"{self.step} {self.result}{error}"


@dataclass(frozen=True)
class Seen:
    """The secret at one moment. ``opens`` has the texts with which a login was tried, and whether it succeeded."""

    moment: str
    when: str
    """For people: after which step, or by which call."""
    versions: Mapping[str, str]
    """Version → text, of the versions that have one."""
    opens: Mapping[str, bool]


@dataclass(frozen=True)
class Ended:
    """The end of one step. ``issued``: how many values the service had issued for its token, before and after."""

    outcome: Outcome
    nested: bool
    """Whether another step waited for it, and may have held what it needed."""
    issued: tuple[int | None, int | None] = (None, None)


@dataclass(frozen=True)
class Stuck:
    """The rotation did not go on, though everything worked again and a person had helped."""

    detail: str


@dataclass
class History:
    """One run, in the order in which it happened."""

    run: str
    """The fault, and how it went on."""
    document: Document
    explains: str = ""
    """The class of the exceptions that say what to do; empty where any class may, whose name is not Python's own."""
    calls: list[Point] = field(default_factory=list)
    events: list[Seen | Ended | Stuck] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """Everything that the processes printed, raised and left in their environment."""
    hidden: dict[str, str] = field(default_factory=dict)
    """Values that must not be shown, by a name for each."""

    def seen(self, *moments: str) -> Iterator[Seen]:
        """What was stored at these moments; at any, without one."""
        for event in self.events:
            if isinstance(event, Seen) and (not moments or event.moment in moments):
                yield event

    def ended(self) -> Iterator[Ended]:
        """The steps that ended."""
        return (event for event in self.events if isinstance(event, Ended))

    def stuck(self) -> Iterator[Stuck]:
        """The rotations that did not go on."""
        return (event for event in self.events if isinstance(event, Stuck))

    def leaks(self) -> list[str]:
        """What of the hidden values was shown, without the values."""
        search = LeakSearch()
        for name, value in self.hidden.items():
            search.add(name, value)
        return search.find("\n".join(self.said))
