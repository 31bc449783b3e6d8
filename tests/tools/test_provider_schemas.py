"""What the module sets, as `make compat` compares it with the schemas of other providers."""

from __future__ import annotations

from typing import Any

import pytest

from tools.dev import provider_schemas

CONFIGURATION = """
resource "aws_lambda_function" "rotation" {
  #checkov:skip=CKV_AWS_50:argued
  function_name = var.name
  tags = {
    hidden = "a key of a map is no argument"
  }
  layers = concat(
    var.layers,
  )

  dynamic "vpc_config" {
    for_each = var.network[*]
    content {
      subnet_ids = vpc_config.value.subnet_ids
    }
  }

  lifecycle {
    precondition {
      condition = true
    }
  }
}

data "aws_service_principal" "lambda" {
  service_name = "lambda"
}

resource "terraform_data" "other" {
  input = 1
}
"""


def test_arguments_and_nested_blocks_are_found_and_nothing_else() -> None:
    assert provider_schemas.used(iter([CONFIGURATION])) == {
        ("resources", "lambda_function", "function_name"),
        ("resources", "lambda_function", "tags"),
        ("resources", "lambda_function", "layers"),
        ("resources", "lambda_function", "vpc_config"),
        ("resources", "lambda_function", "subnet_ids"),
        ("data-sources", "service_principal", "service_name"),
    }


def test_the_modules_own_files_are_read() -> None:
    found = provider_schemas.used(provider_schemas.files())
    assert {
        ("resources", "lambda_function", "source_code_hash"),
        ("resources", "secretsmanager_secret_rotation", "duration"),
    } <= found


RESOLVABLE = {"fqn": "cdktf.IResolvable"}
RULES = {"collection": {"kind": "array", "elementtype": {"fqn": "aws.Rule"}}}


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ({"primitive": "string"}, "string"),
        ({"union": {"types": [{"primitive": "boolean"}, RESOLVABLE]}}, "bool"),
        ({"collection": {"kind": "map", "elementtype": {"primitive": "string"}}}, "map"),
        ({"collection": {"kind": "array", "elementtype": {"primitive": "string"}}}, "list"),
        ({"fqn": "aws.Rules"}, "block"),
        ({"union": {"types": [RESOLVABLE, RULES]}}, "blocks"),
    ],
)
def test_a_type_of_a_generated_package_is_told_in_terraforms_terms(kind: dict[str, Any], shape: str) -> None:
    assert provider_schemas._shape(kind) == shape


def test_what_is_missing_or_of_another_type_is_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    uses = [("resources", "sqs_queue", name) for name in ("name", "tags", "gone")]
    there = {uses[0]: "string", uses[1]: "string"}
    monkeypatch.setattr(provider_schemas, "_generated", lambda package, number: there)
    known = dict.fromkeys(uses, "string") | {uses[1]: "map"}
    found = provider_schemas._differences(uses, known, "package", "1.0")
    assert [line.split(":")[0] for line in found] == ["`aws_sqs_queue.tags`", "`aws_sqs_queue.gone`"]
