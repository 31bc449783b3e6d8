"""The recipes of docs/changes.md: what is renamed or moved rotates on, and not at once; what exists is taken over."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rotation_lab.sandbox.client import Sandbox
from tools.dev.attached import aws_provider
from tools.dev.providers import ROOT
from tools.dev.terraform import Terraform

RECIPES = re.findall(r"```hcl\n(.*?)```", (ROOT / "docs/changes.md").read_text(), re.DOTALL)
PROVIDER = 'provider "aws" {}\n'
BEFORE = """
module "first" {
  source  = "../.."
  name    = "moves-first"
  secrets = { renamed = "%(one)s", moved = "%(two)s" }
}

module "second" {
  source  = "../.."
  name    = "moves-second"
  secrets = {}
}
"""
AFTER = """
module "credentials" {
  source  = "../.."
  name    = "moves-first"
  secrets = { app = "%(one)s" }
}

module "second" {
  source  = "../.."
  name    = "moves-second"
  secrets = { moved = "%(two)s" }
}
"""


@dataclass
class Moves:
    """Two secrets, and the configuration that rotates them."""

    aws: Sandbox
    terraform: Terraform
    one: str
    two: str

    def write(self, text: str) -> None:
        text = text.replace("%(one)s", self.one).replace("%(two)s", self.two)
        (self.terraform.directory / "main.tf").write_text(PROVIDER + text)

    def versions(self) -> list[str]:
        """The current version of each."""
        found = []
        for secret in (self.one, self.two):
            self.aws.settle(secret)
            about = self.aws.client("secretsmanager").describe_secret(SecretId=secret)
            assert about["RotationEnabled"]
            found += [version for version, labels in about["VersionIdsToStages"].items() if "AWSCURRENT" in labels]
        return found


@pytest.fixture(scope="module")
def moves(
    aws: Sandbox, environment: dict[str, str], tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Moves]:
    one, two = (aws.client("secretsmanager").create_secret(Name=f"moves/{name}")["ARN"] for name in ("one", "two"))
    aws.client("logs").create_log_group(logGroupName="/aws/lambda/moves-first")
    trust = {"Version": "2012-10-17", "Statement": []}
    aws.client("iam").create_role(RoleName="moves-first", AssumeRolePolicyDocument=json.dumps(trust))
    directory = tree / "examples/moves"
    directory.mkdir()
    terraform = Terraform(directory, {**environment, **aws.environment}, tmp_path_factory.mktemp("moves"))
    moves = Moves(aws, terraform, one, two)
    moves.write(BEFORE + _recipe("aws_cloudwatch_log_group"))
    terraform.init()
    with aws_provider(terraform):
        terraform.apply()
        yield moves
        terraform.destroy()


def _recipe(word: str) -> str:
    """The only recipe with a word, with the names of this test."""
    (found,) = [recipe for recipe in RECIPES if word in recipe]
    return str(found)


def test_a_log_group_that_exists_is_taken_over(moves: Moves) -> None:
    (group,) = moves.aws.client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/moves-first")["logGroups"]
    assert group["retentionInDays"] == 30


def test_a_role_that_exists_is_taken_over(moves: Moves) -> None:
    iam = moves.aws.client("iam")
    assert iam.list_role_policies(RoleName="moves-first")["PolicyNames"] == ["rotation"]
    assert "lambda.amazonaws.com" in str(iam.get_role(RoleName="moves-first")["Role"]["AssumeRolePolicyDocument"])


def test_renamed_and_moved_secrets_do_not_rotate_at_once_and_rotation_stays_on(moves: Moves) -> None:
    before = moves.versions()
    recipes = [recipe for recipe in RECIPES if recipe.startswith("moved")]
    assert len(recipes) == 3
    moves.write(AFTER + "\n".join(recipes))
    moves.terraform.init()
    moves.terraform.plan(out=moves.terraform.state_path.parent / "plan")
    changes = moves.terraform.show(moves.terraform.state_path.parent / "plan")["resource_changes"]
    done = {
        c["address"]: c["change"]["actions"] for c in changes if c["change"]["actions"] not in (["no-op"], ["read"])
    }
    assert done == {
        'module.second.aws_secretsmanager_secret_rotation.this["moved"]': ["update"],
        # They list the secrets.
        "module.credentials.aws_iam_role_policy.function[0]": ["update"],
        "module.second.aws_iam_role_policy.function[0]": ["update"],
        # They ask about other secrets than before.
        "module.credentials.aws_lambda_invocation.verify[0]": ["delete", "create"],
        "module.second.aws_lambda_invocation.verify[0]": ["create"],
    }
    moves.terraform.apply()
    assert moves.versions()[0] == before[0]
    assert moves.terraform.plan() is False


def test_a_rotation_that_exists_and_is_imported_does_not_rotate_at_once(moves: Moves) -> None:
    before = moves.versions()
    address = 'module.credentials.aws_secretsmanager_secret_rotation.this["app"]'
    moves.terraform.run("state", "rm", f"-state={moves.terraform.state_path}", address)
    moves.write(AFTER + re.sub(r"arn:[^\"]+", moves.one, _recipe(address)))
    assert "1 imported" in moves.terraform.apply()
    assert moves.versions() == before
    assert moves.terraform.plan() is False
