"""Secrets Manager in memory, behind real boto3 clients: the state machine of this package for unit tests.

moto cannot stand in for it: it lets a token have two values, and one label sit on two versions. Here a boto3 client is
real up to the point where a request would be sent, so parameters are checked, pages are read and errors are raised as
they are in production; ``SecretsManager`` gives the answer.

    manager = SecretsManager()
    arn = manager.create('{"password": "old"}')
    token = manager.rotate(arn)                    # an AWSPENDING version without a value, as AWS makes it
    client = manager.client()                      # for the function under test
    manager.hooks.append(lambda moment, action: …)  # raise here: "before" nothing is done, "after" the answer is lost

What a person does is done through ``client()`` too, or by the methods ``rotate``, ``cancel``, ``put`` and ``clear``.
"""

from __future__ import annotations

import copy
import random
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.model import OperationModel

from rotation_lab.leaks import made
from rotation_lab.model import actions, passwords, rotation, wire
from rotation_lab.model.errors import ServiceError as ServiceError
from rotation_lab.model.rotation import STEPS as STEPS
from rotation_lab.model.secret import CURRENT as CURRENT
from rotation_lab.model.secret import PENDING as PENDING
from rotation_lab.model.secret import PREVIOUS as PREVIOUS
from rotation_lab.model.secret import Data as Data
from rotation_lab.model.secret import Secret as Secret
from rotation_lab.model.secret import Version as Version
from rotation_lab.model.vault import Caller, Host, Vault

REGION, ACCOUNT = "eu-west-1", "123456789012"
_FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:rotation"
_CALLER = Caller(ACCOUNT, REGION)
_READS = {"DescribeSecret", "GetSecretValue", "ListSecretVersionIds"}

Hook = Callable[[str, str], None]
"""Called with "before" or "after" and the name of the action, such as "PutSecretValue"."""


class SecretsManager(Host):
    """The service. ``calls`` has the names of the actions that clients called, ``requests`` their parameters."""

    def __init__(self, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self.vault = Vault(self)
        self.vault.page = 2  # small pages, so that reading only the first one shows
        self.hooks: list[Hook] = []
        self.calls: list[str] = []
        self.requests: list[tuple[str, Data]] = []
        self.stale_reads = 0
        """So many of the next reads see the secrets as they were before the last write."""
        self.made: list[str] = []
        """Every password that GetRandomPassword has given."""
        self._count = 0
        self._before_last_write: dict[str, Secret] = {}

    @property
    def secrets(self) -> dict[str, Secret]:
        """All secrets, by ARN."""
        return self.vault.secrets

    # What the state machine asks.

    def now(self) -> datetime:
        """A second later each time, so that no two things happen at once."""
        self._count += 1
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self._count)

    def new_id(self) -> str:
        """A ClientRequestToken, the same ones in every run."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def new_suffix(self) -> str:
        """Of an ARN: a number, so that a test's output can be read."""
        return f"{len(self.secrets):06}"

    # What the service and people do, without the function.

    def create(self, value: str | bytes | None = None, name: str = "secret", *, rotation_enabled: bool = True) -> str:
        """Make a secret and return its ARN; without a value it has no version."""
        taken = self.vault.named(ACCOUNT, REGION, name) is not None
        given = {"Name": f"{name}-{len(self.secrets)}" if taken else name, "ClientRequestToken": self.token()}
        arn = str(self._write("CreateSecret", {**given, **_value(value)})["ARN"])
        if rotation_enabled:
            self.secrets[arn].function, self.secrets[arn].rotation_enabled = _FUNCTION, True
        return arn

    def put(self, arn: str, value: str | bytes, labels: tuple[str, ...] = (CURRENT,)) -> str:
        """Put a value from outside, and return its version: with AWSCURRENT it abandons a rotation in progress."""
        token = self.token()
        request = {"SecretId": arn, "ClientRequestToken": token, "VersionStages": list(labels), **_value(value)}
        self._write("PutSecretValue", request)
        return token

    def rotate(self, arn: str) -> str:
        """RotateSecret: return the token of the steps to come, that of a rotation that is not complete included."""
        secret, token = self.secrets[arn], self.token()
        stuck = secret.holder(PENDING) if secret.is_stuck else None
        request = {"SecretId": arn, "ClientRequestToken": stuck or token, "RotationLambdaARN": _FUNCTION}
        return str(self._write("RotateSecret", request)["VersionId"])

    def test(self, arn: str) -> str:
        """RotateImmediately=false: return the token of a testSecret that comes alone."""
        before = set(self.secrets[arn].versions)
        request = {"SecretId": arn, "ClientRequestToken": self.token(), "RotationLambdaARN": _FUNCTION}
        self._write("RotateSecret", {**request, "RotateImmediately": False})
        return next(iter(set(self.secrets[arn].versions) - before))

    def complete(self, arn: str) -> bool:
        """What the service does after finishSecret: whether AWSCURRENT is on AWSPENDING's version, which it clears."""
        secret = self.secrets[arn]
        done = not secret.is_stuck
        if done:
            rotation.complete(self.vault, secret)
        return done

    def withdraw(self, arn: str) -> None:
        """Take away the temporary version of a testSecret that came alone."""
        secret = self.secrets[arn]
        rotation.withdraw(self.vault, secret, str(secret.holder(PENDING)))

    def cancel(self, arn: str) -> None:
        """CancelRotateSecret: AWSPENDING stays where it is."""
        self._write("CancelRotateSecret", {"SecretId": arn})

    def clear(self, arn: str, label: str = PENDING) -> None:
        """Remove a staging label, as AWS's documented recovery does."""
        holder = self.secrets[arn].holder(label)
        if holder is not None:
            request = {"SecretId": arn, "VersionStage": label, "RemoveFromVersionId": holder}
            self._write("UpdateSecretVersionStage", request)

    def attach(self, arn: str, label: str, version: str) -> None:
        """Attach a staging label of somebody's own to a version."""
        request = {"SecretId": arn, "VersionStage": label, "MoveToVersionId": version}
        self._write("UpdateSecretVersionStage", request)

    def token(self) -> str:
        """A new ClientRequestToken."""
        return self.new_id()

    # The client.

    def client(self) -> Any:
        """A boto3 client whose requests are answered here."""
        return _client(self)

    def answer(self, action: str, request: Data) -> Data:
        """Answer one request; ``ServiceError`` is what the client raises as its ClientError."""
        self.calls.append(action)
        self.requests.append((action, request))
        self._tell("before", action)
        result = self._read(action, request) if action in _READS else self._write(action, request)
        self._tell("after", action)
        return result

    def _tell(self, moment: str, action: str) -> None:
        for hook in self.hooks:
            hook(moment, action)

    def _read(self, action: str, request: Data) -> Data:
        if self.stale_reads <= 0:
            return actions.answer(self.vault, _CALLER, action, request)
        self.stale_reads -= 1
        now, self.vault.secrets = self.vault.secrets, {**self.vault.secrets, **self._before_last_write}
        try:
            return actions.answer(self.vault, _CALLER, action, request)
        finally:
            self.vault.secrets = now

    def random_password(self, request: Data) -> str:
        """The password that GetRandomPassword gives; replace it to choose one."""
        return passwords.random_password(request, self.random)

    def _write(self, action: str, request: Data) -> Data:
        if action == "GetRandomPassword":
            self.made.append(made(self.random_password(request)))
            return {"RandomPassword": self.made[-1]}
        before = copy.deepcopy(self.secrets)
        result = actions.answer(self.vault, _CALLER, action, request)
        if _versions(before) != _versions(self.secrets):
            self._before_last_write = before
        return result


def _versions(secrets: dict[str, Secret]) -> dict[str, dict[str, Version]]:
    """What a read can see change."""
    return {arn: secret.versions for arn, secret in secrets.items()}


def _value(value: str | bytes | None) -> Data:
    if value is None:
        return {}
    return {"SecretString" if isinstance(value, str) else "SecretBinary": value}


@cache
def _session() -> Any:
    """One session for all clients, since reading the service's model costs more than a rotation."""
    return boto3.Session(region_name=REGION, aws_access_key_id="testing", aws_secret_access_key="testing")


def _client(manager: SecretsManager) -> Any:
    def answer(model: OperationModel, params: Data, **_: object) -> tuple[Any, Data]:
        try:
            return SimpleNamespace(status_code=200), manager.answer(model.name, wire.decode(params["body"]))
        except ServiceError as error:
            return SimpleNamespace(status_code=400), {"Error": {"Code": error.code, "Message": error.message}}

    made = _session().client("secretsmanager")
    made.meta.events.register("before-call.secretsmanager", answer)
    return made
