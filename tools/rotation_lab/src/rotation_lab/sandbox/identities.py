"""IAM's rules that ministack lacks: tags, and the policies that AWS manages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from rotation_lab.sandbox import emulator

_MANAGED = "arn:aws:iam::aws:policy/"
_MOST_TAGS, _LONGEST_KEY, _LONGEST_VALUE = 50, 128, 256
_TEXT = re.compile(r"[\w\s.:/=+\-@]*")
_SHOWN = "[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*"

Handler = Callable[[dict[str, Any]], Any]


def apply() -> None:
    """Changes ministack; see ``rotation_lab.sandbox.patches``."""
    name = "SecretsManagerReadWrite"
    record = emulator.iam._make_aws_managed_record(name, json.dumps(_READ_WRITE))
    emulator.iam._aws_managed_policies.setdefault(_MANAGED + name, record)
    for action in list(emulator.iam._IAM_HANDLERS):
        emulator.replace_item(emulator.iam._IAM_HANDLERS, action, _with_rules)


def _with_rules(old: Handler) -> Handler:
    def handle(params: dict[str, Any]) -> Any:
        for code, status, message in [*_faults_of_tags(params), *_faults_of_policy(params)]:
            return emulator.iam._error(status, code, message, ns="iam")
        return old(params)

    return handle


def _faults_of_policy(params: dict[str, Any]) -> Iterator[tuple[str, int, str]]:
    """A policy of AWS's that is not one cannot be attached; ministack attaches any."""
    for name in ("PolicyArn", "PermissionsBoundary"):
        arn = str(emulator.iam._p(params, name) or "")
        if arn.startswith(_MANAGED) and arn not in emulator.iam._aws_managed_policies:
            yield "NoSuchEntity", 404, f"Policy {arn} does not exist or is not attachable."


def _faults_of_tags(params: dict[str, Any]) -> Iterator[tuple[str, int, str]]:
    tags = list(_tags(params))
    keys = [key.lower() for key, _ in tags]
    for number, (key, value) in enumerate(tags, 1):
        yield from _faults_of_text(f"tags.{number}.member.key", key, _LONGEST_KEY)
        yield from _faults_of_text(f"tags.{number}.member.value", value, _LONGEST_VALUE)
    if any(key.startswith("aws:") for key in keys):
        yield "InvalidInput", 400, "Tag keys beginning with aws: are reserved for system use."
    if len(set(keys)) < len(keys):
        yield "InvalidInput", 400, "Duplicate tag keys found. Please note that Tag keys are case insensitive."
    if len(keys) > _MOST_TAGS:
        yield "LimitExceeded", 409, f"The number of tags has reached the maximum limit of {_MOST_TAGS}."


def _tags(params: dict[str, Any]) -> Iterator[tuple[str, str]]:
    number = 1
    while (key := emulator.iam._p(params, f"Tags.member.{number}.Key")) not in (None, ""):
        yield str(key), str(emulator.iam._p(params, f"Tags.member.{number}.Value") or "")
        number += 1


def _faults_of_text(place: str, text: str, longest: int) -> Iterator[tuple[str, int, str]]:
    failed = f"1 validation error detected: Value at '{place}' failed to satisfy constraint: Member must "
    if len(text) > longest:
        yield "ValidationError", 400, f"{failed}have length less than or equal to {longest}"
    if not _TEXT.fullmatch(text):
        yield "ValidationError", 400, f"{failed}satisfy regular expression pattern: {_SHOWN}"


_READ_WRITE = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "BasePermissions",
            "Effect": "Allow",
            "Action": [
                "secretsmanager:*",
                "cloudformation:CreateChangeSet",
                "cloudformation:DescribeChangeSet",
                "cloudformation:DescribeStackResource",
                "cloudformation:DescribeStacks",
                "cloudformation:ExecuteChangeSet",
                "docdb-elastic:GetCluster",
                "docdb-elastic:ListClusters",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeSubnets",
                "ec2:DescribeVpcs",
                "kms:DescribeKey",
                "kms:ListAliases",
                "kms:ListKeys",
                "lambda:ListFunctions",
                "rds:DescribeDBClusters",
                "rds:DescribeDBInstances",
                "redshift:DescribeClusters",
                "redshift-serverless:ListWorkgroups",
                "redshift-serverless:GetNamespace",
                "tag:GetResources",
            ],
            "Resource": "*",
        },
        {
            "Sid": "LambdaPermissions",
            "Effect": "Allow",
            "Action": [
                "lambda:AddPermission",
                "lambda:CreateFunction",
                "lambda:GetFunction",
                "lambda:InvokeFunction",
                "lambda:UpdateFunctionConfiguration",
            ],
            "Resource": "arn:aws:lambda:*:*:function:SecretsManager*",
        },
    ],
}
"""https://docs.aws.amazon.com/aws-managed-policy/latest/reference/SecretsManagerReadWrite.html, in its main parts."""
