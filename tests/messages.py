"""What tests assert of an error: its class, and what its message names. How it says so is free.

A message names what a user looks for: the setting, permission, key, host, error number or command. It never holds a
value, so values in these tests contain ``s3cret``.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from secret_rotation.errors import RotationError

VALUE = "s3cret"


def assert_explains(error: RotationError, kind: type[RotationError], *named: str) -> None:
    """An operator sees exactly this class; the error names all that is ``named``, and holds no value."""
    shown = next(one for one in type(error).__mro__ if one.__module__ == RotationError.__module__)
    assert kind in (shown, type(error))
    assert_names(str(error), *named)


def assert_names(message: str, *named: str) -> None:
    """``message`` names all that is ``named``, and holds no value."""
    assert [name for name in named if name not in message] == [], message
    assert VALUE not in message


@contextmanager
def refused(kind: type[RotationError], *named: str) -> Iterator[None]:
    """The block raises ``kind``, whose message names all that is ``named`` and holds no value."""
    with pytest.raises(kind) as raised:
        yield
    assert_names(str(raised.value), *named)
