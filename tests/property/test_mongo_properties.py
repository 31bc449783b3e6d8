"""BSON as MongoDB's own package reads and writes it, for any document; and what no answer of a server can do."""

from contextlib import suppress
from typing import Any

import bson
from hypothesis import given
from hypothesis import strategies as st

from secret_rotation.kit import mongo_client
from secret_rotation.kit.mongo_client import MalformedError

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SENT = TEXTS | st.booleans() | st.integers(-(2**31), 2**31 - 1) | st.binary()
READ = SENT | st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)


def documents(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    nested = st.recursive(values, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=15)
    return st.dictionaries(NAMES, nested)


@given(documents(SENT))
def test_what_is_sent_is_read_as_it_was(document: dict[str, Any]) -> None:
    assert bson.decode(mongo_client.encode(document)) == document


@given(documents(READ))
def test_what_is_answered_is_read_as_it_was(document: dict[str, Any]) -> None:
    assert mongo_client.decode(bson.encode(document)) == document


@given(st.binary())
def test_any_bytes_are_a_document_or_malformed(data: bytes) -> None:
    with suppress(MalformedError):
        mongo_client.decode(data)


@given(documents(READ), st.data())
def test_one_byte_changed_is_a_document_or_malformed(document: dict[str, Any], data: st.DataObject) -> None:
    encoded = bytearray(bson.encode(document))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    with suppress(MalformedError):
        mongo_client.decode(bytes(encoded))
