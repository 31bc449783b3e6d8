"""Whether a service of AWS may do something: by the policy of what it reaches, or by a role that it assumes."""

from __future__ import annotations

import json
from typing import Any

from rotation_lab.sandbox import emulator


def resource_permits(arn: str, service: str, action: str, source: str) -> bool:
    """Whether the policy of a queue, topic or function lets a service in, and the key that encrypts it."""
    policy, key = _policy_and_key(arn)
    principal = f"{service}.amazonaws.com"
    return _evaluated(policy, principal, action, arn, source) and (not key or key_permits(key, principal, source))


def _policy_and_key(arn: str) -> tuple[Any, str | None]:
    service = arn.split(":")[2]
    if service == "lambda":
        function = emulator.find_function(arn) or {}
        name = arn.split(":")[6]
        return function.get("policy") or emulator.lambda_svc._functions.get(name, {}).get("policy"), None
    if service == "events":  # a bus of the same account needs no policy
        statement = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
        return {"Version": "2012-10-17", "Statement": [statement]}, None
    found = (emulator.sqs._queue_by_arn(arn) if service == "sqs" else emulator.sns._topics.get(arn)) or {}
    attributes = found.get("attributes", {})
    return attributes.get("Policy"), attributes.get("KmsMasterKeyId")


def key_permits(key: str, principal: str, source: str) -> bool:
    """Whether a service may use the key that encrypts what it sends to. A key of AWS's own cannot be opened to it."""
    record = emulator.kms._resolve_key(key)
    if key.removeprefix("arn:").rpartition(":")[2].startswith("alias/aws/") or record is None:
        return False
    policy, arn = record.get("Policy") or record.get("_policy"), str(record["Arn"])
    return all(_evaluated(policy, principal, f"kms:{name}", arn, source) for name in ("Decrypt", "GenerateDataKey"))


def _evaluated(policy: Any, principal: str, action: str, arn: str, source: str) -> bool:
    keys: dict[str, Any] = {"aws:sourcearn": source, "aws:sourceaccount": emulator.account()}
    if principal.startswith("cloudwatch."):
        keys["aws:sourceowner"] = emulator.account()  # what a topic's default policy asks for
    context = emulator.iam_evaluator.EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action=action,
        resource_arn=arn,
        region=emulator.region(),
        service_context=keys,
    )
    found = emulator.iam_evaluator.evaluate_resource_policy(policy or None, context, service=principal)
    return bool(found.decision == "Allow")


def role_trusts(role_arn: str, service: str) -> bool:
    """Whether a role is there and a service may assume it."""
    role = emulator.iam._roles.get(role_arn.rsplit("/", 1)[-1])
    if role is None:
        return False
    statements = json.loads(role["AssumeRolePolicyDocument"])["Statement"]
    return any(
        statement["Effect"] == "Allow"
        and emulator.iam_evaluator._service_principal_matches(statement.get("Principal"), f"{service}.amazonaws.com")
        for statement in (statements if isinstance(statements, list) else [statements])
    )


def role_permits(role_arn: str, service: str, action: str, resource: str) -> bool:
    """Whether a service may assume a role, and the role may do something."""
    if not role_trusts(role_arn, service):
        return False
    name = role_arn.rsplit("/", 1)[-1]
    context = emulator.iam_evaluator.EvalContext(
        principal_arn=f"arn:aws:sts::{emulator.account()}:assumed-role/{name}/{service}",
        principal_type="AssumedRole",
        principal_account=emulator.account(),
        action=action,
        resource_arn=resource,
        region=emulator.region(),
    )
    policies = emulator.iam_evaluator._gather_role_policies(name, emulator.account())
    return bool(emulator.iam_evaluator.evaluate(context, policies).decision == "Allow")
