"""RotateSecret: the four calls of the function, retries, and the scheduler.

A rotation runs in a thread of its own. Between the steps it looks whether it is still wanted: a value put by hand, a
label cleared by hand, CancelRotateSecret and the deletion of the secret each end it.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rotation_lab.sandbox import emulator, events, functions, schedule, versions
from rotation_lab.sandbox.errors import ApiError
from rotation_lab.sandbox.secrets_manager import Request, Secrets, client_token, token_in_use
from rotation_lab.sandbox.versions import CURRENT, PENDING, Record

_log = logging.getLogger("sandbox")
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
TEST_ONLY = ("testSecret",)
_NO_FUNCTION = "No Lambda rotation function ARN is associated with this secret."


@dataclass(frozen=True)
class Policy:
    """How often a failed rotation is tried again. AWS does not publish its numbers."""

    attempts: int = 3
    backoff: float = 0.2
    """Seconds before the second attempt; it doubles with every further one."""
    test_value: str = "current"
    """What the temporary version of ``RotateImmediately=false`` holds: "current" value, or "empty"."""


@dataclass
class State:
    """What the control API tells of one secret."""

    running: bool = False
    result: str | None = None
    """Of the last rotation: "ok", "cancelled", "abandoned", or "<step>: <error>"."""
    log: list[dict[str, Any]] = field(default_factory=list)
    cancelled: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Run:
    """One rotation: its secret, the token that is the new version, and the time after which no retry begins."""

    secret: Record
    token: str
    steps: tuple[str, ...]
    state: State
    window_end: float | None = None

    @property
    def kind(self) -> str:
        """How its events are called."""
        return "TestRotation" if self.steps == TEST_ONLY else "Rotation"


class Stopped(Exception):  # noqa: N818 - it is not an error: somebody wanted it
    """A rotation that is no longer wanted; the text is its result."""


class Rotations:
    """RotateSecret, CancelRotateSecret and the schedules, over ``Secrets``."""

    def __init__(self, secrets: Secrets, policy: Policy) -> None:
        self._secrets, self._policy = secrets, policy
        self._states: dict[str, State] = {}
        secrets.handlers["RotateSecret"] = self._rotate
        secrets.handlers["CancelRotateSecret"] = self._cancel

    def state(self, secret: Record) -> State:
        """The state of a secret, made when it is new."""
        return self._states.setdefault(secret["ARN"], State())

    def stop(self) -> None:
        """Ends every rotation before its next step."""
        for state in self._states.values():
            state.cancelled.set()

    def tick(self) -> list[str]:
        """Starts each scheduled rotation whose window has opened; returns the secrets' names."""
        started: list[str] = []
        with self._secrets.lock:
            for account, region, secret in emulator.all_secrets():
                if self._is_due(secret):
                    emulator.in_scope(account, region, partial(self._start_scheduled, secret))
                    started.append(secret["Name"])
        return started

    def _is_due(self, secret: Record) -> bool:
        if not (secret.get("RotationEnabled") and secret.get("RotationRules")) or secret.get("DeletedDate"):
            return False
        if self.state(secret).running or emulator.secretsmanager._is_replica(secret):
            return False
        return self._secrets.next_window(secret)[0] <= self._secrets.clock.now()

    def _start_scheduled(self, secret: Record) -> None:
        end = self._secrets.next_window(secret)[1]
        now = self._secrets.clock.now()
        # Counted from here even if it fails: the next window is then the next chance, and not the next second.
        self._secrets.counted_from[secret["ARN"]] = now
        if versions.is_stuck(secret):
            self._start(secret, str(versions.holder(secret, PENDING)), STEPS, max(end, now))
        else:
            self._begin(secret, emulator.new_id(), max(end, now))

    def _rotate(self, request: Request) -> dict[str, Any]:
        secret, token = self._secrets.find(request, write=True), client_token(request)
        arn, rules = self._configuration(secret, request)
        functions.check_may_invoke(secret, arn)
        if not self.state(secret).running and token in secret["Versions"] and not versions.is_stuck(secret):
            return self._repeated(secret, token)
        secret.update(RotationLambdaARN=arn, RotationRules=rules, RotationEnabled=True)
        if self.state(secret).running or versions.is_stuck(secret):
            return self._reattempt(secret, token)
        if request.get("RotateImmediately", True):
            self._begin(secret, token)
            return {**_names(secret), "VersionId": token}
        self._test(secret, token)
        return _names(secret)

    def _configuration(self, secret: Record, request: Request) -> tuple[str, dict[str, Any]]:
        arn = request.get("RotationLambdaARN") or secret.get("RotationLambdaARN")
        if not arn:
            raise ApiError("InvalidRequestException", _NO_FUNCTION)
        rules = request.get("RotationRules") or secret.get("RotationRules") or {}
        if rules:
            try:
                schedule.parse(rules)
            except schedule.ScheduleError as error:
                raise ApiError("InvalidParameterException", str(error)) from error
        return str(arn), rules

    def _repeated(self, secret: Record, token: str) -> dict[str, Any]:
        if CURRENT not in versions.labels(secret, token):
            raise token_in_use(secret, token)
        return {**_names(secret), "VersionId": token}

    def _reattempt(self, secret: Record, token: str) -> dict[str, Any]:
        pending = versions.holder(secret, PENDING)
        if not self.state(secret).running:
            self._start(secret, str(pending), STEPS)  # with the token that it had
        if pending == token:
            return {**_names(secret), "VersionId": token}
        raise ApiError(
            "InvalidRequestException", "A previous rotation isn't complete. That rotation will be reattempted."
        )

    def _begin(self, secret: Record, token: str, window_end: float | None = None) -> None:
        versions.add(secret, token, self._secrets.clock.now())
        self._secrets.move(secret, PENDING, token)
        self._start(secret, token, STEPS, window_end)

    def _test(self, secret: Record, token: str) -> None:
        current = secret["Versions"].get(versions.holder(secret, CURRENT), {})
        value = current if self._policy.test_value == "current" else None
        versions.add(secret, token, self._secrets.clock.now(), value)
        self._secrets.move(secret, PENDING, token)
        self._start(secret, token, TEST_ONLY)

    def _cancel(self, request: Request) -> dict[str, Any]:
        secret = self._secrets.find(request, write=True)
        if not secret.get("RotationLambdaARN"):
            raise ApiError("InvalidRequestException", _NO_FUNCTION)
        secret["RotationEnabled"] = False
        self.state(secret).cancelled.set()
        pending = versions.holder(secret, PENDING)
        return {**_names(secret), **({"VersionId": pending} if pending else {})}

    def _start(self, secret: Record, token: str, steps: tuple[str, ...], window_end: float | None = None) -> None:
        state = self.state(secret)
        state.running = True
        state.cancelled.clear()
        run = Run(secret, token, steps, state, window_end)
        context = contextvars.copy_context()  # it holds the account and the region
        threading.Thread(target=context.run, args=(self._run, run), daemon=True).start()

    def _run(self, run: Run) -> None:
        events.publish(f"{run.kind}Started", run.secret, run.token, self._secrets.clock.now())
        result = "the sandbox failed; its log says why"
        try:
            result = self._attempts(run)
        except Stopped as stopped:
            result = str(stopped)
        except Exception:  # noqa: BLE001 - a defect of ours must not leave the secret rotating for ever
            _log.exception("rotation of %s", run.secret["Name"])
        finally:
            self._end(run, result)

    def _attempts(self, run: Run) -> str:
        last = 1 if run.steps == TEST_ONLY else self._policy.attempts
        for attempt in range(1, last + 1):
            result = self._attempt(run, attempt)
            if result == "ok" or attempt == last:
                break
            run.state.cancelled.wait(self._policy.backoff * 2 ** (attempt - 1))
            if run.window_end is not None and self._secrets.clock.now() > run.window_end:
                break
        return result

    def _attempt(self, run: Run, attempt: int) -> str:
        for step in run.steps:
            self._check_wanted(run)
            error = self._step(run, step)
            about = {"token": run.token, "attempt": attempt, "step": step, "at": self._secrets.clock.now()}
            run.state.log.append({**about, "error": error})
            _log.info("%s: %s, attempt %d: %s", run.secret["Name"], step, attempt, error or "ok")
            if error is not None:
                self._check_wanted(run)  # the end of the rotation may be why the step failed
                return f"{step}: {error}"
        if run.steps == STEPS and CURRENT not in versions.labels(run.secret, run.token):
            return "finishSecret: it returned, but AWSCURRENT is not on the new version"
        return "ok"

    def _step(self, run: Run, step: str) -> str | None:
        event = {"ClientRequestToken": run.token, "RotationToken": _rotation_token(run)}
        event |= {"SecretId": run.secret["ARN"], "Step": step}
        try:
            function = functions.check_may_invoke(run.secret, run.secret["RotationLambdaARN"])
        except ApiError as error:
            return str(error)
        return functions.invoke(function, event)

    def _check_wanted(self, run: Run) -> None:
        with self._secrets.lock:
            if run.state.cancelled.is_set() or run.secret.get("DeletedDate"):
                raise Stopped("cancelled")
            if not {PENDING, CURRENT} & set(versions.labels(run.secret, run.token)):
                raise Stopped("abandoned")

    def _end(self, run: Run, result: str) -> None:
        with self._secrets.lock:
            if run.steps == TEST_ONLY:
                run.secret["Versions"].pop(run.token, None)
            elif result == "ok":
                versions.remove(run.secret, PENDING, run.token)
                run.secret["LastRotatedDate"] = self._secrets.clock.now()
                self._secrets.changed(run.secret)
            run.state.result, run.state.running = result, False
        if result not in ("cancelled", "abandoned"):
            outcome = "Succeeded" if result == "ok" else "Failed"
            events.publish(run.kind + outcome, run.secret, run.token, self._secrets.clock.now())


def _rotation_token(run: Run) -> str:
    # One for all steps and attempts of a rotation, and unlike the version id, which is no secret.
    return str(run.secret.setdefault("_RotationTokens", {}).setdefault(run.token, emulator.new_id()))


def _names(secret: Record) -> dict[str, Any]:
    return {"ARN": secret["ARN"], "Name": secret["Name"]}
