"""What a target gets and what it does.

A target is a module with two functions, named after the steps of a rotation, and up to three more:

    def set_secret(context: Context) -> None
        Make the service accept ``context.pending``. To log in, use ``context.candidates()``.

    def test_secret(context: Context) -> None
        Use ``context.subject`` against the service; raise when it is not accepted.

    def create_secret(context: Context) -> Mapping[str, str]      (optional)
        Values that the service itself issues, or other keys that change with the value, such as the user name when
        users alternate. They are merged over the generated values. Called once there is no pending value.

    def finish_secret(context: Context) -> None                   (optional)
        AWSCURRENT has moved: retire what is no longer needed.

    def identity(credential: Credential) -> Mapping[str, str]     (optional)
        Which host, user and so on the credential is for. Pending and current must agree, or the step is refused:
        whoever can write one version must not be able to point the function at another server.

Every function may run any number of times, after a crash at any point, and twice at the same time; it converges.
Errors are those of ``secret_rotation.errors``: ``NetworkError``, ``AuthenticationError`` and ``ConfigurationError``
with a message that says what to do. Of any other exception only its class and place are told, never its text, since
a driver's message may repeat what it was given.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from . import document
from .deadline import Deadline
from .errors import ConfigurationError, NoValueError, SecretError
from .logs import Log


@dataclass(frozen=True)
class Credential:
    """The value of one version of the secret. It prints as its version, never as its value."""

    version: str
    text: str = field(repr=False)
    """The whole SecretString."""
    keys: tuple[str, ...] = ()
    """The keys that are rotated; empty for plain text."""

    @cached_property
    def fields(self) -> Mapping[str, Any]:
        """The members of a JSON secret (numbers as text); empty for plain text."""
        return document.fields(self.text) if document.is_object(self.text) else {}

    @property
    def value(self) -> str:
        """What is rotated: the text of a plain-text secret, else the value of the first rotated key.

        Raises ``SecretError`` as ``require`` and ``get`` do.
        """
        return self.require(self.keys[0]) if self.keys else _whole(self.text, "The secret")

    @property
    def is_usable(self) -> bool:
        """Whether it has a ``value`` at all; one without opens nothing."""
        try:
            return bool(self.value)
        except SecretError:
            return False

    def get(self, key: str, default: str | None = None) -> str | None:
        """A member of a JSON secret as text; ``default`` when it is absent or null.

        Raises ``SecretError`` when it is no whole text: JSON can write half a character, which nobody can send.
        """
        found = self.fields.get(key)
        return default if found is None else _whole(str(found), f"The secret's key {key!r}")

    def require(self, key: str) -> str:
        """A member of a JSON secret as text. Raises ``SecretError`` when it is absent or empty."""
        found = self.get(key)
        if not found:
            raise SecretError(f"The secret has no value for the key {key!r}, which the target needs.")
        return found


@dataclass
class Context:
    """One step of one rotation, as a target sees it."""

    step: str
    secret_id: str
    settings: Mapping[str, str]
    """The target's settings, already checked for unknown and missing names."""
    current: Credential | None
    """AWSCURRENT; None before the first value."""
    log: Log
    """``info(message, **fields)`` and so on; it cannot print a value of the secret."""
    deadline: Deadline
    """``deadline.timeout(5)``: seconds to give one call to the service."""
    client: Callable[..., Any]
    """``client("iam")``: a boto3 client with timeouts that fit, as the function's role or with given credentials."""
    pending_or_none: Credential | None = None
    older: Callable[[], Iterator[Credential]] = lambda: iter(())
    """AWSPREVIOUS and the versions without a label, newest first; read only when asked for."""

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
        """Credentials that may open the service now: pending, current, previous, then versions without a label.

        After a rotation that was broken off, or whose AWSPENDING was cleared by hand, the only working value may be in
        any of them. The service is asked with one after the other until one is accepted. Those that hold no usable
        value are left out.
        """
        seen: set[str] = set()
        for credential in self._all():
            if credential.text not in seen and credential.is_usable:
                seen.add(credential.text)
                yield credential

    def _all(self) -> Iterator[Credential]:
        yield from (c for c in (self.pending_or_none, self.current) if c is not None)
        yield from self.older()

    def setting(self, name: str, default: str | None = None) -> str:
        """A setting of the target. Raises ``ConfigurationError`` when it is absent and has no default."""
        found = self.settings.get(name, default)
        if found is None:
            raise ConfigurationError(f"The target needs the setting {name!r}.")
        return found


def _whole(text: str, what: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        problem = SecretError(f"{what} holds half a character (a lone surrogate). Put a text that can be sent.")
    else:
        return text
    raise problem  # not in the `except`: the exception holds the value


class Target(Protocol):
    """The two functions that every target has. The optional ones are looked up by name."""

    def set_secret(self, context: Context) -> None:
        """Make the service accept the pending value."""

    def test_secret(self, context: Context) -> None:
        """Use the value against the service."""
