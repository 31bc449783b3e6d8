"""Placeholders of a described request: ``{{pending.KEY}}``, ``{{session./pointer}}``, ``{{rotation}}``.

As in ``placeholders``, a value is filled into parsed structure and escaped for where it stands.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from email.message import Message
from typing import Any, NamedTuple

from ...placeholders import PLACEHOLDER, fill_json
from ...target import ConfigurationError, Credential, SecretError
from .answers import of_session

OF_SECRET = ("pending", "current", "retired", "login")
"""What is filled in from versions of the secret."""
FROM_SECRET = (*OF_SECRET, "admin")
"""What is read with a key, or with a pointer, or without either for the value that rotates."""
NAMES = ("rotation", "mark", "next")
PAGES = ("next", "page", "offset")
"""What leads to the next page of a list."""
FORMS: Mapping[str, tuple[str | None, ...]] = {
    **dict.fromkeys((*FROM_SECRET, "session"), (None, "number")),
    **dict.fromkeys((*NAMES, "offset"), (None,)),
    "page": (None, "zero"),
    "expires": (None, "date", "epoch"),
}
"""Root => how it may be written; ``expires`` is RFC 3339, its date, or seconds."""

_NAME = re.compile(rf"({'|'.join(FORMS)})(?:\.(.+?))?(?:\|([a-z]+))?")
_OF_SESSION = re.compile(r"/.*|header\.[^.]+|cookie\..+|cookies")


class Placeholder(NamedTuple):
    """One placeholder: what it is filled in from, the key or pointer, and how it is written."""

    root: str
    key: str | None = None
    form: str | None = None

    @property
    def is_number(self) -> bool:
        """Whether it is a number where it stands alone in a JSON value."""
        return self.form in ("epoch", "number") or self.root in ("page", "offset")


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
    """Fill in the texts of a JSON value. A placeholder that is a number becomes one where it stands alone."""

    def as_value(text: str) -> Any:
        one = alone(text)
        if one is None:
            return fill(text, sources)
        if one.root == "next" and not has_page(text, sources):
            return None
        filled = sources[one.root](one)
        return _number(filled, text) if one.is_number else filled

    return fill_json(node, lambda key: fill(key, sources), as_value)


def alone(text: str) -> Placeholder | None:
    """The placeholder that a text consists of."""
    match = PLACEHOLDER.fullmatch(text)
    return _parse(match[1]) if match else None


def has_page(text: str, sources: Sources) -> bool:
    """Whether there is something for ``{{next}}``, if that stands in the text: the first page has none."""
    found = [one for one in names(text) if one.root == "next"]
    return not found or bool(sources["next"](found[0]))


def _number(filled: str, text: str) -> int:
    if re.fullmatch("-?[0-9]{1,40}", filled):
        return int(filled)
    raise SecretError(f"{text} is not a whole number in the secret or the answer. Write it without |number.")


def _parse(inner: str) -> Placeholder:
    match = _NAME.fullmatch(inner.strip())
    found = Placeholder(match[1], match[2], match[3]) if match else None
    if found is None or not _is_whole(found):
        raise ConfigurationError(
            f"Unknown placeholder {{{{{inner}}}}}; allowed: pending, current, retired, login and admin, each alone, "
            "with .KEY or with ./json/pointer, and with |number; session, session./json/pointer, session.header.NAME, "
            "session.cookie.NAME and session.cookies; rotation, mark, expires, expires|date and expires|epoch; in "
            "list: next, page, page|zero and offset."
        )
    return found


def _is_whole(found: Placeholder) -> bool:
    if found.form not in FORMS[found.root]:
        return False
    if found.root == "session":
        return found.key is None or bool(_OF_SESSION.fullmatch(found.key))
    return found.key is None or found.root in FROM_SECRET


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


def of_answer(document: Any, headers: Message | None) -> Source:
    """The answer that opened a session."""

    def give(placeholder: Placeholder) -> str:
        found = of_session(document, headers, placeholder.key or "")
        if found:
            return found
        place = f" at {placeholder.key}" if placeholder.key else ""
        raise ConfigurationError(f"The answer to calls.session has no text{place}.")

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
