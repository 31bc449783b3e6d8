"""The one door to Secrets Manager. Nothing else calls it, and nothing else knows its errors.

What is read, written or made through it is hidden in the log from then on.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from . import aws
from .credential import Credential
from .deadline import Deadline
from .derived import NO_TEMPLATES, Templates
from .errors import RotationError, SecretBinaryError
from .logs import Log

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"

READS = 3
"""How often a value is read that should be there: reads can be stale just after a write."""


_T = TypeVar("_T")


@dataclass(frozen=True)
class Description:
    """What DescribeSecret returns: whether rotation is enabled, and the labels of each labelled version."""

    rotation_enabled: bool
    labels: Mapping[str, frozenset[str]]
    last_rotated: datetime | None = None
    next_rotation: datetime | None = None
    """The end of the window in which the next rotation is to happen."""
    deleted: datetime | None = None
    """When the secret was scheduled for deletion."""
    rules: Mapping[str, Any] = field(default_factory=dict)
    """The schedule, as RotateSecret takes it."""

    def holder(self, label: str) -> str | None:
        """The id of the version that has ``label``."""
        return next((version for version, labels in self.labels.items() if label in labels), None)

    def promoted(self, version: str) -> "Description":
        """The labels once AWSCURRENT has moved to ``version``, computed and not read, since a read may lag behind."""
        former = self.holder(CURRENT)
        labels = {v: found - {CURRENT, PREVIOUS} for v, found in self.labels.items()}
        labels |= {v: labels[v] | {label} for v, label in ((former, PREVIOUS), (version, CURRENT)) if v is not None}
        return replace(self, labels=labels)


@dataclass(frozen=True)
class Version:
    """One version of a secret, without its value."""

    id: str
    labels: frozenset[str]
    created: datetime


def _description(answer: Mapping[str, Any], labels: Mapping[str, Collection[str]] | None) -> Description:
    return Description(
        bool(answer.get("RotationEnabled")),
        {version: frozenset(found) for version, found in (labels or {}).items()},
        last_rotated=answer.get("LastRotatedDate"),
        next_rotation=answer.get("NextRotationDate"),
        deleted=answer.get("DeletedDate"),
        rules=answer.get("RotationRules") or {},
    )


class Secrets:
    """Any secrets that the function's role may use, by their ARNs. ``client`` makes a boto3 client for a service."""

    def __init__(self, client: Callable[..., Any], log: Log) -> None:
        self._make_client, self._log = client, log

    @property
    def client(self) -> Any:
        """boto3's client of Secrets Manager."""
        return self._make_client("secretsmanager")

    def read_current(self, arn: str) -> Credential | None:
        """The AWSCURRENT value of a secret; None when there is none, or no such secret.

        Of a JSON object its ``value`` is that of the key ``password``. Raises ``SecretBinaryError``.
        """
        found = self.read(arn)
        if found is None or not found.document.is_object:
            return found
        return replace(found, keys=("password",))

    def read(self, arn: str, keys: tuple[str, ...] = (), **version: str) -> Credential | None:
        """A value of a secret, of which ``keys`` are what rotates; None where there is none."""
        answer = self._get(arn, version)
        if answer is None:
            return None
        if "SecretString" not in answer:
            raise SecretBinaryError(f"The secret {arn} holds SecretBinary. Put its value as text, as SecretString.")
        found = Credential(str(answer["VersionId"]), str(answer["SecretString"]), keys)
        self.hide(*found.confidential())
        return found

    def write(self, arn: str, text: str) -> None:
        """Make ``text`` the AWSCURRENT value of a secret."""
        self.hide(text)
        with aws.calling("secretsmanager:PutSecretValue"):
            self.client.put_secret_value(SecretId=arn, SecretString=text)

    def versions(self, arn: str, *, unlabelled: bool = False) -> Iterator[Version]:
        """The versions of a secret that have a label; ``unlabelled``: and the others that are still there."""
        page = {"IncludeDeprecated": True} if unlabelled else {}
        more: Mapping[str, str] = {}  # boto3 has no paginator for this action
        while True:
            with aws.calling("secretsmanager:ListSecretVersionIds"):
                answer = self.client.list_secret_version_ids(SecretId=arn, **page, **more)
            for found in answer["Versions"]:
                yield Version(found["VersionId"], frozenset(found.get("VersionStages", ())), found["CreatedDate"])
            if not answer.get("NextToken"):
                return
            more = {"NextToken": answer["NextToken"]}

    def of_function(self, arn: str) -> Iterator[tuple[str, Description]]:
        """The ARN and description of each secret of the region whose rotation function is ``arn``."""
        more: Mapping[str, str] = {}
        while True:
            with aws.calling("secretsmanager:ListSecrets"):
                answer = self.client.list_secrets(MaxResults=100, **more)
            for found in answer["SecretList"]:
                if found.get("RotationLambdaARN") == arn:
                    yield found["ARN"], _description(found, found.get("SecretVersionsToStages"))
            if not answer.get("NextToken"):
                return
            more = {"NextToken": answer["NextToken"]}

    def hide(self, *texts: str) -> None:
        """Never show these texts in the log."""
        self._log.hide(*texts)

    def _get(self, arn: str, version: Mapping[str, str]) -> Any:
        with aws.calling("secretsmanager:GetSecretValue"):
            try:
                return self.client.get_secret_value(SecretId=arn, **version)
            except self.client.exceptions.ResourceNotFoundException:
                return None


class Store:
    """The secret that rotates. ``token`` is the version that the rotation makes, ``keys`` what rotates of JSON,
    ``password_key`` the one of them that targets log in with, and ``templates`` what follows from them."""

    def __init__(
        self,
        secrets: Secrets,
        secret_id: str,
        token: str,
        rotation_token: str | None,
        deadline: Deadline,
        keys: tuple[str, ...],
        password_key: str | None = None,
        templates: Templates = NO_TEMPLATES,
    ) -> None:
        self.secrets, self.secret_id, self.token = secrets, secret_id, token
        self._extra = {"RotationToken": rotation_token} if rotation_token else {}
        self._deadline, self._keys, self._password_key, self._templates = deadline, keys, password_key, templates

    def described(self, is_expected: Callable[[Description], bool]) -> Description:
        """DescribeSecret, again a few times while it is not what is expected: it can be stale just after a write."""
        return self._fresh(self.describe, is_expected)

    def describe(self) -> Description:
        """DescribeSecret."""
        with aws.calling("secretsmanager:DescribeSecret"):
            answer = self.secrets.client.describe_secret(SecretId=self.secret_id)
        return _description(answer, answer.get("VersionIdsToStages"))

    def value(self, version: str) -> Credential | None:
        """The value of a version, by its id, since a label may lag behind; None where it has none.

        Raises ``SecretBinaryError`` for a binary value.
        """
        found = self.secrets.read(self.secret_id, self._keys, VersionId=version)
        if found is None:
            return None
        found = replace(found, password_key=self._password_key, templates=self._templates)
        self.secrets.hide(*found.confidential())  # what templates make of it too
        return found

    def fresh_value(self, version: str) -> Credential | None:
        """Like ``value``, for a version just written: read again a few times before it is said to be absent."""
        return self._fresh(lambda: self.value(version), lambda found: found is not None)

    def _fresh(self, read: Callable[[], _T], is_expected: Callable[[_T], bool]) -> _T:
        for pause in (0.2 * 2**n for n in range(READS - 1)):
            found = read()
            if is_expected(found):
                return found
            if self._deadline.remaining() > pause:
                time.sleep(pause)
        return read()

    def put_pending(self, text: str) -> bool:
        """Store ``text`` as the value of this rotation; False when the version has a value already."""
        client = self.secrets.client
        self.secrets.hide(text)
        with aws.calling("secretsmanager:PutSecretValue"):
            try:
                client.put_secret_value(
                    SecretId=self.secret_id,
                    ClientRequestToken=self.token,
                    SecretString=text,
                    VersionStages=[PENDING],
                    **self._extra,
                )
            except client.exceptions.ResourceExistsException:
                return False
        return True

    def promote(self, current: str | None) -> None:
        """Move AWSCURRENT from the version ``current`` to this rotation's: a compare-and-swap."""
        former = {"RemoveFromVersionId": current} if current else {}
        try:
            with aws.calling("secretsmanager:UpdateSecretVersionStage"):
                self.secrets.client.update_secret_version_stage(
                    SecretId=self.secret_id, VersionStage=CURRENT, MoveToVersionId=self.token, **former
                )
        except RotationError:
            # The answer to an attempt that did its work may have been lost, and the repetition refused.
            if self.describe().holder(CURRENT) != self.token:
                raise

    def remove(self, label: str, version: str) -> None:
        """Take a label of somebody's own off a version; whoever moved it meanwhile wants it elsewhere."""
        try:
            with aws.calling("secretsmanager:UpdateSecretVersionStage"):
                self.secrets.client.update_secret_version_stage(
                    SecretId=self.secret_id, VersionStage=label, RemoveFromVersionId=version
                )
        except RotationError:
            if self.describe().holder(label) == version:
                raise

    def others(self, known: Collection[str | None]) -> Iterator[str]:
        """Ids of the versions that are not ``known``, newest first, whether or not they have a label of somebody's own.

        Secrets Manager keeps a version without a label for at least a day.
        """
        found = [one for one in self.secrets.versions(self.secret_id, unlabelled=True) if one.id not in known]
        yield from (one.id for one in sorted(found, key=lambda one: one.created, reverse=True))

    def random_password(self, **options: Any) -> str:
        """GetRandomPassword, with its own names of the options."""
        with aws.calling("secretsmanager:GetRandomPassword"):
            made = str(self.secrets.client.get_random_password(**options)["RandomPassword"])
        self.secrets.hide(made)
        return made
