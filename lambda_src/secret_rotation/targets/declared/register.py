"""Which credentials the versions of the secret hold: they are the only register of what was issued."""

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

from ...target import Context, Credential, NetworkError, RotationError
from .filling import peek

PREVIOUS, PENDING = "AWSPREVIOUS", "AWSPENDING"


class Held(NamedTuple):
    """One version, and its value."""

    id: str
    labels: frozenset[str]
    credential: Credential | None
    """None: it has no value, or it cannot be read."""
    is_readable: bool = True


class Register:
    """The versions of the secret that rotates, read once, newest first. ``keys`` rotate."""

    def __init__(self, context: Context, keys: tuple[str, ...]) -> None:
        self._context, self._keys = context, keys

    @cached_property
    def versions(self) -> tuple[Held, ...]:
        """All of them, also those without a label."""
        found = self._context.secrets.versions(self._context.secret_id, unlabelled=True)
        newest_first = sorted(found, key=lambda one: one.created, reverse=True)
        return tuple(self._read(one.id, one.labels) for one in newest_first)

    def _read(self, version: str, labels: frozenset[str]) -> Held:
        try:
            found = self._context.secrets.read(self._context.secret_id, self._keys, VersionId=version)
        except NetworkError:
            raise
        except RotationError:
            return Held(version, labels, None, is_readable=False)
        return Held(version, labels, found)

    @property
    def is_complete(self) -> bool:
        """Whether all of them can be read."""
        return all(version.is_readable for version in self.versions)

    @property
    def another_is_pending(self) -> bool:
        """Whether a rotation other than this one is under way."""
        return any(PENDING in one.labels and one.id != self._context.version for one in self.versions)

    def retired(self) -> Iterator[Credential]:
        """What AWSPREVIOUS and the versions without a label hold. A label of the user's own protects."""
        for one in self.versions:
            if one.credential is not None and not self._is_protected(one):
                yield one.credential

    def is_known(self, keys: Collection[str]) -> bool:
        """Whether it is known what all versions hold: each can be read, and those in use have these keys."""
        used = (one.credential for one in self.versions if one.credential is not None and self._is_protected(one))
        return self.is_complete and all(peek(one, key) for one in used for key in keys)

    def previous(self) -> Credential | None:
        """What AWSPREVIOUS holds."""
        return next((one.credential for one in self.versions if PREVIOUS in one.labels), None)

    def protects(self, values: Mapping[str, str]) -> bool:
        """Whether a version that is in use, or is about to be, holds one of these values."""
        return any(self._holds(one, values) for one in self.versions if self._is_protected(one)) or any(
            _has(one, values) for one in (self._context.current, self._context.pending_or_none) if one is not None
        )

    def holds(self, values: Mapping[str, str]) -> bool:
        """Whether any version holds one of these values."""
        return self.protects(values) or any(self._holds(one, values) for one in self.versions)

    def _is_protected(self, one: Held) -> bool:
        return bool(one.labels - {PREVIOUS}) or one.id == self._context.version

    def _holds(self, one: Held, values: Mapping[str, str]) -> bool:
        return one.credential is not None and _has(one.credential, values)


def _has(credential: Credential, values: Mapping[str, str]) -> bool:
    return any(peek(credential, key) == value for key, value in values.items())


def named(values: Collection[str]) -> str:
    """Names for a message."""
    return ", ".join(sorted(values))
