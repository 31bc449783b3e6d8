"""All faults of one function with one kind of secret: record a clean run, then break it at every point."""

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import cycle, groupby

from rotation_lab.points import Point

from .continuations import AFTER_OVERLAP, CONTINUATIONS, Continuation, in_between
from .faults import OVERLAPS, Fault, faults
from .history import Outcome
from .invariants import Breach, breaches
from .world import Subject, World

SLOWNESS = (1.0, 5.0, 15.0, 15.0, 40.0)
"""On a busy machine a shortened timeout may end a run before its point is reached: then again, with longer ones."""


@dataclass
class Result:
    """What came out of one case."""

    case: str
    calls: list[Point] = field(default_factory=list)
    points: int = 0
    runs: int = 0
    helped: list[str] = field(default_factory=list)
    """Runs in which a person had to do something."""
    unreached: list[str] = field(default_factory=list)
    """Runs that ended before their point, however much time they had: they show nothing."""
    breaches: list[Breach] = field(default_factory=list)
    outcomes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By way, step, and how the step ended."""
    seconds: float = 0.0
    problem: str = ""
    """Why nothing was examined: the clean run did not complete."""

    def by_invariant(self) -> Counter[str]:
        """The number of runs in which each invariant did not hold."""
        return Counter(invariant for invariant, _ in {(breach.invariant, breach.run) for breach in self.breaches})


@dataclass(frozen=True)
class Choice:
    """Which runs there are to be: all of them, or fewer."""

    whole: bool = False
    """Every fault with every way of going on, instead of one way, taken in turn."""
    thin: bool = False
    """One fault for each point, taken in turn."""
    only: str | None = None
    """Those whose description has this text; "" for none but the clean run."""

    def runs(self, calls: list[Point]) -> list[tuple[Fault, Continuation]]:
        """The faults of a recorded run, each with a way of going on."""
        found = faults(calls)
        chosen = _plan(_one_a_point(found) if self.thin else found, whole=self.whole)
        return [run for run in chosen if self.only is None or (self.only and self.only in description(*run))]


def examine(case: str, subject: Subject, choice: Choice, tell: Callable[[str], None] = lambda _: None) -> Result:
    """Record a clean run, then make the chosen ones."""
    gc.freeze()  # what is there is not copied in every fork
    started, result = time.monotonic(), Result(case)
    result.calls, result.problem = record(subject, result)
    for fault, continuation in choice.runs(result.calls) if not result.problem else ():
        _run(subject, fault, continuation, result)
        if result.runs % 100 == 0:
            tell(f"{case}: {result.runs} runs, {len(result.breaches)} breaches")
    result.points = 2 * len(result.calls)
    result.seconds = time.monotonic() - started
    return result


def record(subject: Subject, result: Result) -> tuple[list[Point], str]:
    """The calls of a clean rotation, and why it did not complete."""
    world = World(subject, "clean run")
    try:
        outcome = world.rotation(world.begin())
        world.look_at_end()
    finally:
        world.close()
    result.breaches += breaches(world.history)
    return world.history.calls, "" if outcome.ok else f"{outcome}: {outcome.message}"


def description(fault: Fault, continuation: Continuation) -> str:
    """What a run is called."""
    return f"{fault}, {continuation.name}"


def _plan(found: Iterable[Fault], *, whole: bool) -> Iterator[tuple[Fault, Continuation]]:
    turn = cycle(CONTINUATIONS)
    for fault in found:
        if fault.way in OVERLAPS:
            yield fault, AFTER_OVERLAP
        elif whole:
            yield from ((fault, continuation) for continuation in CONTINUATIONS)
        else:
            yield fault, next(turn)


def _one_a_point(found: Iterable[Fault]) -> Iterator[Fault]:
    """The points in order, each with another way than the one before."""
    for number, (_, faults_there) in enumerate(groupby(found, lambda fault: fault.point)):
        ways = list(faults_there)
        yield ways[number % len(ways)]


def _run(subject: Subject, fault: Fault, continuation: Continuation, result: Result) -> None:
    for slowness in SLOWNESS:
        world, outcome = _once(subject, fault, continuation, slowness)
        if world.fired:
            break
    result.runs += 1
    result.breaches += breaches(world.history)
    if not world.fired:
        result.unreached.append(world.history.run)
        return
    result.outcomes[fault.way, fault.point.step, _ended(outcome)] += 1
    if world.helped:
        result.helped.append(world.history.run)


def _once(subject: Subject, fault: Fault, continuation: Continuation, slowness: float) -> tuple[World, Outcome]:
    world = World(subject, description(fault, continuation), slowness)
    try:
        token = world.begin()
        world.fault = fault
        world.overlap = in_between(fault.way, fault.point.step, token)
        outcome = world.rotation(token)
        continuation.go_on(world, token)
    finally:
        world.close()
    return world, outcome


def _ended(outcome: Outcome) -> str:
    return outcome.kinds[0] if outcome.kinds else outcome.result
