"""One step in one environment: its calls are answered as they come, and its fault happens at its point.

Calls to AWS come over the environment's channel, and those to the service through the proxy; both are counted in one
order, which is that of a recorded run.
"""

import select
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from rotation_lab import amazon
from rotation_lab.points import AFTER, CONNECT, REQUEST, Point, Turns

from .environment import Environment
from .faults import DENIED, EXCEPTION, KILLED, OVERLAPS, TIMEOUT, Fault
from .history import Outcome
from .proxy import Link, Listener

SHORT = 0.4
"""Seconds of real time that stand for any timeout of a socket, where the service stops answering."""
PATIENCE = 1.2
"""Seconds of real time after which a function that a silent service keeps waiting counts as killed by its timeout."""
NESTED_PATIENCE = 10.0
"""The same for a function that another one, which waits at the fault's point, keeps waiting, by a lock for example."""
WATCHDOG = 60.0
"""Seconds after which a run is given up: a defect of the harness, or a function that never ends."""
LINGER = 0.1
"""Seconds in which a connection may still have something to say when a step has ended, where something is due."""


class HarnessError(Exception):
    """The run itself went wrong, not the function."""


class DiedError(Exception):
    """The environment was killed in the middle of an invocation."""


class Surroundings(Protocol):
    """What the invocation is in: AWS, the service's address, and everybody else."""

    @property
    def listener(self) -> Listener | None:
        """Where connections to the service arrive."""

    def called(self, point: Point) -> None:
        """The function has made this call; it is not answered yet."""

    def answer(self, request: amazon.Request) -> amazon.Answer:
        """AWS's answer, with its effect."""

    def reached(self) -> None:
        """Something may have changed in the service."""

    def happens(self) -> None:
        """The fault happens now."""

    def meanwhile(self) -> None:
        """Do what comes in between, while the function waits at the fault's point."""


@dataclass
class Invocation:
    """One step in one environment, and the fault that waits in it."""

    step: str
    environment: Environment
    around: Surroundings
    links: list[Link]
    """The environment's connections to the service."""
    fault: Fault | None = None
    nested: bool = False
    """Whether another invocation waits for this one to end."""
    slowness: float = 1.0
    """By how much the machine is slower than what the seconds above are for."""
    _turns: Turns = field(init=False)
    _silent: bool = field(default=False, init=False)
    """Nothing answers any more."""
    _heard: float = field(default_factory=time.monotonic, init=False)
    """When something arrived last."""

    def __post_init__(self) -> None:
        self._turns = Turns(self.step)

    def run(self, event: dict[str, Any]) -> tuple[Outcome, str]:
        """How the step ended, and everything that can be got out of it as text."""
        self.environment.channel.send(event, SHORT * self.slowness if self._has_short_timeouts() else None)
        try:
            result, kinds, message, everything = self._serve()
        except DiedError as died:
            self.environment.kill()
            return Outcome(self.step, str(died)), ""
        finally:
            # As the kernel does when a process ends; and what is unanswered is not delivered later.
            for link in self.links if self._silent or not self.environment.alive else ():
                link.close()
        return Outcome(self.step, result, tuple(kinds.split()), message), everything

    def _has_short_timeouts(self) -> bool:
        return self.nested or (self.fault is not None and self.fault.way == TIMEOUT)

    def _serve(self) -> tuple[Any, ...]:
        """Answer the calls until the step ends."""
        while True:
            self._lose_patience()
            if self._serve_links([self.environment.channel], 0.2):
                continue  # what it has sent comes before what it says about the end
            ended = self._serve_channel()
            if ended is not None:
                *how, ports = ended
                self._serve_last_words(ports)
                return tuple(how)

    def _serve_last_words(self, ports: list[int]) -> None:
        """Move what has arrived; and wait for what is due, where the function has left ``ports`` open."""
        while self._serve_links([], LINGER if any(self._is_due(link, ports) for link in self.links) else 0):
            pass

    @staticmethod
    def _is_due(link: Link, ports: list[int]) -> bool:
        """Whether the end of the connection, or an answer, is on its way."""
        return link.open and (link.port not in ports or link.call is not None)

    def _lose_patience(self) -> None:
        quiet = time.monotonic() - self._heard
        if quiet > WATCHDOG:
            raise HarnessError(f"{self.step} did not end within {WATCHDOG:.0f} s")
        patience = PATIENCE * self.slowness if self._silent else NESTED_PATIENCE if self.nested else WATCHDOG
        if quiet > patience:
            raise DiedError("late")

    # The service.

    def _serve_links(self, also: list[Any], seconds: float) -> bool:
        """Move what arrives on connections within some seconds, or until one of ``also`` is ready; whether it did."""
        if self._silent:
            return False
        ends = {end: link for link in self.links for end in link.ends()}
        listener = [self.around.listener] if self.around.listener else []
        ready, _, _ = select.select([*also, *listener, *ends], [], [], seconds)
        if ready:
            self._heard = time.monotonic()
        for one in ready:
            if one in listener:
                self._accept(one)
            elif one in ends and ends[one].open:
                self._move(ends[one], one)
            if self._is_silent():
                return True
        return any(one not in also for one in ready)

    def _is_silent(self) -> bool:
        # A method, since it changes while the caller does something else.
        return self._silent

    def _accept(self, listener: Listener) -> None:
        link = listener.accept()
        self.links.append(link)
        point = self._before(CONNECT, link)
        if link.open and not self._is_silent():
            link.connect()
            self._fire(point.at(AFTER), link)

    def _move(self, link: Link, end: object) -> None:
        from_client = end is link.client
        source = link.client if from_client or link.server is None else link.server
        data = link.read(source)
        if from_client and data and link.call is None:
            link.call = self._before(REQUEST, link)
        if self._is_silent() or not link.open:
            return
        if from_client and data:
            self.around.reached()
            link.forward(source, data)
            return
        if link.call is not None:  # the answer, or the end of the connection
            point, link.call = link.call, None
            self._fire(point.at(AFTER), link)
        if link.ends() and not self._is_silent():
            self._pass_on(link, source, data)

    @staticmethod
    def _pass_on(link: Link, source: Any, data: bytes) -> None:
        if data:
            link.forward(source, data)
        elif source is link.client:
            link.close()
        else:
            link.end_of_server()

    # AWS, and the end of the step.

    def _serve_channel(self) -> tuple[Any, ...] | None:
        channel = self.environment.channel
        ready, _, _ = select.select([channel], [], [], 0.2 if self._silent else 0)
        message = channel.receive() if ready else ()
        if ready:
            self._heard = time.monotonic()
        match message:
            case ():
                return None
            case None:
                raise HarnessError(f"{self.step}: the environment is gone: {self.environment.output()[-500:]}")
            case ("call", *rest):
                self._answer(amazon.Request(*rest))
                return None
            case ("late",):
                raise DiedError("late")
            case _:
                return message  # "done" or "failed"

    def _answer(self, request: amazon.Request) -> None:
        channel = self.environment.channel
        if self._silent:
            channel.send("timeout")
            return
        point = self._before(request.name, None)
        if self._breaks(point):
            way = self._way()
            channel.send("answer", *amazon.denied(request)) if way == DENIED else channel.send(way)
            return
        answer = self.around.answer(request)
        self._fire(point.at(AFTER), None)
        if self._breaks(point.at(AFTER)):
            channel.send(self._way())
            return
        channel.send("answer", *answer)

    def _breaks(self, point: Point) -> bool:
        """Whether the call at this point is not answered as usual."""
        return self._here(point) and self._way() not in OVERLAPS

    # The fault.

    def _before(self, action: str, link: Link | None) -> Point:
        point = self._turns.next(action)
        self.around.called(point)
        self._fire(point, link)
        return point

    def _here(self, point: Point) -> bool:
        return self.fault is not None and self.fault.point == point

    def _way(self) -> str:
        return self.fault.way if self.fault else ""

    def _fire(self, point: Point, link: Link | None) -> None:
        """Let the fault happen, if this is its point; an exception in AWS's answer is left to the caller."""
        if not self._here(point):
            return
        self.around.happens()
        way = self._way()
        if way == KILLED:
            raise DiedError("killed")
        if way == TIMEOUT:
            self._silent = True
        elif way in OVERLAPS:
            self.around.meanwhile()
        elif link is not None:
            link.close(reset=way == EXCEPTION)
