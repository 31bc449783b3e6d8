"""One described request, however it is sent: what success is, and how long to ask for it."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any, NamedTuple, Protocol

from ...target import AuthenticationError, Context, LockedError, NetworkError, RotationError, TargetError
from . import filling
from .check import Described
from .filling import Placeholder, Sources
from .pointers import find, is_nothing

PAUSE = 2.0
"""Seconds between two tries."""
SPARE = 5.0
"""Seconds that a further try needs."""


UNANSWERED = "no answer"


class Reply(NamedTuple):
    """What came back."""

    status: str
    """The HTTP status, or the code of AWS's error; "200" for a success of AWS."""
    document: Any = None
    """The answer, parsed; None where it was not asked for."""
    problem: RotationError | None = None
    """What to say of it where it is not right."""
    refused: bool = False
    """Whether the status means a refused login."""
    headers: Message | None = None
    """Those of an answer over HTTP."""


class Transport(Protocol):
    """How requests are sent."""

    def placeholders(self) -> Collection[Placeholder]:
        """All that stand in the request."""

    def check(self, sources: Sources) -> None:
        """Fill in everything, so that what is missing is reported before anything is sent."""

    def reach(self, context: Context) -> None:
        """Connect, and send nothing."""

    def send(self, context: Context, sources: Sources, *, reads: bool, once: bool) -> Reply:
        """Send the request. ``reads``: its answer is needed. ``once``: by a client that does not repeat it."""


@dataclass(frozen=True)
class Call:
    """A request, ready to be filled in."""

    described: Described
    transport: Transport
    expected: Callable[[str], bool]

    def __str__(self) -> str:
        return self.described.place

    @property
    def fields(self) -> Mapping[str, Any]:
        """What the user wrote."""
        return self.described.fields

    @property
    def roots(self) -> set[str]:
        """What its placeholders are filled in from."""
        return {placeholder.root for placeholder in self.transport.placeholders()}

    def keys(self, *roots: str) -> set[str]:
        """The keys of the secret behind placeholders with these roots; "" for one without a key."""
        return {one.key or "" for one in self.transport.placeholders() if one.root in roots}

    def check(self, sources: Sources) -> None:
        """Raise ``SecretError`` or ``ConfigurationError`` for what cannot be filled in."""
        self.transport.check(sources)

    def reach(self, context: Context) -> None:
        """Connect to where it goes, as far as that is known. Raises ``NetworkError`` or ``ConfigurationError``."""
        self.transport.reach(context)

    def send(self, context: Context, sources: Sources) -> Reply:
        """Send it and return whatever comes back."""
        reads = any(name in self.fields for name in ("values", "match")) or self.described.step in ("session", "list")
        return self.transport.send(context, sources, reads=reads, once=self.described.step == "issue")

    def ask(self, context: Context, sources: Sources, first: Reply | None = None, *, waits: bool = True) -> Reply:
        """Send it until the reply is right, as long as 'retry' allows; the last reply, with what is wrong with it.

        ``first``: the reply to a request sent before.
        """
        left = float(self.fields.get("retry", 0)) if waits else 0.0
        while True:
            began = time.monotonic()
            reply = first or self._sent(context, sources)
            reply = reply._replace(problem=self._problem(reply, sources))
            first, left = None, left - max(PAUSE, time.monotonic() - began)
            if reply.problem is None or left < 0 or context.deadline.remaining() < PAUSE + SPARE:
                return reply
            time.sleep(PAUSE)

    def _sent(self, context: Context, sources: Sources) -> Reply:
        try:
            return self.send(context, sources)
        except NetworkError as error:
            return Reply(UNANSWERED, None, error)

    def _problem(self, reply: Reply, sources: Sources) -> RotationError | None:
        """What is wrong with it; None when it is right."""
        if not self.expected(reply.status):
            return reply.problem
        for pointer, wanted in self.fields.get("match", {}).items():
            found = find(reply.document, pointer)
            if not (is_nothing(found) if wanted is None else found == filling.fill_any(wanted, sources)):
                return TargetError(
                    f"{self} was answered, but what stands at {pointer} in the answer is not what 'match' asks for. "
                    "If it takes time, set 'retry'; the rotation is tried again."
                )
        return None

    def check_login(self, reply: Reply) -> None:
        """Raise when the reply says that the login was refused, so that another one may be tried."""
        if not self.expected(reply.status) and (reply.refused or isinstance(reply.problem, LockedError)):
            raise reply.problem or AuthenticationError(f"{self}: the login was refused.")


def statuses(text: str) -> Callable[[str], bool]:
    """Whether a status is one of those listed: "200,404", "200-299", "200,NoSuchEntity"."""
    parts = [part.strip() for part in text.split(",")]
    bounds = [part.partition("-") for part in parts if part[0].isdecimal()]

    def is_listed(status: str) -> bool:
        if not status.isdecimal():
            return status in parts
        return any(int(first) <= int(status) <= int(last or first) for first, _, last in bounds)

    return is_listed
