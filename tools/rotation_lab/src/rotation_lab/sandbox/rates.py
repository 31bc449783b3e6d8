"""Secrets Manager's documented quotas of requests a second, for each account and region. Off unless they are asked for.

https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
"""

from __future__ import annotations

import time
from collections.abc import Callable

from rotation_lab.model.errors import ServiceError

_TOGETHER: tuple[tuple[int, tuple[str, ...]], ...] = (
    (50, ("DeleteResourcePolicy", "GetResourcePolicy", "PutResourcePolicy", "ValidateResourcePolicy")),
    (
        50,
        (
            "PutSecretValue",
            "RemoveRegionsFromReplication",
            "ReplicateSecretToRegions",
            "StopReplicationToReplica",
            "UpdateSecret",
            "UpdateSecretVersionStage",
        ),
    ),
    (50, ("RotateSecret", "CancelRotateSecret")),
    (50, ("TagResource", "UntagResource")),
    (50, ("CreateSecret",)),
    (50, ("DeleteSecret",)),
    (50, ("RestoreSecret",)),
    (50, ("GetRandomPassword",)),
    (50, ("ListSecretVersionIds",)),
    (100, ("ListSecrets",)),
    (100, ("BatchGetSecretValue",)),
    (10_000, ("GetSecretValue",)),
    (40_000, ("DescribeSecret",)),
)
_GROUPS = {action: (rate, group) for group, (rate, actions) in enumerate(_TOGETHER) for action in actions}


class Rates:
    """One bucket for each quota: it holds a second's requests, and fills as time goes by.

    ``part`` of the quotas: a machine that is not quick enough to reach them reaches a part of them.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, part: float = 1.0) -> None:
        self._clock, self._part = clock, part
        self._buckets: dict[tuple[str, str, int], tuple[float, float]] = {}

    def take(self, account: str, region: str, action: str) -> None:
        """``ServiceError`` when the quota of an action is used up."""
        if action not in _GROUPS:
            return
        whole, group = _GROUPS[action]
        rate = whole * self._part
        now, key = self._clock(), (account, region, group)
        left, since = self._buckets.get(key, (rate, now))
        left = min(rate, left + (now - since) * rate)
        if left < 1:
            raise ServiceError("ThrottlingException", "Rate exceeded")
        self._buckets[key] = (left - 1, now)
