"""One secret: its versions, their staging labels, and what else Secrets Manager keeps about it. It has no clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from rotation_lab.model.errors import ServiceError

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"
MAX_VALUE_BYTES, MAX_LABELS, MAX_VERSIONS = 65_536, 20, 100
KEPT_FOR = timedelta(hours=24)

Data = dict[str, Any]
Moved = list[tuple[str, str]]
"""Labels that have moved, as (label, version)."""


@dataclass
class Version:
    """One version of a secret. ``data`` holds SecretString or SecretBinary; it is empty before PutSecretValue."""

    created: datetime
    data: Data = field(default_factory=dict)
    labels: set[str] = field(default_factory=set)
    accessed: datetime | None = None
    kms_key: str | None = None

    @property
    def text(self) -> str | None:
        """The SecretString, if any."""
        return self.data.get("SecretString")


@dataclass
class Replica:
    """A region to which a secret is replicated."""

    region: str
    kms_key: str | None = None
    message: str = ""
    """Why the replication failed; empty when it did not."""


@dataclass
class Secret:
    """One secret and all its versions, in the order in which they were made."""

    arn: str
    name: str
    created: datetime
    versions: dict[str, Version] = field(default_factory=dict)
    description: str = ""
    kms_key: str | None = None
    tags: dict[str, str] | None = None
    """None: it never had any, and DescribeSecret shows no list."""
    policy: str | None = None
    changed: datetime | None = None
    accessed: datetime | None = None
    deleted: datetime | None = None
    rotation_enabled: bool = False
    function: str | None = None
    """The ARN of its rotation function."""
    rules: Data = field(default_factory=dict)
    rotated: datetime | None = None
    counted_from: datetime | None = None
    """When AWSCURRENT moved or a scheduled rotation began last: a schedule counts from there."""
    rotating: bool = False
    rotation_tokens: dict[str, str] = field(default_factory=dict)
    """By version: one for all steps and attempts of a rotation."""
    replicas: dict[str, Replica] = field(default_factory=dict)
    primary: str | None = None
    """The ARN of the secret that this one is a replica of."""

    @property
    def region(self) -> str:
        """The region that it is in."""
        return self.arn.split(":")[3]

    @property
    def account(self) -> str:
        """The account that it is in."""
        return self.arn.split(":")[4]

    @property
    def is_stuck(self) -> bool:
        """Whether AWSPENDING is on a version that is not AWSCURRENT: an earlier rotation has not completed."""
        return self.holder(PENDING) not in (None, self.holder(CURRENT))

    def holder(self, label: str) -> str | None:
        """The id of the version that has ``label``; a label sits on one version at most."""
        return next((version for version, about in self.versions.items() if label in about.labels), None)

    def labels(self, version: str | None) -> set[str]:
        """The labels of a version; none when there is no such version."""
        return self.versions[version].labels if version in self.versions else set()

    def stages(self) -> dict[str, list[str]]:
        """VersionIdsToStages: the versions with labels."""
        return {version: sorted(about.labels) for version, about in self.versions.items() if about.labels}

    def text(self, label: str = CURRENT) -> str | None:
        """The SecretString of the version that has ``label``."""
        version = self.holder(label)
        return None if version is None else self.versions[version].text

    def texts(self) -> set[str]:
        """The SecretString of every version that is kept, labelled or not."""
        return {version.text for version in self.versions.values() if version.text is not None}

    def move(self, label: str, version: str) -> Moved:
        """Put ``label`` on one version only; AWSPREVIOUS follows where AWSCURRENT was. Returns what has moved."""
        old = self.holder(label)
        if old == version:
            return []
        if len(self.labels(version)) >= MAX_LABELS:
            raise ServiceError("LimitExceededException", f"A version can have at most {MAX_LABELS} staging labels.")
        self.remove(label)
        self.versions[version].labels.add(label)
        return [(label, version), *(self._follow(old, version) if label == CURRENT else [])]

    def _follow(self, old: str | None, new: str) -> Moved:
        self.versions[new].labels.discard(PREVIOUS)
        return self.move(PREVIOUS, old) if old is not None else []

    def remove(self, label: str) -> None:
        """Take ``label`` off the version that has it."""
        for about in self.versions.values():
            about.labels.discard(label)

    def purge(self, now: datetime) -> None:
        """Remove the oldest versions without labels beyond 100 versions, but none that is younger than 24 hours."""
        old = [(a.created, v) for v, a in self.versions.items() if not a.labels and a.created + KEPT_FOR <= now]
        for _, version in sorted(old)[: max(0, len(self.versions) - MAX_VERSIONS)]:
            del self.versions[version]


def has_value(data: Data) -> bool:
    """Whether a version's data, or a request, has a value. RotateSecret makes versions that have none."""
    return bool(value_of(data))


def value_of(data: Data) -> Data:
    """What a version's data or a request has of SecretString and SecretBinary."""
    return {kind: data[kind] for kind in ("SecretString", "SecretBinary") if data.get(kind) is not None}
