"""Small answers that real clients read: errors, dates, lists, tags, policies, deletion."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rotation_lab.sandbox.client import Sandbox
from tests.lab.conftest import Function, Secret
from tests.lab.evidence import api, guide, recorded, reported, unverified, verified
from tests.lab.raw import post

MakeSecret = Callable[..., Secret]
INVALID = ["Inv Name", " Inv Name", " Inv*Name? ", " Inv *?!]Name\\-"]


def refused(code: str, message: str = "") -> pytest.RaisesExc[ClientError]:
    return pytest.raises(ClientError, match=rf"\({code}\).*{message}")


# Errors


@verified(recorded("test_secret_not_found"), recorded("test_invalid_secret_name"))
def test_an_error_of_the_service_has_a_message_of_its_own(aws: Sandbox) -> None:
    client = aws.client("secretsmanager")
    with refused("ResourceNotFoundException") as error:
        client.get_secret_value(SecretId="nowhere")
    assert dict(error.value.response)["Message"] == "Secrets Manager can't find the specified secret."
    with refused("ValidationException") as error:
        client.get_secret_value(SecretId="no where")
    assert "Message" not in error.value.response


@pytest.mark.parametrize("name", INVALID)
@pytest.mark.parametrize(
    ("action", "options"),
    [
        ("delete_secret", {"ForceDeleteWithoutRecovery": True}),
        ("describe_secret", {}),
        ("get_secret_value", {}),
        ("list_secret_version_ids", {"IncludeDeprecated": True}),
        ("put_secret_value", {"SecretString": "x"}),
        ("tag_resource", {"Tags": [{"Key": "k", "Value": "v"}]}),
        ("untag_resource", {"TagKeys": ["k"]}),
        ("update_secret", {"Description": "x"}),
        ("rotate_secret", {}),
        ("restore_secret", {}),
    ],
)
@verified(recorded("test_invalid_secret_name"))
def test_a_name_that_no_secret_can_have_is_invalid_in_every_action(
    name: str, action: str, options: dict[str, Any], aws: Sandbox
) -> None:
    with refused("ValidationException", "Invalid name"):
        getattr(aws.client("secretsmanager"), action)(SecretId=name, **options)


@verified(recorded("test_invalid_secret_name"), api("CreateSecret"))
@pytest.mark.parametrize("name", [*INVALID, "x" * 513])
def test_a_secret_cannot_be_made_with_such_a_name(name: str, aws: Sandbox) -> None:
    with refused("ValidationException", "Invalid name"):
        aws.client("secretsmanager").create_secret(Name=name, SecretString="x")


@verified(recorded("test_no_client_request_token"))
@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("CreateSecret", "InvalidRequestException"),
        ("UpdateSecret", "InvalidRequestException"),
        ("PutSecretValue", "InvalidRequestException"),
        ("RotateSecret", "InvalidParameterException"),
    ],
)
def test_a_missing_token_is_noticed_before_a_missing_secret(action: str, code: str, aws: Sandbox) -> None:
    named = {"Name" if action == "CreateSecret" else "SecretId": f"no-such-{uuid.uuid4()}"}
    status, answer = post(aws, action, {**named, "SecretString": "x", "Description": "d"})
    message = "You must provide a ClientRequestToken value. We recommend a UUID-type value."
    assert (status, answer) == (400, {"__type": code, "Message": message})


@verified(reported("getmoto/moto/pull/3912"), recorded("test_rotate_secret_invalid_lambda_arn"))
def test_rotate_without_a_function_and_with_one_that_is_not_there(secret: Secret, aws: Sandbox) -> None:
    with refused("InvalidRequestException", "No Lambda rotation function ARN is associated with this secret"):
        secret.rotate()
    region, account = secret.arn.split(":")[3:5]
    with refused("AccessDeniedException", "Secrets Manager cannot invoke the specified Lambda function") as error:
        secret.rotate(RotationLambdaARN=f"arn:aws:lambda:{region}:{account}:function:nowhere")
    assert "Message" not in error.value.response
    described = aws.client("secretsmanager").describe_secret(SecretId=secret.arn)
    assert not {"RotationEnabled", "RotationRules", "RotationLambdaARN"} & set(described)


# Tokens


@verified(api("CreateSecret"))
def test_create_repeated_with_its_token(make_secret: MakeSecret, aws: Sandbox) -> None:
    token = str(uuid.uuid4())
    secret, client = make_secret("one", ClientRequestToken=token), aws.client("secretsmanager")
    again = client.create_secret(Name=secret.name, SecretString="one", ClientRequestToken=token)
    assert (again["ARN"], again["VersionId"]) == (secret.arn, token)
    with refused("ResourceExistsException", "You can't use ClientRequestToken"):
        client.create_secret(Name=secret.name, SecretString="two", ClientRequestToken=token)
    with refused("ResourceExistsException", "already exists"):
        client.create_secret(Name=secret.name, SecretString="one")


@verified(api("UpdateSecret"))
def test_update_with_the_token_of_a_version_is_refused(secret: Secret, aws: Sandbox) -> None:
    token = secret.put("two")
    with refused("ResourceExistsException"):
        aws.client("secretsmanager").update_secret(SecretId=secret.arn, SecretString="two", ClientRequestToken=token)


# Deletion


@verified(recorded("test_delete_non_existent_secret_returns_as_if_secret_exists"), api("DeleteSecret"))
def test_by_force_what_is_not_there_is_deleted(aws: Sandbox) -> None:
    name = f"no-such-{uuid.uuid4()}"
    answer = aws.client("secretsmanager").delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    assert answer["Name"] == name
    assert answer["ARN"]
    assert answer["DeletionDate"]
    with refused("ResourceNotFoundException"):
        aws.client("secretsmanager").delete_secret(SecretId=name)


@verified(api("DeleteSecret"), recorded("test_force_delete_deleted_secret"))
def test_deletion_restoring_and_force(secret: Secret, aws: Sandbox) -> None:
    client = aws.client("secretsmanager")
    with refused("InvalidParameterException"):
        client.delete_secret(SecretId=secret.arn, RecoveryWindowInDays=6)
    with refused("InvalidParameterException"):
        client.delete_secret(SecretId=secret.arn, RecoveryWindowInDays=7, ForceDeleteWithoutRecovery=True)
    client.delete_secret(SecretId=secret.arn, RecoveryWindowInDays=7)
    with refused("InvalidRequestException", "marked for deletion"):
        secret.value()
    client.restore_secret(SecretId=secret.arn)
    assert secret.value() == "initial"
    client.delete_secret(SecretId=secret.arn)
    assert "DeletedDate" in client.describe_secret(SecretId=secret.arn)
    client.delete_secret(SecretId=secret.arn, ForceDeleteWithoutRecovery=True)


@verified(recorded("test_exp_raised_on_creation_of_secret_scheduled_for_deletion"))
def test_the_name_of_a_secret_that_is_being_deleted_is_taken(secret: Secret, aws: Sandbox) -> None:
    client = aws.client("secretsmanager")
    client.delete_secret(SecretId=secret.arn, RecoveryWindowInDays=7)
    with refused("InvalidRequestException", "already scheduled for deletion"):
        client.create_secret(Name=secret.name, SecretString="x")
    client.restore_secret(SecretId=secret.arn)


# Lists


@verified(recorded("test_update_secret_version_stages_current_pending_cycle"))
def test_a_listed_version_has_its_key_and_when_it_was_read(secret: Secret, aws: Sandbox) -> None:
    client = aws.client("secretsmanager")
    [version] = client.list_secret_version_ids(SecretId=secret.arn)["Versions"]
    assert version["KmsKeyIds"] == ["DefaultEncryptionKey"]
    assert "LastAccessedDate" not in version
    secret.value()
    [version] = client.list_secret_version_ids(SecretId=secret.arn)["Versions"]
    assert version["LastAccessedDate"] == client.describe_secret(SecretId=secret.arn)["LastAccessedDate"]


@verified(recorded("test_update_secret_version_stages_current_pending_cycle_custom_stages_1"))
def test_labels_come_in_order(secret: Secret) -> None:
    version = secret.put("two", VersionStages=["two", "one", "AWSPENDING", "three"])
    client = secret.aws.client("secretsmanager")
    assert client.get_secret_value(SecretId=secret.arn, VersionId=version)["VersionStages"] == [
        "AWSPENDING",
        "one",
        "three",
        "two",
    ]


@verified(api("ListSecretVersionIds"))
@pytest.mark.parametrize("action", ["list_secret_version_ids", "list_secrets", "batch_get_secret_value"])
def test_a_next_token_of_another_origin_is_refused(action: str, secret: Secret, aws: Sandbox) -> None:
    every: dict[str, dict[str, Any]] = {
        "list_secret_version_ids": {"SecretId": secret.arn},
        "list_secrets": {},
        "batch_get_secret_value": {"Filters": [{"Key": "name", "Values": [secret.name]}]},
    }
    with refused("InvalidNextTokenException"):
        getattr(aws.client("secretsmanager"), action)(NextToken="not-ours", **every[action])


# Tags


def tags_of(secret: Secret) -> Any:
    return secret.aws.client("secretsmanager").describe_secret(SecretId=secret.arn).get("Tags")


@verified(recorded("test_secret_tags"))
def test_the_list_of_tags_stays_when_the_last_one_goes(secret: Secret, aws: Sandbox) -> None:
    client = aws.client("secretsmanager")
    assert tags_of(secret) is None
    client.tag_resource(SecretId=secret.arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "& < 2"}])
    assert tags_of(secret) == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "& < 2"}]
    client.untag_resource(SecretId=secret.arn, TagKeys=["a", "b"])
    assert tags_of(secret) == []


@unverified("the error's class; the limits are in the General Reference's page on tags")
@pytest.mark.parametrize(
    "keys", [[f"k{number}" for number in range(51)], ["aws:mine"], ["AWS:mine"], ["same", "same"]], ids=len
)
def test_tags_that_aws_refuses(keys: list[str], secret: Secret, aws: Sandbox) -> None:
    with refused("InvalidParameterException"):
        aws.client("secretsmanager").tag_resource(SecretId=secret.arn, Tags=[{"Key": key, "Value": ""} for key in keys])
    with refused("InvalidParameterException"):
        aws.client("secretsmanager").create_secret(
            Name=f"new/{uuid.uuid4()}", Tags=[{"Key": key, "Value": ""} for key in keys]
        )
    assert tags_of(secret) is None


# Resource policies


def policy(principal: Any = "*", **more: Any) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, **more}]})


@verified(api("PutResourcePolicy"), recorded("test_resource_policy"))
def test_a_policy_is_json_and_can_be_kept_from_being_public(secret: Secret, aws: Sandbox) -> None:
    client = aws.client("secretsmanager")
    for malformed in ("not json", "[]", "{}", '{"Statement": [{}]}'):
        with refused("MalformedPolicyDocumentException"):
            client.put_resource_policy(SecretId=secret.arn, ResourcePolicy=malformed)
    for public in (policy(), policy({"AWS": "*"}), policy({"AWS": ["*"]})):
        with refused("PublicPolicyException"):
            client.put_resource_policy(SecretId=secret.arn, ResourcePolicy=public, BlockPublicPolicy=True)
    assert "ResourcePolicy" not in client.get_resource_policy(SecretId=secret.arn)
    account = secret.arn.split(":")[4]
    for allowed in (policy(), policy({"AWS": f"arn:aws:iam::{account}:root"}), policy(Effect="Deny")):
        blocked = allowed != policy()
        client.put_resource_policy(SecretId=secret.arn, ResourcePolicy=allowed, BlockPublicPolicy=blocked)
        assert client.get_resource_policy(SecretId=secret.arn)["ResourcePolicy"] == allowed
        client.delete_resource_policy(SecretId=secret.arn)


@verified(api("ValidateResourcePolicy"))
def test_a_public_policy_is_found_by_validation(secret: Secret, aws: Sandbox) -> None:
    validate = aws.client("secretsmanager").validate_resource_policy
    assert not validate(ResourcePolicy=policy())["PolicyValidationPassed"]
    root = policy({"AWS": f"arn:aws:iam::{secret.arn.split(':')[4]}:root"})
    assert validate(ResourcePolicy=root)["PolicyValidationPassed"]


# BatchGetSecretValue


@verified(api("BatchGetSecretValue"))
def test_batches_of_values(make_secret: MakeSecret, aws: Sandbox) -> None:
    batch = aws.client("secretsmanager").batch_get_secret_value
    one, two = make_secret("1", Description="batched"), make_secret("2", Description="batched")
    answer = batch(SecretIdList=[one.name, "nowhere", two.arn])
    assert [value["SecretString"] for value in answer["SecretValues"]] == ["1", "2"]
    assert [(e["SecretId"], e["ErrorCode"]) for e in answer["Errors"]] == [("nowhere", "ResourceNotFoundException")]
    filters = [{"Key": "description", "Values": ["batched"]}]
    for wrong in ({}, {"SecretIdList": [one.name], "Filters": filters}, {"SecretIdList": [one.name], "MaxResults": 1}):
        with refused("InvalidParameterException"):
            batch(**wrong)
    with refused("ValidationException", "secretIdList"):
        batch(SecretIdList=[one.name] * 21)
    with refused("ValidationException", "maxResults"):
        batch(Filters=filters, MaxResults=21)


@verified(api("BatchGetSecretValue"))
def test_batches_by_filter_come_in_pages(make_secret: MakeSecret, aws: Sandbox) -> None:
    made = {make_secret(str(number), Description="paged").arn for number in range(3)}
    batch, filters = aws.client("secretsmanager").batch_get_secret_value, [{"Key": "description", "Values": ["paged"]}]
    first = batch(Filters=filters, MaxResults=2)
    second = batch(Filters=filters, MaxResults=2, NextToken=first["NextToken"])
    assert {value["ARN"] for value in first["SecretValues"] + second["SecretValues"]} == made
    assert "NextToken" not in second


@verified(guide("rotate-secrets_lambda-functions"))
def test_the_function_is_shown_until_rotation_is_cancelled_and_after(secret: Secret, template: Function) -> None:
    secret.rotated(template)
    client = secret.aws.client("secretsmanager")
    client.cancel_rotate_secret(SecretId=secret.arn)
    described = client.describe_secret(SecretId=secret.arn)
    assert (described["RotationEnabled"], described["RotationLambdaARN"]) == (False, template.arn)
