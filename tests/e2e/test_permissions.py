"""The deployer's policy of docs/security.md is enough to apply; the function's role serves the secrets of its call."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
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


def deployer(aws: Sandbox, allowed: dict[str, Any]) -> dict[str, str]:
    """The environment of a user with this policy, and with what the sandbox's emulator asks for instead."""
    allowed["Statement"].append({"Effect": "Allow", "Action": INSTEAD, "Resource": "*"})
    iam = aws.client("iam")
    iam.create_user(UserName="deployer")
    iam.put_user_policy(UserName="deployer", PolicyName="deployer", PolicyDocument=json.dumps(allowed))
    key = iam.create_access_key(UserName="deployer")["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


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
