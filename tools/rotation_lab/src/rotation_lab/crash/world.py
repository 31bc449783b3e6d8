"""One run: a secret, the service that it opens, and the environments in which the function runs.

The world calls the function as Secrets Manager does, answers its calls, lets the fault happen at its point, and writes
down what it sees after every step. It lives in the harness's process, so what it holds survives whatever dies.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rotation_lab import amazon
from rotation_lab.model.secrets_manager import CURRENT, PENDING, PREVIOUS, STEPS, Secret, SecretsManager
from rotation_lab.points import Point
from rotation_lab.services.base import Ages, Answers, Follows, Issues, Service

from .document import Document
from .environment import Environment, Handler
from .faults import PERSON, SECOND, Fault
from .history import AT_REST, END, KEPT, MOVED, Ended, History, Outcome, Seen, Stuck
from .invocation import Invocation
from .proxy import Link, Listener

ROTATION_TOKEN = "rTk9-" + "Vw3xQz7pLm" * 4

LATER = timedelta(minutes=5)
"""More than a function lives."""


@dataclass(frozen=True)
class Subject:
    """What is examined: a function, its kind of secret, and its service."""

    handler: Handler
    document: Document
    service: Service
    listener: Listener | None
    others: Mapping[str, str | None]
    """Other secrets that the function needs, by name."""
    explains: str = ""
    """The class of the exceptions that say what to do (see ``History``)."""
    goes_back: str = ""
    """The label of the version to go back to (see ``Case``)."""
    keeps: bool = False
    """Whether AWSCURRENT is to open the service at every moment (see ``Case``)."""


class _Manager(SecretsManager):
    """Its clock is the one that the function reads."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class World:
    """A secret with its first value, enabled for rotation, that the service accepts."""

    def __init__(self, subject: Subject, run: str = "", slowness: float = 1.0) -> None:
        self.subject, self._slowness = subject, slowness
        self.history = History(run, subject.document, subject.explains)
        self.manager = _Manager(seed=1)
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
        self.arn = self.manager.create(subject.document.text(subject.service.reset()))
        self._current = self._secret.holder(CURRENT)
        for name, text in subject.others.items():
            self.manager.create(text, name, rotation_enabled=False)
        self._apis = {"secretsmanager": amazon.secrets_manager(self.manager)}
        if isinstance(subject.service, Answers):
            self._apis |= subject.service.apis(self._read)
        self._changed, self._keeps = True, subject.keeps

    # What the service and people do.

    def begin(self) -> str:
        """RotateSecret, after what the case has done before; the token."""
        if self.subject.goes_back:
            self.rotation(self.manager.rotate(self.arn))
            self.manager.attach(self.arn, self.subject.goes_back, str(self._secret.holder(PREVIOUS)))
            self.history.calls.clear()  # no fault happens there
        return self.manager.rotate(self.arn)

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
        values = self.subject.service.change() if in_service else self._mistyped()
        self._changed, self._keeps = True, False
        self.manager.put(self.arn, self.subject.document.text(values))
        self._current = self._secret.holder(CURRENT)

    def _mistyped(self) -> dict[str, str]:
        document = self.subject.document
        now = document.values(self._secret.text(CURRENT) or "") or dict.fromkeys(document.keys, "")
        return {key: value if key == "username" else "typo-4Jq7Xw9mRt2z" for key, value in now.items()}

    def later(self) -> None:
        """Time passes, more than a function lives: everything that there is becomes older."""
        for version in self._secret.versions.values():
            version.created -= LATER
        if isinstance(self.subject.service, Ages):
            self.subject.service.later(LATER)

    def clear(self) -> None:
        """An operator removes AWSPENDING."""
        self.manager.clear(self.arn, PENDING)

    def follow(self, message: str) -> bool:
        """A person does in the service what the function's message asks for; whether it asks for anything there."""
        self._changed = True
        service = self.subject.service
        return isinstance(service, Follows) and service.follow(message)

    def invoke(self, step: str, token: str) -> Outcome:
        """One invocation, in a warm environment if there is one that is not busy."""
        environment, issued = self._environment(), self._issued(token)
        fault = self.fault if self.fault and not self.fired and self.fault.point.step == step else None
        links = self._links[environment]
        invocation = Invocation(step, environment, self, links, fault, self._nested, self._slowness)
        outcome, everything = invocation.run(self._event(step, token))
        self.history.said.append(everything)
        self.look(f"after {outcome}")
        elsewhere = fault is not None and fault.way in (SECOND, PERSON)  # what was issued meanwhile has another token
        pair = (None, None) if elsewhere else (issued, self._issued(token))
        self.history.events.append(Ended(outcome, self._nested, pair))
        if environment.alive:
            self._warm = environment
        return outcome

    # What is seen.

    def look(self, when: str) -> None:
        """Note what opens the service now, if anything may have changed."""
        if self._changed:
            self._changed = False
            self._note(AT_REST, when, self._texts())
            if self._keeps:
                self._note(KEPT, when, [self._secret.text(CURRENT)])

    def look_at_end(self) -> None:
        """Note whether the current value opens the service, when everything has come to rest."""
        self._note(END, "in the end", [self._secret.text(CURRENT)])

    def stuck(self, detail: str) -> None:
        """Note that the rotation does not go on."""
        self.history.events.append(Stuck(detail))

    def close(self) -> None:
        """End all processes, and note what they have said, and what they must not say."""
        self.history.said += [environment.close() for environment in self._environments]
        for link in (link for links in self._links.values() for link in links):
            link.close()
        document, hidden = self.subject.document, self.history.hidden
        for version, text in self._stored().items():
            for key, value in (document.values(text) or {"": text}).items():
                if key not in document.public:
                    hidden[f"{key or 'value'} of version {version[:4]}"] = value
        for n, value in enumerate((*document.hidden, ROTATION_TOKEN, *self.manager.made)):
            hidden[f"marker {n}"] = value

    def _note(self, moment: str, when: str, texts: Iterable[str | None]) -> None:
        """The first text that opens the service is enough, so no other login is tried."""
        opens: dict[str, bool] = {}
        for text in texts:
            if text is not None and not any(opens.values()):
                opens[text] = self.subject.service.opens(text)
        self.history.events.append(Seen(moment, when, self._stored(), opens))

    def _read(self, arn: str) -> str | None:
        return self.manager.secrets[arn].text() if arn in self.manager.secrets else None

    @property
    def _secret(self) -> Secret:
        return self.manager.secrets[self.arn]

    def _stored(self) -> dict[str, str]:
        return {version: about.text for version, about in self._secret.versions.items() if about.text is not None}

    def _texts(self) -> list[str | None]:
        """The values of all versions, those that probably open the service first."""
        secret = self._secret
        return list(dict.fromkeys([secret.text(CURRENT), secret.text(PENDING), *secret.texts()]))

    def _issued(self, token: str) -> int | None:
        """How many values the service has issued, once the rotation has a value; None before."""
        version, service = self._secret.versions.get(token), self.subject.service
        has_value = version is not None and version.text is not None
        return service.issued() if has_value and isinstance(service, Issues) else None

    # What an invocation is in.

    @property
    def listener(self) -> Listener | None:
        """Where connections to the service arrive."""
        return self.subject.listener

    def called(self, point: Point) -> None:
        """The function has made this call; it is not answered yet."""
        self.history.calls.append(point)

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
        holder, self._current = self._current, self._secret.holder(CURRENT)
        if self._current != holder:
            self._note(MOVED, request.name, [self._secret.text(CURRENT)])

    def _environment(self) -> Environment:
        found, self._warm = self._warm, None
        if found is None:
            found = Environment(self.subject.handler)
            self._environments.append(found)
            self._links[found] = []
        return found

    def _event(self, step: str, token: str) -> dict[str, str]:
        return {"Step": step, "SecretId": self.arn, "ClientRequestToken": token, "RotationToken": ROTATION_TOKEN}
