"""From what was found out about a secret to a verdict: its name, why, and the commands for the next step.

Nothing is read here: ``Facts`` go in, a ``Verdict`` comes out.
"""

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from . import rollback
from .errors import (
    AccessDeniedError,
    AuthenticationError,
    ConfigurationError,
    DeadlineError,
    LockedError,
    NetworkError,
    PendingMismatchError,
    RollbackError,
    RotationError,
    SecretError,
    ValueRefusedError,
)
from .journal import Word
from .store import CURRENT, PENDING, Description

VERDICTS = (
    "healthy", "paused", "rotating", "unknown", "retrying", "overdue",
    "stuck", "failed", "value_refused", "unreachable", "locked_out",
)  # fmt: skip
"""From the best to the worst."""
FINE = VERDICTS[:4]
"""What is no reason for an alarm: nothing is wrong, or nothing is known to be."""
MOVING = ("rotating", "retrying")
"""What changes by itself."""
QUIET = timedelta(minutes=15)
"""The longest that a step can take: after as long without a word, nothing is running."""


class Verdict(NamedTuple):
    """What state a secret's rotation is in."""

    name: str
    reason: str
    commands: tuple[str, ...] = ()


_FILE = "file://secret.txt"
"""Where a person writes the value to store, so that no shell's history has it."""
_UNREAD = Description(rotation_enabled=True, labels={})


@dataclass(frozen=True)
class Facts:
    """What was found out about one secret."""

    secret_id: str
    now: datetime
    about: Description = _UNREAD
    unread: RotationError | None = None
    """Why it could not be described."""
    made: Mapping[str, datetime] = field(default_factory=dict)
    """Version → when it was made."""
    words: Sequence[Word] = ()
    """What the steps of the AWSPENDING version said, oldest first."""
    problem: RotationError | None = None
    """Why the next rotation would fail, as far as reading shows."""
    logins: Mapping[str, RotationError | None] = field(default_factory=dict)
    """Version → why it does not open the service; None: it does. Only those that were tried."""
    refused: str | None = None
    """A version that must not open the service any more."""
    quiet: timedelta = QUIET
    expects_rotation: bool = False
    """Whether a rotation has just been ordered."""

    @property
    def current(self) -> str | None:
        """The AWSCURRENT version."""
        return self.about.holder(CURRENT)

    @property
    def pending(self) -> str | None:
        """The AWSPENDING version of a rotation that has not ended."""
        found = self.about.holder(PENDING)
        return None if found == self.current else found

    @property
    def opens(self) -> str | None:
        """The version that opens the service, of those that were tried."""
        return next(
            (version for version, problem in self.logins.items() if problem is None and version != self.refused), None
        )

    @property
    def silence(self) -> timedelta:
        """How long the rotation that has not ended has said nothing."""
        last = self.words[-1].at if self.words else self.made.get(self.pending or "", self.now)
        return self.now - last

    def command(self, action: str, **options: str) -> str:
        """An AWS CLI command on this secret, to be run as it stands."""
        region = self.secret_id.split(":")[3] if self.secret_id.startswith("arn:") else ""
        named = {"secret_id": self.secret_id, **({"region": region} if region else {}), **options}
        words = (word for name, value in named.items() for word in (f"--{name.replace('_', '-')}", value))
        return f"aws secretsmanager {action} {shlex.join(words)}"

    @property
    def rotate(self) -> str:
        """Begins a rotation, or goes on with one that has not ended."""
        return self.command("rotate-secret")

    @property
    def put(self) -> str:
        """Stores a value from a file, and abandons a rotation that has not ended."""
        return self.command("put-secret-value", secret_string=_FILE)

    @property
    def abandon(self) -> str:
        """Abandons a rotation that has not ended, so that the next one generates another value."""
        return self._unlabel(PENDING, self.pending or "")

    @property
    def without_rollback(self) -> tuple[str, ...]:
        """Removes the label ROLLBACK, if it is still there."""
        version = self.about.holder(rollback.LABEL)
        return () if version is None else (self._unlabel(rollback.LABEL, version),)

    def _unlabel(self, label: str, version: str) -> str:
        return self.command("update-secret-version-stage", version_stage=label, remove_from_version_id=version)


def decide(facts: Facts) -> Verdict:
    """The first rule that applies; the order is that of what has to be mended first."""
    for rule in _RULES:
        found = rule(facts)
        if found is not None:
            return found
    return Verdict("healthy", _healthy(facts))


def worst(verdicts: Iterable[str]) -> str:
    """The worst of several; "healthy" when there are none."""
    return max(verdicts, key=VERDICTS.index, default="healthy")


def _unreadable(facts: Facts) -> Verdict | None:
    if facts.unread is None:
        return None
    found = _of_problem(facts, facts.unread)
    if not isinstance(facts.unread, AccessDeniedError):
        return found
    # The role's permissions are for the secrets whose rotation function this is.
    reason = (
        f"{found.reason} If the secret's rotation function (RotationLambdaARN) is another one, or none, ask that one."
    )
    return found._replace(reason=reason, commands=(facts.command("describe-secret"),))


def _deleted(facts: Facts) -> Verdict | None:
    if facts.about.deleted is None:
        return None
    when = f"The secret was scheduled for deletion at {_time(facts.about.deleted)}, and does not rotate."
    return Verdict("failed", when, (facts.command("restore-secret"), facts.rotate))


def _paused(facts: Facts) -> Verdict | None:
    if facts.about.rotation_enabled:
        return None
    if facts.pending is None:
        return Verdict("paused", "Rotation is turned off. Turning it on rotates at once.", (facts.rotate,))
    reason = (
        f"Rotation was turned off while it was not complete: AWSPENDING is on version {facts.pending}, whose value the "
        "service may have accepted. Turning rotation on goes on with it."
    )
    return Verdict("paused", reason, (facts.rotate,))


def _leaked(facts: Facts) -> Verdict | None:
    """The version that must not open the service: it does, or that is not known."""
    if facts.refused is None:
        return None
    if facts.refused not in facts.logins:
        reason = "there is no target, or its test would write to the service"
        return Verdict("unknown", f"Whether version {facts.refused} still works was not tried: {reason}.")
    problem = facts.logins[facts.refused]
    if problem is None:
        return Verdict("failed", f"The service still accepts the value of version {facts.refused}.", (facts.rotate,))
    if not isinstance(problem, AuthenticationError):
        return Verdict("unknown", f"Whether the service rejects version {facts.refused} is not known. {problem}")
    return None


def _login(facts: Facts) -> Verdict | None:
    """Of current and pending neither opens the service."""
    problems = {v: problem for v, problem in facts.logins.items() if problem is not None and v != facts.refused}
    if facts.opens or not problems:
        return None
    for kind in (NetworkError, LockedError, ConfigurationError):
        for problem in problems.values():
            if isinstance(problem, kind):
                return _of_problem(facts, problem)
    return _locked_out(facts, " ".join(f"Version {version}: {problem}" for version, problem in problems.items()))


def _locked_out(facts: Facts, reason: str) -> Verdict:
    said = f"The service rejects AWSCURRENT{' and AWSPENDING' if facts.pending else ''}. {reason}"
    if any(issubclass(word.kind, AuthenticationError) for word in facts.words[-1:]):
        said += " The rotation found no other stored version that does: set a password in the service, and store it."
        return Verdict("locked_out", said, (facts.put, facts.rotate))
    return Verdict("locked_out", f"{said} A rotation tries every stored version.", (facts.rotate,))


def _checks(facts: Facts) -> Verdict | None:
    """What the next rotation would meet, but for a value that does not open the service: that is the next rule's."""
    is_login = isinstance(facts.problem, AuthenticationError) and facts.logins and not facts.opens
    return None if facts.problem is None or is_login else _of_problem(facts, facts.problem)


def _of_problem(facts: Facts, problem: RotationError) -> Verdict:
    reason, kind = f"{type(problem).__name__}: {problem}", type(problem)
    if issubclass(kind, DeadlineError):
        return Verdict("unknown", f"The time was over before the secret was looked at. {problem}")
    return Verdict(_name(kind), reason, _mended(facts, kind))


def _name(kind: type[RotationError]) -> str:
    """The verdict for an error of a kind."""
    kinds: Mapping[type[RotationError], str] = {
        NetworkError: "unreachable",
        LockedError: "locked_out",
        ValueRefusedError: "value_refused",
    }
    return next((name for base, name in kinds.items() if issubclass(kind, base)), "failed")


def _mended(facts: Facts, kind: type[RotationError]) -> tuple[str, ...]:
    """The commands once the cause has been removed, which the reason says how to do."""
    if issubclass(kind, ValueRefusedError | PendingMismatchError):
        abandon = (facts.abandon,) if facts.pending else ()
        return (*abandon, *facts.without_rollback, facts.rotate)  # with the label it would be the same value again
    if issubclass(kind, RollbackError):
        return (*facts.without_rollback, facts.rotate)
    if issubclass(kind, SecretError):
        return (facts.put, facts.rotate)
    return (facts.rotate,)


def _unfinished(facts: Facts) -> Verdict | None:
    if facts.pending is None:
        return None
    if facts.words and facts.words[-1].error is not None:
        return _tried(facts, facts.words[-1])
    if facts.silence <= facts.quiet:
        step = f"{facts.words[-1].step} is done" if facts.words else "no step has ended yet"
        return Verdict("rotating", f"A rotation to version {facts.pending} is in progress: {step}.")
    said = f"The last word was {facts.words[-1].step}" if facts.words else "The log has no line of it"
    reason = (
        f"AWSPENDING is on version {facts.pending}, and nothing runs. {said}: the function was not called, was killed, "
        "or the log is older than a day. Rotating goes on with that version."
    )
    return Verdict("stuck", reason, (facts.rotate,))


def _tried(facts: Facts, last: Word) -> Verdict:
    """A rotation whose last step failed."""
    reason = f"{last.step} failed at {_time(last.at)}: {last.error}: {last.message}"
    if not last.is_lasting and facts.silence <= facts.quiet and not _is_repeated(facts.words):
        return Verdict("retrying", f"{reason} AWS tries again.", ())
    if facts.opens is not None:  # the service is reached, and accepts the current value
        return Verdict(
            "value_refused" if last.kind is ValueRefusedError else "failed", reason, _mended(facts, last.kind)
        )
    if issubclass(last.kind, AuthenticationError):
        return Verdict("locked_out", reason, (facts.put, facts.rotate))
    return Verdict(_name(last.kind), reason, _mended(facts, last.kind))


def _is_repeated(words: Sequence[Word]) -> bool:
    """Whether two tries have failed alike."""
    failed = [(word.step, word.error) for word in words if word.error is not None]
    return len(failed) > 1 and failed[-1] == failed[-2]


def _not_begun(facts: Facts) -> Verdict | None:
    if not facts.expects_rotation or facts.about.last_rotated is not None:
        return None
    return Verdict("rotating", "The first rotation was ordered, and has not begun yet.")


def _overdue(facts: Facts) -> Verdict | None:
    due = facts.about.next_rotation
    if due is None or facts.now <= due + facts.quiet:
        return None
    reason = f"The secret was to rotate by {_time(due)}, and nothing has begun."
    return Verdict("overdue", reason, (facts.rotate,))


def _healthy(facts: Facts) -> str:
    rotated = facts.about.last_rotated
    last = "It has not rotated yet." if rotated is None else f"It rotated at {_time(rotated)}."
    if not facts.logins:
        return f"{last} No login was tried."
    refused = f" It rejects version {facts.refused}." if facts.refused else ""
    return f"{last} The service accepts AWSCURRENT.{refused}"


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


_RULES: tuple[Callable[[Facts], Verdict | None], ...] = (
    _unreadable, _deleted, _paused, _checks, _login, _unfinished, _not_begun, _overdue, _leaked,
)  # fmt: skip
