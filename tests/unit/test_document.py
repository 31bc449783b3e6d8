"""Editing a JSON object in place."""

import contextlib

import pytest

from secret_rotation import document, errors
from secret_rotation.document import Document, place


def replace(text: str, values: dict[str, str]) -> str:
    return Document(text).replace({place(key): value for key, value in values.items()}).text


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ('{"a":"1"}', {"a": "2"}, '{"a":"2"}'),
        (' \n{ "a" :\t"1" }\r\n', {"a": "2"}, ' \n{ "a" :\t"2" }\r\n'),
        ('{"b": "1", "a": "2"}', {"a": "longer", "b": "longer"}, '{"b": "longer", "a": "longer"}'),
        ('{"\\u0061": "1"}', {"a": "2"}, '{"\\u0061": "2"}'),
        ('{"a": "x\\"}{", "n": 1.0e400}', {"a": "y"}, '{"a": "y", "n": 1.0e400}'),
        ('{"a": "1", "o": {"a": "1", "a": "2"}}', {"a": "3"}, '{"a": "3", "o": {"a": "1", "a": "2"}}'),
        ('{"a": "1"}', {"a": 'q"b\\s\n'}, '{"a": "q\\"b\\\\s\\n"}'),
        ('{"a": "1"}', {"a": "é\ud800"}, '{"a": "\\u00e9\\ud800"}'),
        ('{"": "1"}', {"": "2"}, '{"": "2"}'),
        ('{"a": ""}', {}, '{"a": ""}'),
        ("{}", {}, "{}"),
    ],
)
def test_only_the_named_values_change(text: str, values: dict[str, str], expected: str) -> None:
    assert replace(text, values) == expected


BROKEN = ["", " ", "{", "}", '{"a"', '{"a":', '{"a": "1"', '{"a": "1",}', '{"a": "1"}}', '{"a": "1"} x', '{"a" "1"}']
NOT_QUITE = [
    "{a: 1}",
    '{"a": NaN}',
    '{"a": Infinity}',
    '{"a": "tab\tinside"}',
    '{"a": 01}',
    '\ufeff{"a": "1"}',
    "plain",
]


@pytest.mark.parametrize("text", [*BROKEN, *NOT_QUITE, "{'a': '1'}"])
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(errors.NotJsonError):
        replace(text, {"a": "2"})


@pytest.mark.parametrize("text", ["[]", '"a"', "1", "true", "null", ' ["a"] '])
def test_json_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(errors.NotAnObjectError):
        replace(text, {"a": "2"})


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("1", "a number"),
        ("-1", "a number"),
        ("true", "a boolean"),
        ("false", "a boolean"),
        ("null", "null"),
        ("{}", "an object"),
        ("[]", "an array"),
    ],
)
def test_a_value_that_is_no_string_is_refused_and_its_kind_named(value: str, kind: str) -> None:
    with pytest.raises(errors.KeyNotStringError, match=f"'a' holds {kind}"):
        replace(f'{{"a": {value}}}', {"a": "2"})


def test_a_missing_key_is_refused_and_named() -> None:
    with pytest.raises(errors.KeyMissingError, match="'b'"):
        replace('{"a": "1"}', {"b": "2"})


def test_a_key_that_is_there_twice_is_refused_and_named_though_spelled_differently() -> None:
    with pytest.raises(errors.DuplicateKeyError, match="'a'"):
        replace('{"a": "1", "\\u0061": "2"}', {"a": "3"})


def test_another_key_that_is_there_twice_is_refused_and_not_named() -> None:
    with pytest.raises(errors.DuplicateKeyError) as caught:
        replace('{"a": "1", "hidden-name": 1, "hidden-name": 2}', {"a": "3"})
    assert "hidden-name" not in str(caught.value)


@pytest.mark.parametrize("text", ['{"a": ' + "[" * 100_000, "[" * 100_000, '{"a": "1", "b": ' + '{"b":' * 100_000])
def test_deep_nesting_is_an_error_of_its_own(text: str) -> None:
    with pytest.raises(errors.NestedTooDeeplyError):
        replace(text, {"a": "2"})


def test_an_exception_holds_no_part_of_the_document() -> None:
    with pytest.raises(errors.NotJsonError) as caught:
        replace('{"password": "value", ', {"password": "x"})
    assert caught.value.__context__ is None
    assert "value" not in str(caught.value)


def test_fields_are_decoded_and_numbers_stay_text() -> None:
    text = '{"s": "\\u00e9", "i": 1, "f": 1.0, "big": ' + "9" * 5000 + ', "n": null, "b": true, "o": {"i": [1]}}'
    expected = {"s": "é", "i": "1", "f": "1.0", "big": "9" * 5000, "n": None, "b": True, "o": {"i": ["1"]}}
    assert Document(text).fields == expected


@pytest.mark.parametrize(("text", "expected"), [("{}", True), (' {"a": 1} ', True), ("[]", False), ("x", False)])
def test_an_object_is_told_from_all_else(text: str, expected: bool) -> None:
    assert Document(text).is_object is expected


@pytest.mark.parametrize("text", ["plain", "[]", "1", '"text"', "{broken", ""])
def test_plain_text_may_be_anything_but_an_object(text: str) -> None:
    Document(text).check_plain()


@pytest.mark.parametrize("text", ["{}", ' {"a": 1}', '\ufeff{"a": 1}'])
def test_an_object_is_not_taken_for_plain_text(text: str) -> None:
    with pytest.raises(errors.JsonObjectError):
        Document(text).check_plain()


@pytest.mark.parametrize("text", ["x" * 65_536, "é" * 32_768, "\ud800" * 21_845])
def test_the_largest_size_is_counted_in_bytes(text: str) -> None:
    Document(text).check_size()
    with pytest.raises(errors.ValueTooLargeError, match="65536"):
        Document(text + "é").check_size()


def test_a_document_is_scanned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scans: list[str] = []
    scan = document._scan

    def count(text: str) -> object:
        scans.append(text)
        return scan(text)

    monkeypatch.setattr(document, "_scan", count)
    for text in ('{"a": "1"}', "plain"):
        found = Document(text)
        assert found.is_object == found.is_object
        with contextlib.suppress(errors.SecretError):
            found.replace({place("a"): "2"})
            _ = found.fields
    assert scans == ['{"a": "1"}', "plain"]


def test_a_document_prints_no_text() -> None:
    assert "s3cret" not in repr(Document('{"a": "s3cret"}'))
