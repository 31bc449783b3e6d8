"""What must hold whatever happens: each invariant by name, and as a function over a run's history."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from .history import AT_REST, END, KEPT, MOVED, History, Outcome

STORED = "some stored version opens the service"
"""At every moment: a value that the service accepts is never only in the memory of a function."""
VERIFIED = "AWSCURRENT moves only to a value that the service accepts"
CURRENT = "in the end AWSCURRENT opens the service"
ALWAYS = "AWSCURRENT opens the service at every moment"
"""Where two values are accepted at a time, and no person has put one."""
CONVERGES = "the rotation goes on after the fault"
ONE_VALUE = "no token has two values"
"""Neither stored, nor issued by the service once one is stored."""
UNCHANGED = "other keys stay byte for byte"
TOLD = "what cannot go on says why"
IN_TIME = "a step ends within its time"
SILENT = "nothing secret is shown"

UNCLEAR = {"KeyError", "TypeError", "AttributeError", "IndexError", "NameError", "NotImplementedError"}
"""Classes of exceptions that tell an operator nothing about what to do."""
INJECTED = "InjectedError"
"""The harness's own exception: a function that passes it on, or names it, has reported all that can be known."""


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


def breaches(history: History) -> list[Breach]:
    """Every invariant that the run breaks."""
    return [Breach(name, history.run, detail) for name, check in CHECKS.items() for detail in check(history)]


def _stored(history: History) -> Iterator[str]:
    for seen in history.seen(AT_REST):
        if not any(seen.opens.values()):
            yield f"none of {len(seen.opens)} versions does, {seen.when}"


def _verified(history: History) -> Iterator[str]:
    return (f"moved by {seen.when}" for seen in history.seen(MOVED) if not any(seen.opens.values()))


def _current(history: History) -> Iterator[str]:
    return ("it does not" for seen in history.seen(END) if not any(seen.opens.values()))


def _always(history: History) -> Iterator[str]:
    return (f"not {seen.when}" for seen in history.seen(KEPT) if not any(seen.opens.values()))


def _converges(history: History) -> Iterator[str]:
    return (stuck.detail for stuck in history.stuck())


def _one_value(history: History) -> Iterator[str]:
    first: dict[str, str] = {}
    for seen in history.seen():
        for version, text in seen.versions.items():
            if first.setdefault(version, text) != text:
                yield f"version {version[:4]} was changed"
    for ended in history.ended():
        before, after = ended.issued
        if before is not None and before != after:
            yield f"the service issued another one in {ended.outcome.step}"


def _unchanged(history: History) -> Iterator[str]:
    stored = dict.fromkeys(pair for seen in history.seen() for pair in seen.versions.items())
    return (f"version {version[:4]}" for version, text in stored if history.document.values(text) is None)


def _told(history: History) -> Iterator[str]:
    for ended in history.ended():
        if ended.outcome.result == "failed" and not _says_why(ended.outcome, history.explains):
            yield str(ended.outcome)


def _says_why(outcome: Outcome, explains: str) -> bool:
    if INJECTED in outcome.kinds or INJECTED in outcome.message:
        return True
    if explains and explains not in outcome.kinds:
        return False
    return bool(outcome.message) and outcome.kinds[0] not in UNCLEAR


def _in_time(history: History) -> Iterator[str]:
    for ended in history.ended():
        if ended.outcome.result == "late" and not ended.nested:
            yield f"{ended.outcome.step} was killed by its timeout, without a word"


def _silent(history: History) -> Iterator[str]:
    yield from history.leaks()


CHECKS: Mapping[str, Callable[[History], Iterator[str]]] = {
    STORED: _stored,
    VERIFIED: _verified,
    CURRENT: _current,
    ALWAYS: _always,
    CONVERGES: _converges,
    ONE_VALUE: _one_value,
    UNCHANGED: _unchanged,
    TOLD: _told,
    IN_TIME: _in_time,
    SILENT: _silent,
}
NAMES = tuple(CHECKS)
