"""The function under test, over the stand-in for Secrets Manager: no network, no waiting, no environment left over."""

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import StringIO
from typing import Any
from unittest import mock

from rotation_lab.model.secrets_manager import ACCOUNT, REGION, STEPS, Hook, SecretsManager
from secret_rotation import aws, diagnose, handler
from secret_rotation.errors import AuthenticationError, RotationError
from secret_rotation.target import Context, Credential

ROTATION_TOKEN = "rT0k3n" + "qWzXv9" * 8


class Logs:
    """CloudWatch Logs, as far as the function reads it: the lines that it has printed, a page for each."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now, self.events = now, list[dict[str, Any]]()

    def write(self, text: str) -> None:
        """Keep a printed line, with the time."""
        if text.strip():
            self.events.append({"timestamp": round(self._now().timestamp() * 1000), "message": text})

    def filter_log_events(self, *, startTime: int, nextToken: str = "0", **_: object) -> Any:  # noqa: N803
        """One event a page, as AWS may answer too."""
        at = int(nextToken)
        found = [event for event in self.events[at : at + 1] if event["timestamp"] >= startTime]
        return {"events": found, **({"nextToken": str(at + 1)} if at + 1 < len(self.events) else {})}


class Tee(StringIO):
    """Hands on what is printed to two."""

    def __init__(self, *others: Any) -> None:
        super().__init__()
        self._others = others

    def write(self, text: str) -> int:
        for other in self._others:
            other.write(text)
        return len(text)


@dataclass
class LambdaContext:
    """Lambda's context object, with so many seconds left."""

    seconds: float = 30.0
    invoked_function_arn: str = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:rotation"

    def get_remaining_time_in_millis(self) -> int:
        return round(self.seconds * 1000)


class RotationFunction:
    """The handler with its own settings (environment variables) and target, over one ``SecretsManager``.

    ``function("createSecret", arn, token)`` runs one step; ``function.rotate(arn)`` all four, as the service does.
    ``target`` is anything with ``set_secret`` and ``test_secret``; ``slept`` has the seconds that steps have waited.
    """

    def __init__(self, manager: SecretsManager, target: object = None, **environment: str) -> None:
        self.manager, self.slept = manager, list[float]()
        self.later = timedelta()
        """How much later than the events it is when the function asks for the time."""
        self.on_sleep: Callable[[], object] = lambda: None
        """What happens elsewhere while a step waits."""
        self.logs = Logs(self._now)
        self.clients: dict[str, Any] = {"secretsmanager": manager.client(), "logs": self.logs}
        if target is not None:
            environment["TARGET"] = "python"
        with ExitStack() as stack:
            stack.enter_context(mock.patch.dict(os.environ, environment, clear=True))
            stack.enter_context(mock.patch.dict(sys.modules, {"custom_target": target}))
            stack.enter_context(mock.patch.object(aws, "clients", return_value=self._client))
            self.function = handler._function.__wrapped__()

    def _client(self, service: str, *, attempts: int = 3, **credentials: str) -> Any:
        """A client by the name of its service; one that depends on the credentials is there as a function of them."""
        found = self.clients[service]
        return found(**credentials) if credentials else found

    def __call__(self, step: str, arn: str, token: str, **event: object) -> None:
        self.handle({"Step": step, "SecretId": arn, "ClientRequestToken": token, **event})

    def diagnose(self, *arns: str, seconds: float = 30.0, **options: object) -> Any:
        """The report on secrets; of a single one its entry alone."""
        report = self.handle({"Step": "diagnose", "SecretIds": list(arns), **options}, seconds)
        return report["secrets"][0] if len(arns) == 1 and "secrets" in report else report

    def handle(self, event: object, seconds: float = 30.0) -> Any:
        """Run the handler for any event, and return its answer."""
        context = LambdaContext(seconds)

        def sleep(pause: float) -> None:
            self.slept.append(pause)
            context.seconds -= pause
            self.on_sleep()

        with (
            mock.patch.object(handler, "_function", return_value=self.function),
            mock.patch("time.sleep", sleep),
            mock.patch.object(diagnose, "now", self._now),
            redirect_stdout(Tee(sys.stdout, self.logs)),
        ):
            return handler.lambda_handler(event, context)

    def _now(self) -> datetime:
        return self.manager.now() + self.later

    def rotate(self, arn: str, **event: str) -> str:
        """RotateSecret and the four steps; the token that they had."""
        token = self.manager.rotate(arn)
        for step in STEPS:
            self(step, arn, token, **event)
        self.manager.complete(arn)
        return token


def check_harmless(error: RotationError, *names: str) -> None:
    """An error holds no other exception, which may hold values, can be printed, and names one of ``names``."""
    assert error.__cause__ is None
    assert error.__context__ is None
    assert str(error).encode("utf-8")
    assert not names or any(name in str(error) for name in names)


@dataclass
class Service:
    """A target: a service with one password, which only somebody who can log in changes."""

    password: str
    hooks: list[Hook] = field(default_factory=list)
    """Called with "before" or "after" and "Login" or "ChangePassword", like those of ``SecretsManager``."""
    attempts: list[str] = field(default_factory=list)
    """Every password with which a login was tried."""

    def login(self, credential: Credential) -> bool:
        self._tell("before", "Login")
        self.attempts.append(credential.value)
        accepted = credential.value == self.password
        self._tell("after", "Login")
        return accepted

    def set_secret(self, context: Context) -> None:
        if not any(self.login(candidate) for candidate in context.candidates()):
            raise AuthenticationError("The service accepts none of the stored values.")
        self._tell("before", "ChangePassword")
        self.password = context.pending.value
        self._tell("after", "ChangePassword")

    def test_secret(self, context: Context) -> None:
        if not self.login(context.subject):
            raise AuthenticationError("The service does not accept the value.")

    def _tell(self, moment: str, action: str) -> None:
        for hook in self.hooks:
            hook(moment, action)
