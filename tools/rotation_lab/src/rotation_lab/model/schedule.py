"""Rotation schedules: what Secrets Manager accepts, and the window in which the next rotation may run (UTC)."""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Protocol

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
_SHORTEST, _LONGEST = 4 * HOUR, 999 * DAY
_DAYS = {name: i for i, name in enumerate(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"], 1)}
_MONTHS = {
    name: i
    for i, name in enumerate(["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"], 1)
}
_SEARCH_HOURS = 24 * 366 * 5  # a 29 February is at most five years away, leaving 2100 aside
_MAX_FIRINGS = 60  # more than two days of hourly firings, so that every gap of a day is seen

Window = tuple[datetime, datetime]


class ScheduleError(ValueError):
    """Rules that Secrets Manager refuses; the text says which."""


class Schedule(Protocol):
    """When rotations may run."""

    def next_window(self, after: datetime) -> Window:
        """Start and end of the first window that opens later than ``after``."""


@dataclass(frozen=True)
class Every:
    """``rate(n days)``, ``rate(n hours)`` or ``AutomaticallyAfterDays``: counted from the last rotation."""

    interval: timedelta
    duration: timedelta | None
    in_days: bool

    def next_window(self, after: datetime) -> Window:
        """A window of days opens at midnight, one of hours at a full hour."""
        base = _midnight(after) if self.in_days else _full_hour(after)
        start = base + self.interval
        default_end = start + (DAY if self.in_days else HOUR)
        return start, start + self.duration if self.duration else default_end


@dataclass(frozen=True)
class Cron:
    """``cron(0 hours day-of-month month day-of-week *)``. Exactly one of the two day fields is ``?``."""

    hours: frozenset[int]
    month_days: frozenset[int] | str
    months: frozenset[int]
    week_days: frozenset[int] | str
    duration: timedelta | None

    def next_window(self, after: datetime) -> Window:
        """Opens at a full hour, and closes with the UTC day unless a duration says earlier."""
        start = _full_hour(after) + HOUR
        for _ in range(_SEARCH_HOURS):
            if start.hour in self.hours and self._falls_on(start):
                return start, start + self.duration if self.duration else _midnight(start) + DAY
            start += HOUR
        raise ScheduleError("The cron expression never fires.")

    def _falls_on(self, day: datetime) -> bool:
        if day.month not in self.months:
            return False
        last = calendar.monthrange(day.year, day.month)[1]
        if self.week_days == "?":
            return day.day == last if self.month_days == "L" else day.day in self.month_days
        return self._falls_on_week_day(day, last)

    def _falls_on_week_day(self, day: datetime, last: int) -> bool:
        week_day = day.isoweekday() % 7 + 1  # Sunday is 1
        if not isinstance(self.week_days, str):
            return week_day in self.week_days
        name, _, nth = self.week_days.partition("#")
        if nth:
            return week_day == _number(name, _DAYS, 1, 7) and (day.day - 1) // 7 + 1 == int(nth)
        return week_day == _number(name.rstrip("L") or "7", _DAYS, 1, 7) and day.day + 7 > last


def parse(rules: Mapping[str, Any]) -> Schedule:
    """The schedule of a ``RotationRules`` structure; raises ``ScheduleError`` where Secrets Manager refuses it."""
    days, expression = rules.get("AutomaticallyAfterDays"), rules.get("ScheduleExpression")
    duration = _duration(rules.get("Duration"))
    if (days is None) == (expression is None):
        raise ScheduleError("Specify exactly one of AutomaticallyAfterDays and ScheduleExpression.")
    if days is not None:
        if not 1 <= days <= 1000:
            raise ScheduleError("AutomaticallyAfterDays must be between 1 and 1000.")
        return Every(days * DAY, duration, in_days=True)
    return _rate(str(expression), duration) or _cron(str(expression), duration)


def days_between(rules: Mapping[str, Any], after: datetime) -> int:
    """The ``AutomaticallyAfterDays`` that DescribeSecret shows for a ``ScheduleExpression``."""
    every = parse(rules)
    first, _ = every.next_window(after)
    second, _ = every.next_window(first)
    return max(1, round((second - first) / DAY))


def _duration(text: str | None) -> timedelta | None:
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]{1,2})h", text)
    if not found or not 1 <= int(found[1]) <= 24:
        raise ScheduleError("Duration must be 1h to 24h, in whole hours.")
    return int(found[1]) * HOUR


def _rate(text: str, duration: timedelta | None) -> Every | None:
    found = re.fullmatch(r"rate\(([0-9]{1,9}) (hour|day)s?\)", text)
    if not found:
        return None
    in_days = found[2] == "day"
    interval = int(found[1]) * (DAY if in_days else HOUR)
    if not _SHORTEST <= interval <= _LONGEST:
        raise ScheduleError("A secret rotates at least every 999 days and at most every 4 hours.")
    if duration and duration > interval:
        raise ScheduleError("The rotation window must not extend into the next rotation window.")
    return Every(interval, duration, in_days)


def _cron(text: str, duration: timedelta | None) -> Cron:
    found = re.fullmatch(r"cron\((.+)\)", text)
    fields = found[1].split() if found else []
    if len(fields) != 6 or fields[0] != "0" or fields[5] != "*" or (fields[2] == "?") == (fields[4] == "?"):
        raise ScheduleError("Invalid ScheduleExpression: use rate(n hours|days) or cron(0 hours day month weekday *).")
    cron = Cron(
        hours=_field(fields[1], {}, 0, 23),
        month_days=fields[2] if fields[2] in ("?", "L") else _field(fields[2], {}, 1, 31),
        months=_field(fields[3], _MONTHS, 1, 12),
        week_days=_week_days(fields[4]),
        duration=duration,
    )
    _check_windows(cron)
    return cron


def _check_windows(cron: Cron) -> None:
    if cron.duration and max(cron.hours) * HOUR + cron.duration > DAY:
        raise ScheduleError("The rotation window must not extend into the next UTC day.")
    firing, starts = datetime(2024, 1, 1, tzinfo=UTC), []
    for _ in range(min(_MAX_FIRINGS, 2 * len(cron.hours) + 1)):
        firing, _end = cron.next_window(firing)
        starts.append(firing)
    gap = min((later - earlier for earlier, later in pairwise(starts)), default=DAY)
    if gap < _SHORTEST:
        raise ScheduleError("A secret rotates at most every 4 hours.")
    if cron.duration and cron.duration > gap:
        raise ScheduleError("The rotation window must not extend into the next rotation window.")


def _week_days(text: str) -> frozenset[int] | str:
    if text == "?" or re.fullmatch(r"([1-7]|[A-Za-z]{3})(#[1-5]|L)|L", text):
        return text
    return _field(text, _DAYS, 1, 7)


def _field(text: str, names: Mapping[str, int], low: int, high: int) -> frozenset[int]:
    """The numbers of one cron field: ``*``, ``a``, ``a-b``, ``a/step``, joined by commas."""
    numbers: set[int] = set()
    for part in text.split(","):
        base, _, step = part.partition("/")
        first, last = _bounds(base, bool(step), names, low, high)
        if step and _count(step) < 1:
            raise ScheduleError(f"Invalid cron expression: {part!r}.")
        numbers |= set(range(first, last + 1, int(step) if step else 1))
    if not numbers:
        raise ScheduleError(f"Invalid cron expression: {text!r}.")
    return frozenset(numbers)


def _bounds(base: str, has_step: bool, names: Mapping[str, int], low: int, high: int) -> tuple[int, int]:
    if base == "*" or (has_step and not base):  # AWS's own first example is cron(0 /8 * * ? *)
        return low, high
    first, dash, last = base.partition("-")
    start = _number(first, names, low, high)
    if dash:
        return start, _number(last, names, low, high)
    return start, high if has_step else start


def _number(text: str, names: Mapping[str, int], low: int, high: int) -> int:
    number = names.get(text.upper(), _count(text))
    if not low <= number <= high:
        raise ScheduleError(f"Invalid cron expression: {text!r}.")
    return number


def _count(text: str) -> int:
    """-1 where it is none: for Python "²" is a digit, and "٣" is 3."""
    return int(text) if re.fullmatch("[0-9]{1,4}", text) else -1


def _full_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _midnight(moment: datetime) -> datetime:
    return _full_hour(moment).replace(hour=0)
