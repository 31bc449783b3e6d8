"""Placeholders of a described request: ``{{pending.KEY}}``, ``{{session./pointer}}``, ``{{rotation}}``.

As in ``placeholders``, a value is filled into parsed structure and escaped for where it stands.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ...placeholders import PLACEHOLDER, fill_json
from ...target import ConfigurationError, Credential, SecretError
from .pointers import find

FROM_SECRET = ("pending", "current", "retired", "login", "admin")
"""What is read with a key, or with a pointer, or without either for the value that rotates."""
NAMES = ("rotation", "mark")
FORMS = (None, "date", "epoch")
"""How ``{{expires}}`` is written: RFC 3339, its date, or seconds."""

_NAME = re.compile(rf"({'|'.join((*FROM_SECRET, 'session', *NAMES, 'expires'))})(?:\.(.+?))?(?:\|([a-z]+))?")


class Placeholder(NamedTuple):
    """One placeholder: what it is filled in from, the key or pointer, and how it is written."""

    root: str
    key: str | None = None
    form: str | None = None


Source = Callable[[Placeholder], str]
"""Gives the text for a placeholder. Raises ``SecretError`` or ``ConfigurationError`` where there is none."""
Sources = Mapping[str, Source]


def names(text: str) -> Iterator[Placeholder]:
    """The placeholders of a text. Raises ``ConfigurationError`` for one that is unknown."""
    return (_parse(inner) for inner in PLACEHOLDER.findall(text))


def names_in(node: Any) -> Iterator[Placeholder]:
    """The placeholders of all texts in a JSON value, its keys included."""
    for text in texts(node):
        yield from names(text)


def texts(node: Any) -> Iterator[str]:
    """All texts in a JSON value, its keys included."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for key, item in node.items():
            yield key
            yield from texts(item)
    elif isinstance(node, list | tuple):
        for item in node:
            yield from texts(item)


def fill(text: str, sources: Sources, escape: Callable[[str], str] = str) -> str:
    """Fill in a text, each value escaped."""
    return PLACEHOLDER.sub(lambda match: escape(_value(match[1], sources)), text)


def fill_any(node: Any, sources: Sources) -> Any:
    """Fill in the texts of a JSON value. ``{{expires|epoch}}`` alone becomes a number."""

    def as_value(text: str) -> Any:
        alone, filled = PLACEHOLDER.fullmatch(text), fill(text, sources)
        return int(filled) if alone and _parse(alone[1]).form == "epoch" else filled

    return fill_json(node, lambda key: fill(key, sources), as_value)


def _parse(inner: str) -> Placeholder:
    match = _NAME.fullmatch(inner.strip())
    found = Placeholder(match[1], match[2], match[3]) if match else None
    if found is None or not _is_whole(found):
        raise ConfigurationError(
            f"Unknown placeholder {{{{{inner}}}}}; allowed: pending, current, retired, login and admin, each alone, "
            "with .KEY or with ./json/pointer; session./json/pointer; rotation, mark, expires, expires|date and "
            "expires|epoch."
        )
    return found


def _is_whole(found: Placeholder) -> bool:
    if found.root == "session":
        return found.form is None and (found.key or "").startswith("/")
    if found.root == "expires":
        return found.key is None and found.form in FORMS
    return found.form is None and (found.root in FROM_SECRET or found.key is None)


def _value(inner: str, sources: Sources) -> str:
    placeholder = _parse(inner)
    return sources[placeholder.root](placeholder)


# Where values come from.


def of_credential(root: str, credential: Credential | None, value_key: str | None) -> Source:
    """A version of a secret. ``value_key``: the key that holds the value, where the secret has several that rotate."""

    def give(placeholder: Placeholder) -> str:
        if credential is None:
            raise ConfigurationError(f"{{{{{root}}}}} cannot be filled in: the secret has no {root} value yet.")
        key = placeholder.key or (value_key if credential.keys else None)
        return credential.value if key is None else credential.require(key)

    return give


def of_item(values: Mapping[str, str], value_key: str | None) -> Source:
    """What an answer gave, by keys of the secret."""

    def give(placeholder: Placeholder) -> str:
        found = values.get(placeholder.key or value_key or "")
        if not found:
            raise SecretError(f"The credential has no {placeholder.key or value_key or 'value'!r}.")
        return found

    return give


def of_answer(document: Any) -> Source:
    """An answer, by pointers."""

    def give(placeholder: Placeholder) -> str:
        found = find(document, placeholder.key or "")
        if isinstance(found, str) and found:
            return found
        raise ConfigurationError(f"The answer to calls.session has no text at {placeholder.key}.")

    return give


def of_text(text: str) -> Source:
    """The same text whatever is asked."""
    return lambda _: text


def peek(credential: Credential, key: str) -> str | None:
    """A key of the secret, or its whole text for ""; None where there is nothing."""
    try:
        return (credential.get(key) if key else credential.text) or None
    except SecretError:
        return None
