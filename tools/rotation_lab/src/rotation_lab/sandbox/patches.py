"""What the sandbox changes inside ministack. ``emulator.replace`` stops the start when something is not there any more.

Each function here makes the replacement of one function of ministack and gets the original as its argument.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any
from xml.sax.saxutils import escape

from rotation_lab.model import wire
from rotation_lab.model.errors import ServiceError
from rotation_lab.sandbox import bridge, emulator, identities, lambda_logs, limits, permissions, requests
from rotation_lab.sandbox.emulator import Answer
from rotation_lab.sandbox.rates import Rates
from rotation_lab.sandbox.runtime import Code, Pool
from rotation_lab.sandbox.secrets_manager import Secrets, here

Service = Callable[[str, str, dict[str, str], bytes, dict[str, Any]], Awaitable[Answer]]


def apply(secrets: Secrets, pool: Pool, rates: Rates | None = None) -> None:
    """Makes all changes; once for a process."""
    swaps: list[tuple[Any, str, Callable[[Any], Any]]] = [
        (emulator.secretsmanager, "handle_request", lambda old: _secrets_manager(secrets, rates)),
        (emulator.iam_actions, "request_tag_context", lambda old: _condition_keys(old, secrets)),
        (emulator.iam_evaluator, "_resolve_condition_key", _principal_arn),
        (emulator.lambda_svc, "_execute_function_warm", lambda old: _run_function(old, pool)),
        (emulator.lambda_svc, "_emit_lambda_logs", _no_second_log),
        (emulator.lambda_svc, "_emit_lambda_metrics", _metrics),
        (emulator.lambda_svc, "_create_function", lambda old: _create_function(old, pool)),
        (emulator.lambda_svc, "_delete_function", lambda old: _delete_function(old, pool)),
        (emulator.lambda_svc, "_update_config", _update_config),
        (emulator.lambda_svc, "_add_permission", _add_permission),
        (emulator.kms, "handle_request", _key_pairs_in_a_thread),
        (emulator.cloudwatch, "_describe_alarms", _describe_alarms),
        (emulator.ec2, "_rules_match", _rules_match),
    ]
    for owner, name, make in swaps:
        emulator.replace(owner, name, make)
    limits.apply()
    identities.apply()
    bridge.apply(secrets)


# Secrets Manager


def _secrets_manager(secrets: Secrets, rates: Rates | None) -> Service:
    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Answer:
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        try:
            if rates is not None:
                rates.take(emulator.account(), emulator.region(), action)
            key = emulator.router.extract_access_key_id(headers, query) or ""
            answer = _checked(secrets, key, action, wire.decode(body))
            return emulator.json_body(wire.encode(answer))
        except ServiceError as error:
            return emulator.json_body(wire.encode_error(error), 400)

    return handle_request


def _checked(secrets: Secrets, key: str, action: str, request: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request, once KMS and Lambda have been asked what the caller may do there."""
    secret = secrets.lookup(request.get("SecretId"))
    permissions.check_kms(key, action, request, secret)
    if action == "RotateSecret":
        permissions.check_rotation_caller(key, request, secret)

    def check(read: str, arn: str) -> None:
        permissions.check_secret(key, read, arn)
        permissions.check_kms(key, read, {}, secrets.vault.secrets.get(arn))

    return secrets.handle(here(check), action, request)


def _condition_keys(old: Callable[..., dict[str, Any]], secrets: Secrets) -> Callable[..., dict[str, Any]]:
    def request_tag_context(service: str, action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
        keys = dict(old(service, action, body, params))
        if service == "secretsmanager":
            try:
                request = requests.parse(body)
            except ServiceError:
                return keys  # the request is refused when it is handled
            keys |= permissions.condition_keys(request, secrets.lookup(request.get("SecretId")))
        if function := permissions.function_of(str(emulator.iam_evaluator.caller_arn())):
            keys["lambda:SourceFunctionArn"] = function
        return keys

    return request_tag_context


def _principal_arn(old: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    def resolve(key: str, context: Any) -> Any:
        found = old(key, context)
        return permissions.principal(str(found)) if key.lower() == "aws:principalarn" else found

    return resolve


# KMS


def _key_pairs_in_a_thread(old: Service) -> Service:
    async def handle_request(method: str, path: str, headers: dict[str, str], *rest: Any) -> Answer:
        call = old(method, path, headers, *rest)
        if ".GenerateDataKeyPair" not in headers.get("x-amz-target", ""):
            return await call
        # An RSA key of 4096 bits takes seconds, in which nothing else would be answered.
        answer: Answer = await asyncio.to_thread(asyncio.run, call)  # type: ignore[arg-type]
        return answer

    return handle_request


# Lambda


def _run_function(old: Callable[..., Any], pool: Pool) -> Callable[..., Any]:
    def execute(function: dict[str, Any], event: Any, request_id: str) -> Any:
        config = function.get("config") or function
        if not str(config.get("Runtime", "")).startswith("python") or not function.get("code_zip"):
            return old(function, event, request_id)
        layers = (emulator.lambda_svc._resolve_layer_zip(layer) for layer in config.get("Layers") or [])
        trace = emulator.lambda_svc._xray_trace_id_for_invocation(config)
        code = Code(function["code_zip"], tuple(filter(None, layers)))
        payload = json.dumps(event).encode()
        outcome = pool.invoke(config, code, _function_environment(config), request_id, payload, trace)
        lines = lambda_logs.events(config, request_id, outcome)
        lambda_logs.write(config, outcome.stream, lines)
        answer = {"body": _content(outcome.body), "log": "\n".join(lines)}
        return answer if outcome.ok else {**answer, "error": True}

    return execute


def _function_environment(config: dict[str, Any]) -> dict[str, str]:
    region, port = emulator.region(), emulator.app._resolve_port()
    return {
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        **permissions.function_credentials(config),
    }


def _content(body: bytes) -> Any:
    text = body.decode("utf-8", "replace")
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def _no_second_log(old: Callable[..., None]) -> Callable[..., None]:
    def emit(function: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        config = function.get("config") or function
        if not str(config.get("Runtime", "")).startswith("python"):  # ours have been written, with their own stream
            old(function, *args, **kwargs)

    return emit


def _metrics(old: Callable[..., None]) -> Callable[..., None]:
    def emit(name: str, duration_ms: float, error: bool, throttle: bool) -> None:
        if duration_ms or error or throttle:  # an asynchronous call is counted when it runs, not when it is accepted
            old(name, duration_ms, error, throttle)
        emulator.cloudwatch._evaluate_all_alarms()  # ministack does so on PutMetricData only

    return emit


def _create_function(old: Callable[..., Answer], pool: Pool) -> Callable[..., Answer]:
    def create(data: dict[str, Any]) -> Answer:
        try:
            _check_function(data.get("FunctionName"), data)
        except ServiceError as error:
            return emulator.json_error(error.code, error.message)
        pool.prepare(str(data.get("Runtime", "")))
        answer = old(data)
        if answer[0] == 201 and data.get("CodeSigningConfigArn"):  # ministack takes it from a call of its own only
            emulator.lambda_svc._functions[data["FunctionName"]]["code_signing_config_arn"] = data[
                "CodeSigningConfigArn"
            ]
        return answer

    return create


def _delete_function(old: Callable[..., Answer], pool: Pool) -> Callable[..., Answer]:
    def delete(name: str, *args: Any, **kwargs: Any) -> Answer:
        answer = old(name, *args, **kwargs)
        if name not in emulator.lambda_svc._functions:  # and not one version of it only
            pool.end(emulator.lambda_svc._func_arn(name))
        return answer

    return delete


def _update_config(old: Callable[..., Answer]) -> Callable[..., Answer]:
    def update(name: str, data: dict[str, Any]) -> Answer:
        current = (emulator.lambda_svc._functions.get(name) or {}).get("config") or {}
        try:
            if current:
                _check_function(name, {**current, **data})
        except ServiceError as error:
            return emulator.json_error(error.code, error.message)
        return old(name, data)

    return update


def _check_function(name: Any, config: dict[str, Any]) -> None:
    limits.check_environment(config)
    if name and config.get("Role"):
        permissions.check_role({**config, "FunctionName": name, "FunctionArn": emulator.lambda_svc._func_arn(name)})


def _add_permission(old: Callable[..., Answer]) -> Callable[..., Answer]:
    def add(name: str, data: dict[str, Any], *args: Any, **kwargs: Any) -> Answer:
        function = emulator.lambda_svc._functions.get(name)
        before = json.loads(json.dumps(function["policy"]["Statement"])) if function else []
        status, headers, body = old(name, data, *args, **kwargs)
        if status == 201 and function is not None:
            try:
                limits.check_function_policy(function["policy"])
            except ServiceError as error:
                function["policy"]["Statement"] = before
                return emulator.json_error(error.code, error.message)
        return status, headers, body

    return add


# Two defects of ministack that would leave Terraform a plan that never gets empty


def _describe_alarms(old: Callable[..., Any]) -> Callable[..., Any]:
    def describe(params: dict[str, Any], data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        if is_cbor or is_json:
            return old(params, data, is_cbor, is_json)
        # The query protocol's answer lacks fields that the JSON one has.
        status, _, body = old(params, _alarm_query(params), False, True)
        if status != 200:
            return old(params, data, is_cbor, is_json)
        content = f"<DescribeAlarmsResult>{_xml(json.loads(body))}</DescribeAlarmsResult>"
        return emulator.cloudwatch._xml(200, "DescribeAlarmsResponse", content)

    return describe


def _alarm_query(params: dict[str, Any]) -> dict[str, Any]:
    value = emulator.cloudwatch._p
    query: dict[str, Any] = {
        name: list(filter(None, (value(params, f"{name}.member.{number}") for number in range(1, 101))))
        for name in ("AlarmNames", "AlarmTypes")
    }
    names = ("AlarmNamePrefix", "StateValue", "MaxRecords", "NextToken")
    return query | {name: value(params, name) for name in names if value(params, name)}


def _xml(value: Any, key: str = "") -> str:
    if isinstance(value, dict):
        shown = {name: content for name, content in value.items() if content is not None and name[0] != "_"}
        return "".join(f"<{name}>{_xml(content, name)}</{name}>" for name, content in shown.items())
    if isinstance(value, list):
        return "".join(f"<member>{_xml(item)}</member>" for item in value)
    if isinstance(value, bool):
        return str(value).lower()
    if key.endswith("Timestamp") and isinstance(value, int | float):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(value))
    return escape(str(value))


def _rules_match(old: Callable[..., bool]) -> Callable[..., bool]:
    def without_ports(rule: dict[str, Any]) -> dict[str, Any]:
        # Protocol -1 has no ports: 0 to 0 and no ports at all are the same rule.
        ignored = {"SecurityGroupRuleId"} | ({"FromPort", "ToPort"} if rule.get("IpProtocol") == "-1" else set())
        return {name: value for name, value in rule.items() if name not in ignored}

    def match(one: dict[str, Any], other: dict[str, Any]) -> bool:
        return bool(old(without_ports(one), without_ports(other)))

    return match
