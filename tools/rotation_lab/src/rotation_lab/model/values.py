"""The actions on values, versions and staging labels."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rotation_lab.model import replicas, schedule, tags
from rotation_lab.model.errors import ServiceError
from rotation_lab.model.names import client_token
from rotation_lab.model.secret import (
    CURRENT,
    MAX_LABELS,
    MAX_VALUE_BYTES,
    PENDING,
    Data,
    Secret,
    Version,
    has_value,
    value_of,
)
from rotation_lab.model.vault import Caller, Request, Vault, identity, present

DEFAULT_KEY = "DefaultEncryptionKey"
_OWN_KEY = "alias/aws/secretsmanager"
_IN_USE = "You can't use ClientRequestToken {} because that value is already in use for a version of secret {}."


def create(vault: Vault, caller: Caller, request: Request) -> Data:
    """CreateSecret."""
    name, token = str(request["Name"]), client_token(request)
    check_value(request)
    new_tags = tags.checked({}, request.get("Tags") or [])
    existing = vault.named(caller.account, caller.region, name)
    if existing is not None:
        return _created_before(existing, token, request)
    arn = f"arn:aws:secretsmanager:{caller.region}:{caller.account}:secret:{name}-{vault.host.new_suffix()}"
    secret = Secret(arn, name, vault.host.now(), tags=new_tags or None)
    _describe_as(secret, request)
    replicas.check(vault, secret, request.get("AddReplicaRegions") or [])
    vault.secrets[arn] = secret
    answer = identity(secret)
    if has_value(dict(request)):
        answer["VersionId"] = put(vault, secret, token, dict(request), [CURRENT])
    vault.changed(secret)
    if request.get("AddReplicaRegions"):
        answer["ReplicationStatus"] = replicas.add(vault, secret, request)
    return answer


def _created_before(secret: Secret, token: str, request: Request) -> Data:
    """A repeated request gets the same answer; a client sends it again when an answer is lost."""
    if secret.deleted:
        raise ServiceError(
            "InvalidRequestException",
            "You can't create this secret because a secret with this name is already scheduled for deletion.",
        )
    if token not in secret.versions:
        raise ServiceError(
            "ResourceExistsException", f"The operation failed because the secret {secret.name} already exists."
        )
    if secret.versions[token].data != value_of(dict(request)):
        raise token_in_use(secret, token)
    return {**identity(secret), "VersionId": token}


def put_value(vault: Vault, caller: Caller, request: Request) -> Data:
    """PutSecretValue. A RotationToken is accepted and not compared: how AWS checks it is not published."""
    if not has_value(dict(request)):
        raise ServiceError("InvalidRequestException", "You must provide either SecretString or SecretBinary.")
    check_value(request)
    token, labels = client_token(request), list(request.get("VersionStages") or [CURRENT])
    _check_labels(labels)
    secret = vault.find(caller, request, write=True)
    version = put(vault, secret, token, dict(request), labels)
    vault.changed(secret)
    return {**identity(secret), "VersionId": version, "VersionStages": sorted(secret.labels(version))}


def update(vault: Vault, caller: Caller, request: Request) -> Data:
    """UpdateSecret."""
    check_value(request)
    token, new_value = client_token(request), has_value(dict(request))
    only_key = "KmsKeyId" in request and "Description" not in request and not new_value
    secret = vault.find(caller, request, write=not only_key)
    answer = identity(secret)
    if secret.primary:
        replicas.set_key(vault, secret, str(request["KmsKeyId"]))
        return answer
    if new_value and token in secret.versions:  # unlike PutSecretValue, the same value again is an error too
        raise token_in_use(secret, token)
    _describe_as(secret, request)
    if new_value:
        answer["VersionId"] = put(vault, secret, token, dict(request), [CURRENT])
    vault.changed(secret)
    return answer


def _describe_as(secret: Secret, request: Request) -> None:
    secret.description = request.get("Description", secret.description)
    secret.kms_key = request.get("KmsKeyId", secret.kms_key) or None


def put(vault: Vault, secret: Secret, token: str, data: Data, labels: list[str]) -> str:
    """Give the version ``token`` a value and labels; the same value again changes nothing, labels included."""
    version = secret.versions.get(token)
    if version is not None and version.data:
        if version.data != value_of(data):
            raise token_in_use(secret, token)
        return token
    about = secret.versions.setdefault(token, Version(vault.host.now()))
    about.data, about.kms_key = value_of(data), secret.kms_key
    if secret.holder(CURRENT) is None and CURRENT not in labels:
        labels = [*labels, CURRENT]  # the first version of a secret is always current
    for label in labels:
        vault.move(secret, label, token)
    if CURRENT in labels:
        _abandon(vault, secret, token)
    return token


def _abandon(vault: Vault, secret: Secret, token: str) -> None:
    """A new current value from outside ends a rotation in progress."""
    pending = secret.holder(PENDING)
    if pending not in (None, token):
        secret.remove(PENDING)
        vault.host.abandoned(secret, str(pending))


def get(vault: Vault, caller: Caller, request: Request) -> Data:
    """GetSecretValue."""
    return read(vault, vault.find(caller, request), request.get("VersionId"), request.get("VersionStage"))


def read(vault: Vault, secret: Secret, wanted: str | None = None, label: str | None = None) -> Data:
    """A version's value, which counts as an access."""
    if wanted and label and wanted in secret.versions and label not in secret.labels(wanted):
        raise ServiceError(
            "InvalidRequestException", "You provided a VersionStage that is not associated to the provided VersionId."
        )
    version = wanted or secret.holder(label or CURRENT)
    found = secret.versions.get(version or "")
    if found is None or not found.data:
        what = f"VersionId: {wanted}" if wanted else f"staging label: {label or CURRENT}"
        raise ServiceError(
            "ResourceNotFoundException", f"Secrets Manager can't find the specified secret value for {what}"
        )
    secret.accessed = found.accessed = _day(vault.host.now())
    about = {"VersionId": version, "VersionStages": sorted(found.labels), "CreatedDate": found.created}
    return {**identity(secret), **about, **found.data}


def describe(vault: Vault, caller: Caller, request: Request) -> Data:
    """DescribeSecret."""
    secret = vault.find(caller, request, deleted=True)
    return {
        **summary(vault, secret),
        **present(VersionIdsToStages=secret.stages() or None, ReplicationStatus=replicas.status(vault, secret) or None),
    }


def summary(vault: Vault, secret: Secret) -> Data:
    """What DescribeSecret and ListSecrets show alike."""
    return {
        **identity(secret),
        **present(
            Description=secret.description or None,
            KmsKeyId=None if _is_own(secret.kms_key) else secret.kms_key,  # not shown for the key that AWS manages
            CreatedDate=secret.created,
            LastChangedDate=secret.changed,
            LastAccessedDate=secret.accessed,
            LastRotatedDate=secret.rotated,
            DeletedDate=secret.deleted,
            Tags=tags.shown(secret.tags),
            PrimaryRegion=_primary_region(secret),
        ),
        **_rotation(vault, secret),
    }


def _is_own(key: str | None) -> bool:
    return _OWN_KEY in (key or _OWN_KEY)


def _primary_region(secret: Secret) -> str | None:
    if secret.primary:
        return secret.primary.split(":")[3]
    return secret.region if secret.replicas else None


def _rotation(vault: Vault, secret: Secret) -> Data:
    if not secret.function:
        return {}
    answer: Data = {"RotationEnabled": secret.rotation_enabled, "RotationLambdaARN": secret.function}
    if not secret.rules:
        return answer
    rules = dict(secret.rules)
    if "ScheduleExpression" in rules:
        rules["AutomaticallyAfterDays"] = schedule.days_between(rules, vault.host.now())
    if secret.rotation_enabled:
        answer["NextRotationDate"] = next_window(secret)[1]
    return {**answer, "RotationRules": rules}


def next_window(secret: Secret) -> schedule.Window:
    """Start and end of the next scheduled rotation."""
    last = max(secret.counted_from or secret.created, secret.rotated or secret.created)
    return schedule.parse(secret.rules).next_window(last)


def list_versions(vault: Vault, caller: Caller, request: Request) -> Data:
    """ListSecretVersionIds."""
    secret = vault.find(caller, request, deleted=True)
    everything = request.get("IncludeDeprecated")
    listed = [_listed(v, about) for v, about in secret.versions.items() if about.labels or everything]
    return {**identity(secret), **page("Versions", listed, request, vault.page)}


def _listed(version: str, about: Version) -> Data:
    return present(
        VersionId=version,
        CreatedDate=about.created,
        LastAccessedDate=about.accessed,
        VersionStages=sorted(about.labels) or None,
        KmsKeyIds=[DEFAULT_KEY if _is_own(about.kms_key) else about.kms_key],
    )


def page(name: str, found: list[Any], request: Request, most: int) -> Data:
    """One page of a list, and the token of the next one."""
    token = str(request.get("NextToken") or "0")
    if not token.isdecimal() or (start := int(token)) > len(found):
        raise ServiceError("InvalidNextTokenException", "The NextToken value is invalid.")
    end = start + min(int(request.get("MaxResults") or most), most)
    return {name: found[start:end], **({"NextToken": str(end)} if end < len(found) else {})}


def update_stage(vault: Vault, caller: Caller, request: Request) -> Data:
    """UpdateSecretVersionStage."""
    label, to, source = str(request["VersionStage"]), request.get("MoveToVersionId"), request.get("RemoveFromVersionId")
    secret = vault.find(caller, request, write=True)
    _check_move(secret, label, to, source)
    if to:
        vault.move(secret, label, to)
    elif source:
        secret.remove(label)
    vault.changed(secret)
    return identity(secret)


def token_in_use(secret: Secret, token: str) -> ServiceError:
    """The error for a token that belongs to another version already."""
    return ServiceError("ResourceExistsException", _IN_USE.format(token, secret.arn))


def check_value(request: Request) -> None:
    """``ServiceError`` for two values, or one that is too long."""
    text, binary = request.get("SecretString"), request.get("SecretBinary")
    if text is not None and binary is not None:
        raise ServiceError("InvalidParameterException", "You can't specify both a binary and a string secret value.")
    # surrogatepass: JSON can carry half a pair, which must be an answer and not a crash
    sizes = {
        "secretString": None if text is None else len(text.encode("utf-8", "surrogatepass")),
        "secretBinary": None if binary is None else len(binary),
    }
    for name, size in sizes.items():
        if size is not None and not 1 <= size <= MAX_VALUE_BYTES:
            raise ServiceError(
                "ValidationException",
                f"1 validation error detected: Value at '{name}' failed to satisfy constraint: "
                f"Member must have length between 1 and {MAX_VALUE_BYTES}",
            )


def _check_labels(labels: list[str]) -> None:
    if len(labels) > MAX_LABELS or not all(1 <= len(label) <= 256 for label in labels):
        raise ServiceError(
            "ValidationException",
            f"1 validation error detected: Value at 'versionStages' failed to satisfy constraint: at most {MAX_LABELS} "
            "labels of 1 to 256 characters",
        )


def _check_move(secret: Secret, label: str, to: str | None, source: str | None) -> None:
    for version in filter(None, (to, source)):
        if version not in secret.versions:
            raise ServiceError(
                "ResourceNotFoundException", f"Secrets Manager can't find the specified secret version: {version}."
            )
    _check_place(secret, label, to, source)
    if label == CURRENT:
        _check_current(secret, to)


def _check_place(secret: Secret, label: str, to: str | None, source: str | None) -> None:
    at = secret.holder(label)
    if source and source != at:
        raise ServiceError(
            "InvalidParameterException", f"The staging label {label} is not attached to version {source}."
        )
    if to and not source and at not in (None, to):
        raise ServiceError(
            "InvalidParameterException",
            f"The parameter RemoveFromVersionId can't be empty. Staging label {label} is currently attached to "
            f"version {at}, so you must explicitly reference that version in RemoveFromVersionId.",
        )


def _check_current(secret: Secret, to: str | None) -> None:
    if not to:
        raise ServiceError(
            "InvalidParameterException",
            "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.",
        )
    if not secret.versions[to].data:
        raise ServiceError("InvalidRequestException", f"The secret version {to} has no value.")


def _day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
