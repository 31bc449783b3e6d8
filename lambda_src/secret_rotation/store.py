"""Secrets Manager, as a rotation uses it. Nothing else calls it, and nothing else knows its errors."""

import functools
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from . import aws
from .deadline import Deadline
from .errors import RotationError, SecretBinaryError

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"

READS = 3
"""How often a value is read that should be there: reads can be stale just after a write."""


@dataclass(frozen=True)
class Description:
    """What DescribeSecret tells: whether rotation is enabled, and the labels of each labelled version."""

    rotation_enabled: bool
    labels: Mapping[str, frozenset[str]]

    def holder(self, label: str) -> str | None:
        """The id of the version that has ``label``."""
        return next((version for version, labels in self.labels.items() if label in labels), None)

    def promoted(self, version: str) -> "Description":
        """The labels once AWSCURRENT has moved to ``version``: told, not read, since a read may lag behind."""
        former = self.holder(CURRENT)
        labels = {v: found - {CURRENT, PREVIOUS} for v, found in self.labels.items()}
        labels |= {v: labels[v] | {label} for v, label in ((former, PREVIOUS), (version, CURRENT)) if v is not None}
        return Description(self.rotation_enabled, labels)


class Store:
    """One secret in Secrets Manager. ``token`` is the id of the version that the rotation makes."""

    def __init__(self, client: Any, secret_id: str, token: str, rotation_token: str | None, deadline: Deadline) -> None:
        self._client, self.secret_id, self.token = client, secret_id, token
        self._extra = {"RotationToken": rotation_token} if rotation_token else {}
        self._deadline = deadline

    def describe(self) -> Description:
        """DescribeSecret."""
        answer = aws.call(
            "secretsmanager:DescribeSecret", lambda: self._client.describe_secret(SecretId=self.secret_id)
        )
        labels = {version: frozenset(found) for version, found in answer.get("VersionIdsToStages", {}).items()}
        return Description(bool(answer.get("RotationEnabled")), labels)

    def value(self, version: str) -> str | None:
        """The text of a version, by its id, since a label may lag behind; None where it has no value.

        Raises ``SecretBinaryError`` for a binary value.
        """
        answer = aws.call("secretsmanager:GetSecretValue", lambda: self._read(version))
        if answer is not None and "SecretString" not in answer:
            raise SecretBinaryError("The secret holds SecretBinary. Only SecretString can be rotated: put it as text.")
        return None if answer is None else str(answer["SecretString"])

    def fresh_value(self, version: str) -> str | None:
        """Like ``value``, for a version just written: read again a few times before it is said to be absent."""
        for pause in (0.2 * 2**n for n in range(READS - 1)):
            text = self.value(version)
            if text is not None:
                return text
            if self._deadline.remaining() > pause:
                time.sleep(pause)
        return self.value(version)

    def put_pending(self, text: str) -> bool:
        """Store ``text`` as the value of this rotation; False when the version has a value already."""
        made = aws.call("secretsmanager:PutSecretValue", lambda: self._put(text))
        return made is not None

    def promote(self, current: str | None) -> None:
        """Move AWSCURRENT from the version ``current`` to this rotation's: a compare-and-swap."""
        source = {"RemoveFromVersionId": current} if current else {}
        try:
            aws.call("secretsmanager:UpdateSecretVersionStage", lambda: self._move(source))
        except RotationError:
            # The answer to an attempt that did its work may have been lost, and the repetition refused.
            if self.describe().holder(CURRENT) != self.token:
                raise

    def unlabelled(self) -> Iterator[str]:
        """Ids of the versions without a label, newest first, which Secrets Manager keeps for at least a day."""
        bare = [version for version in self._versions() if not version.get("VersionStages")]
        yield from (v["VersionId"] for v in sorted(bare, key=lambda v: v["CreatedDate"], reverse=True))

    def random_password(self, **options: Any) -> str:
        """GetRandomPassword, with its own names of the options."""
        answer = aws.call("secretsmanager:GetRandomPassword", lambda: self._client.get_random_password(**options))
        return str(answer["RandomPassword"])

    def _read(self, version: str) -> Any:
        try:
            return self._client.get_secret_value(SecretId=self.secret_id, VersionId=version)
        except self._client.exceptions.ResourceNotFoundException:
            return None

    def _put(self, text: str) -> Any:
        try:
            return self._client.put_secret_value(
                SecretId=self.secret_id,
                ClientRequestToken=self.token,
                SecretString=text,
                VersionStages=[PENDING],
                **self._extra,
            )
        except self._client.exceptions.ResourceExistsException:
            return None

    def _move(self, source: Mapping[str, str]) -> Any:
        return self._client.update_secret_version_stage(
            SecretId=self.secret_id, VersionStage=CURRENT, MoveToVersionId=self.token, **source
        )

    def _versions(self) -> Iterator[Mapping[str, Any]]:
        page: Mapping[str, str] = {}  # boto3 has no paginator for this action
        while True:
            answer = aws.call("secretsmanager:ListSecretVersionIds", functools.partial(self._list, page))
            yield from answer["Versions"]
            if not answer.get("NextToken"):
                return
            page = {"NextToken": answer["NextToken"]}

    def _list(self, page: Mapping[str, str]) -> Any:
        return self._client.list_secret_version_ids(SecretId=self.secret_id, IncludeDeprecated=True, **page)
