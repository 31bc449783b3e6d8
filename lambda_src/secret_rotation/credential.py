"""The value of one version of a secret, which prints as its version and never as its value."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from .derived import NO_TEMPLATES, Templates
from .document import Document, whole
from .errors import SecretError, SettingError
from .pointers import place

PUBLIC_FIELDS = frozenset(
    {"engine", "host", "port", "dbname", "username", "dbInstanceIdentifier", "dbClusterIdentifier", "masterarn"}
)
"""Keys of AWS's documented secret structure that operators need to see in a log: all others are hidden there."""


@dataclass(frozen=True)
class Credential:
    """The value of one version of a secret."""

    version: str
    text: str = field(repr=False)
    """The whole SecretString."""
    keys: tuple[str, ...] = ()
    """The keys that are rotated; empty for plain text."""
    password_key: str | None = None
    """The key among them that a target logs in with, if it is not clear from ``keys``."""
    templates: Templates = field(default=NO_TEMPLATES, compare=False, repr=False)
    """The values of it that follow from others."""

    @cached_property
    def document(self) -> Document:
        """The text, parsed once."""
        return Document(self.text)

    @property
    def fields(self) -> Mapping[str, Any]:
        """The members of a JSON secret (numbers as text); empty for plain text."""
        return self.document.fields if self.document.is_object else {}

    @property
    def value(self) -> str:
        """What a target logs in with: the text of a plain-text secret, else the value of the key that holds it.

        Raises ``SecretError`` as ``require`` and ``get`` do, ``SettingError`` where no setting says which key that is.
        """
        if not self.keys:
            return whole(self.text, "The secret")
        key = self.password_key or password_key(self.keys)
        if key is None:
            raise SettingError(f"Set 'password_key' to the one of `keys` to log in with: {', '.join(self.keys)}.")
        return self.require(key)

    @property
    def is_usable(self) -> bool:
        """Whether it has a value at all; one without opens nothing."""
        try:
            return any(self.get(key) for key in self._login_keys) if self.keys else bool(self.value)
        except SecretError:
            return False

    @property
    def white_space(self) -> str:
        """A remark on white space around the value, such as an editor leaves; empty when there is none."""
        if self.value == self.value.strip():
            return ""
        return " The value begins or ends with white space, such as a line break, which was sent as a part of it."

    @property
    def _login_keys(self) -> tuple[str, ...]:
        key = self.password_key or password_key(self.keys)
        return self.keys if key is None else (key,)

    def get(self, key: str, default: str | None = None) -> str | None:
        """A member of a JSON secret as text, by its name or a JSON pointer; ``default`` when it is absent or null.

        Raises ``SecretError`` when it is no whole text: JSON can write half a character, which cannot be sent.
        """
        found = self.document.get(key)
        return default if found is None else whole(str(found), f"The secret's key {key!r}")

    def require(self, key: str) -> str:
        """A member of a JSON secret as text. Raises ``SecretError`` when it is absent or empty."""
        found = self.get(key)
        if not found:
            raise SecretError(f"The secret has no value for the key {key!r}, which the target needs.")
        return found

    def with_value(self, value: str) -> "Credential":
        """The same secret, in which all that rotates is ``value``."""
        if not self.keys:
            return replace(self, text=value)
        return replace(self, text=self.updated(dict.fromkeys(self.keys, value)).text)

    def updated(self, values: Mapping[str, str]) -> Document:
        """A JSON secret with other values of some keys, and what follows from them."""
        return self.templates.applied(self.document.replace(values))

    def check_can_hold(self, values: Mapping[str, str]) -> None:
        """Raise a ``SecretError`` unless the secret can be stored with these values of its keys.

        For a target that issues values: what is issued and cannot be stored is lost.
        """
        self.updated(values).check_size()

    def confidential(self) -> Iterator[str]:
        """Every text that no log may show: the whole, and all in it, at any depth, but the public fields."""
        yield self.text
        try:
            members = self.fields
        except SecretError:  # its fields are not known
            return
        public = PUBLIC_FIELDS.difference(place(key)[0] for key in self.keys)
        with suppress(SecretError):  # a template that cannot be filled in shows nothing
            yield from self.templates.filtered(self.document)
        for key, value in members.items():
            if not (isinstance(value, str) and key in public):
                yield from _texts(value)


def password_key(keys: Sequence[str]) -> str | None:
    """The one of ``keys`` that holds what a target logs in with, where no setting names it: the only one, or
    ``password``. None where neither is there.
    """
    return keys[0] if len(keys) == 1 else next((key for key in keys if key == "password"), None)


def _texts(value: object) -> Iterator[str]:
    """All texts in a JSON value, at any depth."""
    todo = [value]
    while todo:
        match todo.pop():
            case str(text):
                yield text
            case list(items):
                todo += items
            case dict(members):
                todo += members.values()
