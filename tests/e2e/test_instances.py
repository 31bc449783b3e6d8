"""Several instances of the module in one configuration."""

from __future__ import annotations

from pathlib import Path

from rotation_lab.sandbox.client import Sandbox
from tools.dev.terraform import Terraform

# Functions only (no secrets): the question is whether instances that are made at the same time write one zip.
CONFIGURATION = """
provider "aws" {}

module "rotation" {
  source   = "../.."
  for_each = toset([for number in range(3) : "instance-${number}"])

  name    = each.key
  secrets = {}
}

output "hashes" {
  value = { for name, rotation in module.rotation : name => rotation.package_hash }
}
"""


def test_three_instances_in_one_configuration_get_the_same_zip(
    aws: Sandbox, environment: dict[str, str], tree: Path, tmp_path: Path
) -> None:
    directory = tree / "examples" / "instances"
    directory.mkdir()
    (directory / "main.tf").write_text(CONFIGURATION)
    # Not destroyed: functions without a secret leave nothing that another test could meet.
    terraform = Terraform(directory, {**environment, **aws.environment}, tmp_path)
    terraform.init()
    terraform.apply()
    hashes = terraform.output()["hashes"]
    assert len(hashes) == 3
    assert len(set(hashes.values())) == 1
    client = aws.client("lambda")
    (layers,) = zip(*(client.get_function_configuration(FunctionName=name)["Layers"] for name in hashes), strict=True)
    versions = [client.get_layer_version_by_arn(Arn=layer["Arn"]) for layer in layers]
    deployed = {version["Content"]["CodeSha256"] for version in versions}
    assert deployed == set(hashes.values())
