"""A function set up for a service, Secrets Manager, and the secret between them."""

import itertools
import json
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from rotation_lab.leaks import LeakSearch
from rotation_lab.model.secrets_manager import CURRENT, PENDING, STEPS, Secret, SecretsManager
from rotation_lab.points import BEFORE, Point, Turns

from .scene import Scene, Setup

Handler = Callable[[Any, Any], Any]
Kind = type[Exception] | tuple[type[Exception], ...]


class Died(BaseException):
    """The function dies here. Not an ``Exception``: no handler of the function runs, as when it is killed."""


class World:
    """One secret of one function; ``start`` gives it the function."""

    def __init__(self, scene: Scene, setup: Setup, manager: SecretsManager) -> None:
        self.scene, self.setup, self.manager = scene, setup, manager
        self.arn = manager.create(setup.value)
        self.errors: list[str] = []
        """All that the function has raised, as text."""
        self._handler: Handler | None = None
        self._turns, self._dies_at, self._passed = Turns(""), -1, 0
        manager.hooks.append(self.pass_point)
        scene.watch(self.pass_point)

    def start(self, handler: Handler) -> None:
        """From now on steps are run by this function."""
        self._handler = handler

    @property
    def secret(self) -> Secret:
        """The secret and all its versions."""
        return self.manager.secrets[self.arn]

    @property
    def current(self) -> str:
        """What applications read."""
        return self.secret.text(CURRENT) or ""

    @property
    def pending(self) -> str:
        """What the rotation in progress has stored."""
        return self.secret.text(PENDING) or ""

    # Steps.

    def step(self, name: str, token: str, seconds: float = 30.0) -> None:
        """Run one step, as Lambda does."""
        assert self._handler is not None
        self._turns = Turns(name)
        event = {"Step": name, "SecretId": self.arn, "ClientRequestToken": token}
        self._handler(event, Invocation(seconds))

    def refused(self, kind: Kind, name: str, token: str, seconds: float = 30.0) -> str:
        """Run a step that must fail with ``kind``; return its message."""
        error = self.tried(kind, name, token, seconds)
        assert error, f"{name} did not fail, or its error says nothing"
        return error

    def tried(self, kind: Kind, name: str, token: str, seconds: float = 30.0) -> str:
        """Run a step that may fail, then with ``kind``; return its message, or nothing."""
        failure: Exception | None = None
        try:
            self.step(name, token, seconds)
        except Exception as error:  # noqa: BLE001 - whatever the function raises; its kind is looked at
            failure = error
        if failure is None:
            return ""
        self.errors.append(_whole(failure))
        assert isinstance(failure, kind), f"{type(failure).__name__}: {failure}"
        return str(failure)

    def until(self, last: str) -> str:
        """Start a rotation and run its steps up to ``last``; return its token."""
        token = self.manager.rotate(self.arn)
        for name in STEPS[: STEPS.index(last) + 1]:
            self.step(name, token)
        return token

    def go_on(self, token: str) -> None:
        """Run all four steps with ``token``, as Secrets Manager does when it tries again."""
        for name in STEPS:
            self.step(name, token)
        assert self.manager.complete(self.arn), "the rotation is not complete"

    def rotate(self) -> str:
        """A whole rotation; return the new text."""
        token = self.manager.rotate(self.arn)
        self.go_on(token)
        assert self.secret.holder(CURRENT) == token
        return self.current

    def store_pending(self, token: str, text: str) -> None:
        """Put the value of the rotation in progress, in the function's place."""
        self.manager.client().put_secret_value(
            SecretId=self.arn, ClientRequestToken=token, SecretString=text, VersionStages=[PENDING]
        )

    # Deaths.

    def crashes(self) -> Iterator[str]:
        """Start a rotation for each point at which it can die, and let it die there; give the token each time.

        They are found by counting on until a rotation ends, so new code has its points too.
        """
        for number in itertools.count():
            token = self.manager.rotate(self.arn)
            self._passed, self._dies_at = 0, number
            try:
                self.go_on(token)
            except Died:
                self._dies_at = -1
                yield token
            else:
                self._dies_at = -1
                return

    def pass_point(self, moment: str, action: str) -> None:
        """A point at which the function may die: it does, if this one was chosen."""
        here = self._turns.next(action) if moment == BEFORE else Point(self._turns.step, action, moment)
        self._passed += 1
        if self._passed - 1 == self._dies_at:
            raise Died(str(here))

    # What is found.

    def opens(self) -> bool:
        """Whether any version that is kept, labelled or not, opens the service."""
        texts = dict.fromkeys(v.text for v in reversed(self.secret.versions.values()) if v.text is not None)
        return any(self.scene.login(text) for text in texts)

    def stored(self) -> object:
        """Everything that Secrets Manager holds of the secret, to compare."""
        return {version: (about.text, frozenset(about.labels)) for version, about in self.secret.versions.items()}

    def leaks(self, text: str) -> list[str]:
        """What of the values stands in ``text``."""
        search = LeakSearch()
        for number, value in enumerate(self._values()):
            search.add(f"value {number}", value)
        return search.find(text)

    def _values(self) -> set[str]:
        texts = {text for secret in self.manager.secrets.values() for text in secret.texts()}
        found = {value for text in texts for key, value in members(text).items() if key not in self.scene.public}
        return {*self.manager.made, *found}


class Invocation:
    """Lambda's context object: the time runs."""

    function_name, function_version, aws_request_id = "function", "$LATEST", "00000000-0000-4000-8000-000000000000"
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:function"
    log_group_name, log_stream_name, memory_limit_in_mb = "/aws/lambda/function", "stream", 128

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds left."""
        return round((self._end - time.monotonic()) * 1000)


def members(text: str) -> dict[str, str]:
    """The members of a JSON secret that are texts; a plain-text secret has one without a name."""
    try:
        found = json.loads(text)
    except ValueError:
        return {"": text}
    return {key: value for key, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}


def _whole(error: BaseException) -> str:
    """All that the exception would show anywhere: its chain and its attributes."""
    return "".join(traceback.format_exception(error)) + repr(error.args) + repr(vars(error))
