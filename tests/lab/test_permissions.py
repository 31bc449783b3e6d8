"""IAM: the function's resource policy, its role, condition keys, KMS."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rotation_lab.sandbox.client import Sandbox
from tests.lab.conftest import LOGS, PASSWORDS, SECRETS, Function, Secret, permit
from tests.lab.evidence import api, docs, guide, only_here, recorded, verified

pytestmark = only_here("roles that it changes, which take effect at once")

Make = Callable[..., Function]
ACCOUNT = "123456789012"


@pytest.fixture(scope="module")
def function(make_function: Make) -> Function:
    """A function that Secrets Manager may call; tests change its role."""
    return make_function(permission={})


@verified(guide("rotating-secrets-required-permissions-function"), recorded("test_rotate_secret_invalid_lambda_arn"))
def test_secrets_manager_needs_a_permission_of_the_function(secret: Secret, make_function: Make) -> None:
    with pytest.raises(ClientError, match=r"AccessDeniedException.*cannot invoke the specified Lambda function"):
        secret.rotate(make_function())
    assert "AWSPENDING" not in str(secret.stages())


@verified(guide("rotating-secrets-required-permissions-function"))
@pytest.mark.parametrize(
    ("conditions", "allowed"),
    [
        ({"SourceAccount": ACCOUNT}, True),
        ({"SourceAccount": "210987654321"}, False),
        ({"SourceArn": "{secret}"}, True),
        ({"SourceArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:other-*"}, False),
        ({"SourceAccount": ACCOUNT, "SourceArn": "{secret}"}, True),
        ({"Principal": "lambda.amazonaws.com"}, False),
        ({"Action": "lambda:GetFunction"}, False),
    ],
    ids=str,
)
def test_the_conditions_of_the_permission_hold(
    conditions: dict[str, str], allowed: bool, secret: Secret, make_function: Make
) -> None:
    function = make_function("def lambda_handler(event, context):\n    pass\n")
    permit(function, **{name: text.format(secret=secret.arn) for name, text in conditions.items()})
    if allowed:
        secret.rotate(function)
        secret.settle()
        return
    with pytest.raises(ClientError, match=r"AccessDeniedException"):
        secret.rotate(function)


@verified(guide("rotating-secrets-required-permissions-function"))
def test_a_permission_that_is_removed_fails_the_next_step(secret: Secret, make_function: Make, aws: Sandbox) -> None:
    function = make_function(permission={})
    secret.rotated(function)
    aws.client("lambda").remove_permission(FunctionName=function.name, StatementId="SecretsManager")
    with pytest.raises(ClientError, match="AccessDeniedException"):
        secret.rotate()


@verified(guide("rotating-secrets-required-permissions-function"))
@pytest.mark.parametrize(
    ("action", "step"),
    [
        ("DescribeSecret", "createSecret"),
        ("GetSecretValue", "createSecret"),
        ("GetRandomPassword", "createSecret"),
        ("PutSecretValue", "createSecret"),
        ("UpdateSecretVersionStage", "finishSecret"),
    ],
)
def test_each_action_that_the_role_lacks_fails_the_step(
    action: str, step: str, secret: Secret, function: Function
) -> None:
    actions = [name for name in SECRETS["Action"] if not name.endswith(action)]
    passwords = [] if action == "GetRandomPassword" else [PASSWORDS]
    function.allow({**SECRETS, "Action": actions}, LOGS, *passwords)
    result = secret.rotated(function)["result"]
    assert result.startswith(f"{step}: ClientError: ")
    assert "AccessDeniedException" in result
    assert f"secretsmanager:{action}" in result
    assert secret.value() == "initial"


@verified(docs("service-authorization/latest/reference/list_awssecretsmanager.html"))
@pytest.mark.parametrize(
    ("condition", "allowed"),
    [
        ({"StringEquals": {"secretsmanager:resource/AllowRotationLambdaArn": "{function}"}}, True),
        ({"StringEquals": {"secretsmanager:resource/AllowRotationLambdaArn": "{function}x"}}, False),
        ({"StringEquals": {"secretsmanager:ResourceTag/team": "a"}}, True),
        ({"StringEquals": {"secretsmanager:ResourceTag/team": "b"}}, False),
        ({"StringLike": {"secretsmanager:SecretId": "arn:aws:secretsmanager:*"}}, True),
        ({"StringEquals": {"aws:ResourceTag/team": "a"}}, True),
        ({"ArnEquals": {"lambda:SourceFunctionArn": "{function}"}}, True),
        ({"ArnEquals": {"lambda:SourceFunctionArn": "{function}x"}}, False),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}}, True),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:sts::*:assumed-role/*"}}, False),
    ],
    ids=str,
)
def test_condition_keys(
    condition: dict[str, Any], allowed: bool, make_secret: Callable[..., Secret], function: Function
) -> None:
    secret = make_secret(Tags=[{"Key": "team", "Value": "a"}])
    filled = json.loads(json.dumps(condition).replace("{function}", function.arn))
    function.allow({**SECRETS, "Condition": filled}, PASSWORDS, LOGS)
    assert (secret.rotated(function)["result"] == "ok") is allowed


@verified(docs("service-authorization/latest/reference/list_awssecretsmanager.html"))
def test_the_rotation_condition_grants_only_the_function_s_own_secrets(
    secret: Secret, make_secret: Callable[..., Secret], function: Function, make_function: Make
) -> None:
    source = """
import boto3
def lambda_handler(event, context):
    return boto3.client("secretsmanager").get_secret_value(SecretId=event["id"])["SecretString"]
"""
    reader = make_function(source)
    condition = {"StringEquals": {"secretsmanager:resource/AllowRotationLambdaArn": reader.arn}}
    reader.allow({**SECRETS, "Condition": condition}, LOGS)
    assert reader.invoke({"id": secret.name})["payload"]["errorType"] == "ClientError"
    other = make_secret()
    permit(reader)
    other.rotated(reader, RotateImmediately=False)
    assert reader.invoke({"id": other.arn})["payload"] == "initial"


@verified(docs("service-authorization/latest/reference/list_awssecretsmanager.html"))
def test_version_conditions(secret: Secret, function: Function) -> None:
    condition = {"StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}}
    get = {"Action": "secretsmanager:GetSecretValue", "Resource": "*", "Condition": condition}
    others = [name for name in SECRETS["Action"] if not name.endswith("GetSecretValue")]
    function.allow(get, {"Action": others, "Resource": "*"}, PASSWORDS, LOGS)
    assert "secretsmanager:GetSecretValue" in secret.rotated(function)["result"]  # of the pending version


@pytest.fixture(scope="module")
def key(aws: Sandbox) -> str:
    """A customer managed key whose policy leaves the decision to IAM."""
    root = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [root]})
    return str(aws.client("kms").create_key(Policy=policy)["KeyMetadata"]["Arn"])


@verified(guide("security-encryption"))
@pytest.mark.parametrize(
    ("actions", "context", "allowed"),
    [
        ([], "*", False),
        (["kms:Decrypt"], "*", False),
        (["kms:GenerateDataKey"], "*", False),
        (["kms:Decrypt", "kms:GenerateDataKey"], "*", True),
        (["kms:Decrypt", "kms:GenerateDataKey"], "arn:aws:secretsmanager:us-east-1:123456789012:secret:*", True),
        (["kms:Decrypt", "kms:GenerateDataKey"], "arn:aws:secretsmanager:us-east-1:123456789012:secret:x*", False),
    ],
    ids=str,
)
def test_a_customer_managed_key_must_be_allowed_to_the_role(
    actions: list[str], context: str, allowed: bool, key: str, make_secret: Callable[..., Secret], function: Function
) -> None:
    secret = make_secret(KmsKeyId=key)
    condition = {
        "StringLike": {
            "kms:EncryptionContext:SecretARN": context,
            "kms:ViaService": "secretsmanager.*.amazonaws.com",
        }
    }
    kms = [{"Action": actions, "Resource": key, "Condition": condition}] if actions else []
    function.allow(SECRETS, PASSWORDS, LOGS, *kms)
    result = secret.rotated(function)["result"]
    assert result == "ok" if allowed else "Access to KMS is not allowed" in result


@verified(api("GetSecretValue"))
def test_a_disabled_key_hides_the_value(make_secret: Callable[..., Secret], aws: Sandbox) -> None:
    kms = aws.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    secret = make_secret(KmsKeyId=key)
    kms.disable_key(KeyId=key)
    with pytest.raises(ClientError, match="DecryptionFailure"):
        secret.value()
    with pytest.raises(ClientError, match="EncryptionFailure"):
        secret.put("two")


@verified(api("RotateSecret"))
def test_who_turns_rotation_on_must_be_allowed_to_invoke_the_function(
    secret: Secret, template: Function, aws: Sandbox
) -> None:
    iam = aws.client("iam")
    iam.create_user(UserName="operator")
    statement: dict[str, Any] = {"Effect": "Allow", "Action": ["secretsmanager:RotateSecret"], "Resource": "*"}
    issued = iam.create_access_key(UserName="operator")["AccessKey"]
    client = aws.client(
        "secretsmanager",
        aws_access_key_id=issued["AccessKeyId"],
        aws_secret_access_key=issued["SecretAccessKey"],
    )

    def grant() -> None:
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName="operator", PolicyName="p", PolicyDocument=document)

    grant()
    with pytest.raises(ClientError, match="lambda:InvokeFunction"):
        client.rotate_secret(SecretId=secret.name, RotationLambdaARN=template.arn)
    statement["Action"].append("lambda:InvokeFunction")
    grant()
    client.rotate_secret(SecretId=secret.name, RotationLambdaARN=template.arn)
    assert secret.settle()["result"] == "ok"
    client.close()


@verified(docs("lambda/latest/dg/lambda-intro-execution-role.html"))
def test_a_role_that_lambda_may_not_assume_is_refused(aws: Sandbox) -> None:
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = aws.client("iam").create_role(RoleName="not-for-lambda", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    with pytest.raises(ClientError, match="cannot be assumed by Lambda"):
        aws.client("lambda").create_function(
            FunctionName="never", Role=role, Runtime="python3.11", Handler="a.b", Code={"ZipFile": b""}
        )


@verified(docs("lambda/latest/dg/configuration-vpc.html"))
def test_a_function_in_a_network_needs_a_role_that_may_make_interfaces(make_function: Make, aws: Sandbox) -> None:
    ec2 = aws.client("ec2")
    network = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=network, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="g", Description="d", VpcId=network)["GroupId"]
    function = make_function("def lambda_handler(event, context):\n    return 1\n")
    settings = {"SubnetIds": [subnet], "SecurityGroupIds": [group]}
    with pytest.raises(ClientError, match="CreateNetworkInterface on EC2"):
        function.configure(VpcConfig=settings)
    actions = [f"ec2:{name}NetworkInterface{end}" for name, end in (("Create", ""), ("Describe", "s"), ("Delete", ""))]
    function.allow({"Action": actions, "Resource": "*"}, LOGS)
    function.configure(VpcConfig=settings)
    assert function.invoke()["payload"] == 1


@verified(docs("IAM/latest/UserGuide/reference_iam-quotas.html"), docs("lambda/latest/dg/gettingstarted-limits.html"))
def test_policies_have_aws_s_sizes(make_function: Make, aws: Sandbox) -> None:
    function = make_function()
    with pytest.raises(ClientError, match=r"LimitExceeded.*10240"):
        function.allow({"Action": "s3:GetObject", "Resource": [f"arn:aws:s3:::{'x' * 100}{n}" for n in range(100)]})
    for number in range(30):
        permit(function, statement=f"S{number}", SourceArn=f"arn:aws:secretsmanager:::{'x' * 300}")
    with pytest.raises(ClientError, match="PolicyLengthExceededException"):
        permit(function, statement="last", SourceArn=f"arn:aws:secretsmanager:::{'x' * 8000}")
