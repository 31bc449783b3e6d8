"""What ``list`` shows: the items that are this secret's, and how old they are."""

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from ...target import ConfigurationError
from . import filling
from .answers import listed
from .call import Call
from .filling import Sources
from .pointers import as_text, find, is_nothing

DAY = 86_400.0
_MILLISECONDS = 1e11
"""A larger number is no count of seconds."""


class Item(NamedTuple):
    """A credential that the service holds."""

    values: Mapping[str, str]
    """Key of the secret => value."""
    name: str
    """Its name, else its values, for a message."""
    age: float | None
    """Seconds; None where that is not known."""


def all_of(call: Call, document: Any) -> list[Any]:
    """The items of an answer, whosever they are."""
    found = listed(document, call.fields["items"])
    if found is None:
        raise ConfigurationError(f"{call}.items: the answer has no list at {call.fields['items']!r}.")
    return list(found)


def own(call: Call, found: list[Any], sources: Sources, mark: str, shown: frozenset[str]) -> Iterator[Item]:
    """Those that are this secret's. ``shown``: keys whose values a message may show."""
    where = filling.fill_any(call.fields.get("where", {}), sources)
    for each in found:
        name = as_text(find(each, call.fields["name"])) if "name" in call.fields else None
        if "name" in call.fields and not (name or "").startswith(mark):
            continue
        if not all(_is_one_of(find(each, pointer), wanted) for pointer, wanted in where.items()):
            continue
        texts = {key: as_text(find(each, pointer)) for key, pointer in call.fields["values"].items()}
        values = {key: text for key, text in texts.items() if text}
        if len(values) < len(texts):
            raise ConfigurationError(f"{call}.values: an item of the answer has no text at one of these pointers.")
        visible = name or " ".join(text for key, text in values.items() if key in shown)
        yield Item(values, visible, _age(call, each))


def _is_one_of(found: Any, wanted: Any) -> bool:
    """Whether it is the wanted value, or one of a list of them; null: absent, null or empty."""
    values = wanted if isinstance(wanted, list) else [wanted]
    return any(is_nothing(found) if value is None else found == value for value in values)


def _age(call: Call, item: Any) -> float | None:
    if "created" not in call.fields:
        return None
    created = seconds(find(item, call.fields["created"]))
    return None if created is None else time.time() - created


def seconds(when: Any) -> float | None:
    """A time as seconds since 1970: RFC 3339, RFC 5322, a date, seconds, milliseconds, or what boto3 gives."""
    if isinstance(when, datetime):
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    if isinstance(when, str) and when.replace(".", "", 1).isdecimal():
        when = float(when)
    if type(when) in (int, float):
        return float(when) / 1000 if when > _MILLISECONDS else float(when)
    return _written(when) if isinstance(when, str) else None


def _parsed(text: str) -> datetime:
    """RFC 3339, or as e-mails write it (RFC 5322). Raises ``ValueError``."""
    return parsedate_to_datetime(text) if text[:1].isalpha() else datetime.fromisoformat(text)


def _written(text: str) -> float | None:
    try:
        found = _parsed(text.strip())
    except ValueError:
        return None
    # Of a date alone the end of the day counts: what is taken for older than it is would be revoked too early.
    late = DAY if len(text.strip()) == len("2026-01-31") else 0.0
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() + late
