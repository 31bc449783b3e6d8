"""``make changes``: what each variable of the module changes, written into docs/changes.md.

One configuration with a call for each row is applied in a local AWS. Then each call is changed in one variable, planned
and applied again: the plan says what is updated and what is replaced, and the secrets say which have rotated.
"""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rotation_lab.sandbox.client import Sandbox
from tools.dev import providers
from tools.dev.attached import aws_provider
from tools.dev.terraform import Terraform, checkout

PAGE = providers.ROOT / "docs/changes.md"
BEGIN, END = "<!-- made by `make changes` -->", "<!-- end -->"
HEAD = (
    "| variable | updated in place | replaced | created or removed | rotates at once |\n| --- | --- | --- | --- | --- |"
)
TYPES = {
    "aws_lambda_function": "function",
    "aws_iam_role": "role",
    "aws_iam_role_policy": "policy",
    "aws_cloudwatch_log_group": "log group",
    "aws_lambda_layer_version": "layer",
    "aws_lambda_permission": "permission",
    "aws_secretsmanager_secret_rotation": "rotation",
}
"""Resources whose changes are of interest, as the page calls them."""
KINDS = {
    ("update",): 0,
    ("delete", "create"): 1,
    ("create", "delete"): 1,
    ("create",): 2,
    ("delete",): 2,
}
"""Actions of a plan => column."""

Arguments = Mapping[str, Any]


class Case(NamedTuple):
    """A row: what it is about, and the arguments before and after, beside ``name`` and ``secrets``."""

    variable: str
    before: Arguments
    after: Arguments


class Account(NamedTuple):
    """What the calls refer to."""

    key: str
    role: str
    boundary: str
    layer: str
    subnets: list[str]
    groups: list[str]


HTTP = {"set_url": "https://api.example.com/password", "test_url": "https://api.example.com/me"}
TARGET = "def set_secret(context):\n    pass\n\n\ndef test_secret(context):\n    pass\n"
UNTRIED = {"function.code_signing_config_arn": "the sandbox has no code signing"}
"""Attributes without a row, and why."""


def cases(account: Account) -> list[Case]:
    """A row for each variable, and for each attribute of an object."""

    def of(variable: str, after: object) -> Case:
        name, _, attribute = variable.partition(".")
        return Case(variable, {}, {name: {attribute: after} if attribute else after})

    return [
        Case("name", {}, {"name": "new"}),
        Case("secrets: an entry added", {}, {"secrets": ["app", "more"]}),
        Case("secrets: an entry removed", {"secrets": ["app", "more"]}, {}),
        Case("keys", {"keys": ["password"]}, {"keys": ["token"]}),
        of("overwrite_json", after=True),
        of("exclude_characters", "/@"),
        of("password.length", 20),
        of("password.classes", ["lowercase", "numbers"]),
        of("password.require_each_included_type", after=False),
        of("generators", {"": {"type": "hex"}}),
        of("target", {"type": "http", "settings": HTTP}),
        Case("target.file", *({"target": {"type": "python", "file": f"{name}.py"}} for name in ("first", "changed"))),
        of("schedule.days", 60),
        Case("schedule.expression", {}, {"schedule": {"expression": "rate(60 days)"}}),
        Case("schedule.duration", {}, {"schedule": {"days": 30, "duration": "3h"}}),
        of("rotate_immediately", after=False),
        Case("rotate_immediately: to true", {"rotate_immediately": False}, {"rotate_immediately": True}),
        Case("network", {}, {"network": {"subnet_ids": account.subnets, "security_group_ids": account.groups}}),
        of("function.runtime", "python3.12"),
        of("function.architecture", "x86_64"),
        of("function.memory_size", 512),
        of("function.timeout", 90),
        of("function.layers", [account.layer]),
        of("function.environment", {"NO_PROXY": "localhost"}),
        of("function.log_level", "DEBUG"),
        of("function.tracing", "Active"),
        of("function.reserved_concurrency", 10),
        of("function.kms_key_arn", account.key),
        of("logs.retention_in_days", 60),
        of("logs.kms_key_arn", account.key),
        of("logs.skip_destroy", after=True),
        of("kms_key_arns", [account.key]),
        of("role.name", "changes-another-role"),
        of("role.path", "/rotation/"),
        of("role.permissions_boundary", account.boundary),
        of("role.statements", {"ReadIt": {"actions": ["s3:GetObject"], "resources": ["arn:aws:s3:::a/*"]}}),
        of("role.secret_arns", ["arn:aws:secretsmanager:us-east-1:123456789012:secret:team/*"]),
        of("role.arn", account.role),
        Case("package", {}, {"package": {"path": "package.zip"}}),
        of("build_folder", "build"),
        of("endpoint_url", "http://localhost:4566"),
        of("tags", {"team": "a"}),
    ]


def main() -> int:
    """Makes the table and writes it into the page."""
    with tempfile.TemporaryDirectory() as folder, Sandbox.start(log=Path(folder) / "sandbox.log") as aws:
        rows = list(_rows(aws, Path(folder)))
    PAGE.write_text(replaced(PAGE.read_text("utf-8"), rows), "utf-8")
    return 0


def replaced(page: str, rows: list[str]) -> str:
    """The page with these rows."""
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    return "\n".join([f"{before}{BEGIN}", HEAD, *rows, f"{END}{after}"])


def _rows(aws: Sandbox, folder: Path) -> Iterator[str]:
    tree = checkout(folder / "tree")
    directory = tree / "examples/changes"
    directory.mkdir()
    for name in ("first", "changed"):
        (directory / f"{name}.py").write_text(f"{TARGET}# {name}\n")
    (directory / "package.zip").write_bytes(_zip())
    terraform = Terraform(directory, {**providers.environment(report=print), **aws.environment}, folder / "work")
    (directory / "provider.tf").write_text('provider "aws" {}\n')
    tried = cases(_account(aws))
    calls = [Call(aws, f"changes-{number:02}") for number in range(len(tried))]
    for call, case in zip(calls, tried, strict=True):
        call.write(directory, case.before)
    terraform.init()
    with aws_provider(terraform):
        terraform.apply()
        before = [call.versions() for call in calls]
        for call, case in zip(calls, tried, strict=True):
            call.write(directory, case.after)
        terraform.plan(out=folder / "plan")
        changes = _changes(terraform.show(folder / "plan"))
        terraform.apply(plan=folder / "plan")
    for call, case, versions in zip(calls, tried, before, strict=True):
        yield _row(case.variable, changes[call.name], call.versions() != versions)


def _changes(plan: Mapping[str, Any]) -> dict[str, list[set[str]]]:
    """Call => what is updated, replaced, created or removed."""
    found: dict[str, list[set[str]]] = defaultdict(lambda: [set(), set(), set()])
    for change in plan["resource_changes"]:
        column = KINDS.get(tuple(change["change"]["actions"]))
        if column is not None and change["type"] in TYPES:
            found[change["module_address"].removeprefix("module.")][column].add(TYPES[change["type"]])
    return found


def _row(variable: str, columns: list[set[str]], rotates: bool) -> str:
    cells = [", ".join(sorted(names)) or "-" for names in columns]
    name, colon, more = variable.partition(":")
    return f"| `{name}`{colon}{more} | {' | '.join(cells)} | {'**yes**' if rotates else 'no'} |"


class Call:
    """A call of the module with secrets of its own."""

    def __init__(self, aws: Sandbox, name: str) -> None:
        self.aws, self.name, self._manager = aws, name, aws.client("secretsmanager")
        self.secrets = {key: self._manager.create_secret(Name=f"{name}/{key}")["ARN"] for key in ("app", "more")}

    def write(self, directory: Path, arguments: Arguments) -> None:
        """The call with these arguments."""
        keys = arguments.get("secrets", ["app"])
        call = {
            "source": "../..",
            "name": self.name,
            **arguments,
            "secrets": {key: self.secrets[key] for key in keys},
        }
        if "name" in arguments:
            call["name"] = f"{self.name}-{arguments['name']}"
        (directory / f"{self.name}.tf.json").write_text(json.dumps({"module": {self.name: call}}))

    def versions(self) -> dict[str, str | None]:
        """The current version of each secret, when nothing rotates any more."""
        found = {}
        for key, arn in self.secrets.items():
            self.aws.settle(arn)
            labels = self._manager.describe_secret(SecretId=arn).get("VersionIdsToStages", {})
            found[key] = next((version for version, of in labels.items() if "AWSCURRENT" in of), None)
        return found


def _account(aws: Sandbox) -> Account:
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    iam, ec2 = aws.client("iam"), aws.client("ec2")
    document = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
    role = iam.create_role(
        RoleName="changes-existing", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust})
    )["Role"]["Arn"]
    iam.put_role_policy(RoleName="changes-existing", PolicyName="all", PolicyDocument=document)
    boundary = iam.create_policy(PolicyName="changes-boundary", PolicyDocument=document)["Policy"]["Arn"]
    layer = aws.client("lambda").publish_layer_version(LayerName="changes", Content={"ZipFile": _zip()})
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="changes", Description="changes", VpcId=vpc)["GroupId"]
    key = aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    return Account(key, role, boundary, layer["LayerVersionArn"], [subnet], [group])


def _zip() -> bytes:
    """The function's code, as a pipeline may build it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted((providers.ROOT / "lambda_src").rglob("*.*")):
            if path.suffix in (".py", ".json"):
                archive.write(path, path.relative_to(providers.ROOT / "lambda_src"))
    return file.getvalue()


if __name__ == "__main__":
    raise SystemExit(main())
