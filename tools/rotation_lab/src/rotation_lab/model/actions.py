"""The actions of Secrets Manager by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rotation_lab.model import deletion, listing, names, passwords, policies, replicas, rotation, tags, values
from rotation_lab.model.errors import ServiceError
from rotation_lab.model.secret import Data
from rotation_lab.model.vault import Caller, Request, Vault

ACTIONS: Mapping[str, Callable[[Vault, Caller, Request], Data]] = {
    "BatchGetSecretValue": listing.batch_get,
    "CancelRotateSecret": rotation.cancel,
    "CreateSecret": values.create,
    "DeleteResourcePolicy": policies.delete,
    "DeleteSecret": deletion.delete,
    "DescribeSecret": values.describe,
    "GetRandomPassword": passwords.get_random_password,
    "GetResourcePolicy": policies.get,
    "GetSecretValue": values.get,
    "ListSecretVersionIds": values.list_versions,
    "ListSecrets": listing.list_secrets,
    "PutResourcePolicy": policies.put,
    "PutSecretValue": values.put_value,
    "RemoveRegionsFromReplication": replicas.remove,
    "ReplicateSecretToRegions": replicas.replicate,
    "RestoreSecret": deletion.restore,
    "RotateSecret": rotation.rotate,
    "StopReplicationToReplica": replicas.stop,
    "TagResource": tags.tag,
    "UntagResource": tags.untag,
    "UpdateSecret": values.update,
    "UpdateSecretVersionStage": values.update_stage,
    "ValidateResourcePolicy": policies.validate,
}


def answer(vault: Vault, caller: Caller, action: str, request: Request) -> Data:
    """The answer of an action, with dates as ``datetime`` and binary values as ``bytes``; or ``ServiceError``."""
    if action not in ACTIONS:
        raise ServiceError("UnknownOperationException", f"Secrets Manager has no action {action}.")
    names.check(request)
    return ACTIONS[action](vault, caller, request)
