"""The real Terraform: what it makes stays as it is, and goes without a trace. One apply, since each costs seconds."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from rotation_lab.sandbox.client import Sandbox
from tests.lab.conftest import package
from tests.lab.evidence import own
from tests.lab.foreign import TEMPLATE
from tools.dev import providers
from tools.dev.terraform import Terraform, TerraformError

pytestmark = own("what Terraform does with it")


def test_apply_rotates_then_the_plan_is_empty_and_destroy_leaves_nothing(tmp_path: Path, aws: Sandbox) -> None:
    zipped = tmp_path / "package.zip"
    zipped.write_bytes(package({"lambda_function.py": TEMPLATE}))
    (tmp_path / "main.tf").write_text(Path(__file__).with_name("main.tf").read_text())
    environment = {**providers.environment(report=lambda line: None), **aws.environment}
    terraform = Terraform(tmp_path, environment, tmp_path / "work")
    variables = {"package": str(zipped)}

    terraform.init()
    terraform.apply(variables)
    assert aws.settle("terraform/days")["result"] == "ok"
    assert [entry["step"] for entry in aws.settle("terraform/expression")["log"]] == ["testSecret"]
    assert not terraform.plan(variables)
    with closing(aws.client("secretsmanager", region_name="eu-central-1")) as there:
        replicated = there.get_secret_value(SecretId="terraform/days")["SecretString"]
    assert replicated == aws.client("secretsmanager").get_secret_value(SecretId="terraform/days")["SecretString"]

    # What plan lets pass and AWS refuses fails the apply, and the schedule that there was stays.
    with pytest.raises(TerraformError, match="InvalidParameterException"):
        terraform.apply({**variables, "schedule_expression": "cron(0 */2 * * ? *)"})
    assert not terraform.plan(variables)

    terraform.destroy(variables)
    functions = aws.client("lambda").list_functions()["Functions"]
    assert not [function for function in functions if function["FunctionName"].startswith("terraform")]
    listed = aws.client("secretsmanager").list_secrets(Filters=[{"Key": "name", "Values": ["terraform/"]}])
    assert listed["SecretList"] == []
    with closing(aws.client("secretsmanager", region_name="eu-central-1")) as there:
        assert there.list_secrets()["SecretList"] == []
