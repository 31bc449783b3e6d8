"""The interface for targets: all that a target file imports is here. The rest of this package is private.

A target is a file with two functions, named after the steps of a rotation, and up to three more:

    def set_secret(context: Context) -> None
        Make the service accept ``context.pending``. To log in, use ``context.log_in()``; ``context.set_once()`` looks
        whether it is accepted already, and again after a change that failed.

    def test_secret(context: Context) -> None
        Use ``context.subject`` against the service; raise when it is not accepted.

    def create_secret(context: Context) -> Mapping[str, str]      (optional)
        Values that the service itself issues, or other keys that change with the value, such as the user name when
        users alternate. They are merged over the generated values. Called once there is no pending value.

    def finish_secret(context: Context) -> None                   (optional)
        AWSCURRENT has moved: retire what is no longer needed.

    def discard_secret(context: Context, issued: Mapping[str, str]) -> None       (optional, with create_secret)
        What ``create_secret`` has returned was not stored, so nobody will ever use it: end it at the service.

    def issued_keys(context: Context) -> Collection[str]          (optional, with create_secret)
        The keys, besides those that rotate, that ``create_secret`` may return. All other keys of the pending value
        must agree with the current one, or the step is refused: AWSCURRENT was moved meanwhile. Without this function
        that is not checked for a target with ``create_secret``.

    def identity(credential: Credential) -> Mapping[str, str]     (optional)
        Which host, user and so on the credential is for. Pending and current must agree, or the step is refused:
        whoever can write one version must not be able to point the function at another server.

``TEST_WRITES = True`` in the file says that its ``test_secret`` changes something, at the service or elsewhere.

Every function may run any number of times, after a crash at any point, and twice at the same time; it converges.
Errors are ``NetworkError``, ``AuthenticationError``, ``ConfigurationError`` and ``SecretError``, with a message that
says what to do. Of any other exception only its class and place are logged, never its text, since a driver's message
may repeat what it was given; ``explained`` turns such an exception into one of these, and ``aws.calling`` one of boto3.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, islice, repeat
from typing import Any, TypeVar

from . import aws
from .credential import Credential
from .deadline import Deadline
from .errors import (
    AccessDeniedError,
    AuthenticationError,
    AwsError,
    ConfigurationError,
    IdentityMismatchError,
    LockedError,
    NetworkError,
    NoValueError,
    RotationError,
    SecretError,
    SettingError,
    TargetError,
    ValueRefusedError,
    explained,
)
from .kit import tls
from .logins import MOST, Logins
from .logs import Log
from .store import Secrets, Version

__all__ = [
    "AccessDeniedError",
    "AuthenticationError",
    "AwsError",
    "ConfigurationError",
    "Context",
    "Credential",
    "Deadline",
    "IdentityMismatchError",
    "LockedError",
    "Log",
    "NetworkError",
    "NoValueError",
    "RotationError",
    "SecretError",
    "Secrets",
    "SettingError",
    "Target",
    "TargetError",
    "ValueRefusedError",
    "Version",
    "aws",
    "explained",
    "tls",
]

_T = TypeVar("_T")

PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
"""Seconds after which a refused value is tested again; the last one for all further tests."""


def _no_draft(_: Collection[str]) -> Credential:
    raise NoValueError("Only createSecret makes a new value.")


@dataclass
class Context:
    """One step of one rotation, as a target sees it."""

    secret_id: str
    """The ARN of the secret that rotates."""
    settings: Mapping[str, str]
    """The target's settings, checked by the catalogue and complete: with the defaults of those that are absent."""
    current: Credential | None
    """AWSCURRENT; None before the first value."""
    log: Log
    """``info(message, **fields)`` and so on; it cannot print a value of the secret."""
    deadline: Deadline
    """``deadline.timeout(5)``: seconds to give one call to the service."""
    client: Callable[..., Any]
    """``client("iam")``: a boto3 client with timeouts that fit, as the function's role or with given credentials.

    ``client("iam", attempts=1)`` sends each request once: for one that issues something.
    """
    fallbacks: Mapping[str, str] = field(default_factory=dict)
    """What ``look_up`` gives where neither the settings nor the secret says anything."""
    pending_or_none: Credential | None = None
    older: Callable[[], Iterator[Credential]] = lambda: iter(())
    """AWSPREVIOUS, then every other version, newest first; read only when asked for."""
    problems: dict[str, RotationError] = field(default_factory=dict)
    """Version => why it could not be read or did not log in, in this step."""
    version: str = ""
    """The id of the version that this rotation makes."""
    draft: Callable[[Collection[str]], Credential] = _no_draft
    """In createSecret: ``draft(keys)`` is what will be stored, new values generated for all but ``keys``.

    The target returns the values of those.
    """

    @property
    def secrets(self) -> Secrets:
        """Secrets Manager: ``read_current(arn)`` of another secret, ``versions(arn)``; what it reads is not logged."""
        return Secrets(self.client, self.log)

    @property
    def pending(self) -> Credential:
        """The value to be set. Raises ``NoValueError`` when createSecret has not stored one."""
        if self.pending_or_none is None:
            raise NoValueError("The AWSPENDING version has no value yet: createSecret did not store one.")
        return self.pending_or_none

    @property
    def subject(self) -> Credential:
        """The value to be tested: pending, or, when a test comes alone and pending is empty, current."""
        return self.pending_or_none or self.current or self.pending

    def candidates(self) -> Iterator[Credential]:
        """Credentials that may open the service now: pending, current, previous, then every other version.

        After a rotation that was interrupted, or whose AWSPENDING was removed, the only working value may be in any of
        them. Those that cannot be read or hold no usable value are left out. To log in, use ``log_in``.
        """
        seen: set[str] = set()
        for credential in self._all():
            if credential.text not in seen and credential.is_usable:
                seen.add(credential.text)
                yield credential

    def log_in(self, attempt: Callable[[Credential], _T], refusal: str = "The service accepts no stored value.") -> _T:
        """What ``attempt`` returns, such as a session, for the first of ``candidates`` for which it raises nothing.

        A ``NetworkError`` or ``LockedError`` ends the search, and so does the setting 'max_logins'; after any other
        error the next one is tried. Raises an error that begins with ``refusal`` and says why each of them failed.
        """
        return self._logins.search(self.candidates(), attempt, refusal)

    def set_once(self, test: Callable[[Credential], object], change: Callable[[], object]) -> bool:
        """Make a change unless ``test``, a login with the pending value, passes already; whether it was made now.

        A service may reject what it has done already, and the answer of a change may be lost. So after a change that
        failed ``test`` decides. What has to follow a change (saving it, for example) is the caller's, in either case.
        """
        if self._logins.attempt(self.pending, _passing(test)):
            self.log.info("The service accepts the pending value already.")
            return False
        try:
            change()
        except Exception:
            if not self._is_accepted_after_all(test):
                raise
            self.log.info("The change failed or its answer was lost, but the service accepts the pending value.")
        return True

    def _is_accepted_after_all(self, test: Callable[[Credential], object]) -> bool:
        if not self._logins.is_spent:
            with suppress(RotationError):  # what went wrong before says more
                return bool(_passing(test)(self.pending))
        return False

    def settle(self, test: Callable[[Credential], object]) -> None:
        """Test ``subject``. A pending value that is refused is tested again: some services apply a change later.

        To send the change again in place of that might start it anew each time, and the rotation would never end. The
        service may count refusals, so 'max_logins' bounds the tests, and the deadline bounds their time.
        """
        waited, pauses = 0.0, self._pauses()
        while True:
            try:
                test(self.subject)
                return
            except LockedError:
                raise
            except AuthenticationError as error:
                pause = next(pauses, None)
                if pause is None:
                    raise _late(error, waited) from None
            self.log.info("The pending value is refused. It is tested again.", after_seconds=pause)
            time.sleep(pause)
            waited += pause

    def _pauses(self) -> Iterator[float]:
        """Seconds before each further test of a pending value, as long as there is time for it."""
        is_new = self.pending_or_none is not None and self.pending_or_none is not self.current
        for pause in islice(chain(PAUSES, repeat(PAUSES[-1])), int(self.setting("max_logins", MOST)) - 1):
            if not is_new or self.deadline.remaining() < 2 * pause:  # the test may take as long
                return
            yield pause

    @cached_property
    def _logins(self) -> Logins:
        return Logins(int(self.setting("max_logins", MOST)), self.log, self.problems)

    def setting(self, name: str, default: str | None = None) -> str:
        """A setting of the target. Raises ``SettingError`` when it is absent and has no default."""
        found = self.settings.get(name, default)
        if found is None:
            raise SettingError(f"The target needs the setting {name!r}.")
        return found

    def look_up(self, name: str, credential: Credential) -> str | None:
        """A setting that the secret may hold instead: the setting, else the secret's key, else the default."""
        return self.settings.get(name) or credential.get(name) or self.fallbacks.get(name)

    def hide(self, *texts: str) -> None:
        """Never show these texts in the log: for what the service issues. What is read is hidden already."""
        self.log.hide(*texts)

    def _all(self) -> Iterator[Credential]:
        yield from (c for c in (self.pending_or_none, self.current) if c is not None)
        yield from self.older()


def _late(error: AuthenticationError, waited: float) -> AuthenticationError:
    if not waited:
        return error
    return AuthenticationError(
        f"{error} It was still refused {waited:.0f} s after the first test. If the service takes longer to apply a "
        "change: raise 'max_logins' and `function.timeout`."
    )


def _passing(test: Callable[[Credential], object]) -> Callable[[Credential], bool]:
    def run(credential: Credential) -> bool:
        test(credential)
        return True

    return run


def _nothing(_: Credential) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class Given:
    """What a target's ``load(given)`` gets, where it has such a function: it returns the target's functions."""

    keys: tuple[str, ...] | None = None
    """The keys that rotate; None for plain text."""
    settings: Mapping[str, str] = field(default_factory=dict)
    password_key: str | None = None
    """The one of the keys that a target logs in with, where that is clear."""
    calls: Mapping[str, Any] = field(default_factory=dict)
    """The described requests."""
    derived: Collection[str] = ()
    """Keys whose values follow from those of others."""


@dataclass(frozen=True)
class Target:
    """A target, loaded and checked: its functions."""

    set_secret: Callable[[Context], None]
    test_secret: Callable[[Context], None]
    create_secret: Callable[[Context], Mapping[str, str]] | None = None
    finish_secret: Callable[[Context], None] | None = None
    discard_secret: Callable[[Context, Mapping[str, str]], None] | None = None
    identity: Callable[[Credential], Mapping[str, str]] = _nothing
    issued_keys: Callable[[Context], Collection[str]] | None = None
    check: Callable[[Context], None] | None = None
    """Raise where ``set_secret`` would fail; it may log in, and changes nothing."""
    test_writes: bool = False
    """Whether ``test_secret`` changes something, so that it is not for reports that only look."""
    issues: bool = False
    """Whether ``create_secret`` returns values that the service has issued, and that nobody can set again."""

    @classmethod
    def of(cls, kind: str, file: object) -> "Target":
        """The target that a module has. Raises ``SettingError``, which names a function that is missing."""
        named = ((name, getattr(file, name, None)) for name in (*_REQUIRED, *_OPTIONAL))
        found = {name: function for name, function in named if function is not None}
        missing = [name for name in _REQUIRED if not callable(found.get(name))]
        if missing:
            raise SettingError(f"The target {kind!r} has no function {' and no '.join(missing)}(context).")
        wrong = [name for name in _OPTIONAL if name in found and not callable(found[name])]
        if wrong:
            raise SettingError(f"In the target {kind!r}, {wrong[0]} is not a function. Make it one, or rename it.")
        return cls(**found, test_writes=bool(getattr(file, "TEST_WRITES", False)), issues=_issues(file))


def _issues(file: object) -> bool:
    """Where the file does not say it: it makes values, and can end them or does not say that it makes others only."""
    makes, ends, names = (getattr(file, name, None) for name in ("create_secret", "discard_secret", "issued_keys"))
    return bool(getattr(file, "ISSUES", makes is not None and (ends is not None or names is None)))


_REQUIRED = ("set_secret", "test_secret")
_OPTIONAL = ("create_secret", "finish_secret", "discard_secret", "identity", "issued_keys", "check")
