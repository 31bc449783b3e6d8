"""The four steps of a rotation, over a store (Secrets Manager) and a target (what the credential opens).

What a crash leaves behind, and why the next try converges:

- in createSecret, before the value is stored: nothing. After: the version has its value, and PutSecretValue refuses a
  second one, so the retry keeps the first. No token ever has two values.
- in setSecret: the service accepts the old value, or the pending one, which is stored. The retry tries to log in with
  the pending value first, then with the others.
- AWSPENDING is removed after setSecret: the service accepts a value that only an unlabelled version holds. The
  next rotation finds it, since it offers every version.
- in finishSecret: AWSCURRENT has moved or has not. The retry sees which. finishSecret tests once more, since its event
  may come without the test before it, and moving AWSCURRENT is what everybody else sees.
"""

import json
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from typing import Any, NamedTuple

from . import rollback
from .deadline import Deadline
from .document import Document
from .errors import (
    AuthenticationError,
    ConfigurationError,
    IdentityMismatchError,
    NetworkError,
    NotPendingError,
    NoValueError,
    PendingMismatchError,
    RotationDisabledError,
    RotationError,
    SecretError,
    SettingError,
    TargetError,
    UnknownVersionError,
    explained,
)
from .generators import Generator
from .generators.password import make as make_password
from .logs import Log
from .settings import Settings
from .source import AwsSource
from .store import CURRENT, PENDING, PREVIOUS, Description, Store
from .target import Context, Credential, Target

TRIES = 10
"""How often a plain-text value is generated: one of some thousand passwords begins like JSON."""

ALREADY_CURRENT = "The version is AWSCURRENT already."


class Function(NamedTuple):
    """What an execution environment makes once, at its first invocation."""

    settings: Settings
    target: Target | None
    deadline: Deadline
    client: Callable[..., Any]
    """Makes a boto3 client for a service, or gives the one made before."""
    begun: deque[str]
    """The last tokens whose createSecret has run here: their testSecret does not come alone."""


class Rotation:
    """One step of one rotation of one secret."""

    def __init__(self, store: Store, function: Function, log: Log) -> None:
        self._store, self._target, self._log = store, function.target, log
        self._function, self._keys = function, function.settings.keys
        self._made: Mapping[str, str] = {}
        self._restored: Mapping[str, str] = {}
        """Values of an older version to take again, in place of new ones."""

    def create_secret(self) -> None:
        """Store a new value in the version of this rotation, once."""
        about = self._unfinished()
        if about is None:
            return
        self._function.begun.append(self._store.token)
        current = self._current(about)
        self._check_document(current)
        self._restored = self._to_restore(about)
        made = not self._has_issued() and self._store_new(about, current)
        self._log.info("A new value is stored." if made else "The version has its value already.")

    def set_secret(self) -> None:
        """Make the target accept the pending value."""
        if self._target is None:
            return
        about = self._unfinished()
        if about is None:
            return
        context = self._context(about)
        self.check_pending(context)  # refused here, not half way through the target's work
        self._use(self._target.set_secret, context)
        self._log.info("The target accepts the new value.")

    def test_secret(self) -> None:
        """Use the pending value against the target. Without rotate_immediately this step comes alone, as a check."""
        if self._target is None and self._store.token in self._function.begun:
            return
        about = self._unfinished()
        if about is None:
            return
        context = self._context(about)
        if _is_alone(context):
            self.check(about)
        else:
            self.check_pending(context)
        if self._target is None:
            return
        if context.pending_or_none or context.current:
            self._use(self._target.test_secret, context)
            self._log.info("The value is accepted.")
        else:
            self._log.info("There is no value to test yet.")

    def finish_secret(self) -> None:
        """Make the pending value current, if the target accepts it and current is what it was."""
        about = self._describe()
        current = about.holder(CURRENT)
        if self._is_finished(about):
            self._log.info(ALREADY_CURRENT)
        else:
            self._verify(about)
        if current != self._store.token:
            self._store.promote(current)
            self._log.info("The new value is current.")
            about = about.promoted(self._store.token)
        self._end_rollback(about)
        if self._target is not None and self._target.finish_secret is not None:
            self._target.finish_secret(self._context(about))

    def check(self, about: Description, *, login: bool = True) -> None:
        """Raise, and change nothing, where the next rotation would fail for a reason that reading shows.

        ``login``: whether the target may log in for that, as an administrator for example.
        """
        current = self._current(about)
        self._check_document(current)
        if login and current is not None and self._target is not None and self._target.check is not None:
            self._target.check(self._context(about, is_stored=False))

    # What the steps share.

    def _describe(self) -> Description:
        """Read the labels and refuse an event that is not for a rotation in progress."""
        about = self._store.described(lambda found: self._refusal(found) is None)
        refusal = self._refusal(about)
        if refusal is not None:
            raise refusal
        return about

    def _refusal(self, about: Description) -> SecretError | None:
        token = self._store.token
        if not about.rotation_enabled:
            return RotationDisabledError("Rotation is not enabled for the secret. Turn it on and rotate again.")
        if token not in about.labels:
            return UnknownVersionError(
                "The event's ClientRequestToken is not a version of the secret, or one that lost its labels, because "
                "the rotation was abandoned. Rotate again."
            )
        if not about.labels[token] & {CURRENT, PENDING}:
            return NotPendingError(
                "The version is not AWSPENDING: the rotation was abandoned, or its label was moved. Rotate again."
            )
        return None

    def _unfinished(self) -> Description | None:
        """The labels; None when there is nothing left to do, which is logged."""
        about = self._describe()
        if not self._is_finished(about):
            return about
        self._log.info(ALREADY_CURRENT)
        return None

    def _is_finished(self, about: Description) -> bool:
        """Whether the version is current already: a second delivery, and a success.

        The first value of a secret is current from the moment it is stored, so there its steps still run.
        """
        return CURRENT in about.labels[self._store.token] and len(about.labels) > 1

    def _current(self, about: Description) -> Credential | None:
        version = about.holder(CURRENT)
        if version is None:
            return None
        if version == self._store.token:  # the first value of a secret, which may not be stored yet
            return self._store.value(version)
        current = self._store.fresh_value(version)
        if current is None:
            raise NoValueError("The AWSCURRENT version has no value. Put a value into it and rotate again.")
        return current

    def _check_document(self, current: Credential | None) -> None:
        if self._keys is None:
            if current is not None and not self._function.settings.overwrite_json:
                current.document.check_plain()
        elif current is None:
            raise NoValueError(
                f"The secret has no value yet. Put a JSON object with the keys first: {_example(self._keys)}."
            )
        else:
            current.document.find(self._keys)
            current.updated({}).check_size()  # the templates can be filled in, before a value is generated or issued

    def _to_restore(self, about: Description) -> Mapping[str, str]:
        """The values of the version with the label ROLLBACK; none where no version has it."""
        version = rollback.wanted(about)
        if version is None:
            return {}
        if rollback.is_current(about):
            if self._store.value(self._store.token) is not None:  # the label is for the next rotation
                return {}
            raise rollback.refused(self._store.secret_id, version, SecretError("It is AWSCURRENT already."))
        self._log.info("The value of the version with the label ROLLBACK is taken again.", candidate=version)
        with explained(
            lambda error: rollback.refused(self._store.secret_id, version, error), AuthenticationError, SecretError
        ):
            wanted = self._store.fresh_value(version)
            if wanted is not None and self._target is not None and self._target.issues:
                self._target.test_secret(self.context_of(wanted, wanted))
            return rollback.values(wanted, self._rotated_keys)

    def _end_rollback(self, about: Description) -> None:
        """Remove the label ROLLBACK if this rotation went back to its version, and not if it was attached since."""
        version = about.holder(rollback.LABEL)
        if version is None:
            return
        wanted, now = self._store.value(version), self._store.value(self._store.token)
        if rollback.is_same(wanted, now, self._rotated_keys):
            self._store.remove(rollback.LABEL, version)

    @property
    def _rotated_keys(self) -> Collection[str]:
        return self._function.settings.changed_keys

    def _has_issued(self) -> bool:
        """Whether the target has issued a value for this version: it must not issue another one."""
        issues = self._target is not None and self._target.create_secret is not None
        return issues and self._store.value(self._store.token) is not None

    def _store_new(self, about: Description, current: Credential | None) -> bool:
        if self._target is None or self._target.create_secret is None or (self._restored and self._target.issues):
            return self._store.put_pending(self._new_text(current, {}))
        context = self._context(about, is_stored=False)
        context.draft = lambda keys: self._draft(current, keys)
        issued = self._issued(context, self._target.create_secret)
        try:
            made = self._store.put_pending(self._new_text(current, issued))
        except Exception:
            with suppress(RotationError):  # what went wrong before says more
                self._discard(context, issued)
            raise
        if not made:
            self._discard(context, issued)
        return made

    def _discard(self, context: Context, issued: Mapping[str, str]) -> None:
        """Let the target end what it has issued, unless the version holds it: an answer may have been lost."""
        if self._target is None or self._target.discard_secret is None or not issued:
            return
        stored = self._store.fresh_value(self._store.token)
        if stored is None or any((stored.get(key) if key else stored.text) != issued[key] for key in issued):
            self._target.discard_secret(context, issued)

    def _draft(self, current: Credential | None, keys: Collection[str]) -> Credential:
        """The new value before the target has returned those of ``keys``."""
        self._made = self._generated(keys)
        self._log.hide(*self._made.values())
        if self._keys is None or current is None:
            return Credential(self._store.token, self._made.get("", ""))
        return replace(current, version=self._store.token, text=current.updated(self._made).text)

    def _new_text(self, current: Credential | None, issued: Mapping[str, str]) -> str:
        values = {**(self._made or self._generated(issued)), **issued}
        self._log.hide(*values.values())
        if current is None or self._keys is None:
            new = Document(values[""])
        else:
            new = current.updated(values)
            self._log.hide(*replace(current, text=new.text).confidential())
        new.check_size()
        return new.text

    def _issued(self, context: Context, create: Callable[[Context], object]) -> Mapping[str, str]:
        issued = create(context)
        if not isinstance(issued, Mapping) or not all(
            isinstance(text, str) for pair in issued.items() for text in pair
        ):
            raise TargetError("The target's create_secret(context) must return a mapping of keys to strings.")
        if self._keys is None and issued.keys() - {""}:
            raise TargetError(
                'The secret is plain text: create_secret(context) may return a value only for the key "".'
            )
        return issued

    def _generated(self, issued: Collection[str]) -> dict[str, str]:
        if self._restored:
            return {key: value for key, value in self._restored.items() if key not in issued}
        values: dict[str, str] = {}
        source = AwsSource(self._store, self._function.client, self._function.settings.password)
        for key, generator in self._function.settings.generators.items():
            if key not in issued:
                values |= self._make(key, generator, source)
        return values

    def _make(self, key: str, generator: Generator, source: AwsSource) -> dict[str, str]:
        """New values; of a plain-text secret never one that the next rotation would take for JSON."""
        for _ in range(TRIES):
            made = generator.make(key, source)
            if key or not Document(made[key]).is_like_json:
                return made
        raise SettingError(
            "The generated values begin like JSON, with a bracket and a quotation mark. Add the quotation marks to "
            "`exclude_characters`."
        )

    def _context(self, about: Description, *, is_stored: bool = True, compares: bool = True) -> Context:
        """``is_stored``: there is a pending value to wait for. ``compares``: the current one is needed too."""
        pending = self._store.fresh_value(self._store.token) if is_stored else None
        current = self._current(about) if compares else None
        problems: dict[str, RotationError] = {}
        older = lambda: self._older(about, pending or current, problems)  # noqa: E731  # it is read only when asked for
        return replace(self.context_of(pending, current), older=older, problems=problems)

    def context_of(self, pending: Credential | None, current: Credential | None) -> Context:
        """What a target gets, for these two alone: there are no older versions."""
        return Context(
            secret_id=self._store.secret_id,
            settings=self._function.settings.target_settings,
            fallbacks=self._function.settings.target_fallbacks,
            current=current,
            log=self._log,
            deadline=self._function.deadline,
            client=self._function.client,
            pending_or_none=pending,
            version=self._store.token,
        )

    def _older(
        self, about: Description, like: Credential | None, problems: dict[str, RotationError]
    ) -> Iterator[Credential]:
        """Every version but pending and current: none of them ends the search because it cannot be read."""
        previous = about.holder(PREVIOUS)
        others = self._store.others({self._store.token, about.holder(CURRENT), previous})
        for version in chain([previous] if previous else [], others):
            try:
                credential = self._store.value(version)
                different = self._differences(credential, like)
            except NetworkError:
                raise
            except RotationError as error:
                problems[version] = SecretError(f"It cannot be used. {error}")
                continue
            if different:
                problems[version] = SecretError(f"It is for another {', '.join(different)}.")
            elif credential is not None:
                yield credential

    def _verify(self, about: Description) -> None:
        context = self._context(about, compares=self._target is not None or self._keys is not None)
        self.check_pending(context)
        if self._target is not None:
            self._use(self._target.test_secret, context)

    def _use(self, step: Callable[[Context], object], context: Context) -> None:
        """Run the target's step. A failure says too whether the value is one that the settings would not make now.

        Every retry sends the same value, so to correct the settings alone does not end what the service refuses.
        """
        misfits = self._misfits(context.pending_or_none)
        if not misfits:
            step(context)
            return

        def explain(error: Exception) -> RotationError:
            problem: RotationError = type(error)(  # type: ignore[assignment]  # one of ours, as is explained
                f"{error} The AWSPENDING value no longer fits the function's settings: {', '.join(misfits)}. To give "
                f"it up: {_without_pending(context)}"
            )
            return problem

        with explained(explain, AuthenticationError, ConfigurationError, TargetError):
            step(context)

    def _misfits(self, pending: Credential | None) -> list[str]:
        """How the passwords in a pending value differ from those that would be generated now."""
        settings, found = self._function.settings, list[str]()
        for key, generator in settings.generators.items():
            if pending is not None and generator.function is make_password:
                with suppress(SecretError):
                    found += settings.password.misfits(pending.require(key) if key else pending.value)
        return list(dict.fromkeys(found))

    def check_pending(self, context: Context) -> None:
        """Refuse a pending value that is not the current one with new values, as createSecret would make it now."""
        _ = context.pending
        self._check_identity(context)
        if not self._is_made_from_current(context):
            raise PendingMismatchError(
                "The AWSPENDING value is not the AWSCURRENT one with new values for `keys`, so it is not used: "
                "AWSCURRENT was changed or moved to another version after createSecret, or AWSPENDING was written by "
                "something else. To rotate the current value: "
                f"{_without_pending(context)} A value that the service has accepted is still found."
            )

    def _is_made_from_current(self, context: Context) -> bool:
        issued, pending, current = self._issued_keys(context), context.pending.document, context.current
        try:
            if not self._function.settings.templates.hold(pending):
                return False
            if issued is None or self._function.settings.overwrite_json:
                return True
            if self._keys is None:
                pending.check_plain()
                return True
            pending.find(self._keys)
        except SecretError:
            return False
        return current is None or pending.agrees(current.document, self._function.settings.changed_keys | set(issued))

    def _issued_keys(self, context: Context) -> Collection[str] | None:
        """Keys that the target's createSecret changes besides ``keys``; None when that is not known."""
        if self._target is None or self._target.create_secret is None:
            return ()
        return None if self._target.issued_keys is None else self._target.issued_keys(context)

    def _check_identity(self, context: Context) -> None:
        """Refuse to take a pending value to another server or user than the current one is for."""
        different = self._differences(context.pending_or_none, context.current)
        if different:
            raise IdentityMismatchError(
                f"The pending value differs from the current one in {', '.join(different)}. It is not used. "
                "To abandon this rotation, put a new value into the secret."
            )

    def _differences(self, one: Credential | None, other: Credential | None) -> list[str]:
        """Names of what the two credentials are for (host, user and so on) where they do not agree."""
        if one is None or other is None or self._target is None:
            return []
        mine, theirs = (self._target.identity(credential) for credential in (one, other))
        return sorted(name for name in {*mine, *theirs} if mine.get(name) != theirs.get(name))


def _without_pending(context: Context) -> str:
    """The command after which a rotation generates a new value."""
    return (
        f"aws secretsmanager update-secret-version-stage --secret-id {context.secret_id} --version-stage AWSPENDING "
        f"--remove-from-version-id {context.pending.version}, then rotate again."
    )


def _example(keys: Iterable[str]) -> str:
    """A first value of a secret; where a key is a pointer, only the keys, since it may lead through arrays."""
    if any(key.startswith("/") for key in keys):
        return ", ".join(keys)
    return json.dumps(dict.fromkeys(keys, "to-be-rotated"))


def _is_alone(context: Context) -> bool:
    """Whether a test has come without createSecret: its version has the current value, or none."""
    pending, current = context.pending_or_none, context.current
    return pending is None or (current is not None and pending.text == current.text)
