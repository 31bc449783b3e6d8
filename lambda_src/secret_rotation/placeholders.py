"""Texts with placeholders that are filled in from the secret: ``{{pending.KEY}}``, ``{{current}}``, ``{{login.KEY}}``.

A template is parsed first and filled in after: into the strings of a JSON document, the fields of a form, the segments
of a path, a header. So a value is escaped for where it stands by construction, and cannot change the structure.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from .credential import Credential
from .errors import ConfigurationError, SecretError, explained

Values = Mapping[str, Credential | None]
"""What placeholders are filled in from: pending, current, login."""

JSON, FORM, TEXT = "application/json", "application/x-www-form-urlencoded", "text/plain"
"""The kinds of body; of any other it is not known how to escape a value."""

PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}")
_NAME = re.compile(r"\s*(pending|current|login)(?:\.(.+?))?\s*")


def names(text: str) -> Iterator[tuple[str, str | None]]:
    """The placeholders of a template: what each is filled in from, and the key, if it names one.

    Raises ``ConfigurationError`` for one that is unknown.
    """
    for inner in PLACEHOLDER.findall(text):
        match = _NAME.fullmatch(inner)
        if match is None:
            raise ConfigurationError(
                f"Unknown placeholder {{{{{inner}}}}}; allowed: {{{{pending.KEY}}}}, {{{{current.KEY}}}} and "
                "{{login.KEY}} with a key of the secret, or without a key for the rotated value."
            )
        yield match[1], match[2]


def fill(text: str, values: Values, escape: Callable[[str], str] = str) -> str:
    """Fill in the placeholders, each value escaped. Raises ``SecretError`` for a key that has no value."""
    return PLACEHOLDER.sub(lambda match: escape(_value(match[0], values)), text)


def for_url(value: str) -> str:
    """A value as one segment of a path, or as one value of a query."""
    if value in (".", ".."):
        raise SecretError("A value of the secret that stands in a URL is '.' or '..', which would change the path.")
    return quote(value, safe="")


def for_header(value: str) -> str:
    """A value in a header: it cannot be escaped there, so what does not fit is refused."""
    if re.fullmatch(r"[\x20-\x7e]*", value):
        return value
    raise SecretError(
        "A value of the secret that is sent in a header has a line break, or another character than printable ASCII."
    )


def kind_of(content_type: str) -> str:
    """The kind of body that a Content-Type says: JSON also as application/vnd.api+json and the like."""
    kind = content_type.partition(";")[0].strip().lower()
    return JSON if re.fullmatch(r"[^/]+/[^/]+\+json", kind) else kind


def parse_body(kind: str, text: str) -> Any:
    """The body's structure, with placeholders in it. Raises ``ConfigurationError`` when it is not of this kind."""
    if kind == FORM:
        return parse_qsl(text, keep_blank_values=True)
    if kind == TEXT:
        return text
    if kind == JSON:
        problem = ConfigurationError(
            'The body is not JSON. Placeholders stand within strings: {"password": "{{pending.password}}"}.'
        )
        with explained(lambda _: problem, ValueError, RecursionError):
            return json.loads(text, parse_float=_finite, parse_constant=_finite)
    raise ConfigurationError(f"The body is {kind!r}; allowed as Content-Type: {JSON}, {FORM}, {TEXT}.")


def fill_body(kind: str, parsed: Any, values: Values) -> bytes:
    """What ``parse_body`` gave, filled in and written."""
    if kind == FORM:
        return urlencode([(fill(name, values), fill(text, values)) for name, text in parsed]).encode()

    def write(text: str) -> str:
        return fill(text, values)

    filled = fill_json(parsed, write, write)
    return (filled if kind == TEXT else json.dumps(filled)).encode()


def fill_json(node: Any, as_key: Callable[[str], str], as_value: Callable[[str], Any]) -> Any:
    """A JSON value whose texts are filled in, by one function as keys and by the other as values."""
    if isinstance(node, str):
        return as_value(node)
    if isinstance(node, list):
        return [fill_json(item, as_key, as_value) for item in node]
    if not isinstance(node, dict):
        return node
    filled = {as_key(key): fill_json(item, as_key, as_value) for key, item in node.items()}
    if len(filled) < len(node):
        raise SecretError("A value of the secret that stands as a key in the body is another key of it too.")
    return filled


def _finite(number: str) -> float:
    """Raise ``ValueError`` for NaN, Infinity, and what Python would read as such: JSON has none of them."""
    found = float(number)
    if math.isfinite(found):
        return found
    raise ValueError


def _value(placeholder: str, values: Values) -> str:
    ((root, key),) = names(placeholder)
    credential = values[root]
    if credential is None:
        raise ConfigurationError(f"{placeholder} cannot be filled in: the secret has no {root} value yet.")
    return credential.require(key) if key else credential.value
