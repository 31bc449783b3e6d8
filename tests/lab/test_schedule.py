"""Schedules: what is accepted, when a window opens, and the scheduler itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rotation_lab.model import schedule
from rotation_lab.sandbox.client import Sandbox
from tests.lab.conftest import Function, Secret
from tests.lab.evidence import api, guide, only_here, unverified, verified

REFUSED: list[dict[str, Any]] = [
    {},
    {"AutomaticallyAfterDays": 30, "ScheduleExpression": "rate(30 days)"},
    {"AutomaticallyAfterDays": 0},
    {"AutomaticallyAfterDays": 1001},
    {"ScheduleExpression": "rate(3 hours)"},
    {"ScheduleExpression": "rate(1000 days)"},
    {"ScheduleExpression": "rate(1 week)"},
    {"ScheduleExpression": "rate(0 days)"},
    {"ScheduleExpression": "rate(99999999999999 days)"},
    {"ScheduleExpression": "rate(٣ days)"},
    {"ScheduleExpression": "cron(0 ² * * ? *)"},
    {"ScheduleExpression": "cron(0 */² * * ? *)"},
    {"ScheduleExpression": "every day"},
    {"ScheduleExpression": "cron(5 8 1 * ? *)"},  # not at a full hour
    {"ScheduleExpression": "cron(0 8 1 * ? 2026)"},  # a year
    {"ScheduleExpression": "cron(0 8 1 * MON *)"},  # both days
    {"ScheduleExpression": "cron(0 8 ? * ? *)"},  # neither
    {"ScheduleExpression": "cron(0 24 1 * ? *)"},
    {"ScheduleExpression": "cron(0 8 32 * ? *)"},
    {"ScheduleExpression": "cron(0 8 1 13 ? *)"},
    {"ScheduleExpression": "cron(0 8 ? * FUN *)"},
    {"ScheduleExpression": "cron(0 */2 * * ? *)"},  # every 2 hours
    {"ScheduleExpression": "cron(0 1,3 * * ? *)"},
    {"ScheduleExpression": "cron(0 8 1 * ? *)", "Duration": "25h"},
    {"ScheduleExpression": "cron(0 8 1 * ? *)", "Duration": "0h"},
    {"ScheduleExpression": "cron(0 8 1 * ? *)", "Duration": "٣h"},
    {"ScheduleExpression": "cron(0 8 1 * ? *)", "Duration": "90m"},
    {"ScheduleExpression": "cron(0 20 1 * ? *)", "Duration": "5h"},  # into the next day
    {"ScheduleExpression": "rate(4 hours)", "Duration": "5h"},  # into the next window
]


@verified(guide("rotate-secrets_schedule"), api("RotationRulesType"))
@pytest.mark.parametrize("rules", REFUSED, ids=str)
def test_rules_that_aws_refuses(rules: dict[str, Any]) -> None:
    with pytest.raises(schedule.ScheduleError):
        schedule.parse(rules)


@verified(guide("rotate-secrets_schedule"))
@pytest.mark.parametrize(
    ("rules", "after", "start", "end"),
    [
        ({"AutomaticallyAfterDays": 1}, "2026-03-05 10:20", "2026-03-06 00:00", "2026-03-07 00:00"),
        ({"AutomaticallyAfterDays": 30}, "2026-02-27 10:20", "2026-03-29 00:00", "2026-03-30 00:00"),
        (
            {"ScheduleExpression": "rate(10 days)", "Duration": "2h"},
            "2026-03-05 10:20",
            "2026-03-15 00:00",
            "2026-03-15 02:00",
        ),
        ({"ScheduleExpression": "rate(4 hours)"}, "2026-03-05 10:20", "2026-03-05 14:00", "2026-03-05 15:00"),
        ({"ScheduleExpression": "cron(0 8 1 * ? *)"}, "2026-03-05 10:20", "2026-04-01 08:00", "2026-04-02 00:00"),
        (
            {"ScheduleExpression": "cron(0 8 1 * ? *)", "Duration": "3h"},
            "2026-03-05 10:20",
            "2026-04-01 08:00",
            "2026-04-01 11:00",
        ),
        ({"ScheduleExpression": "cron(0 0 L * ? *)"}, "2024-02-05 10:20", "2024-02-29 00:00", "2024-03-01 00:00"),
        ({"ScheduleExpression": "cron(0 4 ? * SUN *)"}, "2026-03-05 10:20", "2026-03-08 04:00", "2026-03-09 00:00"),
        ({"ScheduleExpression": "cron(0 4 ? * MON#1 *)"}, "2026-03-05 10:20", "2026-04-06 04:00", "2026-04-07 00:00"),
        ({"ScheduleExpression": "cron(0 4 ? * 6L *)"}, "2026-03-05 10:20", "2026-03-27 04:00", "2026-03-28 00:00"),
        ({"ScheduleExpression": "cron(0 */8 * * ? *)"}, "2026-03-05 10:20", "2026-03-05 16:00", "2026-03-06 00:00"),
        ({"ScheduleExpression": "cron(0 /8 * * ? *)"}, "2026-03-05 10:20", "2026-03-05 16:00", "2026-03-06 00:00"),
        ({"ScheduleExpression": "cron(0 8 29 FEB ? *)"}, "2024-03-05 10:20", "2028-02-29 08:00", "2028-03-01 00:00"),
        ({"ScheduleExpression": "cron(0 8 1 1/3 ? *)"}, "2026-03-05 10:20", "2026-04-01 08:00", "2026-04-02 00:00"),
        ({"ScheduleExpression": "cron(0 8 ? * 2-6 *)"}, "2026-03-06 10:20", "2026-03-09 08:00", "2026-03-10 00:00"),
    ],
)
def test_the_next_window(rules: dict[str, Any], after: str, start: str, end: str) -> None:
    window = schedule.parse(rules).next_window(datetime.fromisoformat(after).replace(tzinfo=UTC))
    assert [moment.strftime("%Y-%m-%d %H:%M") for moment in window] == [start, end]


@verified(api("RotationRulesType"), guide("rotate-secrets_schedule"))
@pytest.mark.parametrize("rules", [{"AutomaticallyAfterDays": 1000}, {"ScheduleExpression": "rate(999 days)"}])
def test_the_longest_schedules(rules: dict[str, Any]) -> None:
    schedule.parse(rules)


@verified(guide("rotate-secrets_schedule"))
def test_rotate_secret_refuses_bad_rules_and_keeps_the_old(secret: Secret, template: Function, aws: Sandbox) -> None:
    with pytest.raises(ClientError, match="InvalidParameterException"):
        secret.rotate(template, RotationRules={"ScheduleExpression": "rate(3 hours)"})
    assert "RotationEnabled" not in aws.client("secretsmanager").describe_secret(SecretId=secret.name)


@pytest.fixture
def clock(aws: Sandbox) -> Sandbox:
    """The shared sandbox: moving its clock starts rotations of scheduled secrets, and only these tests have any."""
    return aws


@verified(guide("rotate-secrets_schedule"))
@only_here("its clock")
def test_a_schedule_fires_when_its_window_opens_and_again_after_that(
    secret: Secret, template: Function, clock: Sandbox
) -> None:
    secret.rotated(template, RotationRules={"ScheduleExpression": "rate(30 days)"})
    first = secret.value()
    assert secret.name not in clock.advance(days=28)
    assert secret.name in clock.advance(days=3)
    assert secret.settle()["result"] == "ok"
    second = secret.value()
    assert second != first
    assert secret.name not in clock.advance(days=28)
    assert secret.name in clock.advance(days=3)
    secret.settle()
    assert secret.value() not in (first, second)
    clock.client("secretsmanager").cancel_rotate_secret(SecretId=secret.name)


@unverified("that a new value puts the schedule off: the console of AWS shows it so")
@only_here("its clock")
def test_a_value_put_by_hand_puts_the_schedule_off(secret: Secret, template: Function, clock: Sandbox) -> None:
    secret.rotated(template, RotationRules={"AutomaticallyAfterDays": 10})
    clock.advance(days=8)
    secret.put("by hand")
    assert secret.name not in clock.advance(days=8)
    assert secret.name in clock.advance(days=3)
    secret.settle()
    clock.client("secretsmanager").cancel_rotate_secret(SecretId=secret.name)


@verified(api("CancelRotateSecret"))
@only_here("its clock")
def test_cancel_stops_the_schedule(secret: Secret, template: Function, clock: Sandbox) -> None:
    secret.rotated(template, RotationRules={"AutomaticallyAfterDays": 1})
    clock.client("secretsmanager").cancel_rotate_secret(SecretId=secret.name)
    assert secret.name not in clock.advance(days=5)


@unverified("that a failed rotation waits for the next window")
@only_here("its clock")
def test_a_failed_scheduled_rotation_waits_for_the_next_window(
    secret: Secret, template: Function, clock: Sandbox
) -> None:
    secret.rotated(template, RotationRules={"ScheduleExpression": "rate(4 hours)"})
    secret.fail("setSecret")
    assert secret.name in clock.advance(hours=5)
    assert secret.settle()["result"].startswith("setSecret")
    token, count = secret.holder("AWSPENDING"), len(secret.settle()["log"])
    assert secret.name not in clock.advance(hours=1)
    assert len(secret.settle()["log"]) == count
    secret.fail("-")
    assert secret.name in clock.advance(hours=4)
    assert secret.settle()["result"] == "ok"
    assert secret.holder("AWSCURRENT") == token  # the old rotation has been completed
    clock.client("secretsmanager").cancel_rotate_secret(SecretId=secret.name)


@verified(api("RotateSecret"))
@only_here("its clock")
def test_rotate_immediately_false_waits_for_the_window(secret: Secret, template: Function, clock: Sandbox) -> None:
    secret.rotated(template, RotateImmediately=False, RotationRules={"AutomaticallyAfterDays": 1})
    assert secret.value() == "initial"
    assert secret.name in clock.advance(days=2)
    secret.settle()
    assert secret.value() != "initial"
    clock.client("secretsmanager").cancel_rotate_secret(SecretId=secret.name)


@verified(guide("reference_limits"))
@only_here("its clock")
def test_old_versions_are_purged_with_the_clock(secret: Secret, clock: Sandbox) -> None:
    for number in range(101):
        secret.put(str(number))
    assert len(secret.versions()) == 102
    clock.advance(hours=25)
    secret.put("last")
    kept = secret.versions()
    assert len(kept) == 100
    assert secret.value() == "last"
    assert secret.value(VersionStage="AWSPREVIOUS") == "100"
