"""Users, access keys, sessions and key pairs: what targets and generators rely on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

from rotation_lab.sandbox.client import Sandbox
from tests.lab.evidence import docs, only_here, verified

pytestmark = [
    verified(
        docs("IAM/latest/UserGuide/id_credentials_access-keys.html"), docs("kms/latest/developerguide/data-keys.html")
    ),
    only_here("users of its own"),
]


def identity(aws: Sandbox, key: dict[str, Any], service: str = "sts") -> Any:
    """Calls a service with this key; returns the caller's ARN for sts."""
    client = aws.client(
        service,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        aws_session_token=key.get("SessionToken"),
    )
    try:
        return client.get_caller_identity()["Arn"] if service == "sts" else client.list_secrets()
    finally:
        client.close()


def make_user(aws: Sandbox, name: str) -> dict[str, Any]:
    aws.client("iam").create_user(UserName=name)
    return dict(aws.client("iam").create_access_key(UserName=name)["AccessKey"])


def test_an_access_key_is_its_user(aws: Sandbox) -> None:
    assert identity(aws, make_user(aws, "alice")) == "arn:aws:iam::123456789012:user/alice"


def test_a_deleted_or_inactive_key_is_refused(aws: Sandbox) -> None:
    key, iam = make_user(aws, "bob"), aws.client("iam")
    which = {"UserName": "bob", "AccessKeyId": key["AccessKeyId"]}
    iam.update_access_key(**which, Status="Inactive")
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        identity(aws, key)
    iam.update_access_key(**which, Status="Active")
    identity(aws, key)
    iam.delete_access_key(**which)
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        identity(aws, key)
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        identity(aws, key, "secretsmanager")


def test_a_wrong_secret_key_is_refused(aws: Sandbox) -> None:
    key = make_user(aws, "carol")
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        identity(aws, {**key, "SecretAccessKey": "x" * 40})


def test_a_user_has_at_most_two_keys(aws: Sandbox) -> None:
    first, iam = make_user(aws, "dave"), aws.client("iam")
    second = iam.create_access_key(UserName="dave")["AccessKey"]
    with pytest.raises(ClientError, match="LimitExceeded"):
        iam.create_access_key(UserName="dave")
    listed = iam.list_access_keys(UserName="dave")["AccessKeyMetadata"]
    assert [key["AccessKeyId"] for key in listed] == [first["AccessKeyId"], second["AccessKeyId"]]
    assert {key["Status"] for key in listed} == {"Active"}
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.list_access_keys(UserName="nobody")


def test_another_user_s_key_cannot_be_deleted_by_mistake(aws: Sandbox) -> None:
    key = make_user(aws, "erin")
    make_user(aws, "frank")
    with pytest.raises(ClientError, match="NoSuchEntity"):
        aws.client("iam").delete_access_key(UserName="frank", AccessKeyId=key["AccessKeyId"])
    identity(aws, key)


def test_a_role_is_assumed_by_whom_it_trusts(aws: Sandbox) -> None:
    trusted, other = make_user(aws, "grace"), make_user(aws, "heidi")
    principal = {"AWS": "arn:aws:iam::123456789012:user/grace"}
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    allow = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    for user in ("grace", "heidi"):
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        aws.client("iam").put_user_policy(UserName=user, PolicyName="p", PolicyDocument=policy)
    role = aws.client("iam").create_role(RoleName="reader", AssumeRolePolicyDocument=document)["Role"]["Arn"]

    def assume(key: dict[str, Any]) -> dict[str, Any]:
        options = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
        client = aws.client("sts", **options)
        try:
            return dict(client.assume_role(RoleArn=role, RoleSessionName="session")["Credentials"])
        finally:
            client.close()

    session = assume(trusted)
    assert identity(aws, session) == "arn:aws:sts::123456789012:assumed-role/reader/session"
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        identity(aws, {**session, "SessionToken": "another"})
    with pytest.raises(ClientError, match="AccessDenied"):
        assume(other)


@pytest.mark.parametrize("spec", ["RSA_2048", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1"])
def test_kms_makes_key_pairs_whose_halves_fit(spec: str, aws: Sandbox) -> None:
    kms = aws.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    made = kms.generate_data_key_pair(KeyId=key, KeyPairSpec=spec)
    private: Any = load_der_private_key(made["PrivateKeyPlaintext"], None)
    public: Any = load_der_public_key(made["PublicKey"])
    assert private.public_key().public_numbers() == public.public_numbers()
    decrypted = kms.decrypt(KeyId=key, CiphertextBlob=made["PrivateKeyCiphertextBlob"])["Plaintext"]
    assert decrypted == made["PrivateKeyPlaintext"]


def test_key_pairs_need_permission(aws: Sandbox) -> None:
    owner = make_user(aws, "ivan")
    key = aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    options = {"aws_access_key_id": owner["AccessKeyId"], "aws_secret_access_key": owner["SecretAccessKey"]}
    client = aws.client("kms", **options)
    with pytest.raises(ClientError, match="AccessDeniedException"):
        client.generate_data_key_pair(KeyId=key, KeyPairSpec="ECC_NIST_P256")
    allow = {"Effect": "Allow", "Action": "kms:GenerateDataKeyPair", "Resource": key}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    aws.client("iam").put_user_policy(UserName="ivan", PolicyName="p", PolicyDocument=document)
    client.generate_data_key_pair(KeyId=key, KeyPairSpec="ECC_NIST_P256")
    client.close()


@verified(docs("IAM/latest/UserGuide/access_policies_managed-vs-inline.html"))
def test_a_policy_of_aws_that_is_unknown_cannot_be_attached(aws: Sandbox) -> None:
    iam, known = aws.client("iam"), "arn:aws:iam::aws:policy/"
    iam.create_role(RoleName="managed", AssumeRolePolicyDocument="{}")
    for name in (
        "service-role/AWSLambdaBasicExecutionRole",
        "service-role/AWSLambdaVPCAccessExecutionRole",
        "SecretsManagerReadWrite",
    ):
        iam.attach_role_policy(RoleName="managed", PolicyArn=known + name)
        assert iam.get_policy(PolicyArn=known + name)["Policy"]["Arn"] == known + name
    for call in (iam.attach_role_policy, iam.detach_role_policy):
        with pytest.raises(ClientError, match="NoSuchEntity"):
            call(RoleName="managed", PolicyArn=known + "SecretsManagerReadWrit")


@verified(docs("IAM/latest/UserGuide/id_tags.html"), docs("IAM/latest/APIReference/API_Tag.html"))
@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ({"team": "R&D"}, "ValidationError"),
        ({"a<b": ""}, "ValidationError"),
        ({"k" * 129: ""}, "ValidationError"),
        ({"k": "v" * 257}, "ValidationError"),
        ({"aws:mine": ""}, "InvalidInput"),
        ({"same": "", "Same": ""}, "InvalidInput"),
        ({f"k{number}": "" for number in range(51)}, "LimitExceeded"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_tags_that_iam_refuses(tags: dict[str, str], code: str, aws: Sandbox) -> None:
    given = [{"Key": key, "Value": value} for key, value in tags.items()]
    with pytest.raises(ClientError, match=rf"\({code}"):
        aws.client("iam").create_role(RoleName="tagged", AssumeRolePolicyDocument="{}", Tags=given)


@verified(docs("AWSEC2/latest/UserGuide/Using_Tags.html"))
def test_an_ampersand_in_a_tag_of_a_security_group(aws: Sandbox) -> None:
    ec2 = aws.client("ec2")
    group = ec2.create_security_group(GroupName="R&D", Description="R&D")["GroupId"]
    ec2.create_tags(Resources=[group], Tags=[{"Key": "team", "Value": "R&D"}])
    [found] = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    assert (found["GroupName"], found["Tags"]) == ("R&D", [{"Key": "team", "Value": "R&D"}])


@verified(docs("AmazonCloudWatchLogs/latest/APIReference/API_DisassociateKmsKey.html"))
def test_a_log_group_gets_a_key_and_loses_it(aws: Sandbox) -> None:
    logs, key = aws.client("logs"), aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    logs.create_log_group(logGroupName="keyed")
    logs.associate_kms_key(logGroupName="keyed", kmsKeyId=key)
    [group] = logs.describe_log_groups(logGroupNamePrefix="keyed")["logGroups"]
    assert group["kmsKeyId"] == key
    logs.disassociate_kms_key(logGroupName="keyed")
    [group] = logs.describe_log_groups(logGroupNamePrefix="keyed")["logGroups"]
    assert "kmsKeyId" not in group
