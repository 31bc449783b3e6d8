"""How it goes on after a fault: what the service, an operator or a person does next."""

import contextlib
from collections.abc import Callable
from typing import NamedTuple

from rotation_lab.services.base import BusyError

from .faults import PERSON, SECOND, TWICE
from .history import Outcome
from .world import World


class Continuation(NamedTuple):
    """One way to go on: its name, and what is done with the world and the token of the rotation that was hit."""

    name: str
    go_on: Callable[[World, str], None]


def _retry(world: World, token: str) -> None:
    """Secrets Manager runs the whole rotation again with the same token; later comes the next one."""
    world.later()
    _must_succeed(world, world.rotation(token))
    world.look_at_end()
    _next(world)


def _cleared(world: World, token: str) -> None:
    """An operator clears AWSPENDING and rotates again."""
    world.clear()
    _next(world)


def _hand_set(world: World, token: str) -> None:
    """A person sets a value in the service, and puts it; then a late step of the old rotation arrives."""
    world.put_by_hand(in_service=True)
    world.look("after a value was put by hand")
    world.rotation(token)
    world.look_at_end()
    _next(world)


def _hand_only(world: World, token: str) -> None:
    """A person puts a value that the service does not accept."""
    world.put_by_hand(in_service=False)
    _next(world)


def _late_finish(world: World, token: str) -> None:
    """A finishSecret arrives before the service has retried the steps before it."""
    world.invoke("finishSecret", token)
    _next(world)


CONTINUATIONS = (
    Continuation("retried with the same token", _retry),
    Continuation("AWSPENDING cleared, rotated again", _cleared),
    Continuation("value put by hand and set in the service", _hand_set),
    Continuation("value put by hand only", _hand_only),
    Continuation("finishSecret out of turn, then retried", _late_finish),
)
AFTER_OVERLAP = Continuation("goes on, then rotated again", lambda world, _: _next(world))


def in_between(way: str, step: str, token: str) -> Callable[[World], None]:
    """What happens while the function waits at a point of ``step``."""

    def do(world: World) -> None:
        if way == TWICE:
            world.invoke(step, token)
        elif way == SECOND:
            world.clear()
            world.rotation(world.manager.rotate(world.arn))
        elif way == PERSON:
            with contextlib.suppress(BusyError):
                world.put_by_hand(in_service=True)

    return do


def _next(world: World) -> None:
    """The next rotation, which completes one that is not complete; afterwards everything is in order."""
    world.later()
    _must_succeed(world, world.rotation(world.manager.rotate(world.arn)))
    world.look_at_end()


def _must_succeed(world: World, outcome: Outcome) -> None:
    """The rotation completes, or says why it cannot and does after a person has helped."""
    if outcome.ok:
        return
    world.helped = True
    if not world.follow(outcome.message):
        world.clear()
    again = world.rotation(world.manager.rotate(world.arn))
    if not again.ok:
        world.stuck(f"{outcome}, and after a person's help: {again}")
