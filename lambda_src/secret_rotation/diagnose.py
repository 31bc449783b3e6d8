"""A report on secrets that rotate: what state each is in, why, and the command for the next step. It changes nothing.

It runs as a step of the function, so it sees what a rotation would meet: the same role, network, driver and settings.
To look for a value that works is left to a rotation: a service may lock a user out after a few wrong passwords, so
AWSCURRENT is tried, and AWSPENDING only when that is refused.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from . import catalogue, fingerprint
from .credential import Credential
from .errors import DeadlineError, DiagnosisError, MalformedEventError, NoValueError, RotationError, SecretError
from .journal import Journal, Word, since
from .logs import Log
from .rotation import Function, Rotation
from .store import Secrets, Store
from .target import Target
from .verdict import FINE, MOVING, QUIET, Facts, decide, worst

STEP = "diagnose"
SHOWN = 10
"""Secrets whose reasons an error has: a fleet may fail as a whole."""
RESERVE = 5.0
"""Seconds of the function's time that are not waited: to look once more, log in, and answer."""
_OPTIONS: Mapping[str, type | tuple[type, ...]] = {
    "Wait": (int, float),
    "Quiet": (int, float),
    "Login": bool,
    "Fail": bool,
    "Refused": str,
    "Code": str,
}
_PAUSES = (0.2, 0.5, 1.0, 2.0)
"""Seconds between two looks; the last one repeats."""

Present = Callable[[BaseException], RotationError]
"""Makes of any exception one of this package that is safe to show."""
Report = Mapping[str, Any]


class Request(NamedTuple):
    """The event, checked."""

    secret_ids: Sequence[str]
    wait: float = 0
    quiet: timedelta = QUIET
    login: bool = False
    refused: str | None = None
    fail: bool = False
    code: str | None = None


def parse(event: Mapping[str, Any]) -> Request:
    """Check the event. Raises ``MalformedEventError``, which names the member."""
    for name in event.keys() - {"Step", "SecretIds"}:
        if name not in _OPTIONS:
            raise MalformedEventError(f"A diagnosis has no such member; allowed: SecretIds, {', '.join(_OPTIONS)}.")
        if not _is(event[name], _OPTIONS[name]):
            raise MalformedEventError(f"The event's {name} must be {_FORMS[name]}.")
    ids = event.get("SecretIds")
    if not isinstance(ids, list) or not ids or not all(isinstance(one, str) and one for one in ids):
        raise MalformedEventError('The event\'s SecretIds must be a list of ARNs, such as ["arn:aws:..."].')
    if "Refused" in event and len(ids) != 1:
        raise MalformedEventError("The event's Refused is a version of one secret: name that one alone in SecretIds.")
    return Request(
        tuple(dict.fromkeys(ids)),
        wait=float(event.get("Wait", 0)),
        quiet=timedelta(seconds=float(event.get("Quiet", QUIET.total_seconds()))),
        login=event.get("Login", False) or "Refused" in event,
        refused=event.get("Refused"),
        fail=event.get("Fail", False),
        code=event.get("Code"),
    )


_FORMS = {
    "Wait": "seconds, a number from 0 to 900",
    "Quiet": "seconds, a number from 0 to 900",
    "Login": "true or false",
    "Fail": "true or false",
    "Refused": "the id of a version",
    "Code": "the hash of the code that is planned",
}


def _is(value: object, kinds: type | tuple[type, ...]) -> bool:
    if isinstance(value, bool) or kinds is bool:
        return kinds is bool and isinstance(value, bool)
    return isinstance(value, kinds) and (isinstance(value, str) or 0 <= value <= 900)  # type: ignore[operator]


def run(request: Request, load: Callable[[], Function], log: Log, present: Present) -> Report:
    """The report. Raises ``DiagnosisError`` when it is to fail and something is wrong, or for other code than planned.

    ``load`` makes what the function needs for any rotation; where that fails, it is what is wrong with every secret.
    """
    if request.code not in (None, fingerprint.of()):
        raise DiagnosisError(
            "The function's code is not the planned one: its layers were changed outside Terraform. Apply again, which "
            "restores them, and look at what has rotated since."
        )
    try:
        function = load()
    except Exception as error:  # noqa: BLE001  # whatever comes is a finding
        facts = (Facts(secret_id, now(), unread=present(error)) for secret_id in request.secret_ids)
        return _answer(request, [_entry(each, log) for each in facts])
    found = Diagnosis(request, function, log, present)
    found.wait()
    settings = function.settings
    needed = catalogue.rotations_to_revoke(settings.target or "none", settings.target_settings, settings.target_calls)
    return _answer(request, [found.entry(secret_id) for secret_id in request.secret_ids], rotations_to_revoke=needed)


def _answer(request: Request, entries: Sequence[Report], **more: object) -> Report:
    verdict = worst(entry["verdict"] for entry in entries)
    if not request.fail:
        return {"verdict": verdict, **more, "secrets": entries}
    wrong = [f"{entry['secret_id']} is {entry['verdict']}. {entry['reason']}" for entry in entries if not _fine(entry)]
    if wrong:
        further = f" And {len(wrong) - SHOWN} more." if len(wrong) > SHOWN else ""
        raise DiagnosisError(" ".join(wrong[:SHOWN]) + further)
    return {"verdict": verdict, "unsettled": [e["secret_id"] for e in entries if e["verdict"] != "healthy"]}


def _fine(entry: Report) -> bool:
    return entry["verdict"] in FINE


class Diagnosis:
    """One diagnosis of several secrets."""

    def __init__(self, request: Request, function: Function, log: Log, present: Present) -> None:
        self._request, self._function, self._log, self._present = request, function, log, present
        self._journal = Journal(function.client, function.deadline)
        self._seen: dict[str, Facts] = {}
        self._words: Mapping[str, Sequence[Word]] = {}
        self._unread: RotationError | None = None
        """Why the log could not be read."""

    def wait(self) -> None:
        """Look at labels and the log until nothing moves, or the time to wait is over."""
        remaining = self._function.deadline.remaining
        end, waiting = max(RESERVE, remaining() - self._request.wait), list(self._request.secret_ids)
        for pause in _endless(_PAUSES):
            self._look(waiting)
            waiting = [secret_id for secret_id in waiting if self._moves(secret_id)]
            if not waiting or remaining() - pause < end:
                return
            time.sleep(pause)

    def _moves(self, secret_id: str) -> bool:
        return decide(self._facts(secret_id)).name in MOVING

    def _look(self, secret_ids: Iterable[str]) -> None:
        for secret_id in secret_ids:
            self._seen[secret_id] = self._labels(secret_id)
        begun = [facts.made.get(facts.pending, now()) for facts in self._seen.values() if facts.pending]
        if begun:
            self._read_log(since(begun, now()))

    def _labels(self, secret_id: str) -> Facts:
        facts = Facts(
            secret_id,
            now(),
            refused=self._request.refused,
            quiet=self._request.quiet,
            expects_rotation=self._request.wait > 0,
        )
        store = self._store(secret_id)
        try:
            facts = replace(facts, about=store.describe())
        except Exception as error:  # noqa: BLE001  # whatever comes is a finding
            return replace(facts, unread=self._present(error))
        with suppress(RotationError):  # the ages alone are not known then: the permission is a new one
            return replace(facts, made={one.id: one.created for one in store.secrets.versions(secret_id)})
        return facts

    def _read_log(self, begin: datetime) -> None:
        try:
            self._words, self._unread = self._journal.read(begin), None
        except Exception as error:  # noqa: BLE001  # the log is of help, and the rest is a report without it
            self._unread = self._present(error)

    def _facts(self, secret_id: str) -> Facts:
        """What labels and log show."""
        seen = self._seen[secret_id]
        return replace(seen, words=self._words.get(seen.pending or "", ()))

    # What costs a login or a read of values: once for each secret, after the wait.

    def entry(self, secret_id: str) -> Report:
        """The report on one secret."""
        facts = self._facts(secret_id)
        if facts.unread is None and facts.about.deleted is None:
            facts = self._examined(facts)
        return _entry(facts, self._log, self._unread)

    def _examined(self, facts: Facts) -> Facts:
        store = self._store(facts.secret_id)
        rotation = Rotation(store, self._function, self._log)
        problem = self._attempt(lambda: rotation.check(facts.about, login=self._request.login))
        logins = {} if isinstance(problem, DeadlineError) else self._logins(store, facts)
        return replace(facts, problem=problem, logins=logins)

    def _logins(self, store: Store, facts: Facts) -> Mapping[str, RotationError | None]:
        target = self._function.target
        if not self._request.login or target is None or target.test_writes:
            return {}
        found: dict[str, RotationError | None] = {}
        for version in filter(None, (facts.current, facts.pending)):
            found[version] = self._try(target, store, version, facts.current)
            if found[version] is None:
                break
        if facts.refused:
            found[facts.refused] = self._try(target, store, facts.refused, facts.current)
        return found

    def _try(self, target: Target, store: Store, version: str, current: str | None) -> RotationError | None:
        return self._attempt(lambda: self._log_in(target, store, version, current))

    def _log_in(self, target: Target, store: Store, version: str, current: str | None) -> None:
        """Use the value of a version against the service, if it is for the one that AWSCURRENT is for."""
        rotation, subject = Rotation(store, self._function, self._log), store.value(version)
        if subject is None:
            raise NoValueError(f"The version {version} has no value, or is no longer there.")
        if current not in (None, version):
            _check_same_service(rotation, subject, store.value(str(current)))
        target.test_secret(rotation.context_of(subject, subject))

    def _attempt(self, action: Callable[[], object]) -> RotationError | None:
        try:
            action()
        except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever comes is a finding
            return self._present(error)
        return None

    def _store(self, secret_id: str) -> Store:
        settings = self._function.settings
        return Store(
            Secrets(self._function.client, self._log),
            secret_id,
            "",  # no version is being made
            None,
            self._function.deadline,
            settings.keys or (),
            settings.password_key,
        )


def _entry(facts: Facts, log: Log, unread: RotationError | None = None) -> Report:
    """Without a value: what a target or a document gave as a reason passes the filter of the log."""
    about, verdict = facts.about, decide(facts)
    return {
        "secret_id": facts.secret_id,
        "verdict": verdict.name,
        "reason": log.clean(verdict.reason),
        "commands": list(verdict.commands),
        "rotation": {
            "enabled": about.rotation_enabled,
            "last_rotated": _iso(about.last_rotated),
            "next_rotation": _iso(about.next_rotation),
            "rules": about.rules,
        },
        "versions": [_version(facts, version, log) for version in about.labels],
        "log": "read" if unread is None else str(unread),
        "problem": None if facts.problem is None else log.clean(str(facts.problem)),
    }


def _version(facts: Facts, version: str, log: Log) -> Report:
    tried = version in facts.logins
    words = facts.words if version == facts.pending else ()
    return {
        "version_id": version,
        "labels": sorted(facts.about.labels[version]),
        "created": _iso(facts.made.get(version)),
        "opens": facts.logins[version] is None if tried else None,
        "steps": [_step(word, log) for word in words],
    }


def _step(word: Word, log: Log) -> Report:
    return {"step": word.step, "at": _iso(word.at), "error": word.error, "message": log.clean(word.message)}


def _check_same_service(rotation: Rotation, subject: Credential, current: Credential | None) -> None:
    try:
        rotation.check_pending(rotation.context_of(subject, current))
    except SecretError:
        raise SecretError("It is not tried: it differs from AWSCURRENT in more than what rotates.") from None


def now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds")


def _endless(pauses: Sequence[float]) -> Iterable[float]:
    yield from pauses
    while True:
        yield pauses[-1]
