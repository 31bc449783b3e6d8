"""One run: a secret, the service that it opens, and the environments in which the function runs.

The world calls the function as Secrets Manager does, answers its calls, lets the fault happen at its point, and looks
at the invariants after every step. It lives in the harness's process, so what it holds survives whatever dies.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rotation_lab.leaks import LeakSearch
from rotation_lab.model.secrets_manager import CURRENT, PENDING, STEPS, SecretsManager

from . import amazon, invariants
from .document import Document
from .environment import Environment, Handler
from .invariants import Breach
from .invocation import Invocation, Outcome
from .points import PERSON, SECOND, Call, Fault
from .proxy import Link, Listener
from .services.base import Service

ROTATION_TOKEN = "rTk9-" + "Vw3xQz7pLm" * 4

PUBLIC = {"access_key_id", "username"}
"""Values that may change, name something and open nothing."""
UNCLEAR = {"KeyError", "TypeError", "AttributeError", "IndexError", "NameError", "NotImplementedError"}
"""Classes of exceptions that tell an operator nothing about what to do."""

LATER = timedelta(minutes=5)
"""More than a function lives."""


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
        """Whether a person had to do something for the rotation to go on."""
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

    def follow(self, message: str) -> bool:
        """A person does in the service what the function's message asks for; whether it asks for anything there."""
        follow = getattr(self.subject.service, "follow", None)
        self._changed = True
        return bool(follow and follow(message))

    def invoke(self, step: str, token: str) -> Outcome:
        """One invocation, in a warm environment if there is one that is not busy."""
        environment, issued = self._environment(), self._issued(token)
        fault = self.fault if self.fault and not self.fired and self.fault.call.step == step else None
        links = self._links[environment]
        invocation = Invocation(step, environment, self, links, fault, self._nested, self._slowness)
        outcome, everything = invocation.run(self._event(step, token))
        self._said.append(everything)
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

    # What an invocation is in.

    @property
    def listener(self) -> Listener | None:
        """Where connections to the service arrive."""
        return self.subject.listener

    def called(self, call: Call) -> None:
        """The function has made this call; it is not answered yet."""
        self.calls.append(call)

    def answer(self, request: amazon.Request) -> amazon.Answer:
        """AWS's answer, with its effect."""
        answer = self._apis[request.service](request)
        self._changed = True
        self._see_current(request)
        return answer

    def reached(self) -> None:
        """Something may have changed in the service."""
        self._changed = True

    def happens(self) -> None:
        """The fault happens now."""
        self.fired = True

    def meanwhile(self) -> None:
        """Do what comes in between, in environments of its own, while the function waits at the fault's point."""
        (doing, self.overlap), (warm, self._warm) = (self.overlap, None), (self._warm, None)
        self._nested = True
        if doing is not None:
            doing(self)
        self._nested, self._warm = False, warm

    def _see_current(self, request: amazon.Request) -> None:
        """Look at AWSCURRENT when the function has moved it."""
        secret = self.manager.secrets[self.arn]
        holder, self._current = self._current, secret.holder(CURRENT)
        if self._current != holder:
            text = secret.text(CURRENT)
            if text is None or not self.subject.service.opens(text):
                self.breach(invariants.VERIFIED, f"moved by {request.name}")

    def _environment(self) -> Environment:
        found, self._warm = self._warm, None
        if found is None:
            found = Environment(self.subject.handler)
            self._environments.append(found)
            self._links[found] = []
        return found

    def _event(self, step: str, token: str) -> dict[str, str]:
        return {"Step": step, "SecretId": self.arn, "ClientRequestToken": token, "RotationToken": ROTATION_TOKEN}
