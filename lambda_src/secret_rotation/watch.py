"""A look at all secrets of one rotation function, for alarms: metrics in a log line, without a login or a value.

ListSecrets says nearly all. It has no filter for a function, so every secret of the region is listed, 100 in a call.
Only of a rotation that has not ended the versions are asked for, and the function's log is read once for all of them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from . import diagnose
from .errors import MalformedEventError
from .journal import Journal, Word, since
from .logs import Log
from .rotation import Function
from .store import Secrets
from .verdict import FINE, MOVING, Facts, Verdict, decide

STEP = "watch"
NAMESPACE = "SecretRotation"
LATE = timedelta(hours=1)
"""After the end of its window a secret is overdue: AWS may still be at work just then."""
SHOWN = 100
"""The most secrets that an answer names."""
_ARN = re.compile(r"arn:[a-z-]+:lambda:[a-z0-9-]+:\d{12}:function:[\w-]{1,64}", re.ASCII)

Report = Mapping[str, Any]


class Request(NamedTuple):
    """The event, checked."""

    function: str
    """ARN of the function whose secrets are looked at, without a qualifier."""
    now: datetime
    is_own: bool


def parse(event: Mapping[str, Any], own: str) -> Request:
    """Check the event. Raises ``MalformedEventError``, which names the member."""
    unknown = event.keys() - {"Step", "Function", "Now"}
    if unknown:
        raise MalformedEventError("A watch has no such member; allowed: Function, Now.")
    own = ":".join(own.split(":")[:7])
    function = event.get("Function", own)
    if not isinstance(function, str) or not _ARN.fullmatch(function):
        raise MalformedEventError("The event's Function must be the ARN of a function, without a version or alias.")
    return Request(function, _moment(event.get("Now")), function == own)


def _moment(text: object) -> datetime:
    if text is None:
        return diagnose.now()
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC)
    except ValueError:
        raise MalformedEventError("The event's Now must be a time such as 2026-01-01T00:00:00Z.") from None


def run(request: Request, function: Function, log: Log) -> Report:
    """Look, write the metrics, and answer what is wrong with which secret."""
    secrets = Secrets(function.client, log)
    found = [Facts(arn, request.now, about) for arn, about in secrets.of_function(request.function)]
    unfinished = {facts.secret_id: _with_ages(facts, secrets) for facts in found if facts.pending}
    words = _words(request, function, list(unfinished.values()))
    judged = [_judged(unfinished.get(facts.secret_id, facts), words) for facts in found]
    return _told(request, judged, log)


def _with_ages(facts: Facts, secrets: Secrets) -> Facts:
    return replace(facts, made={one.id: one.created for one in secrets.versions(facts.secret_id)})


def _words(request: Request, function: Function, unfinished: Sequence[Facts]) -> Mapping[str, Sequence[Word]]:
    """What the steps of rotations that have not ended said. The log of another function is not ours to read."""
    begun = [made for facts in unfinished for version, made in facts.made.items() if version == facts.pending]
    if not begun or not request.is_own:
        return {}
    return Journal(function.client, function.deadline).read(since(begun, diagnose.now()))


def _judged(facts: Facts, words: Mapping[str, Sequence[Word]]) -> tuple[Facts, Verdict]:
    verdict = decide(replace(facts, words=words.get(facts.pending or "", ())))
    due = facts.about.next_rotation
    if verdict.name == "overdue" and due is not None and facts.now <= due + LATE:
        return facts, Verdict("healthy", "")
    return facts, verdict


def _told(request: Request, judged: Sequence[tuple[Facts, Verdict]], log: Log) -> Report:
    wrong = [(facts, verdict) for facts, verdict in judged if verdict.name not in (*FINE, *MOVING)]
    for facts, verdict in wrong:
        log.warning(f"{verdict.name}: {verdict.reason}", secret_arn=facts.secret_id)
    overdue = sum(verdict.name == "overdue" for _, verdict in wrong)
    counts = {
        "Secrets": len(judged),
        "NeedsAttention": len(wrong) - overdue,
        "Overdue": overdue,
        "Paused": sum(verdict.name == "paused" for _, verdict in judged),
    }
    log.metrics(NAMESPACE, {"FunctionName": request.function.rpartition(":")[2]}, counts)
    return {"counts": counts, "secrets": [_entry(*one, log) for one in wrong[:SHOWN]]}


def _entry(facts: Facts, verdict: Verdict, log: Log) -> Report:
    return {
        "secret_id": facts.secret_id,
        "verdict": verdict.name,
        "reason": log.clean(verdict.reason),
        "commands": list(verdict.commands),
    }
