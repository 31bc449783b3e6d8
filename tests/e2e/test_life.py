"""One call of the module through its life: each change that an apply must not do half."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rotation_lab.sandbox.client import Sandbox
from tests.e2e.stack import _plan_text
from tools.dev import changes_page
from tools.dev.attached import aws_provider
from tools.dev.providers import ROOT
from tools.dev.terraform import Terraform

NAME = "life"
FUNCTION = "module.rotation.aws_lambda_function.rotation"
TARGET = "def set_secret(context): pass\ndef test_secret(context): pass\n"


@dataclass
class Life:
    """The call, what is known of it, and the commands."""

    aws: Sandbox
    terraform: Terraform
    secret: str
    plan: Path
    first_plan: str = ""
    first_state: str = ""
    call: dict[str, Any] = field(default_factory=dict)

    def write(self, **changed: Any) -> None:
        """Writes the configuration: the smallest call, and what differs from it."""
        outside = {"terraform_data": {"before": {"input": changed.pop("before", "1")}}}
        self.call = {"source": "../..", "name": NAME, "secrets": {"app": self.secret}} | changed
        configuration = {"provider": {"aws": {}}, "module": {"rotation": self.call}}
        if "depends_on" in changed:
            configuration["resource"] = outside
        (self.terraform.directory / "main.tf.json").write_text(json.dumps(configuration))

    def actions(self, *flags: str) -> dict[str, list[str]]:
        """What the next plan does, by resource, without what it leaves alone."""
        self.terraform.plan(out=self.plan, flags=flags)
        changes = self.terraform.show(self.plan)["resource_changes"]
        found = {change["address"].removeprefix("module.rotation."): change["change"]["actions"] for change in changes}
        return {address: actions for address, actions in found.items() if actions not in (["no-op"], ["read"])}

    def current(self) -> str:
        """The version with AWSCURRENT."""
        self.aws.settle(self.secret)
        versions = self.aws.client("secretsmanager").describe_secret(SecretId=self.secret)["VersionIdsToStages"]
        return next(str(version) for version, labels in versions.items() if "AWSCURRENT" in labels)


@pytest.fixture(scope="module")
def life(
    aws: Sandbox, environment: dict[str, str], tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Life]:
    secret = aws.client("secretsmanager").create_secret(Name="life")["ARN"]
    directory, work = tree / "examples" / NAME, tmp_path_factory.mktemp(NAME)
    directory.mkdir()
    terraform = Terraform(directory, {**environment, **aws.environment}, work)
    life = Life(aws, terraform, secret, work / "saved.tfplan")
    life.write()
    terraform.init()
    with aws_provider(terraform):
        terraform.plan(out=life.plan)
        _, life.first_plan = terraform.run("show", "-no-color", str(life.plan))
        terraform.apply(plan=life.plan)
        life.first_state = terraform.state_path.read_text()
        yield life
        terraform.destroy()


def test_the_plan_of_the_smallest_call_has_at_most_220_lines(life: Life) -> None:
    lines = life.first_plan.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("  # "))
    end = next(number for number, line in enumerate(lines) if line.startswith("Plan:"))
    assert (
        100 < end - start <= 220
    )  # 30 are the policy; the quick start, whose secret is new, has fewer: test_quick_start.py
    assert "secretsmanager:PutSecretValue" in life.first_plan  # what is granted is shown, and not "known after apply"


def test_the_state_of_the_smallest_call_has_at_most_24_kilobytes(life: Life) -> None:
    assert 10_000 < len(life.first_state) <= 24 * 1024


def test_neither_plan_nor_state_holds_a_line_of_source(life: Life) -> None:
    for text in (life.first_plan, life.first_state, _plan_text(life.plan)):
        assert FUNCTION.rpartition(".")[0].rpartition(".")[2] in text
        assert "import " not in text
        assert "def " not in text


@pytest.mark.parametrize(
    ("variable", "change"),
    [
        ("schedule.days", {"schedule": {"days": 60}}),
        ("function.memory_size", {"function": {"memory_size": 512}}),
        ("role.path", {"role": {"path": "/rotation/"}}),
    ],
)
def test_the_table_of_changes_says_what_a_plan_does(life: Life, variable: str, change: dict[str, Any]) -> None:
    life.write(**change)
    life.terraform.plan(out=life.plan)
    row = changes_page.row(variable, changes_page.changed(life.terraform.show(life.plan))["rotation"])
    assert row in changes_page.PAGE.read_text().splitlines()


def rotates(life: Life) -> bool:
    life.aws.client("secretsmanager").rotate_secret(SecretId=life.secret)
    return bool(life.aws.settle(life.secret)["result"] == "ok") and life.actions() == {}


def change_code(life: Life) -> None:
    """Change it outside Terraform; the next plan says so."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("lambda_function.py", "lambda_handler = print")
    life.aws.client("lambda").update_function_code(FunctionName=NAME, ZipFile=buffer.getvalue())
    code, output = life.terraform.run("plan", f"-state={life.terraform.state_path}")
    assert code == 1
    assert "changed outside Terraform" in output
    assert "-replace=" in output


def test_code_that_was_changed_outside_terraform_is_reported_and_can_be_restored(life: Life) -> None:
    life.write()
    client, current = life.aws.client("lambda"), life.current()
    before = client.get_function_configuration(FunctionName=NAME)["CodeSha256"]
    change_code(life)
    life.terraform.plan(out=life.plan, flags=[f"-replace={FUNCTION}"])
    life.terraform.apply(plan=life.plan)
    assert client.get_function_configuration(FunctionName=NAME)["CodeSha256"] == before
    assert life.actions() == {}
    assert life.current() == current


def test_a_layer_that_was_changed_outside_terraform_is_planned_back(life: Life) -> None:
    client = life.aws.client("lambda")
    (layer,) = client.get_function_configuration(FunctionName=NAME)["Layers"]
    client.update_function_configuration(FunctionName=NAME, Layers=[])
    assert life.actions() == {"aws_lambda_function.rotation": ["update"]}
    life.terraform.apply(plan=life.plan)
    assert client.get_function_configuration(FunctionName=NAME)["Layers"] == [layer]


def test_a_module_level_depends_on_whose_dependency_changes_replaces_nothing(life: Life) -> None:
    life.write(depends_on=["terraform_data.before"])
    life.terraform.apply()
    life.write(depends_on=["terraform_data.before"], before="2")
    actions = life.actions()
    assert actions.pop("terraform_data.before") == ["update"]
    # Its text is unknown until the data sources are read, and then the same.
    assert actions == {"aws_iam_role_policy.function[0]": ["update"]}
    current = life.current()
    life.terraform.apply(plan=life.plan)
    assert life.current() == current


def test_a_role_that_is_replaced_under_its_name_has_its_policy(life: Life) -> None:
    life.write(role={"path": "/rotation/"})
    life.terraform.apply()
    iam = life.aws.client("iam")
    assert iam.get_role(RoleName=NAME)["Role"]["Path"] == "/rotation/"
    assert iam.list_role_policies(RoleName=NAME)["PolicyNames"] == ["rotation"]
    life.aws.client("secretsmanager").rotate_secret(SecretId=life.secret)
    assert life.aws.settle(life.secret)["result"] == "ok"


def leave_network() -> dict[str, Any]:
    """The statement of docs/operations.md with which a function leaves its VPC."""
    section = (ROOT / "docs/operations.md").read_text().partition("## Leave the VPC")[2].partition("\n## ")[0]
    (name, actions, resources) = re.findall(r"(\w+) = {\n +actions += (\[.*\])\n +resources = (\[.*\])", section)[0]
    return {"statements": {name: {"actions": json.loads(actions), "resources": json.loads(resources)}}}


def test_a_function_that_leaves_its_vpc_keeps_the_permissions_until_it_has_left(life: Life) -> None:
    ec2, function = life.aws.client("ec2"), life.aws.client("lambda")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName=NAME, Description=NAME, VpcId=vpc)["GroupId"]

    def granted() -> set[str]:
        policy = life.aws.client("iam").get_role_policy(RoleName=NAME, PolicyName="rotation")["PolicyDocument"]
        allowed = [statement for statement in policy["Statement"] if statement["Effect"] == "Allow"]
        return {action for statement in allowed for action in statement["Action"] if action.startswith("ec2:")}

    life.write(network={"subnet_ids": [subnet], "security_group_ids": [group]})
    life.terraform.apply()
    while_attached = granted()
    assert function.get_function_configuration(FunctionName=NAME)["VpcConfig"]["SubnetIds"] == [subnet]
    life.write(role=leave_network())
    life.terraform.apply()
    # The sandbox has no interfaces to delete: what AWS needs for that is what the documentation lists.
    assert {"ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces"} <= granted() < while_attached
    assert not function.get_function_configuration(FunctionName=NAME).get("VpcConfig", {}).get("SubnetIds")
    life.write()
    assert life.actions() == {"aws_iam_role_policy.function[0]": ["update"]}


def test_a_role_that_was_deleted_outside_terraform_comes_with_a_new_function(life: Life) -> None:
    """On AWS, Lambda's grant for the KMS key is to the role by its id: a new function gets another one."""
    life.write()
    life.terraform.apply()
    iam, function, current = life.aws.client("iam"), life.aws.client("lambda"), life.current()
    before, made = iam.get_role(RoleName=NAME)["Role"]["RoleId"], function.get_function(FunctionName=NAME)
    iam.delete_role_policy(RoleName=NAME, PolicyName="rotation")
    iam.delete_role(RoleName=NAME)
    replaced = ["-auto-approve", f"-replace={FUNCTION}", f"-state={life.terraform.state_path}"]
    code, output = life.terraform.run("apply", *replaced)
    assert code == 0, output
    assert iam.get_role(RoleName=NAME)["Role"]["RoleId"] != before
    assert iam.list_role_policies(RoleName=NAME)["PolicyNames"] == ["rotation"]
    now = function.get_function(FunctionName=NAME)
    assert now["Configuration"]["RevisionId"] != made["Configuration"]["RevisionId"]
    assert life.current() == current
    assert rotates(life)


def test_a_partial_arn_that_looks_whole_is_not_found_and_the_whole_one_is_then_right(life: Life) -> None:
    whole = life.aws.client("secretsmanager").create_secret(Name="life-secret")["ARN"]
    life.write(secrets={"app": life.secret, "partial": whole[:-7]}, role={"path": "/rotation/"})
    code, output = life.terraform.run("apply", "-auto-approve", f"-state={life.terraform.state_path}")
    assert code == 1
    assert "ResourceNotFoundException" in output
    life.write(secrets={"app": life.secret, "partial": whole}, role={"path": "/rotation/"})
    assert life.actions() == {
        'aws_secretsmanager_secret_rotation.this["partial"]': ["create"],
        "aws_iam_role_policy.function[0]": ["update"],  # it lists the secrets
        "aws_lambda_invocation.verify[0]": ["create"],  # it waits for the rotations, so it was not reached
    }


@pytest.mark.parametrize("option", ["-destroy", "-refresh-only"])
def test_a_build_file_that_is_gone_stops_neither_destroy_nor_refresh(life: Life, option: str) -> None:
    file = life.terraform.directory / "my_target.py"
    if option == "-destroy":
        file.write_text(TARGET)
        life.write(target={"type": "python", "file": "my_target.py"}, build_folder=str(life.plan.parent / "zips"))
        life.terraform.apply()
        life.aws.client("secretsmanager").rotate_secret(SecretId=life.secret)
        assert life.aws.settle(life.secret)["result"] == "ok"
        assert any((life.plan.parent / "zips").rglob("target.zip"))
        file.unlink()
    code, output = life.terraform.run("plan", option, f"-state={life.terraform.state_path}")
    assert code == 0, output
    code, output = life.terraform.run("plan", f"-state={life.terraform.state_path}")
    assert code == 1
    assert 'target.file is "my_target.py"' in output


def test_a_package_that_is_given_lives_through_the_same(life: Life) -> None:
    """Code changed outside, a function that was tainted or deleted outside, and at last a file that is gone."""
    package = life.terraform.directory / "package.zip"
    with zipfile.ZipFile(package, "w") as archive:
        for path in sorted((ROOT / "lambda_src").rglob("*.*")):
            if path.suffix in (".py", ".json"):
                archive.write(path, path.relative_to(ROOT / "lambda_src"))
    life.write(package={"path": "package.zip"})
    life.terraform.apply()
    change_code(life)
    life.terraform.plan(out=life.plan, flags=[f"-replace={FUNCTION}"])
    life.terraform.apply(plan=life.plan)
    assert rotates(life)
    life.terraform.run("taint", f"-state={life.terraform.state_path}", FUNCTION)
    life.terraform.apply()
    assert rotates(life)
    life.aws.client("lambda").delete_function(FunctionName=NAME)
    life.terraform.apply()
    assert rotates(life)
    package.unlink()
    for option in ("-destroy", "-refresh-only"):
        code, output = life.terraform.run("plan", option, f"-state={life.terraform.state_path}")
        assert code == 0, output
    code, output = life.terraform.run("plan", f"-state={life.terraform.state_path}")
    assert code == 1
    assert 'package.path is "package.zip"' in output
