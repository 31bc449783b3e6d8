"""Values that follow from others of the same version: templates such as ``{{username}}:{{password|url}}@{{host}}``.

They are filled in from the new document, after everything else in it is made. What a template may look like stands in
``catalogue.json``, so that the plan rejects the rest.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import quote

from .document import Document, whole
from .errors import SecretError, SettingError, explained
from .pointers import is_inside

_PLACEHOLDER = re.compile(r'\{\{ *"\{\{" *\}\}|\{\{([^{}]*)\}\}')
_FILTER = re.compile(r"(\w+)(?:\((.*)\))?")


class Use(NamedTuple):
    """A placeholder: the key or pointer of a value, and its filters with their arguments."""

    key: str
    filters: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, text: str) -> "Use":
        """Read what stands between the braces."""
        key, *filters = (part.strip(" ") for part in text.split("|"))
        found = (match for match in map(_FILTER.fullmatch, filters) if match)
        return cls(key, tuple((match[1], match[2] or "") for match in found))

    def value(self, document: Document) -> str:
        """The value in a document, filtered."""
        written = document.written(self.key)
        takes_json = self.filters[:1] == (("json", ""),)
        text = written if takes_json else _text(self.key, written)
        for name, argument in self.filters[takes_json:]:
            text = _FILTERS[name](text, argument)
        return text


@dataclass(frozen=True)
class Template:
    """A template, parsed."""

    parts: tuple[str | Use, ...]

    @classmethod
    def of(cls, text: str) -> "Template":
        """Parse what the catalogue allows."""
        parts: list[str | Use] = []
        at = 0
        for match in _PLACEHOLDER.finditer(text):
            parts += [text[at : match.start()], "{{" if match[1] is None else Use.of(match[1])]
            at = match.end()
        return cls((*parts, text[at:]))

    @property
    def uses(self) -> Iterator[Use]:
        """Its placeholders."""
        return (part for part in self.parts if isinstance(part, Use))

    def fill(self, document: Document) -> str:
        """The value. Raises a ``SecretError`` for a key that is missing or has no text."""
        return "".join(part if isinstance(part, str) else part.value(document) for part in self.parts)


@dataclass(frozen=True)
class Templates:
    """The templates of a secret, by the keys that they fill."""

    of: Mapping[str, Template] = field(default_factory=dict)

    def check(self) -> None:
        """Raise ``SettingError`` for a template that uses its own value, or another template's."""
        for key, template in self.of.items():
            for use in template.uses:
                other = next((one for one in self.of if is_inside(use.key, one) or is_inside(one, use.key)), None)
                if other is not None:
                    raise SettingError(
                        f"The template of {key!r} uses {use.key!r}, which a template fills ({other!r}). "
                        "Name the keys from which that one is made."
                    )

    def values(self, document: Document) -> dict[str, str]:
        """What each template makes of a document. Raises a ``SecretError`` that names the template's key."""
        return {key: self._fill(key, document) for key in self.of}

    def applied(self, document: Document) -> Document:
        """The document with these values."""
        return document.replace(self.values(document)) if self.of else document

    def hold(self, document: Document) -> bool:
        """Whether the document has these values, and no others."""
        return all(document.get(key) == value for key, value in self.values(document).items())

    def filtered(self, document: Document) -> Iterator[str]:
        """What filters make of single values: no log may show that either."""
        for template in self.of.values():
            yield from (use.value(document) for use in template.uses if use.filters)

    def _fill(self, key: str, document: Document) -> str:
        def explain(error: Exception) -> SecretError:
            kind = type(error) if isinstance(error, SecretError) else SecretError
            return kind(f"The template of {key!r} cannot be filled in. {error}")

        with explained(explain, SecretError, SettingError):
            return self.of[key].fill(document)


NO_TEMPLATES = Templates()


def _text(key: str, written: str) -> str:
    """A value as text: a string, or a number or boolean as JSON has it."""
    if written[0] in "{[n":
        kind = {"{": "an object", "[": "an array", "n": "null"}[written[0]]
        raise SecretError(f"The key {key!r} holds {kind}. Give it a text, or take its JSON: {{{{{key}|json}}}}.")
    if written[0] != '"':
        return written
    return whole(str(json.loads(written)), f"The key {key!r}")


def _ses_smtp(secret_access_key: str, region: str) -> str:
    """The SMTP password of Amazon SES for an IAM secret access key, as AWS documents it (version 4)."""
    signature = f"AWS4{secret_access_key}".encode()
    for part in ("11111111", region, "ses", "aws4_request", "SendRawEmail"):
        signature = hmac.new(signature, part.encode(), hashlib.sha256).digest()
    return base64.b64encode(b"\x04" + signature).decode()


_FILTERS: Mapping[str, Callable[[str, str], str]] = {
    "url": lambda text, _: quote(text, safe=""),
    "json": lambda text, _: json.dumps(text),
    "base64": lambda text, _: base64.b64encode(text.encode()).decode(),
    "hex": lambda text, _: text.encode().hex(),
    "sha256": lambda text, _: hashlib.sha256(text.encode()).hexdigest(),
    "ses_smtp": _ses_smtp,
}
