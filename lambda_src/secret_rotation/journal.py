"""What the steps of rotations said last: the lines that end each step, in the function's own log group."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from . import aws, errors
from .deadline import Deadline
from .errors import AccessDeniedError, ConfigurationError, RotationError, SecretError

_PATTERN = "{ $.duration_ms >= 0 }"
"""Each step has one such line, its last."""
_PAGES = 100
"""The most answers that are read: a page holds 1 MB of lines that were looked at, matching or not."""


_LOOK_BACK = timedelta(days=1)


def since(begun: Iterable[datetime], now: datetime) -> datetime:
    """From when to read on what rotations that began then have said: older lines say nothing of today."""
    return max(min(begun), now - _LOOK_BACK)


class Word(NamedTuple):
    """What one step said at its end."""

    step: str
    at: datetime
    error: str | None
    """The class of its error; None when the step was done."""
    message: str

    @property
    def kind(self) -> type[RotationError]:
        """The error's class; the base of all for one that this code does not have."""
        found = getattr(errors, self.error or "", None)
        return found if isinstance(found, type) and issubclass(found, RotationError) else RotationError

    @property
    def is_lasting(self) -> bool:
        """Whether the next try meets the same: somebody has to change something first."""
        # A permission of a role that was made a moment ago may not be known everywhere yet.
        return issubclass(self.kind, ConfigurationError | SecretError) and self.kind is not AccessDeniedError


class Journal:
    """The function's own log group. ``client`` makes a boto3 client for a service."""

    def __init__(self, client: Callable[..., Any], deadline: Deadline) -> None:
        self._make_client, self._deadline = client, deadline
        self._group = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME", "")

    def read(self, begin: datetime) -> Mapping[str, Sequence[Word]]:
        """Version id → the words of its steps, oldest first. Raises ``RotationError`` where the log cannot be read."""
        found: dict[str, list[Word]] = {}
        for event in self._events(begin):
            line = _line(event["message"])
            version, step = line.get("version_id"), line.get("step")
            if isinstance(version, str) and isinstance(step, str) and "duration_ms" in line:
                found.setdefault(version, []).append(_word(step, event["timestamp"], line))
        return {version: sorted(words, key=lambda word: word.at) for version, words in found.items()}

    def _events(self, begin: datetime) -> Iterator[Mapping[str, Any]]:
        client, more = self._make_client("logs"), dict[str, str]()
        for _ in range(_PAGES):
            with aws.calling("logs:FilterLogEvents"):
                answer = client.filter_log_events(
                    logGroupName=self._group,
                    startTime=max(0, int(begin.timestamp() * 1000)),
                    filterPattern=_PATTERN,
                    **more,
                )
            yield from answer["events"]
            if not answer.get("nextToken"):
                return
            more = {"nextToken": answer["nextToken"]}


def _line(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _word(step: str, milliseconds: int, line: Mapping[str, Any]) -> Word:
    error = line.get("error")
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return Word(step, at, None if error is None else str(error), str(line.get("message", "")))
