"""What Lambda writes to a function's log group around what the function itself prints."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rotation_lab.sandbox import emulator, permissions
from rotation_lab.sandbox.runtime import Outcome

_log = logging.getLogger("sandbox")
_QUIET = {"WARN"}
"""System log levels at which the lines about a success are left out."""


def group_name(config: Mapping[str, Any]) -> str:
    """The log group of a function."""
    return (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"


def events(config: Mapping[str, Any], request_id: str, outcome: Outcome) -> list[str]:
    """The log events of one invocation, in order."""
    # The runtime client writes a carriage return for a line break inside one event.
    printed = [line.replace("\r", "\n") for line in outcome.log.split("\n") if line]
    notes = outcome.note.splitlines()
    if (config.get("LoggingConfig") or {}).get("LogFormat") == "JSON":
        return [*notes, *_json_events(config, request_id, outcome, printed)]
    end = [_report(config, request_id, outcome)]
    if outcome.killed:
        end.insert(0, outcome.killed.replace("RequestId: ", f"{_now()} ", 1).replace(" Error: ", " ", 1))
    start = f"START RequestId: {request_id} Version: {config.get('Version', '$LATEST')}"
    return [*notes, start, *printed, *end[:-1], f"END RequestId: {request_id}", end[-1]]


def write(config: Mapping[str, Any], stream: str, messages: list[str]) -> None:
    """Writes to the log group, as far as the function's role allows; without the permission they are lost."""
    group, arn = group_name(config), _group_arn(config)
    for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
        if not permissions.role_allows(config, action, f"{arn}:log-stream:{stream}"):
            _log.warning("%s: its role lacks %s on %s: log lines are lost", config["FunctionName"], action, group)
            return
    groups = emulator.cloudwatch_logs._log_groups
    if group not in groups:
        if not permissions.role_allows(config, "logs:CreateLogGroup", arn):
            _log.warning("%s: no log group %s: log lines are lost", config["FunctionName"], group)
            return
        groups[group] = _new_group(group)
    _append(group, groups[group]["streams"].setdefault(stream, _new_stream()), stream, messages)


def _append(group: str, target: Any, stream: str, messages: list[str]) -> None:
    now = int(time.time() * 1000)
    entries = [{"timestamp": now, "message": message, "ingestionTime": now} for message in messages]
    emulator.cloudwatch_logs._append_log_events(target, entries)
    plain = [{"timestamp": now, "message": message} for message in messages]
    emulator.cloudwatch_logs._fanout_to_subscription_filters(group, stream, plain)


def _json_events(config: Mapping[str, Any], request_id: str, outcome: Outcome, printed: list[str]) -> list[str]:
    level = (config.get("LoggingConfig") or {}).get("SystemLogLevel") or "INFO"
    if level in _QUIET and outcome.ok:
        return printed
    status = "success" if outcome.ok else _status(outcome)
    metrics = {"durationMs": round(outcome.duration_ms, 3), "billedDurationMs": int(outcome.duration_ms) + 1}
    metrics |= {"memorySizeMB": config.get("MemorySize", 128), "maxMemoryUsedMB": outcome.peak_mb}
    metrics |= {"initDurationMs": round(outcome.init_ms, 3)} if outcome.init_ms is not None else {}
    about: dict[str, Any] = {"requestId": request_id}
    start = _platform("start", about | {"version": config.get("Version", "$LATEST")})
    failure = {} if outcome.ok else {"errorType": _error_type(outcome)}
    report = _platform("report", about | {"metrics": metrics, "status": status} | failure)
    return [start, *printed, report]


def _platform(kind: str, record: dict[str, Any]) -> str:
    return json.dumps({"time": _now(), "type": f"platform.{kind}", "record": record})


def _report(config: Mapping[str, Any], request_id: str, outcome: Outcome) -> str:
    fields = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {outcome.duration_ms:.2f} ms",
        f"Billed Duration: {int(outcome.duration_ms) + 1} ms",
        f"Memory Size: {config.get('MemorySize', 128)} MB",
        f"Max Memory Used: {outcome.peak_mb} MB",
    ]
    if outcome.init_ms is not None:
        fields.append(f"Init Duration: {outcome.init_ms:.2f} ms")
    if outcome.killed:
        fields.append(f"Status: {_status(outcome)}")
        fields += [f"Error Type: {_error_type(outcome)}"] if _status(outcome) == "error" else []
    return "\t".join(fields)


def _status(outcome: Outcome) -> str:
    return "timeout" if _error_type(outcome) == "Sandbox.Timedout" else "error"


def _error_type(outcome: Outcome) -> str:
    try:
        return str(json.loads(outcome.body)["errorType"])
    except (ValueError, TypeError, KeyError):
        return "Unhandled"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _group_arn(config: Mapping[str, Any]) -> str:
    return f"arn:aws:logs:{emulator.region()}:{emulator.account()}:log-group:{group_name(config)}"


def _new_group(name: str) -> dict[str, Any]:
    return {
        "arn": emulator.cloudwatch_logs._make_group_arn(name),
        "creationTime": int(time.time() * 1000),
        "retentionInDays": None,
        "tags": {},
        "subscriptionFilters": {},
        "streams": {},
    }


def _new_stream() -> dict[str, Any]:
    return {
        "events": [],
        "uploadSequenceToken": "1",
        "creationTime": int(time.time() * 1000),
        "firstEventTimestamp": None,
        "lastEventTimestamp": None,
        "lastIngestionTime": None,
    }
