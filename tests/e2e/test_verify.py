"""An apply says whether the rotations that it has ordered went well, and a pause keeps everything else."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rotation_lab.sandbox.client import Sandbox
from tests.support import cli
from tools.dev import doctor
from tools.dev.attached import aws_provider
from tools.dev.providers import ROOT
from tools.dev.terraform import Terraform

NAME = "verify"
TARGET = """
from secret_rotation.target import AuthenticationError

def set_secret(context):
    context.log_in(test)

def test_secret(context):
    test(context.subject)

def test(credential):
    if credential.get("accepted") != "yes":
        raise AuthenticationError("The service accepts only what is marked as accepted.")
    return credential
"""
GOOD, BAD = ({"password": "first", "accepted": accepted} for accepted in ("yes", "no"))


class Call:
    """One call of the module, and what it says at apply."""

    def __init__(self, aws: Sandbox, terraform: Terraform) -> None:
        self.aws, self.terraform = aws, terraform
        self.manager = aws.client("secretsmanager")
        self.secret = self.manager.create_secret(Name=NAME, SecretString=json.dumps(GOOD))["ARN"]

    def write(self, **changed: Any) -> None:
        directory = self.terraform.directory
        (directory / "my_target.py").write_text(TARGET)
        target = {"type": "python", "file": "my_target.py"}
        call = {"source": "../..", "name": NAME, "secrets": {"app": self.secret}, "keys": ["password"]}
        call |= {
            "function": {"timeout": 300},
            "verify": {"wait": 280},
        }  # a busy machine takes long, and a wait ends early
        configuration = {"provider": {"aws": {}}, "module": {"rotation": {**call, "target": target, **changed}}}
        (directory / "main.tf.json").write_text(json.dumps(configuration))

    def apply(self) -> tuple[int, str]:
        return self.terraform.run("apply", "-auto-approve", "-no-color", f"-state={self.terraform.state_path}")

    def put(self, document: dict[str, str]) -> None:
        self.aws.settle(self.secret)
        self.manager.put_secret_value(SecretId=self.secret, SecretString=json.dumps(document))

    def version(self) -> str:
        self.aws.settle(self.secret)
        stages = self.manager.describe_secret(SecretId=self.secret)["VersionIdsToStages"]
        return next(str(version) for version, labels in stages.items() if "AWSCURRENT" in labels)

    def is_unchanged(self) -> bool:
        return self.terraform.plan() is False


@pytest.fixture(scope="module")
def call(
    aws: Sandbox, environment: dict[str, str], tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Call]:
    directory, work = tree / "examples" / NAME, tmp_path_factory.mktemp(NAME)
    directory.mkdir()
    terraform = Terraform(directory, {**environment, **aws.environment}, work)
    call = Call(aws, terraform)
    call.write()
    terraform.init()
    with aws_provider(terraform):
        yield call
        terraform.destroy()


def test_an_apply_fails_with_the_reason_asks_again_and_is_green_once_it_is_corrected(call: Call) -> None:
    call.put(BAD)
    for _ in range(2):
        code, output = call.apply()
        assert code == 1, output
        for part in ("locked_out", call.secret, "marked as accepted"):
            assert part in " ".join(output.replace("│", " ").split()), output
    call.put(GOOD)
    cli.run(f"aws secretsmanager rotate-secret --secret-id {call.secret}", call.aws.client)
    code, output = call.apply()
    assert code == 0, output
    assert call.is_unchanged()


def test_a_pause_keeps_everything_else_and_its_end_rotates_only_if_it_is_to(call: Call) -> None:
    current = call.version()
    call.write(enable_rotation=False)
    assert call.apply()[0] == 0
    described = call.manager.describe_secret(SecretId=call.secret)
    assert (described["RotationEnabled"], call.version()) == (False, current)
    assert call.aws.client("lambda").get_function(FunctionName=NAME)
    call.put({"pw": "x"})  # without rotating at once, what the first rotation needs is checked
    call.write(rotate_immediately=False)
    code, output = call.apply()
    assert (code, "KeyMissingError" in output) == (1, True), output
    call.put(GOOD)
    current = call.version()
    assert call.apply()[0] == 0
    assert call.version() == current
    call.write(enable_rotation=False)
    assert call.apply()[0] == 0
    call.write()
    assert call.apply()[0] == 0
    assert call.version() != current


def other_layer(call: Call) -> str:
    """A layer with other code than the module's."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for file in (ROOT / "lambda_src").rglob("*"):
            if file.suffix in (".py", ".json"):
                archive.write(file, file.relative_to(ROOT / "lambda_src"))
        archive.writestr("secret_rotation/further.py", "")
    client = call.aws.client("lambda")
    return str(
        client.publish_layer_version(LayerName="other", Content={"ZipFile": buffer.getvalue()})["LayerVersionArn"]
    )


def test_code_that_was_changed_since_the_plan_is_reported_and_restored(call: Call, tmp_path: Path) -> None:
    call.write(schedule={"days": 11})
    saved = tmp_path / "saved.tfplan"
    call.terraform.plan(out=saved)
    client = call.aws.client("lambda")
    layers = [layer["Arn"] for layer in client.get_function_configuration(FunctionName=NAME)["Layers"]]
    others = [other_layer(call) if "-code:" in arn else arn for arn in layers]
    client.update_function_configuration(FunctionName=NAME, Layers=others)
    code, output = call.terraform.run("apply", "-no-color", f"-state={call.terraform.state_path}", str(saved))
    assert (code, "not the planned one" in " ".join(output.replace("│", " ").split())) == (1, True), output
    assert call.apply()[0] == 0
    assert [layer["Arn"] for layer in client.get_function_configuration(FunctionName=NAME)["Layers"]] == layers
    assert call.is_unchanged()


def test_a_function_that_was_deleted_is_a_verdict_and_the_printed_command_mends_it(
    call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    call.aws.client("lambda").delete_function(FunctionName=NAME)
    assert doctor.main([call.secret], call.aws.client) == doctor.STATUS["failed"]
    assert "$ terraform apply" in capsys.readouterr().out
    code, output = call.apply()
    assert code == 0, output
    assert doctor.main([call.secret], call.aws.client) == 0
