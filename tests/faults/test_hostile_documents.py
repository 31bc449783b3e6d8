"""Secrets as large as Secrets Manager stores, and one byte more, of every shape that hurts parsers.

Each ends in a success or in an error of our own, which shows no value, in seconds of processor time; and whatever is
not rotated stays as it was.
"""

import contextlib
import io
import json
import time
from collections.abc import Callable

import pytest

from rotation_lab.leaks import LeakSearch
from rotation_lab.model.secrets_manager import PENDING, SecretsManager
from secret_rotation.document import MAX_BYTES
from secret_rotation.errors import InternalError, RotationError, ValueTooLargeError
from tests.support.function import RotationFunction

LONGEST = 10.0
"""Seconds of processor time; each takes well under one."""
OLD = "old-Password-Gq71"
KEY = f'"password": "{OLD}"'


def filled(before: str, after: str, unit: str, size: int = MAX_BYTES) -> str:
    """``before`` and ``after`` with as many ``unit`` between as fit, made up to ``size`` bytes by spaces."""
    room = size - len((before + after).encode())
    text = before + unit * (room // len(unit.encode())) + after
    return text + " " * (size - len(text.encode()))


SHAPES: dict[str, Callable[[], str]] = {
    "nested arrays": lambda: f'{{{KEY}, "x": {"[" * 32_000}{"]" * 32_000}}}',
    "nested objects": lambda: f'{{{KEY}, "x": ' + '{"a":' * 9_000 + "1" + "}" * 9_001,
    "nested and never closed": lambda: filled(f'{{{KEY}, "x": ', "", "["),
    "one huge number": lambda: filled(f'{{{KEY}, "x": ', "}", "9"),
    "one huge exponent": lambda: filled(f'{{{KEY}, "x": 1e', "}", "9"),
    "one long fraction": lambda: filled(f'{{{KEY}, "x": 0.', "}", "3"),
    "many members": lambda: f"{{{KEY}, " + ", ".join(f'"{n}": {n}' for n in range(4_000)) + "}",
    "many equal members": lambda: filled(f"{{{KEY}", "}", ', "x": 1'),
    "one long string": lambda: filled(f'{{{KEY}, "x": "', '"}', "y"),
    "one long string of escapes": lambda: filled(f'{{{KEY}, "x": "', '"}', "\\u00e4"),
    "one long string of backslashes": lambda: filled(f'{{{KEY}, "x": "', '"}', "\\\\"),
    "one string that never ends": lambda: filled(f'{{{KEY}, "x": "', "", "y"),
    "lone surrogates": lambda: filled(f'{{{KEY}, "x": "', '"}', "\\ud800"),
    "NUL characters": lambda: filled(f'{{{KEY}, "x": "', '"}', "\\u0000"),
    "raw NUL characters": lambda: filled(f'{{{KEY}, "x": "', '"}', "\x00"),
    "spaces before, between and after": lambda: filled(" " * 20_000 + "{" + " " * 20_000 + KEY, "}", "\t"),
    "four-byte characters": lambda: filled(f'{{{KEY}, "x": "', '"}', "\U0001f511"),
    "the key at the end": lambda: filled('{"x": [', f'0], {KEY}}}', '"y", '),
    "the key twice, far apart": lambda: filled(f'{{{KEY}, "x": "', f'", {KEY}}}', "y"),
    "a byte order mark": lambda: "\ufeff" + filled(f'{{{KEY}, "x": "', '"}', "y", MAX_BYTES - 3),
    "not JSON": lambda: filled("", "", "{"),
}  # fmt: skip


def rotate(text: str, **environment: str) -> tuple[RotationError | None, SecretsManager, str]:
    """createSecret for a secret with this value; its error, the service, and the ARN."""
    manager = SecretsManager()
    arn = manager.create(text)
    function = RotationFunction(manager, **environment)
    token, output, error = manager.rotate(arn), io.StringIO(), None
    began = time.process_time()
    with contextlib.redirect_stdout(output):
        try:
            function("createSecret", arn, token)
        except RotationError as raised:
            error = raised
    assert time.process_time() - began < LONGEST
    assert manager.secrets[arn].text() == text
    search = LeakSearch()
    search.add("the old value", OLD)
    assert search.find(f"{output.getvalue()} {error!r}") == []
    return error, manager, arn


@pytest.mark.parametrize("shape", SHAPES)
def test_a_hostile_document_is_changed_in_the_one_value_or_refused(shape: str) -> None:
    text = SHAPES[shape]()
    assert len(text.encode()) <= MAX_BYTES
    error, manager, arn = rotate(text, SECRET_KEYS='["password"]', PASSWORD_LENGTH=str(len(OLD)))
    assert not isinstance(error, InternalError)
    if error is None:
        made = manager.secrets[arn].text(PENDING)
        assert made is not None
        assert made.replace(json.dumps(manager.made[-1]), json.dumps(OLD)) == text


@pytest.mark.parametrize("shape", SHAPES)
def test_a_hostile_text_as_a_whole_value_is_replaced_or_refused(shape: str) -> None:
    error, manager, arn = rotate(SHAPES[shape]())
    assert not isinstance(error, InternalError)
    assert error is not None or manager.secrets[arn].text(PENDING) == manager.made[-1]


@pytest.mark.parametrize("more", [0, 1])
def test_a_document_that_grows_past_the_limit_is_refused_before_it_is_stored(more: int) -> None:
    text = filled(f'{{{KEY}, "x": "', '"}', "y")
    error, manager, arn = rotate(text, SECRET_KEYS='["password"]', PASSWORD_LENGTH=str(len(OLD) + more))
    assert isinstance(error, ValueTooLargeError) is bool(more)
    assert (manager.secrets[arn].text(PENDING) is None) is bool(more)
    assert ("PutSecretValue" in manager.calls) is not bool(more)
