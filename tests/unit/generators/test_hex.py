"""Random bytes in hexadecimal."""

import pytest

from tests.support.made import make


@pytest.mark.parametrize("size", [1, 20, "4096"])
def test_it_holds_as_many_bytes_as_the_setting_says(size: object) -> None:
    assert len(bytes.fromhex(make(type="hex", bytes=size)["k"])) == int(str(size))


def test_it_holds_32_bytes_by_default() -> None:
    assert len(bytes.fromhex(make(type="hex")["k"])) == 32


def test_no_value_comes_twice() -> None:
    assert len({make(type="hex")["k"] for _ in range(100)}) == 100
