"""The calls of a rotation function, their retries, and the scheduler.

A rotation runs in a thread of its own. Between the steps it looks whether it is still wanted: a value put by hand, a
label cleared by hand, CancelRotateSecret and the deletion of the secret each end it.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from rotation_lab.model import rotation
from rotation_lab.model.errors import ServiceError
from rotation_lab.model.rotation import STEPS, TEST_ONLY
from rotation_lab.model.secret import Secret
from rotation_lab.sandbox import emulator, events, functions
from rotation_lab.sandbox.secrets_manager import Secrets

_log = logging.getLogger("sandbox")
_AT_ONCE = 64
"""More rotations than these wait for their turn. All at once would be throttled by Lambda's limit for an account, which
the secrets of a fleet do not reach on AWS: they are told to rotate 50 a second, and end sooner than here."""


@dataclass(frozen=True)
class Policy:
    """How often a failed rotation is tried again. AWS does not publish its numbers."""

    attempts: int = 3
    backoff: float = 0.2
    """Seconds before the second attempt; it doubles with every further one."""


@dataclass
class State:
    """What the control API tells of one secret."""

    result: str | None = None
    """Of the last rotation: "ok", "cancelled", "abandoned", or "<step>: <error>"."""
    log: list[dict[str, Any]] = field(default_factory=list)
    cancelled: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Run:
    """One rotation: its secret, the token that is the new version, and the time after which no retry begins."""

    secret: Secret
    token: str
    steps: tuple[str, ...]
    state: State
    window_end: datetime | None = None

    @property
    def kind(self) -> str:
        """How its events are called."""
        return "TestRotation" if self.steps == TEST_ONLY else "Rotation"


class Stopped(Exception):  # noqa: N818 - it is not an error: somebody wanted it
    """A rotation that is no longer wanted; the text is its result."""


class Rotations:
    """Calls rotation functions for ``Secrets``, at once and by schedule."""

    def __init__(self, secrets: Secrets, policy: Policy) -> None:
        self._secrets, self._policy = secrets, policy
        self._states: dict[str, State] = {}
        self._turns = threading.Semaphore(_AT_ONCE)
        secrets.on_start, secrets.on_cancel = self._start, self._cancel

    def state(self, secret: Secret) -> State:
        """The state of a secret, made when it is new."""
        return self._states.get(secret.arn) or self._states.setdefault(secret.arn, State())

    def stop(self) -> None:
        """Ends every rotation before its next step."""
        for state in self._states.values():
            state.cancelled.set()

    def tick(self) -> list[str]:
        """Starts each scheduled rotation whose window has opened; returns the secrets' names."""
        with self._secrets.lock:
            self._secrets.expire()
            now = self._secrets.now()
            due = [secret for secret in self._secrets.vault.secrets.values() if rotation.is_due(secret, now)]
            for secret in due:
                begin = partial(rotation.start_scheduled, self._secrets.vault, secret)
                emulator.in_scope(secret.account, secret.region, begin)
            return [secret.name for secret in due]

    def _cancel(self, secret: Secret) -> None:
        self.state(secret).cancelled.set()

    def _start(self, secret: Secret, token: str, steps: tuple[str, ...], window_end: datetime | None) -> None:
        state = self.state(secret)
        secret.rotating = True
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
            _log.exception("rotation of %s", run.secret.name)
        finally:
            self._end(run, result)

    def _attempts(self, run: Run) -> str:
        last = 1 if run.steps == TEST_ONLY else self._policy.attempts
        for attempt in range(1, last + 1):
            with self._turns:
                result = self._attempt(run, attempt)
            if result == "ok" or attempt == last:
                break
            run.state.cancelled.wait(self._policy.backoff * 2 ** (attempt - 1))
            if run.window_end is not None and self._secrets.now() > run.window_end:
                break
        return result

    def _attempt(self, run: Run, attempt: int) -> str:
        for step in run.steps:
            self._check_wanted(run)
            error = self._step(run, step)
            about = {"token": run.token, "attempt": attempt, "step": step, "at": self._secrets.clock.now()}
            run.state.log.append({**about, "error": error})
            _log.info("%s: %s, attempt %d: %s", run.secret.name, step, attempt, error or "ok")
            if error is not None:
                self._check_wanted(run)  # the end of the rotation may be why the step failed
                return f"{step}: {error}"
        if run.steps == STEPS and not rotation.is_done(run.secret, run.token):
            return "finishSecret: it returned, but AWSCURRENT is not on the new version"
        return "ok"

    def _step(self, run: Run, step: str) -> str | None:
        event = {"ClientRequestToken": run.token, "RotationToken": self._rotation_token(run)}
        event |= {"SecretId": run.secret.arn, "Step": step}
        try:
            function = functions.check_may_invoke(run.secret, str(run.secret.function))
        except ServiceError as error:
            return str(error)
        return functions.invoke(function, event)

    def _rotation_token(self, run: Run) -> str:
        # One for all steps and attempts of a rotation, and unlike the version id, which is no secret.
        return run.secret.rotation_tokens.setdefault(run.token, self._secrets.new_id())

    def _check_wanted(self, run: Run) -> None:
        with self._secrets.lock:
            gone = run.secret.deleted or run.secret.arn not in self._secrets.vault.secrets
            if run.state.cancelled.is_set() or gone:
                raise Stopped("cancelled")
            if rotation.is_abandoned(run.secret, run.token):
                raise Stopped("abandoned")

    def _end(self, run: Run, result: str) -> None:
        with self._secrets.lock:
            if run.steps == TEST_ONLY:
                rotation.withdraw(self._secrets.vault, run.secret, run.token)
            elif result == "ok":
                rotation.complete(self._secrets.vault, run.secret)
            run.state.result, run.secret.rotating = result, False
        if result not in ("cancelled", "abandoned"):
            outcome = "Succeeded" if result == "ok" else "Failed"
            events.publish(run.kind + outcome, run.secret, run.token, self._secrets.clock.now())
