"""CloudWatch's rules for the state of an alarm, from what its periods hold.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

from __future__ import annotations

Point = bool | None
"""A period: its value breaches the threshold, or not, or there is none."""


def decide(points: list[Point], periods: int, needed: int, treatment: str, before: str) -> str:
    """The state of an alarm that needs ``needed`` of ``periods``, from its points, newest first."""
    there = [(age, point) for age, point in enumerate(points, 1) if point is not None][:periods]
    breaching = [age for age, point in there if point]
    missing = periods - len(there)
    if len(breaching) + (missing if treatment == "breaching" else 0) >= needed:
        return "ALARM"
    if len(breaching) < len(there) or treatment in ("breaching", "notBreaching"):
        return "OK"
    return _undecided(breaching, needed, treatment, before)


def _undecided(breaching: list[int], needed: int, treatment: str, before: str) -> str:
    """Too few points, and all of them breach; or none at all."""
    if treatment == "ignore":
        return before
    if not breaching:
        return "INSUFFICIENT_DATA"
    return "ALARM" if max(breaching) >= needed else before
