"""The function under test, over the stand-in for Secrets Manager: no network, no waiting, no environment left over."""

import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from rotation_lab.model.secrets_manager import STEPS, Hook, SecretsManager
from secret_rotation import aws, handler
from secret_rotation.errors import AuthenticationError, RotationError
from secret_rotation.target import Context, Credential

ROTATION_TOKEN = "rT0k3n" + "qWzXv9" * 8


@dataclass
class LambdaContext:
    """Lambda's context object, with so many seconds left."""

    seconds: float = 30.0

    def get_remaining_time_in_millis(self) -> int:
        return round(self.seconds * 1000)


class RotationFunction:
    """The handler with its own settings (environment variables) and target, over one ``SecretsManager``.

    ``function("createSecret", arn, token)`` runs one step; ``function.rotate(arn)`` all four, as the service does.
    ``target`` is anything with ``set_secret`` and ``test_secret``; ``slept`` has the seconds that steps have waited.
    """

    def __init__(self, manager: SecretsManager, target: object = None, **environment: str) -> None:
        self.manager, self.slept = manager, list[float]()
        self.clients: dict[str, Any] = {"secretsmanager": manager.client()}
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

    def handle(self, event: object, seconds: float = 30.0) -> None:
        """Run the handler for any event."""
        with (
            mock.patch.object(handler, "_function", return_value=self.function),
            mock.patch("time.sleep", self.slept.append),
        ):
            handler.lambda_handler(event, LambdaContext(seconds))

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
