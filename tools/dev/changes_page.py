"""``make changes``: what each variable of the module changes, written into docs/changes.md.

A call of the module is applied in a local AWS for each configuration that a row begins with. Then one plan changes one
variable in each of many copies of these calls: the state of a row is that of its call, under another name.
"""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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
    "aws_lambda_invocation": "verification",
    "aws_cloudwatch_metric_alarm": "alarms",
    "aws_cloudwatch_event_rule": "event rule",
    "aws_cloudwatch_event_target": "event target",
    "aws_sqs_queue": "dead-letter queue",
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
    topic: str
    subnets: list[str]
    groups: list[str]
    endpoint: str


HTTP = {"set_url": "https://api.example.com/password", "test_url": "https://api.example.com/me"}
JSON = '{"password": "to-be-rotated", "token": "to-be-rotated"}'
TARGET = "def set_secret(context):\n    pass\n\n\ndef test_secret(context):\n    pass\n"
STATUS = {"test_status": "200"}
SPREAD = {"expression": "cron(0 {hour} ? * MON *)"}
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
        Case(
            "target.settings",
            *({"verify": None, "target": {"type": "http", "settings": HTTP | more}} for more in ({}, STATUS)),
        ),
        Case("target.file", *({"target": {"type": "python", "file": f"{name}.py"}} for name in ("first", "changed"))),
        of("schedule.days", 60),
        Case("schedule.expression", {}, {"schedule": {"expression": "rate(60 days)"}}),
        Case("schedule.duration", {}, {"schedule": {"days": 30, "duration": "3h"}}),
        Case("schedule.spread_hours", *({"schedule": {**SPREAD, "spread_hours": [hour]}} for hour in (1, 2))),
        of("rotate_immediately", after=False),
        Case("rotate_immediately: to true", {"rotate_immediately": False}, {"rotate_immediately": True}),
        of("enable_rotation", after=False),
        Case("enable_rotation: to true", {"enable_rotation": False}, {"enable_rotation": True}),
        of("verify", None),
        of("verify.wait", 10),
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
        of("role.source_account", after=True),
        of("role.secret_arns", ["arn:aws:secretsmanager:us-east-1:123456789012:secret:team/*"]),
        of("role.arn", account.role),
        Case("package", {}, {"package": {"path": "package.zip"}}),
        of("build_folder", "build"),
        of("endpoint_url", account.endpoint),
        of("alarms", {"alarm_actions": [account.topic]}),
        of("on_success", {"tell": {"arn": account.topic}}),
        Case("secret_policy", {}, {"secret_policy": {"readers": [account.role], "writers": [account.role]}}),
        of("tags", {"team": "a"}),
    ]


def main() -> int:
    """Makes the table and writes it into the page."""
    with tempfile.TemporaryDirectory() as folder, Sandbox.start(log=Path(folder) / "sandbox.log") as aws:
        rows = _rows(aws, Path(folder))
    PAGE.write_text(replaced(PAGE.read_text("utf-8"), rows), "utf-8")
    return 0


def replaced(page: str, rows: list[str]) -> str:
    """The page with these rows."""
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    return "\n".join([f"{before}{BEGIN}", HEAD, *rows, f"{END}{after}"])


def _rows(aws: Sandbox, folder: Path) -> list[str]:
    tree = checkout(folder / "tree")
    directory = tree / "examples/changes"
    directory.mkdir()
    for name in ("first", "changed"):
        (directory / f"{name}.py").write_text(f"{TARGET}# {name}\n")
    (directory / "package.zip").write_bytes(_zip())
    terraform = Terraform(directory, {**providers.environment(report=print), **aws.environment}, folder / "work")
    (directory / "provider.tf").write_text('provider "aws" {}\n')
    tried = cases(_account(aws))
    applied = _applied(terraform, aws, [case.before for case in tried])
    rows = {f"row{number:02}": case for number, case in enumerate(tried)}
    for name, case in rows.items():
        applied[_key(case.before)].write(directory, case.after, name)
    copies = {name: applied[_key(case.before)].name for name, case in rows.items()}
    terraform.state_path.write_text(json.dumps(copied(json.loads(terraform.state_path.read_text()), copies)))
    terraform.init()
    with aws_provider(terraform):
        terraform.plan(out=folder / "plan")
        changes = changed(terraform.show(folder / "plan"))
    return [row(case.variable, changes[name]) for name, case in rows.items()]


def _key(before: Arguments) -> str:
    return json.dumps(before, sort_keys=True)


def _applied(terraform: Terraform, aws: Sandbox, earlier: Iterable[Arguments]) -> dict[str, Call]:
    """A call that is applied for each of the configurations; its file is gone."""
    calls: dict[str, Call] = {}
    for before in earlier:
        if _key(before) not in calls:
            first = {"SecretString": JSON} if "keys" in before else {}
            call = calls[_key(before)] = Call(aws, f"call{len(calls):02}", **first)
            call.write(terraform.directory, before, call.name)
    terraform.init()
    with aws_provider(terraform):
        terraform.apply()
    for call in calls.values():
        (terraform.directory / f"{call.name}.tf.json").unlink()
    return calls


def copied(state: Mapping[str, Any], copies: Mapping[str, str]) -> dict[str, Any]:
    """The state with copies of modules instead: name of the copy => name of the original."""
    of = defaultdict(list)
    for resource in state["resources"]:
        of[resource["module"].split(".")[1]].append(json.dumps(resource))
    resources = [
        json.loads(text.replace(f"module.{original}", f"module.{name}"))
        for name, original in copies.items()
        for text in of[original]
    ]
    return {**state, "resources": resources, "check_results": None}


@dataclass
class Changes:
    """What a plan changes in one call."""

    columns: tuple[set[str], set[str], set[str]] = field(default_factory=lambda: (set(), set(), set()))
    """What is updated, replaced, created or removed."""
    rotates: bool = False
    """Whether a rotation is created or updated that is to begin at once."""


def changed(plan: Mapping[str, Any]) -> dict[str, Changes]:
    """The changes of each call, by its name."""
    found: dict[str, Changes] = defaultdict(Changes)
    for each in plan["resource_changes"]:
        change, column = each["change"], KINDS.get(tuple(each["change"]["actions"]))
        if column is not None and each["type"] in TYPES:
            call = found[each["module_address"].split(".")[1]]
            call.columns[column].add(TYPES[each["type"]])
            call.rotates |= bool((change["after"] or {}).get("rotate_immediately"))
    return found


def row(variable: str, changes: Changes) -> str:
    """A line of the table."""
    cells = [", ".join(sorted(names)) or "-" for names in changes.columns]
    name, colon, more = variable.partition(":")
    return f"| `{name}`{colon}{more} | {' | '.join(cells)} | {'**yes**' if changes.rotates else 'no'} |"


class Call:
    """A call of the module with secrets of its own."""

    def __init__(self, aws: Sandbox, name: str, **first: str) -> None:
        self.name, manager = name, aws.client("secretsmanager")
        self.secrets = {key: manager.create_secret(Name=f"{name}/{key}", **first)["ARN"] for key in ("app", "more")}

    def write(self, directory: Path, arguments: Arguments, module: str) -> None:
        """The call with these arguments, as a module of this name."""
        call = {"source": "../..", "name": self.name, **arguments}
        call["secrets"] = {key: self.secrets[key] for key in arguments.get("secrets", ["app"])}
        (directory / f"{module}.tf.json").write_text(json.dumps({"module": {module: call}}))


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
    topic = aws.client("sns").create_topic(Name="changes")["TopicArn"]
    return Account(key, role, boundary, layer["LayerVersionArn"], topic, [subnet], [group], aws.endpoint)


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
