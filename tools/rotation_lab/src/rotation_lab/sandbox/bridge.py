"""What ministack's other services ask of its Secrets Manager, answered from ours.

IAM asks for a secret's ARN, policy and tags; the Data API, ECS and CloudFormation's references for its value; RDS keeps
its managed passwords there. CloudFormation's own secrets are not supported: it writes into ministack's records.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from rotation_lab.model import tags
from rotation_lab.model.errors import ServiceError
from rotation_lab.model.secret import Data, Secret
from rotation_lab.sandbox import emulator
from rotation_lab.sandbox.secrets_manager import Secrets, here

_VALUE = ("SecretString", "SecretBinary")


class Records(Mapping[str, Data]):
    """The secrets of the account and region at hand by name, in ministack's form. They can be read only."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def __getitem__(self, name: str) -> Data:
        secret = self._secrets.vault.named(emulator.account(), emulator.region(), name)
        if secret is None:
            raise KeyError(name)
        return record(secret)

    def __iter__(self) -> Iterator[str]:
        place = (emulator.account(), emulator.region())
        return (s.name for s in list(self._secrets.vault.secrets.values()) if (s.account, s.region) == place)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def record(secret: Secret) -> Data:
    """A secret as ministack keeps it."""
    return {
        "ARN": secret.arn,
        "Name": secret.name,
        "Description": secret.description,
        "DeletedDate": secret.deleted and secret.deleted.timestamp(),
        "Tags": tags.shown(secret.tags) or [],
        "Versions": {
            version: {**{kind: about.data.get(kind) for kind in _VALUE}, "Stages": sorted(about.labels)}
            for version, about in secret.versions.items()
        },
    }


def apply(secrets: Secrets) -> None:
    """Changes ministack; see ``rotation_lab.sandbox.patches``."""
    replacements: dict[str, Callable[..., Any]] = {
        "_resolve": partial(_resolve, secrets),
        "secret_policy_for_arn": partial(_policy, secrets),
        "create_secret_in_process": partial(_create, secrets),
        "put_secret_value_in_process": partial(_put, secrets),
        "delete_secret_in_process": partial(_delete, secrets),
        "reset": secrets.vault.secrets.clear,
    }
    for name, replacement in replacements.items():
        emulator.replace(emulator.secretsmanager, name, partial(_instead, replacement))
    emulator.replace(emulator.secretsmanager, "_secrets", lambda old: Records(secrets))


def _instead(new: Callable[..., Any], old: Callable[..., Any]) -> Callable[..., Any]:
    return new


def _resolve(secrets: Secrets, secret_id: Any, *, use_arn_scope: bool = False) -> tuple[str, Data] | tuple[None, None]:
    secret = secrets.lookup(secret_id)
    return (secret.name, record(secret)) if secret else (None, None)


def _policy(secrets: Secrets, arn: str) -> tuple[str, str] | None:
    secret = secrets.vault.secrets.get(arn)
    return (secret.policy or "", secret.account) if secret else None


def _create(secrets: Secrets, name: str, value: str, description: str = "") -> str | None:
    request = {"Name": name, "SecretString": value, "Description": description, "ClientRequestToken": str(uuid.uuid4())}
    answer = _tried(secrets, "CreateSecret", request)
    return str(answer["ARN"]) if answer else None


def _put(secrets: Secrets, secret_id: str, value: str) -> bool:
    request = {"SecretId": secret_id, "SecretString": value, "ClientRequestToken": str(uuid.uuid4())}
    return _tried(secrets, "PutSecretValue", request) is not None


def _delete(secrets: Secrets, secret_id: str) -> bool:
    known = secrets.lookup(secret_id) is not None
    request = {"SecretId": secret_id, "ForceDeleteWithoutRecovery": True}
    return known and _tried(secrets, "DeleteSecret", request) is not None


def _tried(secrets: Secrets, action: str, request: Data) -> Data | None:
    try:
        return secrets.handle(here(), action, request)
    except ServiceError:
        return None
