"""CloudWatch's alarms: exact dimensions, M of N, missing data, back to OK; and what cannot be sent to whom."""

from __future__ import annotations

import logging
import operator
from collections.abc import Callable, Iterator
from typing import Any

from rotation_lab.sandbox import emulator, trust
from rotation_lab.sandbox.alarm_state import Point, decide
from rotation_lab.sandbox.emulator import Json

_log = logging.getLogger("sandbox")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_TREATMENTS = ("missing", "breaching", "notBreaching", "ignore")
_EXTRA_PERIODS = 2
"""CloudWatch looks at more periods than an alarm asks for. Its examples have five for three."""
_WEEK = 7 * 86_400
_ACTIONS = ("AlarmActions", "OKActions", "InsufficientDataActions")


def apply() -> None:
    """Changes ministack; see ``rotation_lab.sandbox.patches``."""
    emulator.replace(emulator.cloudwatch, "_evaluate_alarm", lambda old: _evaluate)
    emulator.replace(emulator.cloudwatch, "_put_metric_alarm", _put_metric_alarm)
    emulator.replace(emulator.cloudwatch, "_dispatch_alarm_actions", _dispatch_actions)


def tick() -> None:
    """Evaluates all alarms."""
    scopes = {key[:2] for key in list(emulator.cloudwatch._alarms._data)}
    for account, region in scopes:
        emulator.in_scope(account, region, emulator.cloudwatch._evaluate_all_alarms)


def _evaluate(alarm: Json) -> None:
    before = alarm["StateValue"]
    points = _points(alarm)
    needed = int(alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"])
    state = decide(points, int(alarm["EvaluationPeriods"]), needed, alarm["TreatMissingData"], before)
    if state == before:
        return
    shown = " ".join({True: "breaching", False: "ok", None: "missing"}[point] for point in points)
    reason = f"Threshold Crossed: of the last periods, newest first: {shown} (missing: {alarm['TreatMissingData']})"
    alarm |= {"StateValue": state, "StateReason": reason}
    alarm["StateUpdatedTimestamp"] = int(emulator.cloudwatch.time.time())
    emulator.cloudwatch._record_history(alarm["AlarmName"], before, state, reason)
    emulator.cloudwatch._dispatch_alarm_actions(alarm, before, state, reason)
    emulator.cloudwatch._evaluate_parent_alarms(alarm)


def _points(alarm: Json) -> list[Point]:
    """The periods of an alarm, newest first; the one at hand is one of them."""
    period, periods = int(alarm["Period"]), int(alarm["EvaluationPeriods"]) + _EXTRA_PERIODS
    dimensions = emulator.cloudwatch._dims_key({one["Name"]: one["Value"] for one in alarm["Dimensions"] or []})
    values = emulator.cloudwatch._metrics.get((alarm["Namespace"], alarm["MetricName"], dimensions)) or []
    end = (emulator.cloudwatch.time.time() // period + 1) * period
    bounds = [(end - (n + 1) * period, end - n * period) for n in range(periods)]
    return [_point(alarm, [one for one in values if start <= one["Timestamp"] < stop]) for start, stop in bounds]


def _point(alarm: Json, values: list[Json]) -> Point:
    if not values:
        return None
    name = alarm.get("ExtendedStatistic") or alarm["Statistic"]
    value = emulator.cloudwatch._stat_value(emulator.cloudwatch._calc_stats(values), name, values)
    return None if value is None else _COMPARE[alarm["ComparisonOperator"]](value, alarm["Threshold"])


# What is refused.


def _put_metric_alarm(old: Callable[..., Any]) -> Callable[..., Any]:
    def put(params: Json, data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        as_json, value = is_cbor or is_json, emulator.cloudwatch._p
        request = data if as_json else {name: value(params, name) for name in _READ if value(params, name)}
        if not as_json:
            request |= {name: _members(params, name) for name in _ACTIONS}
            request |= {"Metrics": [1] if value(params, "Metrics.member.1.Id") else []}
        for problem in _problems(request):
            return emulator.cloudwatch._error("ValidationError", problem, 400, use_json=is_json, use_cbor=is_cbor)
        answer = old(params, data, is_cbor, is_json)
        alarm = emulator.cloudwatch._alarms.get(request.get("AlarmName"))
        if alarm and not as_json:  # ministack drops them there
            alarm["InsufficientDataActions"] = request["InsufficientDataActions"]
        return answer

    return put


_READ = (
    "AlarmName",
    "ComparisonOperator",
    "DatapointsToAlarm",
    "EvaluationPeriods",
    "Period",
    "ThresholdMetricId",
    "TreatMissingData",
)


def _members(params: Json, name: str) -> list[str]:
    value = emulator.cloudwatch._p
    found: list[str] = []
    while item := value(params, f"{name}.member.{len(found) + 1}"):
        found.append(str(item))
    return found


def _problems(request: Json) -> Iterator[str]:
    periods, period = int(request.get("EvaluationPeriods") or 1), int(request.get("Period") or 60)
    comparison, treatment = request.get("ComparisonOperator"), request.get("TreatMissingData") or "missing"
    if request.get("Metrics") or request.get("ThresholdMetricId"):
        yield "The sandbox evaluates no metric math and no anomaly detection: name one metric."
    elif comparison not in _COMPARE:
        yield f"ComparisonOperator is {comparison}; allowed: {', '.join(_COMPARE)}."
    if treatment not in _TREATMENTS:
        yield f"TreatMissingData is {treatment}; allowed: {', '.join(_TREATMENTS)}."
    if int(request.get("DatapointsToAlarm") or 1) > periods:
        yield "DatapointsToAlarm must be less than or equal to EvaluationPeriods."
    if period * periods > _WEEK:
        yield f"Metrics cannot be checked across more than {_WEEK} seconds (EvaluationPeriods * Period)."
    for action in (action for name in _ACTIONS for action in request.get(name) or []):
        if not action.startswith("arn:") or action.split(":")[2] != "sns":
            yield f"The sandbox's alarms notify topics only: {action} would not be called."


# Whom an alarm reaches.


def _dispatch_actions(old: Callable[..., None]) -> Callable[..., None]:
    def dispatch(alarm: Json, before: str, state: str, reason: str) -> None:
        reached = {name: [arn for arn in alarm.get(name) or [] if _reaches(alarm, arn)] for name in _ACTIONS}
        old({**alarm, **reached}, before, state, reason)

    return dispatch


def _reaches(alarm: Json, topic: str) -> bool:
    allowed = trust.resource_permits(topic, "cloudwatch", "sns:Publish", alarm["AlarmArn"])
    if not allowed:
        _log.warning("%s: CloudWatch may not publish to %s, or not use the key of it", alarm["AlarmName"], topic)
    return allowed
