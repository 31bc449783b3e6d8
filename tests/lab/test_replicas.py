"""Replicas of a secret in other regions."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rotation_lab.sandbox.client import Sandbox
from tests.lab.conftest import Function, Secret
from tests.lab.evidence import api, guide, reported, unverified, verified

MakeSecret = Callable[..., Secret]
REGION = "eu-central-1"
NOT_PERMITTED = reported("lgallard/terraform-aws-secrets-manager/issues/188")


def refused(code: str, message: str = "") -> pytest.RaisesExc[ClientError]:
    return pytest.raises(ClientError, match=rf"\({code}\).*{message}")


@pytest.fixture
def there(aws: Sandbox) -> Iterator[Any]:
    """A client in the replica's region."""
    client = aws.client("secretsmanager", region_name=REGION)
    yield client
    client.close()


@pytest.fixture
def replicated(make_secret: MakeSecret, aws: Sandbox) -> Iterator[Secret]:
    """A secret with a replica."""
    secret = make_secret(AddReplicaRegions=[{"Region": REGION}])
    yield secret
    client = aws.client("secretsmanager")
    if client.describe_secret(SecretId=secret.arn).get("ReplicationStatus"):
        client.remove_regions_from_replication(SecretId=secret.arn, RemoveReplicaRegions=[REGION])


def replica_arn(secret: Secret) -> str:
    parts = secret.arn.split(":")
    return ":".join([*parts[:3], REGION, *parts[4:]])


@verified(api("CreateSecret"), guide("replicate-secrets"))
def test_a_replica_is_made_with_the_secret_and_follows_it(replicated: Secret, there: Any, aws: Sandbox) -> None:
    client = aws.client("secretsmanager")
    described = client.describe_secret(SecretId=replicated.arn)
    [status] = described["ReplicationStatus"]
    assert (status["Region"], status["Status"]) == (REGION, "InSync")
    assert there.get_secret_value(SecretId=replicated.name)["SecretString"] == "initial"
    version = replicated.put("two")
    client.tag_resource(SecretId=replicated.arn, Tags=[{"Key": "k", "Value": "v"}])
    read = there.get_secret_value(SecretId=replica_arn(replicated))
    assert (read["SecretString"], read["VersionId"]) == ("two", version)
    shown = there.describe_secret(SecretId=replicated.name)
    assert (shown["ARN"], shown["PrimaryRegion"]) == (replica_arn(replicated), replicated.arn.split(":")[3])
    assert shown["Tags"] == [{"Key": "k", "Value": "v"}]
    assert "ReplicationStatus" not in shown


@verified(guide("rotating-secrets"))
def test_a_rotation_reaches_the_replica(replicated: Secret, template: Function, there: Any) -> None:
    assert replicated.rotated(template)["result"] == "ok"
    assert there.get_secret_value(SecretId=replicated.name)["SecretString"] == replicated.value() != "initial"


@verified(NOT_PERMITTED, reported("gruntwork-io/cloud-nuke/issues/435"), guide("standalone-secret"))
@pytest.mark.parametrize(
    ("action", "options"),
    [
        ("rotate_secret", {}),
        ("put_secret_value", {"SecretString": "x"}),
        ("update_secret", {"Description": "x"}),
        ("tag_resource", {"Tags": [{"Key": "k", "Value": "v"}]}),
        ("delete_secret", {}),
        ("put_resource_policy", {"ResourcePolicy": '{"Statement": [{"Effect": "Deny", "Principal": "*"}]}'}),
    ],
)
def test_a_replica_is_changed_through_its_primary(
    action: str, options: dict[str, Any], replicated: Secret, there: Any
) -> None:
    with refused("InvalidParameterException", "Operation not permitted on a replica secret"):
        getattr(there, action)(SecretId=replicated.name, **options)
    assert there.get_secret_value(SecretId=replicated.name)["SecretString"] == "initial"


@verified(guide("standalone-secret"))
def test_a_replica_has_a_key_of_its_own(replicated: Secret, there: Any, aws: Sandbox) -> None:
    kms = aws.client("kms", region_name=REGION)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    there.update_secret(SecretId=replicated.name, KmsKeyId=key)
    replicated.put("two")
    assert there.describe_secret(SecretId=replicated.name)["KmsKeyId"] == key
    assert "KmsKeyId" not in aws.client("secretsmanager").describe_secret(SecretId=replicated.arn)
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    kms.close()


@verified(reported("gruntwork-io/cloud-nuke/issues/435"), api("RemoveRegionsFromReplication"))
def test_a_primary_is_deleted_after_its_replicas(replicated: Secret, there: Any, aws: Sandbox) -> None:
    client = aws.client("secretsmanager")
    for options in ({}, {"ForceDeleteWithoutRecovery": True}):
        with refused("InvalidParameterException", "still has replica regions"):
            client.delete_secret(SecretId=replicated.arn, **options)
    answer = client.remove_regions_from_replication(SecretId=replicated.arn, RemoveReplicaRegions=[REGION])
    assert answer["ReplicationStatus"] == []
    with refused("ResourceNotFoundException"):
        there.describe_secret(SecretId=replicated.name)
    client.delete_secret(SecretId=replicated.arn)
    client.restore_secret(SecretId=replicated.arn)


@verified(api("StopReplicationToReplica"), guide("standalone-secret"))
def test_a_replica_can_become_a_secret_of_its_own(replicated: Secret, there: Any, aws: Sandbox) -> None:
    there.stop_replication_to_replica(SecretId=replica_arn(replicated))
    assert "ReplicationStatus" not in aws.client("secretsmanager").describe_secret(SecretId=replicated.arn)
    there.put_secret_value(SecretId=replicated.name, SecretString="apart")
    assert replicated.value() == "initial"
    there.delete_secret(SecretId=replicated.name, ForceDeleteWithoutRecovery=True)


@verified(api("ReplicateSecretToRegions"), api("ReplicationStatusType"))
def test_a_name_that_is_taken_there_fails_the_replication(secret: Secret, there: Any, aws: Sandbox) -> None:
    client = aws.client("secretsmanager")
    there.create_secret(Name=secret.name, SecretString="other")
    [status] = client.replicate_secret_to_regions(SecretId=secret.arn, AddReplicaRegions=[{"Region": REGION}])[
        "ReplicationStatus"
    ]
    assert status["Status"] == "Failed"
    assert there.get_secret_value(SecretId=secret.name)["SecretString"] == "other"
    client.replicate_secret_to_regions(
        SecretId=secret.arn, AddReplicaRegions=[{"Region": REGION}], ForceOverwriteReplicaSecret=True
    )
    assert there.get_secret_value(SecretId=secret.name)["SecretString"] == "initial"
    client.remove_regions_from_replication(SecretId=secret.arn, RemoveReplicaRegions=[REGION])


@unverified("the errors' texts")
def test_regions_that_no_replica_can_be_in(secret: Secret, aws: Sandbox) -> None:
    client = aws.client("secretsmanager")
    for regions in ([secret.arn.split(":")[3]], [REGION, REGION]):
        wanted = [{"Region": region} for region in regions]
        with refused("InvalidParameterException"):
            client.replicate_secret_to_regions(SecretId=secret.arn, AddReplicaRegions=wanted)
        with refused("InvalidParameterException"):
            client.create_secret(Name=f"new/{uuid.uuid4()}", AddReplicaRegions=wanted)
    with refused("InvalidParameterException"):
        client.remove_regions_from_replication(SecretId=secret.arn, RemoveReplicaRegions=[REGION])
    with refused("InvalidRequestException"):
        client.stop_replication_to_replica(SecretId=secret.arn)
    with refused("ValidationException"):
        client.replicate_secret_to_regions(SecretId=secret.arn, AddReplicaRegions=[{"Region": "nowhere"}])
