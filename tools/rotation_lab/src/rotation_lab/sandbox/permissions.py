"""What ministack's IAM does not know of: Secrets Manager's condition keys, its use of KMS keys, functions' roles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rotation_lab.model.errors import ServiceError
from rotation_lab.model.secret import Secret, has_value
from rotation_lab.sandbox import emulator

_KMS_ACTIONS = {
    "GetSecretValue": ("kms:Decrypt",),
    "PutSecretValue": ("kms:GenerateDataKey", "kms:Decrypt"),
    "CreateSecret": ("kms:GenerateDataKey", "kms:Decrypt"),
    "UpdateSecret": ("kms:GenerateDataKey", "kms:Decrypt"),
}
_REQUEST_KEYS = (
    "Description",
    "ForceDeleteWithoutRecovery",
    "ForceOverwriteReplicaSecret",
    "KmsKeyId",
    "Name",
    "RecoveryWindowInDays",
    "RotateImmediately",
    "RotationLambdaARN",
    "SecretId",
    "VersionId",
    "VersionStage",
)
_DEAD_LETTERS = {"sqs": ("sqs:SendMessage", "SendMessage on SQS"), "sns": ("sns:Publish", "Publish on SNS")}
_NETWORK = ("CreateNetworkInterface", "DescribeNetworkInterfaces", "DeleteNetworkInterface")

_functions_of_sessions: dict[str, str] = {}
"""Session ARN of a function's role -> the function's ARN."""


def function_of(principal: str) -> str | None:
    """The ARN of the function that has this session, if it is a function's."""
    return _functions_of_sessions.get(principal)


def function_credentials(config: Mapping[str, Any]) -> dict[str, str]:
    """The credentials of the function's role, as environment variables."""
    credentials: dict[str, str] = emulator.lambda_runtime.execution_credentials(config)
    role, name = config["Role"].rsplit("/", 1)[-1], config["FunctionName"][:64]
    session = f"arn:aws:sts::{emulator.account()}:assumed-role/{role}/{name}"
    _functions_of_sessions[session] = ":".join(config["FunctionArn"].split(":")[:7])
    return credentials


def condition_keys(request: Mapping[str, Any], secret: Secret | None) -> dict[str, str]:
    """The ``secretsmanager:*`` condition keys of a request."""
    keys = {f"secretsmanager:{name}": _text(request[name]) for name in _REQUEST_KEYS if request.get(name) is not None}
    if secret is None:
        return keys
    if secret.function:
        keys["secretsmanager:resource/AllowRotationLambdaArn"] = secret.function
    if secret.primary:
        keys["secretsmanager:SecretPrimaryRegion"] = secret.primary.split(":")[3]
    return keys | {f"secretsmanager:ResourceTag/{key}": value for key, value in (secret.tags or {}).items()}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def check_kms(access_key: str, action: str, request: Mapping[str, Any], secret: Secret | None) -> None:
    """``ServiceError`` when the caller may not use the customer managed key that the secret's value needs."""
    key = request.get("KmsKeyId") or (secret.kms_key if secret else None)
    changes_nothing = action in ("CreateSecret", "UpdateSecret") and not has_value(dict(request))
    if action not in _KMS_ACTIONS or not key or "alias/aws/secretsmanager" in key or changes_nothing:
        return
    arn = _usable_key(str(key), action)
    context = {
        "kms:ViaService": f"secretsmanager.{emulator.region()}.amazonaws.com",
        "kms:CallerAccount": emulator.account(),
        "kms:EncryptionContext:SecretARN": secret.arn if secret else "",
        "kms:EncryptionContextKeys": ["SecretARN", "SecretVersionId"],
    }
    for needed in _KMS_ACTIONS[action]:
        denied = emulator.iam_evaluator.enforce(
            access_key, needed, "kms", emulator.region(), resource_arn=arn, service_context=context
        )
        if denied:
            raise ServiceError("AccessDeniedException", "Access to KMS is not allowed")


def _usable_key(key: str, action: str) -> str:
    record = emulator.kms._resolve_key(key)
    if record is None or record["KeyState"] != "Enabled":
        if action == "GetSecretValue":
            raise ServiceError(
                "DecryptionFailure", "Secrets Manager can't decrypt the secret value: check the KMS key."
            )
        raise ServiceError("EncryptionFailure", "Secrets Manager can't encrypt the secret value: check the KMS key.")
    return str(record["Arn"])


def check_rotation_caller(access_key: str, request: Mapping[str, Any], secret: Secret | None) -> None:
    """``ServiceError`` when who calls RotateSecret may not invoke the function."""
    arn = request.get("RotationLambdaARN") or (secret.function if secret else None)
    action = "lambda:InvokeFunction"
    if arn and emulator.iam_evaluator.enforce(access_key, action, "lambda", emulator.region(), resource_arn=arn):
        raise ServiceError("AccessDeniedException", f"The caller is not authorized to perform {action} on {arn}")


def check_secret(access_key: str, action: str, arn: str) -> None:
    """``ServiceError`` when the caller may not do this with one of the secrets that a request finds."""
    denied = emulator.iam_evaluator.enforce(
        access_key, f"secretsmanager:{action}", "secretsmanager", emulator.region(), resource_arn=arn
    )
    if denied:
        who = getattr(denied, "principal_arn", "")
        raise ServiceError(
            "AccessDeniedException",
            f"User: {who} is not authorized to perform: secretsmanager:{action} on resource: {arn}",
        )


def principal(caller: str) -> str:
    """The ARN that the condition key ``aws:PrincipalArn`` has for a caller: of a session, that of its role."""
    if ":assumed-role/" not in caller:
        return caller
    role = emulator.iam._roles.get(caller.split("/")[1])
    return str(role["Arn"]) if role else caller


def role_allows(config: Mapping[str, Any], action: str, resource: str) -> bool:
    """Whether the role of a function allows an action that Lambda does in its name."""
    key = function_credentials(config)["AWS_ACCESS_KEY_ID"]
    principal = emulator.iam_evaluator.resolve_principal(key, emulator.account())
    if isinstance(principal, emulator.iam_evaluator.AuthError):
        return False
    context = emulator.iam_evaluator.EvalContext(
        principal_arn=principal.arn,
        principal_type=principal.type,
        principal_account=principal.account,
        action=action,
        resource_arn=resource,
        region=emulator.region(),
    )
    return bool(emulator.iam_evaluator.evaluate(context, principal.policies, *principal.limits).decision == "Allow")


def check_role(config: Mapping[str, Any]) -> None:
    """``ServiceError`` for a role that Lambda cannot assume, or that lacks what the function's settings need."""
    role = emulator.iam._roles.get(str(config.get("Role", "")).rsplit("/", 1)[-1])
    if role is None:
        return  # ministack refuses that itself
    if not _trusts_lambda(role["AssumeRolePolicyDocument"]):
        raise ServiceError(
            "InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda."
        )
    for action, name in _needed(config):
        resource = (config.get("DeadLetterConfig") or {}).get("TargetArn") if not action.startswith("ec2:") else "*"
        if not role_allows(config, action, str(resource)):
            raise ServiceError(
                "InvalidParameterValueException",
                f"The provided execution role does not have permissions to call {name}",
            )


def _trusts_lambda(document: str) -> bool:
    statements = json.loads(document)["Statement"]
    return any(
        statement["Effect"] == "Allow"
        and emulator.iam_evaluator._service_principal_matches(statement.get("Principal"), "lambda.amazonaws.com")
        for statement in (statements if isinstance(statements, list) else [statements])
    )


def _needed(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    dead_letters = (config.get("DeadLetterConfig") or {}).get("TargetArn")
    needed = [_DEAD_LETTERS[dead_letters.split(":")[2]]] if dead_letters else []
    if (config.get("VpcConfig") or {}).get("SubnetIds"):
        needed += [(f"ec2:{action}", f"{action} on EC2") for action in _NETWORK]
    return needed
