"""Lambda as Secrets Manager uses it: may it call the function, and what did the call answer."""

from __future__ import annotations

import time
from typing import Any

from rotation_lab.model.errors import ServiceError
from rotation_lab.model.secret import Secret
from rotation_lab.sandbox import emulator

Record = dict[str, Any]
_PRINCIPAL = "secretsmanager.amazonaws.com"


def check_may_invoke(secret: Secret, arn: str) -> Record:
    """The function's record, when its resource policy lets Secrets Manager call it for this secret.

    A function that is not there is refused in the same words.
    """
    function = emulator.find_function(arn)
    if function is None or not _policy_allows(function, arn, secret.arn):
        raise ServiceError(
            "AccessDeniedException",
            "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants "
            f"access to the principal {_PRINCIPAL}.",
        )
    return function


def invoke(function: Record, event: dict[str, str]) -> str | None:
    """Calls the function and waits; returns None, or what it failed with as "<type>: <message>"."""
    started = time.time()
    answer = emulator.lambda_svc._execute_function(function, event)
    failed, throttled = bool(answer.get("error")), bool(answer.get("throttle"))
    if not throttled:  # a throttled call has been counted where it was refused
        milliseconds = (time.time() - started) * 1000
        name = function["config"]["FunctionName"]
        emulator.lambda_svc._emit_lambda_metrics(name, duration_ms=milliseconds, error=failed, throttle=False)
    return _describe(answer.get("body")) if failed or throttled else None


def _policy_allows(function: Record, arn: str, secret_arn: str) -> bool:
    context = emulator.iam_evaluator.EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action="lambda:InvokeFunction",
        resource_arn=arn,
        region=emulator.region(),
        service_context={"aws:sourcearn": secret_arn, "aws:sourceaccount": emulator.account()},
    )
    # A version's record has no policy of its own.
    base = emulator.lambda_svc._functions.get(function["config"]["FunctionName"], {})
    policy = function.get("policy") or base.get("policy")
    decision = emulator.iam_evaluator.evaluate_resource_policy(policy, context, service=_PRINCIPAL).decision
    return bool(decision == "Allow")


def _describe(body: Any) -> str:
    if not isinstance(body, dict):
        return str(body)
    kind = body.get("errorType") or body.get("__type") or "Error"
    return f"{kind}: {body.get('errorMessage') or body.get('message') or ''}"
