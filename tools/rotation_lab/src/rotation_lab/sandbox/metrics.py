"""CloudWatch's metrics that ministack does not make: of embedded-metric log lines, and of queues."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

from rotation_lab.sandbox import emulator, lambda_logs
from rotation_lab.sandbox.clock import Clock
from rotation_lab.sandbox.emulator import Json

_log = logging.getLogger("sandbox")
_MINUTE = 60
_MOST_DIMENSIONS, _MOST_METRICS, _MOST_VALUES = 30, 100, 100
_DEPTH = "ApproximateNumberOfMessagesVisible"


class Datum(NamedTuple):
    """One value of a metric."""

    namespace: str
    name: str
    dimensions: dict[str, str]
    value: float
    unit: str


class Metrics:
    """Records metrics at the time of the sandbox's clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._depths: dict[tuple[str, ...], tuple[float, int]] = {}

    def apply(self) -> None:
        """Changes ministack; see ``rotation_lab.sandbox.patches``."""
        moved = SimpleNamespace(**{**vars(time), "time": self._clock.now})
        emulator.replace(emulator.cloudwatch, "time", lambda old: moved)
        emulator.replace(lambda_logs, "_append", self._with_metrics)

    def tick(self) -> None:
        """Records the depth of each queue: once a minute, and when it has changed."""
        for (account, region, url), queue in list(emulator.sqs._queues._data.items()):
            emulator.in_scope(account, region, lambda key=(account, region, url), q=queue: self._depth(key, q))  # type: ignore[misc]

    def _depth(self, key: tuple[str, ...], queue: Json) -> None:
        real, now = time.time(), self._clock.now()
        depth = sum(message["visible_at"] <= real for message in queue["messages"])
        at, before = self._depths.get(key, (0.0, -1))
        if depth != before or now - at >= _MINUTE:
            self._depths[key] = now, depth
            name = key[2].rstrip("/").rsplit("/", 1)[-1]
            emulator.cloudwatch.record_metric("AWS/SQS", _DEPTH, depth, "Count", {"QueueName": name})

    def _with_metrics(self, old: Callable[..., None]) -> Callable[..., None]:
        def append(group: str, target: Any, stream: str, messages: list[str]) -> None:
            old(group, target, stream, messages)
            for message in messages:
                for problem in record(message):
                    _log.warning("%s: an embedded-metric line is not one: %s", group, problem)
                    emulator.cloudwatch.record_metric(
                        "AWS/Logs", "EMFValidationErrors", 1, "Count", {"LogGroupName": group}
                    )

        return append


def record(message: str) -> Iterator[str]:
    """Records the metrics in a log line, all or none; yields what is wrong with it."""
    if '"_aws"' not in message:
        return
    try:
        data = list(embedded(json.loads(message)))
    except (ValueError, KeyError, TypeError) as error:
        yield f"{type(error).__name__}: {error}"
        return
    for one in data:
        emulator.cloudwatch.record_metric(one.namespace, one.name, one.value, one.unit, one.dimensions)


def embedded(line: Mapping[str, Any]) -> Iterator[Datum]:
    """The values in a line of the embedded metric format; ``ValueError`` and the like for one that is malformed."""
    if isinstance(line["_aws"]["Timestamp"], bool) or not isinstance(line["_aws"]["Timestamp"], int):
        raise ValueError("Timestamp is not a number of milliseconds")
    for directive in line["_aws"]["CloudWatchMetrics"]:
        if len(directive["Metrics"]) > _MOST_METRICS:
            raise ValueError(f"more than {_MOST_METRICS} metrics")
        for names in directive["Dimensions"]:
            dimensions = {name: _text(line[name]) for name in names}
            if len(dimensions) > _MOST_DIMENSIONS:
                raise ValueError(f"more than {_MOST_DIMENSIONS} dimensions")
            for metric in directive["Metrics"]:
                for value in _values(line[metric["Name"]]):
                    unit = metric.get("Unit", "None")
                    yield Datum(directive["Namespace"], metric["Name"], dimensions, value, unit)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("the value of a dimension is not a string")
    return value


def _values(value: Any) -> list[float]:
    values = value if isinstance(value, list) else [value]
    if len(values) > _MOST_VALUES or any(isinstance(one, bool) or not isinstance(one, int | float) for one in values):
        raise ValueError("the value of a metric is not a number, or a list of at most 100")
    return values
