"""One run: a secret, the service that it opens, and the environments in which the function runs.

The world calls the function as Secrets Manager does, answers its calls, lets the fault happen at its point, and looks
at the invariants after every step. It lives in the harness's process, so what it holds survives whatever dies.
"""

import select
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.leaks import LeakSearch
from tests.support.secrets_manager import CURRENT, PENDING, STEPS, SecretsManager

from . import amazon, invariants
from .document import Document
from .environment import Environment, Handler
from .invariants import Breach
from .points import AFTER, BEFORE, DENIED, EXCEPTION, KILLED, OVERLAPS, PERSON, SECOND, TIMEOUT, Call, Fault
from .proxy import Link, Listener
from .services.base import Service

SHORT = 0.4
"""Seconds of real time that stand for any timeout of a socket, where the service stops answering."""
PATIENCE = 1.2
"""Seconds of real time after which a function that a silent service keeps waiting counts as killed by its timeout."""
NESTED_PATIENCE = 10.0
"""The same for a function that another one, which waits at the fault's point, keeps waiting, by a lock for example."""
WATCHDOG = 60.0
"""Seconds after which a run is given up: a defect of the harness, or a function that never ends."""
LINGER = 0.1
"""Seconds in which a connection that a step leaves open may still have something to say."""
ROTATION_TOKEN = "rTk9-" + "Vw3xQz7pLm" * 4

PUBLIC = {"access_key_id", "username"}
"""Values that may change, name something and open nothing."""
UNCLEAR = {"KeyError", "TypeError", "AttributeError", "IndexError", "NameError", "NotImplementedError"}
"""Classes of exceptions that tell an operator nothing about what to do."""


LATER = timedelta(minutes=5)


class HarnessError(Exception):
    """The run itself went wrong, not the function."""


class DiedError(Exception):
    """The environment was killed in the middle of an invocation."""


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
        """Whether the service takes the step as done."""
        return self.result == "done"

    def __str__(self) -> str:
        error = f" with {self.kinds[0]}" if self.kinds else ""
        return f"{self.step} {self.result}{error}"


@dataclass
class Invocation:
    """One step in one environment, and the fault that waits in it."""

    step: str
    environment: Environment
    fault: Fault | None
    links: list[Link]
    """The environment's connections to the service."""
    nested: bool = False
    """Whether another invocation waits for this one to end."""
    count: int = 0
    silent: bool = False
    """Nothing answers any more."""
    heard: float = field(default_factory=time.monotonic)
    """When something arrived last."""


@dataclass(frozen=True)
class Subject:
    """What is examined: a function, its kind of secret, and its service."""

    handler: Handler
    document: Document
    service: Service
    listener: Listener | None
    ours: bool
    """Whether it is this project's function, whose errors have classes of their own."""
    others: Mapping[str, str | None]
    """Other secrets that the target needs, by name."""


class _Manager(SecretsManager):
    """Its clock is the one that the function reads."""

    def _now(self) -> datetime:
        return datetime.now(UTC)


class World:
    """A secret with its first value, enabled for rotation, that the service accepts."""

    def __init__(self, subject: Subject, run: str = "", slowness: float = 1.0) -> None:
        self.subject, self.run, self._slowness = subject, run, slowness
        self.manager = _Manager(seed=1)
        self.breaches: list[Breach] = []
        self.calls: list[Call] = []
        self.fault: Fault | None = None
        self.fired = False
        self.helped = False
        """Whether a person had to clear AWSPENDING for the rotation to go on."""
        self.overlap: Callable[[World], None] | None = None
        """What happens while the function waits at the fault's point."""
        self._nested = False
        self._environments: list[Environment] = []
        self._links: dict[Environment, list[Link]] = {}
        self._warm: Environment | None = None
        self._search = LeakSearch()
        self._said: list[str] = []
        self._values: dict[str, str] = {}
        self.arn = self.manager.create(self._first())
        self._current = self.manager.secrets[self.arn].holder(CURRENT)
        for name, text in subject.others.items():
            self.manager.create(text, name, rotation_enabled=False)
        self._apis = {"secretsmanager": amazon.secrets_manager(self.manager), **subject.service.apis(self.manager)}
        self._changed = True

    def _first(self) -> str:
        return self.subject.document.text(self.subject.service.reset())

    # What the service and people do.

    def rotation(self, token: str, *, steps: tuple[str, ...] = STEPS) -> Outcome:
        """The steps in order, until one fails; then what Secrets Manager does at the end."""
        outcome = Outcome("rotation", "done")
        for step in steps:
            outcome = self.invoke(step, token)
            if not outcome.ok:
                return outcome
        self.manager.complete(self.arn)
        return outcome

    def put_by_hand(self, *, in_service: bool) -> None:
        """A person puts another value, which the service accepts only if the person sets it there too."""
        values = self.subject.service.by_hand() if in_service else self._mistyped()
        self._changed = True
        self.manager.put(self.arn, self.subject.document.text(values))
        self._current = self.manager.secrets[self.arn].holder(CURRENT)

    def _mistyped(self) -> dict[str, str]:
        document = self.subject.document
        now = document.values(self.manager.secrets[self.arn].text(CURRENT) or "") or dict.fromkeys(document.keys, "")
        return {key: value if key == "username" else "typo-4Jq7Xw" for key, value in now.items()}

    def later(self) -> None:
        """Time passes, more than a function lives: everything that there is becomes older."""
        for version in self.manager.secrets[self.arn].versions.values():
            version.created -= LATER
        if hasattr(self.subject.service, "later"):
            self.subject.service.later(LATER)

    def clear(self) -> None:
        """An operator removes AWSPENDING."""
        self.manager.clear(self.arn, PENDING)

    def invoke(self, step: str, token: str) -> Outcome:
        """One invocation, in a warm environment if there is one that is not busy."""
        environment, issued = self._environment(), self._issued(token)
        fault = self.fault if self.fault and not self.fired and self.fault.call.step == step else None
        invocation = Invocation(step, environment, fault, self._links[environment], self._nested)
        outcome = self._run(invocation, token)
        self.check(f"after {outcome}")
        self._look_at(outcome)
        elsewhere = fault is not None and fault.way in (SECOND, PERSON)  # for another token, meanwhile
        if issued is not None and not elsewhere and self._issued(token) != issued:
            self.breach(invariants.ONE_VALUE, f"the service issued another one in {step}")
        if environment.alive:
            self._warm = environment
        return outcome

    # The invariants.

    def breach(self, invariant: str, detail: str) -> None:
        """Note that an invariant does not hold."""
        self.breaches.append(Breach(invariant, self.run, detail))

    def check(self, when: str) -> None:
        """What must hold at every moment."""
        if not self._changed:
            return
        self._changed = False
        texts = self._texts()
        if not any(self.subject.service.opens(text) for text in texts):
            self.breach(invariants.STORED, f"none of {len(texts)} versions does, {when}")
        for version, text in self._stored():
            self._check_version(version, text)

    def check_end(self) -> None:
        """What must hold when everything has come to rest."""
        text = self.manager.secrets[self.arn].text(CURRENT)
        if text is None or not self.subject.service.opens(text):
            self.breach(invariants.CURRENT, "it does not")

    def close(self) -> None:
        """End all processes, and search what they have said."""
        self._said += [environment.close() for environment in self._environments]
        for link in (link for links in self._links.values() for link in links):
            link.close()
        for version, text in self._stored():
            for key, value in (self.subject.document.values(text) or {"": text}).items():
                if key in PUBLIC:
                    continue
                self._search.add(f"{key or 'value'} of version {version[:4]}", value)
        for n, value in enumerate((*self.subject.document.hidden, ROTATION_TOKEN, *self.manager.made)):
            self._search.add(f"marker {n}", value)
        for found in self._search.find("\n".join(self._said)):
            self.breach(invariants.SILENT, found)

    def _stored(self) -> Iterator[tuple[str, str]]:
        for version, about in self.manager.secrets[self.arn].versions.items():
            if about.text is not None:
                yield version, about.text

    def _texts(self) -> list[str]:
        """The values of all versions, those that probably open the service first."""
        secret = self.manager.secrets[self.arn]
        likely = [secret.text(CURRENT), secret.text(PENDING)]
        return list(dict.fromkeys(text for text in (*likely, *secret.texts()) if text is not None))

    def _check_version(self, version: str, text: str) -> None:
        first = self._values.setdefault(version, text)
        if first != text:
            self.breach(invariants.ONE_VALUE, f"version {version[:4]} was changed")
        if self.subject.document.values(text) is None:
            self.breach(invariants.UNCHANGED, f"version {version[:4]}")

    def _issued(self, token: str) -> int | None:
        """How many values the service has issued, once the rotation has a value; None before."""
        version = self.manager.secrets[self.arn].versions.get(token)
        counter = getattr(self.subject.service, "issued", None)
        return counter() if counter and version and version.text is not None else None

    def _look_at(self, outcome: Outcome) -> None:
        if outcome.result == "late" and not self._nested:  # there it may wait for what the other one has locked
            self.breach(invariants.IN_TIME, f"{outcome.step} was killed by its timeout, without a word")
        if outcome.result == "failed" and not self._says_why(outcome):
            self.breach(invariants.TOLD, str(outcome))

    def _says_why(self, outcome: Outcome) -> bool:
        if "InjectedError" in outcome.kinds or (outcome.kinds[0] == "InternalError" and self._injected(outcome)):
            return True
        if self.subject.ours and "RotationError" not in outcome.kinds:
            return False
        return bool(outcome.message) and outcome.kinds[0] not in UNCLEAR

    def _injected(self, outcome: Outcome) -> bool:
        return "InjectedError" in outcome.message

    # One invocation.

    def _environment(self) -> Environment:
        found, self._warm = self._warm, None
        if found is None:
            found = Environment(self.subject.handler)
            self._environments.append(found)
            self._links[found] = []
        return found

    def _run(self, invocation: Invocation, token: str) -> Outcome:
        event = {
            "Step": invocation.step,
            "SecretId": self.arn,
            "ClientRequestToken": token,
            "RotationToken": ROTATION_TOKEN,
        }
        is_short = self._nested or (self._way(invocation) == TIMEOUT and not self._is_aws(invocation))
        invocation.environment.channel.send(event, SHORT * self._slowness if is_short else None)
        try:
            result, kinds, message, everything = self._serve(invocation)
        except DiedError as died:
            invocation.environment.kill()
            return Outcome(invocation.step, str(died))
        finally:
            for link in invocation.links if not invocation.environment.alive else ():
                link.close()  # as the kernel does when a process ends
        self._said.append(everything)
        return Outcome(invocation.step, result, tuple(kinds.split()), message)

    def _serve(self, invocation: Invocation) -> tuple[str, str, str, str]:
        """Answer the calls of one invocation until it ends."""
        while True:
            self._lose_patience(invocation)
            if self._serve_links(invocation, [invocation.environment.channel], 0.2):
                continue  # what it has sent comes before what it says about the end
            ended = self._serve_channel(invocation)
            if ended is not None:
                # A busy machine may deliver the last words of a connection after that.
                while any(link.open for link in invocation.links) and self._serve_links(invocation, [], LINGER):
                    pass
                return ended

    def _lose_patience(self, invocation: Invocation) -> None:
        quiet = time.monotonic() - invocation.heard
        if quiet > WATCHDOG:
            raise HarnessError(f"{self.run}: {invocation.step} did not end within {WATCHDOG:.0f} s")
        if quiet > (
            PATIENCE * self._slowness if invocation.silent else NESTED_PATIENCE if invocation.nested else WATCHDOG
        ):
            raise DiedError("late")

    def _serve_links(self, invocation: Invocation, also: list[Any], seconds: float) -> bool:
        """Move what arrives on connections within some seconds, or until one of ``also`` is ready; whether it did."""
        if invocation.silent:
            return False
        ends = {end: link for link in invocation.links for end in link.ends()}
        listener = [self.subject.listener] if self.subject.listener else []
        ready, _, _ = select.select([*also, *listener, *ends], [], [], seconds)
        if ready:
            invocation.heard = time.monotonic()
        for one in ready:
            if one in listener:
                self._accept(invocation, one)
            elif one in ends and ends[one].open:
                self._move(invocation, ends[one], one)
            if self._is_silent(invocation):
                return True
        return any(one not in also for one in ready)

    @staticmethod
    def _is_silent(invocation: Invocation) -> bool:
        # A method, since it changes while the caller does something else.
        return invocation.silent

    def _accept(self, invocation: Invocation, listener: Listener) -> None:
        link = listener.accept()
        invocation.links.append(link)
        index = self._before(invocation, "service:connect", link)
        if link.open and not self._is_silent(invocation):
            link.connect()
            self._after(invocation, index, link)

    def _move(self, invocation: Invocation, link: Link, end: object) -> None:
        from_client = end is link.client
        source = link.client if from_client or link.server is None else link.server
        data = link.read(source)
        if from_client and data and link.call is None:
            link.call = self._before(invocation, "service:request", link)
        if self._is_silent(invocation) or not link.open:
            return
        if from_client and data:
            self._changed = True
            link.forward(source, data)
            return
        if link.call is not None:  # the answer, or the end of the connection
            index, link.call = link.call, None
            self._after(invocation, index, link)
        if link.ends() and not self._is_silent(invocation):
            if data:
                link.forward(source, data)
            elif from_client:
                link.close()
            else:
                link.end_of_server()

    def _serve_channel(self, invocation: Invocation) -> tuple[str, str, str, str] | None:
        channel = invocation.environment.channel
        ready, _, _ = select.select([channel], [], [], 0.2 if invocation.silent else 0)
        message = channel.receive() if ready else ()
        if ready:
            invocation.heard = time.monotonic()
        match message:
            case ():
                return None
            case None:
                raise HarnessError(f"{self.run}: {invocation.step}: the environment is gone: {self._last_words()}")
            case ("call", *rest):
                self._answer(invocation, amazon.Request(*rest))
                return None
            case ("late",):
                raise DiedError("late")
            case _:
                return message  # "done" or "failed"

    def _last_words(self) -> str:
        return "".join(environment.output()[-500:] for environment in self._environments if environment.alive)

    def _answer(self, invocation: Invocation, request: amazon.Request) -> None:
        channel = invocation.environment.channel
        if invocation.silent:
            channel.send("timeout")
            return
        index = self._before(invocation, request.name, None)
        if self._breaks(invocation, index, BEFORE):
            way = self._way(invocation)
            channel.send("answer", *amazon.denied(request)) if way == DENIED else channel.send(way)
            return
        answer = self._apis[request.service](request)
        self._changed = True
        self._see_current(request)
        self._after(invocation, index, None)
        if self._breaks(invocation, index, AFTER):
            channel.send(self._way(invocation))
            return
        channel.send("answer", *answer)

    def _breaks(self, invocation: Invocation, index: int, moment: str) -> bool:
        """Whether the call at this point is not answered as usual."""
        return self._here(invocation, index, moment) and self._way(invocation) not in OVERLAPS

    def _see_current(self, request: amazon.Request) -> None:
        """Look at AWSCURRENT when the function has moved it."""
        secret = self.manager.secrets[self.arn]
        holder, self._current = self._current, secret.holder(CURRENT)
        if self._current != holder:
            text = secret.text(CURRENT)
            if text is None or not self.subject.service.opens(text):
                self.breach(invariants.VERIFIED, f"moved by {request.name}")

    # The fault.

    def _before(self, invocation: Invocation, name: str, link: Link | None) -> int:
        index = invocation.count
        invocation.count += 1
        self.calls.append(Call(invocation.step, index, name))
        self._fire(invocation, index, BEFORE, link)
        return index

    def _after(self, invocation: Invocation, index: int, link: Link | None) -> None:
        self._fire(invocation, index, AFTER, link)

    def _here(self, invocation: Invocation, index: int, moment: str) -> bool:
        fault = invocation.fault
        return fault is not None and (fault.call.index, fault.moment) == (index, moment)

    def _is_aws(self, invocation: Invocation) -> bool:
        return invocation.fault is not None and invocation.fault.call.is_aws

    def _way(self, invocation: Invocation) -> str:
        return invocation.fault.way if invocation.fault else ""

    def _fire(self, invocation: Invocation, index: int, moment: str, link: Link | None) -> None:
        """Let the fault happen, if this is its point; an exception in AWS's answer is left to the caller."""
        if not self._here(invocation, index, moment):
            return
        self.fired = True
        way = self._way(invocation)
        if way == KILLED:
            raise DiedError("killed")
        if way == TIMEOUT:
            invocation.silent = True
        elif way in OVERLAPS:
            self._overlap()
        elif link is not None:
            link.close(reset=way == EXCEPTION)

    def _overlap(self) -> None:
        """Do what comes in between, in environments of its own, while the function waits."""
        (doing, self.overlap), (warm, self._warm) = (self.overlap, None), (self._warm, None)
        self._nested = True
        if doing is not None:
            doing(self)
        self._nested, self._warm = False, warm
