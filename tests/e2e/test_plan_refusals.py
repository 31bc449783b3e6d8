"""Mistakes that only a real plan can see are refused there, with the way to do it right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sandbox.client import Sandbox
from scripts.terraform import Terraform, TerraformError

CONFIGURATION = """
provider "aws" {}

module "rotation" {
  source  = "../.."
  name    = "refused"
  secrets = {
    region  = "arn:aws:secretsmanager:ap-south-2:000000000000:secret:app-AbCdEf"
    account = "arn:aws:secretsmanager:${data.aws_region.here.name}:999999999999:secret:app-AbCdEf"
  }
}

data "aws_region" "here" {}
"""


def test_a_secret_of_another_region_or_account_is_refused_at_plan(
    aws: Sandbox, environment: dict[str, str], tree: Path, tmp_path: Path
) -> None:
    directory = tree / "examples" / "refused"
    directory.mkdir()
    (directory / "main.tf").write_text(CONFIGURATION)
    terraform = Terraform(directory, {**environment, **aws.environment}, tmp_path)
    terraform.init()
    with pytest.raises(TerraformError) as refused:
        terraform.plan()
    message = re.sub(r"\s+", " ", refused.value.output)
    assert 'secrets["region"] is in ap-south-2' in message
    assert 'secrets["account"] is in the account 999999999999' in message
    assert "call the module once for each region" in message
