"""Secrets Manager as a state machine: all secrets of all accounts and regions, and the actions on them.

``actions.answer`` takes an action's parameters as Python objects and returns its answer, or raises ``ServiceError``.
Nothing here knows boto3, HTTP or ministack: the sandbox and the client of the unit tests are adapters over it, and
``Host`` is what it asks of them. An adapter lets one request in at a time.
"""

from __future__ import annotations

import random
import string
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from rotation_lab.model import names
from rotation_lab.model.errors import ServiceError
from rotation_lab.model.secret import CURRENT, PENDING, PREVIOUS, Data, Secret

Request = Mapping[str, Any]
_REPLICA = "Operation not permitted on a replica secret. Call must be made in primary secret's region."
_MARKED = "You can't perform this operation on the secret because it was marked for deletion."


def _may(action: str, arn: str) -> None:
    """A caller who may do everything."""


@dataclass(frozen=True)
class Caller:
    """Who asks, and where. ``check`` raises ``ServiceError`` when an action on an ARN is not allowed."""

    account: str
    region: str
    check: Callable[[str, str], None] = _may


class Host:
    """What the state machine asks of its surroundings. By default nothing listens, and every function is there."""

    random: random.Random = random.SystemRandom()

    def now(self) -> datetime:
        """The time."""
        return datetime.now(UTC)

    def new_id(self) -> str:
        """A new version id or rotation token."""
        return str(uuid.uuid4())

    def new_suffix(self) -> str:
        """The six characters at the end of a new ARN."""
        return "".join(self.random.choices(string.ascii_letters + string.digits, k=6))

    def check_function(self, secret: Secret, arn: str) -> None:
        """Raise ``ServiceError`` unless Secrets Manager may invoke this function for this secret."""

    def start(self, secret: Secret, token: str, steps: tuple[str, ...], window_end: datetime | None = None) -> None:
        """Begin to call the function."""

    def cancelled(self, secret: Secret) -> None:
        """CancelRotateSecret has turned rotation off."""

    def label_moved(self, secret: Secret, label: str, version: str) -> None:
        """A label that is not the service's own is on another version now."""

    def abandoned(self, secret: Secret, version: str) -> None:
        """A rotation has ended because of a new current value."""


class Vault:
    """The secrets, by ARN, and what all actions on them share."""

    page = 100
    """The most versions or secrets in one answer."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.secrets: dict[str, Secret] = {}

    def lookup(self, caller: Caller, secret_id: str) -> Secret | None:
        """The secret with this name, ARN, or ARN without its last seven characters."""
        if secret_id.startswith("arn:"):
            return self.secrets.get(secret_id) or self._by_partial_arn(caller, secret_id)
        return self.named(caller.account, caller.region, secret_id)

    def _by_partial_arn(self, caller: Caller, arn: str) -> Secret | None:
        parts = arn.split(":", 6)
        # A name that ends like an ARN's suffix makes a complete ARN of it: recorded on AWS, and a warning in its docs.
        if len(parts) < 7 or names.SUFFIX.search(arn):
            return None
        return self.named(parts[4], parts[3], parts[6])

    def named(self, account: str, region: str, name: str) -> Secret | None:
        """The secret with this name, where it is."""
        start = f"arn:aws:secretsmanager:{region}:{account}:secret:{name}-"
        return next((s for s in self.secrets.values() if s.name == name and s.arn.startswith(start)), None)

    def find(self, caller: Caller, request: Request, *, write: bool = False, deleted: bool = False) -> Secret:
        """The secret that a request names; ``deleted`` accepts one that is marked for deletion."""
        secret = self.lookup(caller, str(request["SecretId"]))
        if secret is None:
            raise ServiceError("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        if secret.deleted and not deleted:
            raise ServiceError("InvalidRequestException", _MARKED)
        if write and secret.primary:
            raise ServiceError("InvalidParameterException", _REPLICA)
        return secret

    def changed(self, secret: Secret) -> None:
        """What follows every change of a secret."""
        secret.changed = self.host.now()
        secret.purge(secret.changed)
        for region, about in secret.replicas.items():
            if not about.message:
                self.copy(secret, region)

    def copy(self, secret: Secret, region: str) -> None:
        """Make or renew the replica of a secret in a region. It shares the versions until it stands alone."""
        arn = replica_arn(secret, region)
        old = self.secrets.get(arn)
        self.secrets[arn] = replace(
            secret,
            arn=arn,
            kms_key=secret.replicas[region].kms_key,
            replicas={},
            primary=secret.arn,
            accessed=old.accessed if old else None,
        )

    def move(self, secret: Secret, label: str, version: str) -> None:
        """Move a label, and tell the host."""
        for moved, to in secret.move(label, version):
            if moved == CURRENT:
                secret.counted_from = self.host.now()
            if moved not in (PENDING, PREVIOUS):
                self.host.label_moved(secret, moved, to)


def replica_arn(secret: Secret, region: str) -> str:
    """A replica has the primary's ARN but for the region."""
    parts = secret.arn.split(":")
    return ":".join([*parts[:3], region, *parts[4:]])


def identity(secret: Secret) -> Data:
    """The first members of most answers."""
    return {"ARN": secret.arn, "Name": secret.name}


def present(**members: Any) -> Data:
    """The members that have a value."""
    return {name: value for name, value in members.items() if value is not None}
