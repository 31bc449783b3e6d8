"""JSON bodies from outside: read strictly, so that nothing behind stumbles over them."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

_DEEPEST = 100


def parse(body: bytes) -> Any:
    """The content of a body; ``ValueError`` when it is not UTF-8, not JSON, or nested too deeply."""
    try:
        content = json.loads(body.decode("utf-8"), parse_constant=_no_number, parse_float=_finite)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if _depth_is_over(content):
        raise ValueError("it is nested too deeply")
    return content


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def _depth_is_over(content: Any) -> bool:
    level, depth = [content], 0
    while level and depth <= _DEEPEST:
        level, depth = [item for value in level for item in _items(value)], depth + 1
    return bool(level)


def _items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
