"""EventBridge: what a target gets, whether it may be reached, and the dead-letter queue of what was not delivered.

ministack delivers to a queue without a policy and to a function without a permission, knows no array index in a path,
and no dead letters. What the sandbox cannot deliver is refused when the target is made.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rotation_lab.sandbox import emulator, trust
from rotation_lab.sandbox.emulator import Answer, Json

_log = logging.getLogger("sandbox")
ACTIONS = {
    "lambda": "lambda:InvokeFunction",
    "sqs": "sqs:SendMessage",
    "sns": "sns:Publish",
    "states": "states:StartExecution",
    "events": "events:PutEvents",
}
_BY_ROLE = {"states"}
"""Targets of a rule that EventBridge reaches with the target's role; the others have a policy of their own."""
_MOST_TARGETS, _MOST_PATHS, _MOST_RETRIES = 5, 100, 185
_SHORTEST_AGE, _LONGEST_AGE = 60, 86_400
_PATH = re.compile(r"\$(?:\.[\w-]+|\['[^']+'\]|\[\d+\])*")
_PART = re.compile(r"\.([\w-]+)|\['([^']+)'\]|\[(\d+)\]")
_PLACEHOLDER = re.compile(r"<([^<>\s]+)>")
_RESERVED = "aws.events."
_INVALID = "ValidationException"


def apply() -> None:
    """Changes ministack; see ``rotation_lab.sandbox.patches``."""
    emulator.replace(emulator.eventbridge, "_put_targets", _put_targets)
    emulator.replace(emulator.eventbridge, "_invoke_target", _invoke_target)
    emulator.replace(emulator.eventbridge, "_apply_input_transformer", _input_transformer)


# What a target gets.


def _input_transformer(old: Callable[..., str]) -> Callable[..., str]:
    def transform(transformer: Json, rule: Json, view: Any) -> str:
        event, paths = view.event_with_detail(), transformer.get("InputPathsMap") or {}
        found = {name: follow(event, path, "") for name, path in paths.items()}
        # ministack follows names only: it gets each value under a name of its own.
        flat = _View({**event, **{f"_{name}": value for name, value in found.items()}}, view.envelope())
        return old({**transformer, "InputPathsMap": {name: f"$._{name}" for name in found}}, rule, flat)

    return transform


class _View:
    """What ministack reads an event through."""

    def __init__(self, event: Json, envelope: Json) -> None:
        self._event, self._envelope = event, envelope

    def event_with_detail(self) -> Json:
        return self._event

    def envelope(self) -> Json:
        return self._envelope


def follow(value: Any, path: str, missing: Any) -> Any:
    """The value at a path such as ``$.resources[0]``."""
    for name, quoted, index in _PART.findall(path):
        try:
            value = value[int(index)] if index else value[name or quoted]
        except (KeyError, IndexError, TypeError):
            return missing
    return value


def payload(target: Json, event: Json, rule: Json) -> str:
    """The text that a target of a rule gets."""
    view = emulator.eventbridge._pattern_event_view(event)
    if target.get("InputTransformer"):
        return str(emulator.eventbridge._apply_input_transformer(target["InputTransformer"], rule, view))
    if target.get("Input"):
        return str(target["Input"])
    whole = view.event_with_detail()
    return json.dumps(follow(whole, target.get("InputPath") or "$", whole))


# Whether it may be reached.


def _invoke_target(old: Callable[..., None]) -> Callable[..., None]:
    def invoke(target: Json, event: Json, rule: Json, view: Any = None) -> None:
        try:
            deliver(target, payload(target, event, rule), rule, lambda: old(target, event, rule, view))
        except Exception:  # noqa: BLE001 - one target must not keep the others from their event
            _log.exception("%s: target %s", rule.get("Name"), target.get("Arn"))

    return invoke


def deliver(target: Json, text: str, rule: Json, to_bus: Callable[[], None]) -> None:
    """Hands ``text`` to the target of a rule, or to its dead-letter queue."""
    arn, source = str(target["Arn"]), str(rule["Arn"])
    _count(rule, "Invocations")
    if (problem := _refusal(target, arn, source)) is None:
        send(target, arn, text, to_bus)
        return
    code, message = problem
    _log.warning("%s: %s gets no event: %s: %s", rule.get("Name"), arn, code, message)
    _count(rule, "FailedInvocations")
    dead = (target.get("DeadLetterConfig") or {}).get("Arn")
    if not dead:
        return
    if _refusal({"Arn": dead}, dead, source) is not None:
        _count(rule, "InvocationsFailedToBeSentToDLQ")
        return
    about = {"RULE_ARN": source, "TARGET_ARN": arn, "ERROR_CODE": code, "ERROR_MESSAGE": message}
    bury(dead, text, about)
    _count(rule, "InvocationsSentToDLQ")


def _refusal(target: Json, arn: str, source: str) -> tuple[str, str] | None:
    """Why EventBridge cannot reach a target: a code of its dead letters, and a sentence."""
    service = arn.split(":")[2]
    if not exists(arn):
        return "NO_RESOURCE", f"{arn} does not exist."
    allowed = (
        trust.role_permits(str(target.get("RoleArn")), "events", ACTIONS[service], arn)
        if target.get("RoleArn") or service in _BY_ROLE
        else trust.resource_permits(arn, "events", ACTIONS[service], source)
    )
    return None if allowed else ("NO_PERMISSIONS", f"events.amazonaws.com may not {ACTIONS[service]} on {arn}.")


def exists(arn: str) -> bool:
    """Whether a target is there."""
    service, name = arn.split(":")[2], arn.rpartition("/")[2]
    finders: dict[str, Callable[[], object]] = {
        "lambda": lambda: emulator.find_function(arn),
        "sqs": lambda: emulator.sqs._queue_by_arn(arn),
        "sns": lambda: emulator.sns._topics.get(arn),
        "states": lambda: emulator.stepfunctions._resolve_state_machine_arn(arn),
        "events": lambda: "api-destination/" in arn or emulator.eventbridge._event_buses.get(name),
    }
    return bool(finders[service]())


def send(target: Json, arn: str, text: str, to_bus: Callable[[], None]) -> None:
    """Hands ``text`` over, once it is allowed."""
    service = arn.split(":")[2]
    if service == "lambda":
        event = json.loads(text)
        emulator.lambda_svc.invoke_async_with_retry(emulator.find_function(arn), event)
    elif service == "sqs":
        spec = emulator.eventbridge.parse_arn(arn)
        emulator.eventbridge._dispatch_to_sqs(spec, text, target.get("SqsParameters") or {})
    elif service == "sns":
        emulator.eventbridge._dispatch_to_sns(arn, text)
    elif service == "states":
        emulator.eventbridge._dispatch_to_stepfunctions(arn, text)
    else:
        to_bus()


def bury(queue: str, text: str, about: Mapping[str, str]) -> None:
    """Puts a dead letter into a queue."""
    emulator.eventbridge._dispatch_to_sqs(emulator.eventbridge.parse_arn(queue), text)
    attributes = {name: {"DataType": "String", "StringValue": value} for name, value in about.items()}
    emulator.sqs._queue_by_arn(queue)["messages"][-1]["message_attributes"] = attributes


def _count(rule: Json, metric: str) -> None:
    emulator.cloudwatch.record_metric("AWS/Events", metric, 1, "Count", {"RuleName": rule.get("Name", "")})


# What is refused.


def _put_targets(old: Callable[[Json], Answer]) -> Callable[[Json], Answer]:
    def put(data: Json) -> Answer:
        targets = data.get("Targets") or []
        key = emulator.eventbridge._rule_key(data.get("Rule"), data.get("EventBusName", "default"))
        ids = {one["Id"] for one in [*(emulator.eventbridge._targets.get(key) or []), *targets]}
        if len(ids) > _MOST_TARGETS:
            return emulator.json_error("LimitExceededException", "The requested resource exceeds the maximum number.")
        for problem in (one for target in targets for one in _problems(target)):
            return emulator.json_error(_INVALID, problem)
        return old(data)

    return put


def _problems(target: Json) -> Iterator[str]:
    arn, name = str(target.get("Arn")), target.get("Id")
    service = (arn.split(":") + [""] * 3)[2]
    if service not in ACTIONS:
        yield f"The sandbox delivers to {', '.join(ACTIONS)} only: {arn} would get nothing."
    if service in _BY_ROLE and not target.get("RoleArn"):
        yield f"RoleArn is required for target {arn}."
    if len([one for one in ("Input", "InputPath", "InputTransformer") if target.get(one)]) > 1:
        yield f"Only one of Input, InputPath, or InputTransformer must be provided for target {name}."
    if target.get("InputPath") and not _PATH.fullmatch(str(target["InputPath"])):
        yield f"Invalid InputPath for target {name}."
    yield from _problems_of_transformer(name, target.get("InputTransformer"))
    yield from problems_of_retries(target.get("RetryPolicy") or {})
    yield from problems_of_dead_letters((target.get("DeadLetterConfig") or {}).get("Arn"))


def _problems_of_transformer(target: Any, transformer: Json | None) -> Iterator[str]:
    if not transformer:
        return
    paths, template = transformer.get("InputPathsMap") or {}, str(transformer.get("InputTemplate") or "")
    if len(paths) > _MOST_PATHS:
        yield f"InputPathsMap for target {target} has more than {_MOST_PATHS} entries."
    for path in paths.values():
        if not _PATH.fullmatch(path):
            yield f"InputPath for target {target} is invalid, or one that the sandbox cannot follow: {path}"
    for placeholder in _PLACEHOLDER.findall(template):
        if placeholder not in paths and not placeholder.startswith(_RESERVED):
            yield f"InputTemplate for target {target} contains invalid placeholder {placeholder}."
    if not _is_template(template):
        yield f"Invalid InputTemplate for target {target}: it is neither JSON nor a quoted string."


def _is_template(template: str) -> bool:
    return _is_json(template) or all(_is_json(line) for line in template.splitlines())


def _is_json(template: str) -> bool:
    # Alone, a placeholder stands for a value; within quotes, for text.
    quoted = re.sub(r'"(?:\\.|[^"\\])*"', '""', template)
    try:
        json.loads(_PLACEHOLDER.sub("0", quoted))
    except ValueError:
        return False
    return bool(template.strip())


def problems_of_retries(policy: Json) -> Iterator[str]:
    """What is wrong with a retry policy."""
    attempts, age = policy.get("MaximumRetryAttempts", 0), policy.get("MaximumEventAgeInSeconds", _LONGEST_AGE)
    if not 0 <= attempts <= _MOST_RETRIES:
        yield f"MaximumRetryAttempts is {attempts}; it must be between 0 and {_MOST_RETRIES}."
    if not _SHORTEST_AGE <= age <= _LONGEST_AGE:
        yield f"MaximumEventAgeInSeconds is {age}; it must be between {_SHORTEST_AGE} and {_LONGEST_AGE}."


def problems_of_dead_letters(arn: str | None) -> Iterator[str]:
    """What is wrong with a dead-letter queue."""
    if arn and (arn.split(":")[2] != "sqs" or arn.endswith(".fifo")):
        yield f"Parameter DeadLetterConfig.Arn is not valid. Reason: {arn} is not a standard SQS queue."
