"""What fires by the clock that can be moved: rules with a schedule, EventBridge Scheduler, and Lambda's retries.

A jump of the clock over several moments fires once, like a jump over several rotation windows.
"""

from __future__ import annotations

import heapq
import itertools
import json
import logging
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from rotation_lab.sandbox import delivery, emulator, trust
from rotation_lab.sandbox.clock import Clock
from rotation_lab.sandbox.emulator import Answer, Json

_log = logging.getLogger("sandbox")
_RETRY_SECONDS = (60, 120)
"""What Lambda waits before the second and third attempt of an asynchronous invocation."""
_INVALID = "ValidationException"
_LOOK_BACK = timedelta(days=2)
_RATE = re.compile(r"rate\(([1-9][0-9]{0,8}) (minute|hour|day)(s?)\)")

Fire = Callable[[Json, str, float], None]


class Timers:
    """All that waits for the clock. ``tick`` fires what is due."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._fired: dict[tuple[str, ...], float] = {}
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def apply(self) -> None:
        """Changes ministack; see ``rotation_lab.sandbox.patches``."""
        emulator.replace(emulator.eventbridge, "_now_ts", lambda old: self._clock.now)
        emulator.replace(emulator.eventbridge, "_validate_schedule_expression", lambda old: _fits_a_rule)
        emulator.replace(emulator.scheduler, "_now", lambda old: self._clock.now)
        emulator.replace(emulator.eventbridge, "_tick_scheduled_rules", _never)
        emulator.replace(emulator.scheduler, "_tick_schedules", _never)
        emulator.replace(emulator.scheduler, "_create_schedule", _checked)
        emulator.replace(emulator.scheduler, "_update_schedule", _checked)
        emulator.replace(emulator.lambda_svc, "invoke_async_with_retry", lambda old: self._invoke_later)

    def tick(self) -> None:
        """Fires each schedule whose moment has come, and the retries that are due."""
        with self._lock:
            now = self._clock.now()
            while self._later and self._later[0][0] <= now:
                heapq.heappop(self._later)[2]()
            for (account, region, name), rule in list(emulator.eventbridge._rules._data.items()):
                if rule.get("State") == "ENABLED" and rule.get("ScheduleExpression"):
                    created = rule["CreationTime"]
                    moment = self._due(("rule", account, region, name), rule["ScheduleExpression"], created, now)
                    self._in_scope(account, region, _fire_rule, rule, name, moment)
            for (account, region, name), schedule in list(emulator.scheduler._schedules._data.items()):
                if schedule.get("State") == "ENABLED" and _within(schedule, now):
                    expression, zone = schedule["ScheduleExpression"], schedule["ScheduleExpressionTimezone"]
                    key, created = ("schedule", account, region, name), schedule["CreationDate"]
                    moment = self._due(key, expression, created, now, zone)
                    self._in_scope(account, region, _fire_schedule, schedule, name, moment)

    def _due(
        self, key: tuple[str, ...], expression: str, created: float, now: float, zone: str = "UTC"
    ) -> float | None:
        last = max(self._fired.get(key, created), created)
        moment = last_moment(expression, created, last, now, zone)
        if moment is not None:
            self._fired[key] = moment
        return moment

    @staticmethod
    def _in_scope(
        account: str, region: str, fire: Callable[..., None], about: Json, name: str, at: float | None
    ) -> None:
        if at is not None:
            _log.info("%s: its schedule fires", name)
            emulator.in_scope(account, region, lambda: fire(about, name, at))

    # Lambda's asynchronous invocations.

    def _invoke_later(self, function: Json, event: Any) -> None:
        config = function.get("config") or function
        account, region = config["FunctionArn"].split(":")[4], config["FunctionArn"].split(":")[3]

        def attempt(number: int) -> None:
            answer = _invoke(function, event, config["FunctionName"])
            if not (answer.get("error") or answer.get("throttle")):
                return
            settings = function.get("event_invoke_config") or {}
            if number < settings.get("MaximumRetryAttempts", len(_RETRY_SECONDS)):
                due = self._clock.now() + _RETRY_SECONDS[min(number, len(_RETRY_SECONDS) - 1)]
                with self._lock:
                    heapq.heappush(self._later, (due, next(self._numbers), lambda: start(number + 1)))
            else:
                _bury(function, config, event, answer)

        def start(number: int) -> None:
            run = threading.Thread(
                target=emulator.in_scope, args=(account, region, lambda: attempt(number)), daemon=True
            )
            run.start()

        start(0)


def _invoke(function: Json, event: Any, name: str) -> Json:
    answer: Json = emulator.lambda_svc._execute_function(function, event)
    if not answer.get("throttle"):  # a throttled call has been counted where it was refused
        emulator.lambda_svc._emit_lambda_metrics(name, duration_ms=1.0, error=bool(answer.get("error")), throttle=False)
    return answer


def _bury(function: Json, config: Json, event: Any, answer: Json) -> None:
    on_failure = ((function.get("event_invoke_config") or {}).get("DestinationConfig") or {}).get("OnFailure") or {}
    arn = on_failure.get("Destination") or (config.get("DeadLetterConfig") or {}).get("TargetArn")
    if arn:
        emulator.lambda_svc._route_async_failure(arn, config["FunctionName"], event, answer)


# When a schedule fires.


def last_moment(expression: str, created: float, last: float, now: float, zone: str = "UTC") -> float | None:
    """The latest moment after ``last`` and up to ``now`` at which a schedule fires; None when there is none."""
    if (once := _at(expression, zone)) is not None:
        return once if last < once <= now else None
    seconds = emulator.eventbridge._parse_rate_seconds(expression)
    if seconds is not None:
        moment = created + (now - created) // seconds * seconds
        return float(moment) if moment > last else None
    fields = emulator.eventbridge._parse_cron_fields(expression)
    found: float | None = None
    local = ZoneInfo(zone)
    recent = max(last, now - _LOOK_BACK.total_seconds())
    for start in (recent, last):  # from not long ago first: a minute's schedule has many moments in a year
        at = datetime.fromtimestamp(start, local)
        while (at := emulator.eventbridge._cron_next_fire(fields, at)) is not None and at.timestamp() <= now:
            found = at.timestamp() if _is_on_the_clock(at) else found
        if found is not None:
            return found
    return None


def _is_on_the_clock(at: datetime) -> bool:
    """Whether the moment is one of its time zone: an hour in spring is not, and Scheduler skips it."""
    shown = datetime.fromtimestamp(at.timestamp(), at.tzinfo)
    return (shown.hour, shown.minute) == (at.hour, at.minute)


def _at(expression: str, zone: str) -> float | None:
    if not expression.startswith("at("):
        return None
    return datetime.fromisoformat(expression[3:-1]).replace(tzinfo=ZoneInfo(zone)).timestamp()


def _within(schedule: Json, now: float) -> bool:
    start = emulator.scheduler._to_epoch(schedule.get("StartDate"))
    end = emulator.scheduler._to_epoch(schedule.get("EndDate"))
    return (start is None or start <= now) and (end is None or now <= end)


# What fires.


def _fire_rule(rule: Json, name: str, at: float) -> None:
    event = _event("aws.events", rule["Arn"], at) | {"EventBusName": rule.get("EventBusName", "default")}
    for target in emulator.eventbridge._targets.get(name) or []:
        emulator.eventbridge._invoke_target(target, event, rule)


def _event(source: str, arn: str, at: float) -> Json:
    return {
        "EventId": emulator.new_id(),
        "Source": source,
        "DetailType": "Scheduled Event",
        "Detail": "{}",
        "Time": int(at),
        "Resources": [arn],
        "Account": emulator.account(),
        "Region": emulator.region(),
    }


def _fire_schedule(schedule: Json, name: str, at: float) -> None:
    target, arn = schedule["Target"], schedule["Target"]["Arn"]
    scheduled = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    known = {"schedule-arn": schedule["Arn"], "scheduled-time": scheduled, "execution-id": emulator.new_id()}
    view = emulator.eventbridge._pattern_event_view(_event("aws.scheduler", schedule["Arn"], at))
    text = str(target.get("Input") or json.dumps(view.event_with_detail()))
    for word, value in (known | {"attempt-number": "1"}).items():
        text = text.replace(f"<aws.scheduler.{word}>", value)
    problem = _refusal(target, arn)
    if problem is None:
        delivery.send(target, arn, text, lambda: None)
        return
    _log.warning("%s: %s is not called: %s", name, arn, problem)
    dead = (target.get("DeadLetterConfig") or {}).get("Arn")
    if dead and _refusal(target, dead) is None:
        about = {"SCHEDULE_ARN": schedule["Arn"], "TARGET_ARN": arn, "SCHEDULED_TIME": scheduled}
        delivery.bury(dead, text, about | {"ERROR_CODE": problem.split(":")[0], "ERROR_MESSAGE": problem})


def _refusal(target: Json, arn: str) -> str | None:
    action = delivery.ACTIONS[arn.split(":")[2]]
    if not trust.role_permits(target["RoleArn"], "scheduler", action, arn):
        return f"AccessDeniedException: the schedule's role may not {action} on {arn}."
    return None if delivery.exists(arn) else f"ResourceNotFoundException: {arn} does not exist."


# What is refused.


def _never(old: Callable[[], None]) -> Callable[[], None]:
    return lambda: None  # ministack's own timers keep to real time


def _checked(old: Callable[[str, Json], Answer]) -> Callable[[str, Json], Answer]:
    def put(name: str, body: Json) -> Answer:
        problem = _problem(body)
        answer: Answer = emulator.scheduler._error(400, _INVALID, problem) if problem else old(name, body)
        return answer

    return put


def _problem(body: Json) -> str | None:
    target, expression = body.get("Target") or {}, str(body.get("ScheduleExpression"))
    zone, arn = body.get("ScheduleExpressionTimezone") or "UTC", str(target.get("Arn"))
    service = (arn.split(":") + [""] * 3)[2]
    if not _is_schedule(expression, zone):
        return f"Invalid Schedule Expression {expression}."
    if service not in delivery.ACTIONS or service == "events":
        return f"The sandbox's Scheduler calls lambda, sqs, sns and states only: {arn} would not be called."
    if not trust.role_trusts(str(target.get("RoleArn")), "scheduler"):
        return "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
    retries = delivery.problems_of_retries(target.get("RetryPolicy") or {})
    letters = delivery.problems_of_dead_letters((target.get("DeadLetterConfig") or {}).get("Arn"))
    return next((problem for problems in (retries, letters) for problem in problems), None)


def _is_schedule(expression: str, zone: str) -> bool:
    try:
        if _at(expression, zone) is not None:
            return True
        ZoneInfo(zone)
    except (ValueError, KeyError):
        return False
    return _RATE.fullmatch(expression) is not None or _is_cron(expression)


def _fits_a_rule(expression: str) -> bool:
    """Whether a rule may have this schedule, which asks for the singular of 1, and of 1 alone."""
    rate = _RATE.fullmatch(expression)
    return _is_cron(expression) if rate is None else (rate[1] == "1") == (rate[3] == "")


def _is_cron(expression: str) -> bool:
    """Whether it fires at all: ministack takes an hour 25, too."""
    fields = emulator.eventbridge._parse_cron_fields(expression)
    if fields is None or fields[6] == fields[7] == "?":
        return False
    minutes, hours, days, months, week_days, years, day, week_day = fields
    limits = ((minutes, range(60)), (hours, range(24)), (months, range(1, 13)), (years or {2000}, range(1970, 2200)))
    return all(found and found <= set(allowed) for found, allowed in limits) and (
        (day == "?" or any(days.values())) and (week_day == "?" or any(week_days.values()))
    )
