"""The look at all secrets of a function: what is counted, what is named, and that it reads no value."""

import json
from datetime import timedelta
from typing import Any

import pytest

from rotation_lab.model.secrets_manager import STEPS, SecretsManager
from secret_rotation.errors import MalformedEventError
from tests.support.function import RotationFunction, Service

OTHER = "arn:aws:lambda:eu-west-1:123456789012:function:other"
OLD = "mArKeR-old-p@ss"
READS = {"ListSecrets", "ListSecretVersionIds"}


class World:
    """Some secrets and their function."""

    def __init__(self) -> None:
        self.manager, self.service = SecretsManager(), Service(OLD)
        self.function = RotationFunction(self.manager, self.service)

    def watch(self, **event: object) -> Any:
        self.manager.calls.clear()
        return self.function.handle({"Step": "watch", **event})

    def metrics(self) -> dict[str, Any]:
        """The last metrics in the log."""
        lines = [json.loads(event["message"]) for event in self.function.logs.events if "_aws" in event["message"]]
        return dict(lines[-1])

    def fail(self, arn: str) -> None:
        """A rotation whose every try fails in setSecret."""
        self.service.password = "mArKeR-set-by-somebody"
        token = self.manager.rotate(arn)
        self.function(STEPS[0], arn, token)
        for _ in range(2):
            with pytest.raises(Exception, match="none of the stored values"):
                self.function(STEPS[1], arn, token)


@pytest.fixture
def world() -> World:
    return World()


def test_what_is_healthy_is_counted_and_nothing_else_is_asked(world: World) -> None:
    for _ in range(3):
        world.manager.create(OLD)
    world.manager.create(OLD, rotation_enabled=False)
    assert world.watch() == {
        "counts": {"Secrets": 3, "NeedsAttention": 0, "Overdue": 0, "Paused": 0},
        "secrets": [],
    }
    assert set(world.manager.calls) == {"ListSecrets"}


def test_the_metrics_are_a_line_in_the_embedded_format(world: World) -> None:
    world.manager.create(OLD)
    world.watch()
    line = world.metrics()
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == ("SecretRotation", [["FunctionName"]])
    assert {metric["Name"]: line[metric["Name"]] for metric in directive["Metrics"]} == {
        "Secrets": 1,
        "NeedsAttention": 0,
        "Overdue": 0,
        "Paused": 0,
    }
    assert line["FunctionName"] == "rotation"


@pytest.mark.parametrize("level", ["DEBUG", "ERROR", "FATAL"])
def test_the_metrics_have_the_level_of_the_log_so_that_lambda_drops_them_at_none(
    world: World, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_LOG_LEVEL", level)
    world.watch()
    assert world.metrics()["level"] == level


def test_a_failed_rotation_needs_attention_and_no_value_is_read(world: World) -> None:
    arn, _ = world.manager.create(OLD), world.manager.create(OLD)
    world.fail(arn)
    report = world.watch()
    assert report["counts"]["NeedsAttention"] == 1
    (entry,) = report["secrets"]
    assert (entry["secret_id"], entry["verdict"]) == (arn, "locked_out")
    assert entry["commands"]
    assert set(world.manager.calls) <= READS
    assert "mArKeR" not in json.dumps([report, world.function.logs.events])


def test_a_rotation_that_has_just_begun_needs_none(world: World) -> None:
    world.manager.rotate(world.manager.create(OLD))
    assert world.watch()["counts"]["NeedsAttention"] == 0


def test_a_rotation_of_which_nothing_was_heard_is_stuck(world: World) -> None:
    world.manager.rotate(world.manager.create(OLD))
    world.function.later = timedelta(hours=1)
    (entry,) = world.watch()["secrets"]
    assert entry["verdict"] == "stuck"


@pytest.mark.parametrize(("minutes", "overdue"), [(59, 0), (61, 1)])
def test_a_secret_is_overdue_an_hour_after_its_date(world: World, minutes: int, overdue: int) -> None:
    arn = world.manager.create(OLD)
    world.manager.secrets[arn].rules = {"AutomaticallyAfterDays": 30}
    client = world.manager.client()
    token = world.manager.rotate(arn)
    for step in STEPS:
        world.function(step, arn, token)
    world.manager.complete(arn)
    due = client.describe_secret(SecretId=arn)["NextRotationDate"]
    report = world.watch(Now=(due + timedelta(minutes=minutes)).isoformat())
    assert report["counts"] == {"Secrets": 1, "NeedsAttention": 0, "Overdue": overdue, "Paused": 0}


def test_a_paused_secret_is_counted_apart(world: World) -> None:
    arn = world.manager.create(OLD)
    world.manager.rotate(arn)
    world.manager.cancel(arn)
    assert world.watch()["counts"] == {"Secrets": 1, "NeedsAttention": 0, "Overdue": 0, "Paused": 1}


def test_another_function_is_watched_when_the_event_names_it(world: World) -> None:
    world.manager.create(OLD)
    assert world.watch(Function=OTHER)["counts"]["Secrets"] == 0
    assert world.metrics()["FunctionName"] == "other"


@pytest.mark.parametrize(
    ("event", "named"),
    [
        ({"Function": "rotation"}, "Function"),
        ({"Function": OTHER + ":1"}, "Function"),
        ({"Now": "yesterday"}, "Now"),
        ({"SecretIds": []}, "allowed"),
    ],
)
def test_an_event_that_cannot_be_right_is_refused_before_any_call(world: World, event: Any, named: str) -> None:
    with pytest.raises(MalformedEventError, match=named):
        world.watch(**event)
    assert world.manager.calls == []
