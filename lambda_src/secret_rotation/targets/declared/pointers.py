"""JSON pointers into answers."""

from typing import Any

from ...pointers import look_up, place


def find(document: Any, pointer: str) -> Any:
    """What stands at the pointer; the whole for an empty one; None where there is nothing."""
    return look_up(document, place(pointer)) if pointer else document


def is_nothing(found: Any) -> bool:
    """Absent, null or empty, but not false or 0."""
    return found is None or found in ("", [], {})


def as_text(found: Any) -> str | None:
    """A text or a whole number as text; None for anything else, and for an empty text."""
    if isinstance(found, str):
        return found or None
    return str(found) if type(found) is int else None
