"""Editing any JSON object: only the named values change, byte for byte."""

import json
from typing import NamedTuple

from hypothesis import example, given
from hypothesis import strategies as st

from secret_rotation.document import Document, place
from secret_rotation.errors import SecretError
from tests.support.function import check_harmless

# JSON's own freedom: spaces anywhere, escapes for any character, numbers of any form and size.
any_text = st.text(st.characters(exclude_categories=()), max_size=12)
space = st.text(" \t\n\r", max_size=2)
number = st.from_regex(r"\A-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,5})?\Z")
SHORT = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@st.composite
def written(draw: st.DrawFn, text: str) -> str:
    """Any way to write ``text`` as a JSON string."""
    return '"' + "".join(draw(st.sampled_from(ways(char))) for char in text) + '"'


def ways(char: str) -> list[str]:
    units = char.encode("utf-16-be", "surrogatepass")
    escaped = "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
    raw = [char] if char >= " " and char not in '"\\' else []
    short = [SHORT[char]] if char in SHORT else []
    return [escaped, escaped.upper().replace("\\U", "\\u"), *raw, *short]


string = any_text.flatmap(written)


@st.composite
def joined(draw: st.DrawFn, parts: list[str], brackets: str) -> str:
    spaced = [draw(space) + part + draw(space) for part in parts]
    return brackets[0] + (",".join(spaced) or draw(space)) + brackets[1]


def containers(value: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    member = st.builds("{}{}:{}{}".format, string, space, space, value)
    arrays = st.lists(value, max_size=3).flatmap(lambda parts: joined(parts, "[]"))
    return arrays | st.lists(member, max_size=3).flatmap(lambda parts: joined(parts, "{}"))


anything = st.recursive(string | number | st.sampled_from(["true", "false", "null"]), containers, max_leaves=6)


class Member(NamedTuple):
    """One member as it is written: the decoded key, all up to its value, its value, and the space after it."""

    key: str
    before: str
    value: str
    after: str


@st.composite
def member(draw: st.DrawFn, key: str) -> Member:
    before = draw(space) + draw(written(key)) + draw(space) + ":" + draw(space)
    return Member(key, before, draw(anything), draw(space))


def text_of(members: list[Member], outside: tuple[str, str]) -> str:
    inside = ",".join(member.before + member.value + member.after for member in members)
    return f"{outside[0]}{{{inside}}}{outside[1]}"


def replace(text: str, values: dict[str, str]) -> str:
    return Document(text).replace({place(key): value for key, value in values.items()}).text


# Surrogates that would join to one character when they are written side by side do not occur in a decoded text.
keys = any_text.filter(lambda text: json.loads(json.dumps(text)) == text)
objects = st.lists(keys, unique=True, max_size=5).flatmap(lambda found: st.tuples(*map(member, found))).map(list)


@given(objects, st.tuples(space, space), st.data())
def test_only_the_named_values_change_and_every_other_byte_stays(
    members: list[Member], outside: tuple[str, str], data: st.DataObject
) -> None:
    strings = [member.key for member in members if member.value.startswith('"')]
    chosen = data.draw(st.lists(st.sampled_from(strings), unique=True) if strings else st.just([]))
    values = {key: data.draw(any_text) for key in chosen}
    edited = [m._replace(value=json.dumps(values[m.key])) if m.key in values else m for m in members]
    text = text_of(members, outside)
    assert replace(text, values) == text_of(edited, outside)


@given(objects, st.tuples(space, space))
def test_each_member_is_read_as_python_reads_it_with_numbers_as_text(
    members: list[Member], outside: tuple[str, str]
) -> None:
    text = text_of(members, outside)
    assert Document(text).fields == json.loads(text, parse_int=str, parse_float=str)


def refuse(name: str) -> None:
    raise ValueError(name)


def is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text, parse_int=str, parse_constant=refuse), dict)
    except ValueError:
        return False


broken = st.tuples(objects, st.integers(0, 60), st.integers(0, 3), st.text('{}[]",:\\ 0aé-.eN', max_size=3))


@given(broken.map(lambda b: (t := text_of(b[0], ("", "")))[: b[1]] + b[3] + t[b[1] + b[2] :]) | any_text)
@example('{"a": 1}{')
@example("\ufeff{}")
def test_a_text_is_an_object_exactly_when_python_s_parser_says_so(text: str) -> None:
    assert Document(text).is_object is is_object(text)


@given(any_text | anything, st.dictionaries(any_text, any_text, max_size=3))
def test_any_text_is_edited_or_refused_by_an_error_of_our_own(text: str, values: dict[str, str]) -> None:
    try:
        edited = replace(text, values)
    except SecretError as error:
        check_harmless(error)
    else:
        assert {**json.loads(text), **values}.keys() == json.loads(edited).keys()
