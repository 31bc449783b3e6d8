"""RotateSecret: which version gets AWSPENDING, when a rotation is still wanted, and what its end changes.

Whoever calls the function is the host: it goes through the steps, asks ``unwanted`` between them, and says ``end``.
"""

from __future__ import annotations

from datetime import datetime

from rotation_lab.model import schedule
from rotation_lab.model.errors import ServiceError
from rotation_lab.model.names import client_token
from rotation_lab.model.secret import CURRENT, PENDING, Data, Secret, Version
from rotation_lab.model.values import next_window, token_in_use
from rotation_lab.model.vault import Caller, Request, Vault, identity

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
TEST_ONLY = ("testSecret",)
_NO_FUNCTION = "No Lambda rotation function ARN is associated with this secret."


def rotate(vault: Vault, caller: Caller, request: Request) -> Data:
    """RotateSecret."""
    token = client_token(request, missing="InvalidParameterException")
    secret = vault.find(caller, request, write=True)
    function, rules = _configuration(secret, request)
    vault.host.check_function(secret, function)
    if not secret.rotating and token in secret.versions and not secret.is_stuck:
        return _repeated(secret, token)
    secret.function, secret.rules, secret.rotation_enabled = function, rules, True
    vault.changed(secret)
    if secret.rotating or secret.is_stuck:
        return _reattempt(vault, secret, token)
    if request.get("RotateImmediately", True):
        begin(vault, secret, token)
        return {**identity(secret), "VersionId": token}
    begin_test(vault, secret, token)
    return identity(secret)


def _configuration(secret: Secret, request: Request) -> tuple[str, Data]:
    function = request.get("RotationLambdaARN") or secret.function
    if not function:
        raise ServiceError("InvalidRequestException", _NO_FUNCTION)
    rules = dict(request.get("RotationRules") or secret.rules)
    if rules:
        try:
            schedule.parse(rules)
        except schedule.ScheduleError as error:
            raise ServiceError("InvalidParameterException", str(error)) from error
    return str(function), rules


def _repeated(secret: Secret, token: str) -> Data:
    if CURRENT not in secret.labels(token):
        raise token_in_use(secret, token)
    return {**identity(secret), "VersionId": token}


def _reattempt(vault: Vault, secret: Secret, token: str) -> Data:
    pending = secret.holder(PENDING)
    if not secret.rotating:
        vault.host.start(secret, str(pending), STEPS)  # with the token that it had
    if pending == token:
        return {**identity(secret), "VersionId": token}
    raise ServiceError(
        "InvalidRequestException", "A previous rotation isn't complete. That rotation will be reattempted."
    )


def begin(vault: Vault, secret: Secret, token: str, window_end: datetime | None = None) -> None:
    """Start a rotation: AWSPENDING goes to a version without a value."""
    _add_pending(vault, secret, token, {})
    vault.host.start(secret, token, STEPS, window_end)


def begin_test(vault: Vault, secret: Secret, token: str) -> None:
    """RotateImmediately=false: testSecret alone, on a temporary version that holds the current value."""
    current = secret.versions.get(secret.holder(CURRENT) or "")
    _add_pending(vault, secret, token, dict(current.data) if current else {})
    vault.host.start(secret, token, TEST_ONLY)


def _add_pending(vault: Vault, secret: Secret, token: str, data: Data) -> None:
    secret.versions[token] = Version(vault.host.now(), data, kms_key=secret.kms_key)
    vault.move(secret, PENDING, token)
    vault.changed(secret)


def cancel(vault: Vault, caller: Caller, request: Request) -> Data:
    """CancelRotateSecret: AWSPENDING stays where it is."""
    secret = vault.find(caller, request, write=True)
    if not secret.function:
        raise ServiceError("InvalidRequestException", _NO_FUNCTION)
    secret.rotation_enabled = False
    vault.changed(secret)
    vault.host.cancelled(secret)
    pending = secret.holder(PENDING)
    return {**identity(secret), **({"VersionId": pending} if pending else {})}


def is_abandoned(secret: Secret, token: str) -> bool:
    """Whether a rotation has lost its label: to a value by hand, or to a person who removed it."""
    return not {PENDING, CURRENT} & secret.labels(token)


def is_done(secret: Secret, token: str) -> bool:
    """Whether finishSecret has moved AWSCURRENT to the new version."""
    return CURRENT in secret.labels(token)


def complete(vault: Vault, secret: Secret) -> None:
    """A rotation has succeeded: AWSPENDING goes."""
    secret.remove(PENDING)
    secret.rotated = vault.host.now()
    vault.changed(secret)


def withdraw(vault: Vault, secret: Secret, token: str) -> None:
    """A test that came alone has ended, with success or not: its temporary version goes."""
    secret.versions.pop(token, None)
    vault.changed(secret)


def is_due(secret: Secret, now: datetime) -> bool:
    """Whether the window of a scheduled rotation has opened."""
    if not (secret.rotation_enabled and secret.rules) or secret.deleted or secret.rotating or secret.primary:
        return False
    return next_window(secret)[0] <= now


def start_scheduled(vault: Vault, secret: Secret) -> None:
    """Start the rotation whose window has opened, or go on with one that is not complete."""
    now, end = vault.host.now(), next_window(secret)[1]
    # Counted from here even if it fails: the next window is then the next chance, and not the next second.
    secret.counted_from = now
    if secret.is_stuck:
        vault.host.start(secret, str(secret.holder(PENDING)), STEPS, max(end, now))
    else:
        begin(vault, secret, vault.host.new_id(), max(end, now))
