"""Replicas of a secret in other regions."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

from rotation_lab.model.errors import ServiceError
from rotation_lab.model.secret import Data, Replica, Secret
from rotation_lab.model.vault import Caller, Request, Vault, present, replica_arn

_OWN_KEY = "alias/aws/secretsmanager"


def replicate(vault: Vault, caller: Caller, request: Request) -> Data:
    """ReplicateSecretToRegions."""
    secret = vault.find(caller, request, write=True)
    check(vault, secret, request["AddReplicaRegions"])
    return {"ARN": secret.arn, "ReplicationStatus": add(vault, secret, request)}


def remove(vault: Vault, caller: Caller, request: Request) -> Data:
    """RemoveRegionsFromReplication: the replicas are gone at once."""
    secret, regions = vault.find(caller, request, write=True), request["RemoveReplicaRegions"]
    if unknown := [region for region in regions if region not in secret.replicas]:
        raise ServiceError("InvalidParameterException", f"The secret has no replica in {', '.join(unknown)}.")
    for region in regions:
        if not secret.replicas.pop(region).message:
            del vault.secrets[replica_arn(secret, region)]
    vault.changed(secret)
    return {"ARN": secret.arn, "ReplicationStatus": status(vault, secret)}


def stop(vault: Vault, caller: Caller, request: Request) -> Data:
    """StopReplicationToReplica, which is called in the replica's region: it becomes a secret of its own."""
    secret = vault.find(caller, request)
    if not secret.primary:
        raise ServiceError("InvalidRequestException", "The secret is not a replica: call the replica's own region.")
    primary, secret.primary = vault.secrets.get(secret.primary), None
    secret.versions = copy.deepcopy(secret.versions)
    if primary is not None:
        primary.replicas.pop(secret.region, None)
    return {"ARN": secret.arn}


def set_key(vault: Vault, replica: Secret, key: str) -> None:
    """Encrypt a replica with another key: the one thing of it that can be changed."""
    primary = vault.secrets[str(replica.primary)]
    primary.replicas[replica.region].kms_key = key
    vault.copy(primary, replica.region)


def check(vault: Vault, secret: Secret, wanted: Sequence[Mapping[str, str]]) -> None:
    """``ServiceError`` for regions that no replica can be in."""
    if not all(about.get("Region") for about in wanted):
        raise ServiceError("InvalidParameterException", "A replica must have a Region.")
    regions = [str(about["Region"]) for about in wanted]
    if secret.region in regions:
        raise ServiceError("InvalidParameterException", "Invalid replica region: it is the primary secret's region.")
    if len(set(regions)) < len(regions):
        raise ServiceError("InvalidParameterException", "A replica region is given twice.")


def add(vault: Vault, secret: Secret, request: Request) -> list[Data]:
    """Make replicas. A secret of that name that is there already makes the replication fail, not the request."""
    for about in request["AddReplicaRegions"]:
        region = str(about["Region"])
        secret.replicas[region] = Replica(region, about.get("KmsKeyId"))
        other = vault.named(secret.account, region, secret.name)
        if other is not None and other.primary != secret.arn:
            if not request.get("ForceOverwriteReplicaSecret"):
                secret.replicas[region].message = f"Replication failed: Secret name already exists in region {region}."
                continue
            del vault.secrets[other.arn]
        vault.copy(secret, region)
    vault.changed(secret)
    return status(vault, secret)


def status(vault: Vault, secret: Secret) -> list[Data]:
    """ReplicationStatus."""
    return [_status(vault, secret, about) for about in secret.replicas.values()]


def _status(vault: Vault, secret: Secret, about: Replica) -> Data:
    replica = vault.secrets.get(replica_arn(secret, about.region))
    return present(
        Region=about.region,
        KmsKeyId=about.kms_key or _OWN_KEY,
        Status="Failed" if about.message else "InSync",
        StatusMessage=about.message or "Replication succeeded",
        LastAccessedDate=replica.accessed if replica else None,
    )


def check_deletable(secret: Secret) -> None:
    """``ServiceError`` for a primary that still has replicas."""
    if secret.replicas:
        raise ServiceError(
            "InvalidParameterException",
            f"You can't delete secret {secret.arn} that still has replica regions [{', '.join(secret.replicas)}].",
        )
