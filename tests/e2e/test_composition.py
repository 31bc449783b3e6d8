"""The module among others: beside a module that makes the secret, by count and alias, in odd places, in workspaces."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rotation_lab.sandbox.client import Sandbox
from tests.e2e.stack import applied
from tools.dev.providers import ROOT
from tools.dev.terraform import Terraform

CONFIGURATION = """
provider "aws" {
  alias = "here"
}

module "secrets_manager" {
  source    = "./other modules/secrets manager"
  for_each  = toset(["one", "two"])
  providers = { aws = aws.here }

  name                    = "composed/${each.key}"
  recovery_window_in_days = 0
}

module "rotation" {
  source    = "./other modules/secret rotation"
  count     = 1
  providers = { aws = aws.here }

  name    = "composed-${count.index}"
  secrets = { for key, secret in module.secrets_manager : key => secret.secret_arn }
}

output "secret_arns" {
  value = { for key, secret in module.secrets_manager : key => secret.secret_arn }
}
"""


def test_a_read_only_copy_in_a_folder_with_spaces_rotates_secrets_of_another_module(
    aws: Sandbox, environment: dict[str, str], tree: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "a root with spaces"
    shutil.copytree(ROOT / "tests/fixtures/secrets_manager", folder / "other modules/secrets manager")
    # As Terragrunt does: the module's folder is copied beside the configuration. Nothing may be written to it.
    module = shutil.copytree(tree, folder / "other modules/secret rotation", ignore=shutil.ignore_patterns("examples"))
    before = {path: path.stat().st_mtime_ns for path in module.rglob("*")}
    (folder / "main.tf").write_text(CONFIGURATION)
    with applied(folder, aws, environment, tmp_path / "data in another place") as stack:
        for secret in stack.outputs["secret_arns"].values():
            assert aws.settle(secret)["result"] == "ok", aws.logs("composed-0")
        assert stack.terraform.plan() is False
    assert {path: path.stat().st_mtime_ns for path in module.rglob("*")} == before


def test_two_workspaces_of_one_folder_are_applied_at_once(
    aws: Sandbox, environment: dict[str, str], tree: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(tree, tmp_path / "tree") / "examples/plaintext"
    names = ("workspace-one", "workspace-two")
    runs = [Terraform(root, {**environment, **aws.environment}, tmp_path / name) for name in names]
    runs[0].init()  # one after the other: both write the folder's lock file
    runs[1].init()
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda run, name: run.apply({"name": name}), runs, names))
    assert [aws.settle(run.output()["secret_arn"])["result"] for run in runs] == ["ok", "ok"]
    assert not any(run.plan({"name": name}) for run, name in zip(runs, names, strict=True))
    for run, name in zip(runs, names, strict=True):
        run.destroy({"name": name})


SENSITIVE = """
variable "values" {
  type      = map(string)
  sensitive = true
  default = {
    arn    = "arn:aws:kms:us-east-1:123456789012:key/11111111-1111-1111-1111-111111111111"
    secret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:app-AbCdEf"
    topic  = "arn:aws:sns:us-east-1:123456789012:topic"
    host   = "db.example.com"
    key    = "password"
    subnet = "subnet-0123456789abcdef0"
  }
}

module "rotation" {
  source = "%s"

  name         = "marked"
  secrets      = { app = var.values.secret }
  keys         = [var.values.key]
  kms_key_arns = [var.values.arn]
  target       = { type = "postgresql", settings = { host = var.values.host } }
  network      = { subnet_ids = [var.values.subnet], security_group_ids = ["sg-0123456789abcdef0"] }
  function     = { environment = { NO_PROXY = var.values.host } }
  alarms       = { alarm_actions = [var.values.topic] }
  package      = { s3 = { bucket = "packages", key = var.values.host, hash = "abc" } }
  role = {
    statements = { read = { actions = ["s3:GetObject"], resources = ["arn:aws:s3:::${var.values.host}/*"] } }
  }
}
"""


def test_values_that_are_marked_sensitive_warn_of_nothing(
    aws: Sandbox, environment: dict[str, str], tree: Path, tmp_path: Path
) -> None:
    """As from data.aws_ssm_parameter, which marks whatever it reads."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "main.tf").write_text(SENSITIVE % tree)
    terraform = Terraform(root, {**environment, **aws.environment}, tmp_path / "work")
    terraform.init()
    code, output = terraform.run("plan", "-no-color")
    assert code == 0, output
    assert "refers to sensitive values" not in output
