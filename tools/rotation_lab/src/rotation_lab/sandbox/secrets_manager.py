"""Secrets Manager's API for values and labels, as AWS runs it, over the records that ministack keeps.

ministack 1.5.33 ignores tokens, overwrites versions, drops those without labels and knows no empty ones. So all that
touches versions is answered here; tags, policies, deletion, replication and listing stay ministack's.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from threading import RLock
from typing import Any

from rotation_lab.sandbox import emulator, events, schedule, versions
from rotation_lab.sandbox.clock import Clock
from rotation_lab.sandbox.errors import ApiError
from rotation_lab.sandbox.passwords import random_password
from rotation_lab.sandbox.versions import CURRENT, PENDING, PREVIOUS, Record

Request = dict[str, Any]
Handler = Callable[[Request], dict[str, Any]]

_IN_USE = "You can't use ClientRequestToken {} because that value is already in use for a version of secret {}."
_SERVED_LABELS = 100  # ListSecretVersionIds gives at most so many versions a page


class Secrets:
    """The actions, by name in ``handlers``. ``lock`` guards all records: rotations run in threads of their own."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.lock = clock, RLock()
        self.counted_from: dict[str, float] = {}
        """By ARN, when AWSCURRENT moved or a scheduled rotation began last: a schedule counts from there."""
        self.handlers: dict[str, Handler] = {
            "CreateSecret": self._create,
            "PutSecretValue": self._put_value,
            "UpdateSecret": self._update,
            "GetSecretValue": self._get_value,
            "DescribeSecret": self._describe,
            "ListSecretVersionIds": self._list_versions,
            "UpdateSecretVersionStage": self._update_stage,
            "GetRandomPassword": random_password,
        }

    def handle(self, action: str, request: Request) -> dict[str, Any]:
        """The answer of ``action``; raises ``ApiError``."""
        with self.lock:
            return self.handlers[action](request)

    def find(self, request: Request, *, write: bool = False, deleted: bool = False) -> Record:
        """The secret that a request names; ``deleted`` accepts one that is marked for deletion."""
        secret = emulator.find_secret(request.get("SecretId"))
        if secret is None:
            raise ApiError("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        if secret.get("DeletedDate") and not deleted:
            raise ApiError(
                "InvalidRequestException",
                "You can't perform this operation on the secret because it was marked for deletion.",
            )
        if write and emulator.secretsmanager._is_replica(secret):
            raise ApiError(
                "InvalidRequestException",
                "Operation not permitted on a replica secret. Call must be made in primary secret's region.",
            )
        return secret

    def changed(self, secret: Record) -> None:
        """What follows every change of versions or labels."""
        secret["LastChangedDate"] = self.clock.now()
        versions.purge(secret, self.clock.now())
        emulator.secretsmanager._sync_replicas(secret)

    def move(self, secret: Record, label: str, version: str) -> None:
        """Moves a label and tells who wants to know."""
        for moved, to in versions.move(secret, label, version):
            if moved == CURRENT:
                self.counted_from[secret["ARN"]] = self.clock.now()
            if moved not in (PENDING, PREVIOUS):
                emulator.secretsmanager._emit_secret_label_updated(secret, moved, to)

    def _create(self, request: Request) -> dict[str, Any]:
        name = str(request.get("Name", ""))
        existing = emulator.secretsmanager._secrets.get(name)
        if existing and existing.get("DeletedDate"):
            raise ApiError(
                "InvalidRequestException",
                "You can't create this secret because a secret with this name is already scheduled for deletion.",
            )
        if existing:
            raise ApiError("ResourceExistsException", f"The operation failed because the secret {name} already exists.")
        _check_value(request)
        token = client_token(request)
        arn, first = emulator.secretsmanager._store_new_secret(
            name,
            description=request.get("Description", ""),
            tags=request.get("Tags"),
            kms_key_id=request.get("KmsKeyId"),
        )
        secret = emulator.secretsmanager._secrets[name]
        del secret["Versions"][first]  # ministack always makes one; without a value there is none
        secret["CreatedDate"] = secret["LastChangedDate"] = self.clock.now()
        answer = {"ARN": arn, "Name": name}
        if versions.has_value(request):
            answer["VersionId"] = self._put(secret, token, request, [CURRENT])
        return answer

    def _put_value(self, request: Request) -> dict[str, Any]:
        secret = self.find(request, write=True)
        if not versions.has_value(request):
            raise ApiError("InvalidRequestException", "You must provide either SecretString or SecretBinary.")
        # RotationToken is accepted and not compared: how AWS checks it is not published.
        version = self._put(secret, client_token(request), request, list(request.get("VersionStages") or [CURRENT]))
        return {**_names(secret), "VersionId": version, "VersionStages": versions.labels(secret, version)}

    def _update(self, request: Request) -> dict[str, Any]:
        secret = self.find(request, write=True)
        _check_value(request)
        secret.update({name: request[name] for name in ("Description", "KmsKeyId") if name in request})
        answer = _names(secret)
        if versions.has_value(request):
            answer["VersionId"] = self._put(secret, client_token(request), request, [CURRENT])
        self.changed(secret)
        return answer

    def _put(self, secret: Record, token: str, request: Request, labels: list[str]) -> str:
        _check_value(request)
        _check_labels(labels)
        version = secret["Versions"].get(token)
        if version is not None and versions.has_value(version):
            if not versions.same_value(version, request):
                raise ApiError("ResourceExistsException", _IN_USE.format(token, secret["ARN"]))
            return token  # a repeated request changes nothing, labels included
        created = self.clock.now() if version is None else version["CreatedDate"]
        kept = versions.labels(secret, token)
        versions.add(secret, token, created, request)
        secret["Versions"][token]["Stages"] = kept
        if versions.holder(secret, CURRENT) is None and CURRENT not in labels:
            labels = [*labels, CURRENT]  # the first version of a secret is always current
        for label in labels:
            self.move(secret, label, token)
        if CURRENT in labels:
            self._abandon(secret, token)
        self.changed(secret)
        return token

    def _abandon(self, secret: Record, token: str) -> None:
        """A new current value by hand ends a rotation in progress."""
        pending = versions.holder(secret, PENDING)
        if pending not in (None, token):
            versions.remove(secret, PENDING, str(pending))
            events.publish("RotationAbandoned", secret, str(pending), self.clock.now())

    def _get_value(self, request: Request) -> dict[str, Any]:
        secret = self.find(request)
        wanted, label = request.get("VersionId"), request.get("VersionStage")
        if wanted and label and wanted in secret["Versions"] and label not in versions.labels(secret, wanted):
            raise ApiError(
                "InvalidRequestException",
                "You provided a VersionStage that is not associated to the provided VersionId.",
            )
        version = wanted or versions.holder(secret, label or CURRENT)
        found = secret["Versions"].get(version)
        if found is None or not versions.has_value(found):
            what = f"VersionId: {wanted}" if wanted else f"staging label: {label or CURRENT}"
            raise ApiError(
                "ResourceNotFoundException", f"Secrets Manager can't find the specified secret value for {what}"
            )
        secret["LastAccessedDate"] = found["LastAccessedDate"] = _day(self.clock.now())
        value = {kind: found[kind] for kind in ("SecretString", "SecretBinary") if found.get(kind) is not None}
        about = {"VersionId": version, "VersionStages": list(found["Stages"]), "CreatedDate": found["CreatedDate"]}
        return {**_names(secret), **about, **value}

    def _describe(self, request: Request) -> dict[str, Any]:
        secret = self.find(request, deleted=True)
        names = "ARN Name Description KmsKeyId CreatedDate LastChangedDate LastAccessedDate LastRotatedDate DeletedDate"
        answer = {name: secret[name] for name in f"{names} Tags ReplicationStatus".split() if secret.get(name)}
        if "alias/aws/secretsmanager" in str(answer.get("KmsKeyId", "")):
            del answer["KmsKeyId"]  # not shown for the key that AWS manages
        if stages := emulator.secretsmanager._vid_to_stages(secret):
            answer["VersionIdsToStages"] = stages
        if secret.get("_PrimaryRegion"):
            answer["PrimaryRegion"] = secret["_PrimaryRegion"]
        return answer | self._describe_rotation(secret)

    def _describe_rotation(self, secret: Record) -> dict[str, Any]:
        if not secret.get("RotationLambdaARN"):
            return {}
        rules = dict(secret.get("RotationRules") or {})
        enabled = bool(secret.get("RotationEnabled"))
        answer = {"RotationEnabled": enabled, "RotationLambdaARN": secret["RotationLambdaARN"]}
        if not rules:
            return answer
        if "ScheduleExpression" in rules:
            rules["AutomaticallyAfterDays"] = schedule.days_between(rules, self.clock.now())
        if enabled:
            answer["NextRotationDate"] = self.next_window(secret)[1]
        return {**answer, "RotationRules": rules}

    def next_window(self, secret: Record) -> tuple[float, float]:
        """Start and end of the next scheduled rotation, in seconds since the epoch."""
        last = float(self.counted_from.get(secret["ARN"]) or secret["CreatedDate"])
        return schedule.next_window(secret["RotationRules"], max(last, float(secret.get("LastRotatedDate") or 0)))

    def _list_versions(self, request: Request) -> dict[str, Any]:
        secret = self.find(request, deleted=True)
        listed = [
            {"VersionId": version, "CreatedDate": about["CreatedDate"], "VersionStages": list(about["Stages"])}
            for version, about in secret["Versions"].items()
            if about["Stages"] or request.get("IncludeDeprecated")
        ]
        for about in listed:
            if not about["VersionStages"]:
                del about["VersionStages"]
        start = _page_start(request.get("NextToken", "0"))
        end = start + min(int(request.get("MaxResults") or _SERVED_LABELS), _SERVED_LABELS)
        more = {"NextToken": str(end)} if end < len(listed) else {}
        return {**_names(secret), "Versions": listed[start:end], **more}

    def _update_stage(self, request: Request) -> dict[str, Any]:
        secret = self.find(request, write=True)
        label, to, source = request["VersionStage"], request.get("MoveToVersionId"), request.get("RemoveFromVersionId")
        _check_stage(secret, label, to, source)
        if to:
            self.move(secret, label, to)
        elif source:
            versions.remove(secret, label, source)
        self.changed(secret)
        return _names(secret)


def client_token(request: Request) -> str:
    """The ClientRequestToken, which becomes a version's id."""
    token = request.get("ClientRequestToken")
    if token is None:
        raise ApiError(
            "InvalidRequestException",
            "You must provide a ClientRequestToken value. We recommend a UUID-type value.",
        )
    if not 32 <= len(token) <= 64:
        raise ApiError("InvalidParameterException", "ClientRequestToken must be 32-64 characters long.")
    return str(token)


def token_in_use(secret: Record, token: str) -> ApiError:
    """The error for a token that belongs to another version already."""
    return ApiError("ResourceExistsException", _IN_USE.format(token, secret["ARN"]))


def _page_start(token: str) -> int:
    if not token.isdigit():
        raise ApiError("InvalidNextTokenException", "The NextToken is not one of ours.")
    return int(token)


def _check_value(request: Request) -> None:
    text, binary = request.get("SecretString"), request.get("SecretBinary")
    if text is not None and binary is not None:
        raise ApiError("InvalidParameterException", "You can't specify both a binary and a string secret value.")
    sizes = {"secretString": _text_size(text), "secretBinary": _binary_size(binary)}
    for name, size in sizes.items():
        if size is not None and not 1 <= size <= versions.MAX_VALUE_BYTES:
            raise ApiError(
                "ValidationException",
                f"1 validation error detected: Value at '{name}' failed to satisfy constraint: "
                f"Member must have length between 1 and {versions.MAX_VALUE_BYTES}",
            )


def _text_size(text: str | None) -> int | None:
    # surrogatepass: JSON can carry half a pair, which must be an answer and not a crash
    return None if text is None else len(text.encode("utf-8", "surrogatepass"))


def _binary_size(binary: str | None) -> int | None:
    try:
        return None if binary is None else len(base64.b64decode(binary, validate=True))
    except binascii.Error as error:
        raise ApiError("SerializationException", "SecretBinary is not base64.") from error


def _check_labels(labels: list[str]) -> None:
    if len(labels) > versions.MAX_LABELS or not all(1 <= len(label) <= 256 for label in labels):
        raise ApiError(
            "ValidationException",
            f"Value at 'versionStages' failed to satisfy constraint: at most {versions.MAX_LABELS} labels "
            "of 1 to 256 characters",
        )


def _check_stage(secret: Record, label: str, to: str | None, source: str | None) -> None:
    for version in filter(None, (to, source)):
        if version not in secret["Versions"]:
            raise ApiError(
                "ResourceNotFoundException", f"Secrets Manager can't find the specified secret version: {version}."
            )
    at = versions.holder(secret, label)
    if source and source != at:
        raise ApiError("InvalidParameterException", f"The staging label {label} is not attached to version {source}.")
    if to and at not in (None, to) and not source:
        raise ApiError(
            "InvalidParameterException",
            f"The parameter RemoveFromVersionId can't be empty. Staging label {label} is currently attached to "
            f"version {at}, so you must explicitly reference that version in RemoveFromVersionId.",
        )
    if label == CURRENT and not to:
        raise ApiError(
            "InvalidParameterException",
            "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.",
        )
    if label == CURRENT and not versions.has_value(secret["Versions"][to]):
        raise ApiError("InvalidRequestException", f"The secret version {to} has no value.")


def _names(secret: Record) -> dict[str, Any]:
    return {"ARN": secret["ARN"], "Name": secret["Name"]}


def _day(moment: float) -> float:
    return moment // 86_400 * 86_400
