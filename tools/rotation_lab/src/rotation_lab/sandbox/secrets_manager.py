"""Secrets Manager over HTTP: the state machine of ``rotation_lab.model``, with ministack's accounts, IAM and events.

ministack's own Secrets Manager is not used at all. Its other services look secrets up in it, so what they call there
is replaced too: ``bridge.py``.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from threading import RLock

from rotation_lab.model import actions, deletion
from rotation_lab.model.secret import Data, Secret
from rotation_lab.model.vault import Caller, Host, Request, Vault
from rotation_lab.sandbox import emulator, events, functions
from rotation_lab.sandbox.clock import Clock

Start = Callable[[Secret, str, tuple[str, ...], datetime | None], None]


class Secrets(Host):
    """The secrets and their clock. ``lock`` guards them: rotations run in threads of their own."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.lock = clock, RLock()
        self.vault = Vault(self)
        self.random = random.Random()  # seeded by the system, which would be asked for each character otherwise
        self.on_start: Start | None = None
        self.on_cancel: Callable[[Secret], None] | None = None

    def handle(self, caller: Caller, action: str, request: Request) -> Data:
        """The answer of ``action``; raises ``ServiceError``."""
        with self.lock:
            return actions.answer(self.vault, caller, action, request)

    def lookup(self, secret_id: object) -> Secret | None:
        """The secret that a request to the account and region at hand names, if there is one."""
        return self.vault.lookup(here(), secret_id) if isinstance(secret_id, str) else None

    def expire(self) -> None:
        """Delete the secrets whose recovery window is over."""
        deletion.expire(self.vault, self.now())

    # What the state machine asks.

    def now(self) -> datetime:
        """The time of the sandbox's clock."""
        return datetime.fromtimestamp(self.clock.now(), UTC)

    def check_function(self, secret: Secret, arn: str) -> None:
        """``ServiceError`` unless the function's resource policy lets Secrets Manager call it for this secret."""
        functions.check_may_invoke(secret, arn)

    def start(self, secret: Secret, token: str, steps: tuple[str, ...], window_end: datetime | None = None) -> None:
        """Begin to call the function."""
        if self.on_start is not None:
            self.on_start(secret, token, steps, window_end)

    def cancelled(self, secret: Secret) -> None:
        """End the rotation that runs."""
        if self.on_cancel is not None:
            self.on_cancel(secret)

    def label_moved(self, secret: Secret, label: str, version: str) -> None:
        """The event that AWS publishes without a trail."""
        about = {"ARN": secret.arn, "Name": secret.name}
        emulator.secretsmanager._emit_secret_label_updated(about, label, version)

    def abandoned(self, secret: Secret, version: str) -> None:
        """The event of a trail."""
        events.publish("RotationAbandoned", secret, version, self.clock.now())


def here(check: Callable[[str, str], None] | None = None) -> Caller:
    """The account and region of the request at hand."""
    account, region = emulator.account(), emulator.region()
    return Caller(account, region, check) if check else Caller(account, region)
