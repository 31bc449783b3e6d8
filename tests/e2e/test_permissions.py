"""The deployer's policy of docs/security.md is enough to apply; the function's role serves the secrets of its call."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rotation_lab.sandbox.client import Sandbox
from tests.e2e.stack import applied
from tools.dev.attached import aws_provider
from tools.dev.providers import ROOT
from tools.dev.terraform import Terraform

NAME = "app-credentials"
"""The call of the page's policy."""
INSTEAD = ["lambda:CreateFunction", "lambda:ListLayers"]
"""What the emulator asks for on `*`. AWS asks for CreateFunction on the function's ARN, and for GetLayerVersion where
the provider reads a layer by its ARN; the page's policy has both."""
CONFIGURATION = """
provider "aws" {}

module "rotation" {
  source   = "../.."
  name     = "app-credentials"
  secrets  = { app = "%(app)s" }
  schedule = %(schedule)s
  tags     = { team = "a" }
}
"""


@dataclass
class Deployed:
    """A call that is applied with the deployer's policy alone."""

    aws: Sandbox
    terraform: Terraform
    app: str

    def write(self, schedule: str) -> None:
        text = CONFIGURATION % {"app": self.app, "schedule": schedule}
        (self.terraform.directory / "main.tf").write_text(text)

    def rotate(self, secret: str) -> dict[str, Any]:
        """The sandbox's state of a secret that this function has been asked to rotate."""
        self.aws.client("secretsmanager").rotate_secret(
            SecretId=secret,
            RotationLambdaARN=self.aws.client("lambda").get_function(FunctionName=NAME)["Configuration"]["FunctionArn"],
            RotationRules={"AutomaticallyAfterDays": 30},
        )
        return self.aws.settle(secret)


def policy(region: str) -> dict[str, Any]:
    """The page's policy, for the sandbox's region."""
    (text,) = re.findall(r"```json\n(.*?)```", (ROOT / "docs/security.md").read_text(), re.DOTALL)
    return dict(json.loads(text.replace("eu-west-1", region)))


def user(aws: Sandbox, name: str, *statements: Any) -> dict[str, str]:
    """The credentials of a new user with these statements and nothing else, as boto3 names them."""
    iam = aws.client("iam")
    iam.create_user(UserName=name)
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}


def allow(resource: str, *actions: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


def deployer(aws: Sandbox, allowed: dict[str, Any]) -> dict[str, str]:
    """The environment of a user with this policy, and with what the sandbox's emulator asks for instead."""
    key = user(aws, "deployer", *allowed["Statement"], allow("*", *INSTEAD))
    return {name.upper(): value for name, value in key.items()}


@pytest.fixture(scope="module")
def deployed(
    aws: Sandbox, environment: dict[str, str], tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    app = aws.client("secretsmanager").create_secret(Name="app-one")["ARN"]
    directory = tree / "examples/deployer"
    directory.mkdir()
    user = deployer(aws, policy(aws.client("lambda").meta.region_name))
    terraform = Terraform(directory, {**environment, **aws.environment, **user}, tmp_path_factory.mktemp("deployer"))
    deployed = Deployed(aws, terraform, app)
    deployed.write('{ expression = "rate(10 days)" }')
    terraform.init()
    with aws_provider(terraform):
        terraform.apply()
        yield deployed
        terraform.destroy()


def test_the_deployer_s_policy_is_enough_to_apply_and_to_change(deployed: Deployed) -> None:
    """With a change of which the provider once kept the former value (hashicorp/terraform-provider-aws#34188)."""
    deployed.write("{ days = 5 }")
    deployed.terraform.apply()
    assert deployed.terraform.plan() is False
    about = deployed.aws.client("secretsmanager").describe_secret(SecretId=deployed.app)
    assert about["RotationRules"] == {"AutomaticallyAfterDays": 5}
    assert deployed.aws.settle(deployed.app)["result"] == "ok"


def test_a_secret_that_names_the_function_and_is_not_in_its_call_is_not_served(deployed: Deployed) -> None:
    manager = deployed.aws.client("secretsmanager")
    foreign = manager.create_secret(Name="team/foreign", SecretString="its-first-value")["ARN"]
    assert "AccessDenied" in deployed.rotate(foreign)["result"]
    assert manager.get_secret_value(SecretId=foreign)["SecretString"] == "its-first-value"


# The output secret_policy.


def administrator(aws: Sandbox, name: str) -> tuple[str, Any]:
    """A user that may do everything with secrets: its ARN and its client."""
    iam = aws.client("iam")
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    allowed = {"Effect": "Allow", "Action": "secretsmanager:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    credentials = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    return arn, aws.client("secretsmanager", **credentials)


def test_the_policy_for_secrets_denies_values_to_an_administrator_and_not_to_rotation(
    aws: Sandbox, environment: dict[str, str], tree: Path, tmp_path: Path
) -> None:
    (_, other), (reader_arn, reader), (writer_arn, writer) = (
        administrator(aws, name) for name in ("one", "two", "three")
    )
    arn = aws.client("secretsmanager").create_secret(Name="policy/app", SecretString="first")["ARN"]
    call = {
        "source": "../..",
        "name": "secret-policy",
        "secrets": {"app": arn},
        "role": {"path": "/rotation/"},
        "secret_policy": {"readers": [reader_arn], "writers": [writer_arn]},
    }
    policy = {"secret_arn": arn, "policy": "${module.rotation.secret_policy}"}
    configuration = {
        "provider": {"aws": {}},
        "module": {"rotation": call},
        "resource": {"aws_secretsmanager_secret_policy": {"app": policy}},
        "output": {"secret_arn": {"value": arn}, "function_name": {"value": "secret-policy"}},
    }
    directory = tree / "examples/secret-policy"
    directory.mkdir()
    (directory / "main.tf.json").write_text(json.dumps(configuration))
    with applied(directory, aws, environment, tmp_path) as stack:
        assert not stack.terraform.plan()
        assert stack.rotate()["result"] == "ok"
        for allowed in (reader, writer):
            assert allowed.get_secret_value(SecretId=arn)["SecretString"] != "first"
        for denied in (other, reader):
            with pytest.raises(ClientError, match="AccessDenied"):
                denied.put_secret_value(SecretId=arn, SecretString="x")
        with pytest.raises(ClientError, match="AccessDenied"):
            other.get_secret_value(SecretId=arn)
        writer.put_secret_value(SecretId=arn, SecretString="by-the-writer")
        assert stack.rotate()["result"] == "ok"
        assert other.delete_resource_policy(SecretId=arn)  # the way out, for whoever applies
        assert other.get_secret_value(SecretId=arn)


# Who can do what (docs/security.md).

THIEF = """
import boto3, hashlib
def handler(event, context):
    value = boto3.client("secretsmanager", endpoint_url=%r).get_secret_value(SecretId=event["secret"])["SecretString"]
    return hashlib.sha256(value.encode()).hexdigest()
"""
"""Code that shows that it can read a value, and not the value."""


def thief(aws: Sandbox) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("lambda_function.py", (THIEF % aws.endpoint).replace("def handler", "def lambda_handler"))
    return buffer.getvalue()


def is_read(deployed: Deployed, function: Any, name: str) -> bool:
    """Whether the function, which has the thief's code, gets the value of the secret."""
    answer = function.invoke(FunctionName=name, Payload=json.dumps({"secret": deployed.app}))["Payload"].read()
    value = deployed.aws.client("secretsmanager").get_secret_value(SecretId=deployed.app)["SecretString"]
    return hashlib.sha256(value.encode()).hexdigest() in answer.decode()


def test_a_reader_reads_one_secret_and_starts_nothing(deployed: Deployed) -> None:
    other = deployed.aws.client("secretsmanager").create_secret(Name="other", SecretString="of-others")["ARN"]
    key = user(deployed.aws, "reader", allow(deployed.app, "secretsmanager:GetSecretValue"))
    manager = deployed.aws.client("secretsmanager", **key)
    assert manager.get_secret_value(SecretId=deployed.app)["SecretString"]
    refusals: list[Callable[[], object]] = [
        lambda: manager.get_secret_value(SecretId=other),
        lambda: manager.rotate_secret(SecretId=deployed.app),
        lambda: manager.put_secret_value(SecretId=deployed.app, SecretString="chosen"),
        lambda: deployed.aws.client("lambda", **key).invoke(FunctionName=NAME, Payload="{}"),
    ]
    for refused in refusals:
        with pytest.raises(ClientError, match="AccessDenied"):
            refused()


def test_whoever_starts_a_rotation_changes_no_settings_of_the_function(deployed: Deployed) -> None:
    function = deployed.aws.client("lambda").get_function(FunctionName=NAME)["Configuration"]["FunctionArn"]
    start = allow(deployed.app, "secretsmanager:RotateSecret")
    key = user(deployed.aws, "starter", start, allow(function, "lambda:InvokeFunction"))
    manager, functions = deployed.aws.client("secretsmanager", **key), deployed.aws.client("lambda", **key)
    manager.rotate_secret(SecretId=deployed.app)
    assert deployed.aws.settle(deployed.app)["result"] == "ok"
    refusals: list[Callable[[], object]] = [
        lambda: functions.update_function_configuration(FunctionName=NAME, Timeout=1),
        lambda: functions.update_function_code(FunctionName=NAME, ZipFile=thief(deployed.aws)),
        lambda: manager.get_secret_value(SecretId=deployed.app),
    ]
    for refused in refusals:
        with pytest.raises(ClientError, match="AccessDenied"):
            refused()


def test_whoever_changes_the_function_s_code_reads_its_secrets(deployed: Deployed) -> None:
    root = deployed.aws.client("lambda")
    function = root.get_function(FunctionName=NAME)["Configuration"]["FunctionArn"]
    key = user(deployed.aws, "changer", allow(function, "lambda:UpdateFunctionCode", "lambda:InvokeFunction"))
    changer = deployed.aws.client("lambda", **key)
    changer.update_function_code(FunctionName=NAME, ZipFile=thief(deployed.aws))
    assert is_read(deployed, changer, NAME)
    root.update_function_code(FunctionName=NAME, ZipFile=(ROOT / "bootstrap/function.zip").read_bytes())
    assert deployed.terraform.plan() is False


def test_whoever_passes_the_role_to_a_function_reads_its_secrets(deployed: Deployed) -> None:
    """The sandbox's emulator lets anybody pass a role who may create a function; AWS asks for iam:PassRole."""
    role = deployed.aws.client("lambda").get_function(FunctionName=NAME)["Configuration"]["Role"]
    create = allow("*", "lambda:CreateFunction", "lambda:InvokeFunction")
    passer = deployed.aws.client("lambda", **user(deployed.aws, "passer", create, allow(role, "iam:PassRole")))
    passer.create_function(
        FunctionName="theirs",
        Runtime="python3.13",
        Handler="lambda_function.lambda_handler",
        Role=role,
        Code={"ZipFile": thief(deployed.aws)},
    )
    assert is_read(deployed, passer, "theirs")
    deployed.aws.client("lambda").delete_function(FunctionName="theirs")
