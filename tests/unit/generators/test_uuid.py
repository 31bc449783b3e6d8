"""Random UUIDs."""

import uuid

from tests.support.made import make


def test_a_uuid_is_random() -> None:
    assert uuid.UUID(make(type="uuid")["k"]).version == 4


def test_no_value_comes_twice() -> None:
    assert len({make(type="uuid")["k"] for _ in range(100)}) == 100
