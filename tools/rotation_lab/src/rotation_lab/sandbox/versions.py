"""Versions and staging labels of one secret.

A secret is the record in which ministack keeps it: ``{"ARN", "Name", "Versions": {id: version}, ...}``; a version is
``{"SecretString" or "SecretBinary", "CreatedDate", "Stages": [label]}``. Nothing here talks to anything.
"""

from __future__ import annotations

from typing import Any

from rotation_lab.sandbox.errors import ApiError

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"
MAX_VALUE_BYTES, MAX_LABELS, MAX_VERSIONS = 65_536, 20, 100
_SECONDS_KEPT = 24 * 3600

Record = dict[str, Any]


def holder(secret: Record, label: str) -> str | None:
    """The id of the version that has ``label``; a label sits on one version at most."""
    return next((version for version, about in secret["Versions"].items() if label in about["Stages"]), None)


def labels(secret: Record, version: str | None) -> list[str]:
    """The labels of a version, [] when there is no such version."""
    return list(secret["Versions"].get(version, {}).get("Stages", []))


def has_value(data: Record) -> bool:
    """Whether a version, or a request, has a value. RotateSecret makes versions that have none."""
    return data.get("SecretString") is not None or data.get("SecretBinary") is not None


def same_value(one: Record, other: Record) -> bool:
    """Whether two versions or requests carry the same value."""
    return all(one.get(kind) == other.get(kind) for kind in ("SecretString", "SecretBinary"))


def is_stuck(secret: Record) -> bool:
    """Whether AWSPENDING is on a version that is not AWSCURRENT: an earlier rotation has not completed."""
    pending = holder(secret, PENDING)
    return pending is not None and CURRENT not in labels(secret, pending)


def add(secret: Record, version: str, now: float, value: Record | None = None) -> None:
    """Makes a version without labels; without ``value`` it is empty, as RotateSecret leaves it."""
    value = value or {}
    kinds = {kind: value.get(kind) for kind in ("SecretString", "SecretBinary")}
    secret["Versions"][version] = {**kinds, "CreatedDate": now, "Stages": []}


def move(secret: Record, label: str, version: str) -> list[tuple[str, str]]:
    """Puts ``label`` on ``version`` only, AWSPREVIOUS following AWSCURRENT; returns what moved as (label, version)."""
    old = holder(secret, label)
    if old == version:
        return []
    if label not in labels(secret, version) and len(labels(secret, version)) >= MAX_LABELS:
        raise ApiError("LimitExceededException", f"A version can have at most {MAX_LABELS} staging labels.")
    if old is not None:
        remove(secret, label, old)
    secret["Versions"][version]["Stages"].append(label)
    moved = [(label, version)]
    if label == CURRENT:
        remove(secret, PREVIOUS, version)
        moved += move(secret, PREVIOUS, old) if old is not None else []
    return moved


def remove(secret: Record, label: str, version: str) -> None:
    """Takes ``label`` off ``version``, if it is there."""
    about = secret["Versions"][version]
    about["Stages"] = [stage for stage in about["Stages"] if stage != label]


def purge(secret: Record, now: float) -> None:
    """Removes the oldest versions without labels beyond 100 versions, but none that is younger than 24 hours."""
    versions = secret["Versions"]
    old = [
        version
        for version, about in versions.items()
        if not about["Stages"] and about["CreatedDate"] + _SECONDS_KEPT <= now
    ]
    for version in sorted(old, key=lambda v: float(versions[v]["CreatedDate"])):
        if len(versions) <= MAX_VERSIONS:
            return
        del versions[version]
