"""Editing a JSON object in place."""

import contextlib

import pytest

from secret_rotation import document, errors
from secret_rotation.document import Document


def replace(text: str, values: dict[str, str]) -> str:
    return Document(text).replace(values).text


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


NESTED = '{"a": "1", "o": {"p": "2", "q": {"": "3"}}, "l": [ "4", {"p":"5"} ], "/s": "6", "t~/": {"~1": "7"}}'


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("/a", "1"), ("/o/p", "2"), ("/o/q/", "3"), ("/l/0", "4"), ("/l/1/p", "5"), ("/~1s", "6"), ("/t~0~1/~01", "7"),
    ],
)  # fmt: skip
def test_a_key_that_begins_with_a_slash_is_a_pointer(key: str, value: str) -> None:
    assert Document(NESTED).get(key) == value
    assert replace(NESTED, {key: "new"}) == NESTED.replace(f'"{value}"', '"new"')


def test_several_pointers_are_replaced_at_once() -> None:
    assert replace(NESTED, {"/l/1/p": "y", "a": "xxx", "/o/p": ""}) == (
        NESTED.replace('"1"', '"xxx"').replace('"2"', '""').replace('"5"', '"y"')
    )


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("/b", "key 'b'"),
        ("/o/b", "'/o/b': the object at '/o' has no key 'b'"),
        ("/b/p", "'/b/p': the secret has no key 'b'"),
        ("/a/p", "'/a/p': '/a' holds a string"),
        ("/l/2", "'/l' is an array with 2 items"),
        ("/l/01", "'/l' is an array with 2 items"),
        ("/l/-", "'/l' is an array with 2 items"),
        ("/l/1/q", "the object at '/l/1' has no key 'q'"),
        ("/t~0~1/x/y", "the object at '/t~0~1' has no key 'x'"),
    ],
)
def test_a_pointer_that_leads_nowhere_is_refused_and_what_is_there_is_named(key: str, said: str) -> None:
    assert Document(NESTED).get(key) is None
    with pytest.raises(errors.KeyMissingError) as caught:
        replace(NESTED, {key: "new"})
    assert said in str(caught.value)


@pytest.mark.parametrize(("key", "kind"), [("/o", "an object"), ("/l", "an array"), ("/l/1", "an object")])
def test_a_pointer_to_what_is_no_string_is_refused(key: str, kind: str) -> None:
    with pytest.raises(errors.KeyNotStringError, match=f"{key!r} holds {kind}"):
        replace(NESTED, {key: "new"})


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["a", "/a"], "same value"),
        (["/o", "/o/p"], "inside"),
        (["o", "x", "/o/p"], "inside"),
        (["/a~2"], "~0"),
        (["/a~"], "~0"),
    ],
)
def test_pointers_that_are_wrong_or_overlap_are_refused(keys: list[str], said: str) -> None:
    with pytest.raises(errors.SettingError, match=said):
        replace(NESTED, dict.fromkeys(keys, "new"))


@pytest.mark.parametrize("key", ["/o/a", "/o/b", "/l/0/x"])
def test_a_key_that_is_twice_on_the_way_of_a_pointer_is_refused(key: str) -> None:
    with pytest.raises(errors.DuplicateKeyError) as caught:
        replace('{"o": {"a": "1", "b": "2", "a": "3"}, "l": [{"x": "1", "x": "2"}]}', {key: "new"})
    assert ("'a'" in str(caught.value)) == (key == "/o/a")


def test_a_key_that_is_twice_elsewhere_stays() -> None:
    text = '{"o": {"a": "1", "a": "3"}, "p": {"a": "1"}}'
    assert replace(text, {"/p/a": "new"}) == '{"o": {"a": "1", "a": "3"}, "p": {"a": "new"}}'


@pytest.mark.parametrize(
    ("one", "other", "changed", "agree"),
    [
        ('{"o": {"p": "1", "q": "2"}}', '{"o": {"p": "x", "q": "2"}}', ["/o/p"], True),
        ('{"o": {"p": "1", "q": "2"}}', '{"o": {"p": "x", "q": "y"}}', ["/o/p"], False),
        ('{"o": {"p": "1", "q": "2"}}', '{"o": {"p": "x"}}', ["/o/p"], False),
        ('{"o": {"p": "1"}}', '{"o": {}}', ["/o/p"], False),
        ('{"l": ["1", "2"]}', '{"l": ["x", "2"]}', ["/l/0"], True),
        ('{"l": ["1", "2"]}', '{"l": ["0", "x", "2"]}', ["/l/0"], False),
        ('{"l": ["1"]}', '{"l": ["1"]}', ["/l/7", "/none/at/all"], True),
    ],
)
def test_documents_agree_if_they_differ_in_the_named_places_only(
    one: str, other: str, changed: list[str], agree: bool
) -> None:
    assert Document(one).agrees(Document(other), changed) is agree


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
            found.replace({"a": "2"})
            _ = found.fields
    assert scans == ['{"a": "1"}', "plain"]


def test_a_document_prints_no_text() -> None:
    assert "s3cret" not in repr(Document('{"a": "s3cret"}'))
