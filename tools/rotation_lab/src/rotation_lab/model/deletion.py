"""DeleteSecret and RestoreSecret."""

from __future__ import annotations

from datetime import datetime, timedelta

from rotation_lab.model import replicas
from rotation_lab.model.errors import ServiceError
from rotation_lab.model.secret import Data
from rotation_lab.model.vault import Caller, Request, Vault, identity

_SHORTEST, _LONGEST = 7, 30


def delete(vault: Vault, caller: Caller, request: Request) -> Data:
    """DeleteSecret. By force it is a success even when there is no such secret."""
    forced, days = bool(request.get("ForceDeleteWithoutRecovery")), request.get("RecoveryWindowInDays")
    _check(forced, days)
    if forced and vault.lookup(caller, str(request["SecretId"])) is None:
        return _as_if_deleted(vault, caller, str(request["SecretId"]))
    secret = vault.find(caller, request, write=True, deleted=True)
    if secret.deleted and not forced:
        raise ServiceError(
            "InvalidRequestException",
            "You can't perform this operation on the secret because it was already scheduled for deletion.",
        )
    replicas.check_deletable(secret)
    when = vault.host.now() + timedelta(days=0 if forced else days or _LONGEST)
    if forced:
        del vault.secrets[secret.arn]
    else:
        secret.deleted = when
    return {**identity(secret), "DeletionDate": when}


def _as_if_deleted(vault: Vault, caller: Caller, secret_id: str) -> Data:
    name = secret_id.rpartition(":secret:")[2]
    arn = f"arn:aws:secretsmanager:{caller.region}:{caller.account}:secret:{name}-{vault.host.new_suffix()}"
    return {
        "ARN": secret_id if secret_id.startswith("arn:") else arn,
        "Name": name,
        "DeletionDate": vault.host.now(),
    }


def _check(forced: bool, days: int | None) -> None:
    if forced and days is not None:
        raise ServiceError(
            "InvalidParameterException",
            "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
        )
    if days is not None and not _SHORTEST <= days <= _LONGEST:
        raise ServiceError(
            "InvalidParameterException", "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive)."
        )


def restore(vault: Vault, caller: Caller, request: Request) -> Data:
    """RestoreSecret."""
    secret = vault.find(caller, request, write=True, deleted=True)
    secret.deleted = None
    return identity(secret)


def expire(vault: Vault, now: datetime) -> None:
    """Remove the secrets whose recovery window is over."""
    for secret in [secret for secret in vault.secrets.values() if secret.deleted and secret.deleted <= now]:
        del vault.secrets[secret.arn]
