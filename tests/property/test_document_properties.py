"""Editing any JSON object: only the named values change, byte for byte."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from hypothesis import example, given
from hypothesis import strategies as st

from secret_rotation.document import Document
from secret_rotation.errors import RotationError
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
    return Document(text).replace(values).text


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


class Leaf(NamedTuple):
    """A string within a document: the pointer that leads there, and how it is written."""

    pointer: str
    text: str


Part = str | Leaf
Tree = Any
"""Strings, numbers as they are written, and lists and dictionaries of them."""

trees: st.SearchStrategy[Tree] = st.recursive(
    any_text | number.map(str.encode),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def rendered(draw: st.DrawFn, tree: Tree, pointer: str = "") -> list[Part]:
    """A tree as JSON, in any way to write it, with its strings kept apart."""
    if isinstance(tree, bytes):
        return [tree.decode()]
    if isinstance(tree, str):
        return [Leaf(pointer, draw(written(tree)))]
    inner: list[tuple[list[str], list[Part]]]
    if isinstance(tree, list):
        inner = [([], draw(rendered(item, f"{pointer}/{index}"))) for index, item in enumerate(tree)]
    else:
        inner = [
            ([draw(written(key)), draw(space), ":"], draw(rendered(item, f"{pointer}/{escaped(key)}")))
            for key, item in tree.items()
        ]
    parts: list[Part] = ["[" if isinstance(tree, list) else "{"]
    for number, (before, item) in enumerate(inner):
        parts += ["," if number else "", draw(space), *before, draw(space), *item, draw(space)]
    return [*parts, "]" if isinstance(tree, list) else "}"]


def escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


@given(st.dictionaries(keys, trees, max_size=4).flatmap(rendered), st.data())
def test_only_what_pointers_name_changes_and_every_other_byte_stays(parts: list[Part], data: st.DataObject) -> None:
    leaves = [part.pointer for part in parts if isinstance(part, Leaf)]
    chosen = data.draw(st.lists(st.sampled_from(leaves), unique=True) if leaves else st.just([]))
    values = {pointer: data.draw(any_text) for pointer in chosen}

    def text(new: Mapping[str, str]) -> str:
        return "".join(
            part if isinstance(part, str) else json.dumps(new[part.pointer]) if part.pointer in new else part.text
            for part in parts
        )

    document, edited = Document(text({})), Document(text(values))
    assert document.replace(values) == edited
    assert document.agrees(edited, chosen)
    assert all(edited.get(pointer) == json.loads(json.dumps(value)) for pointer, value in values.items())


any_key = any_text | any_text.map("/{}".format) | st.lists(any_text).map(lambda names: "/".join(["", *names]))


@given(anything, any_key)
def test_any_pointer_into_any_document_is_found_or_refused_by_an_error_of_our_own(text: str, key: str) -> None:
    try:
        Document(text).find([key])
    except RotationError as error:
        check_harmless(error)
    else:
        assert isinstance(Document(text).get(key), str)


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


@given(any_text | anything, st.dictionaries(any_key, any_text, max_size=3))
def test_any_text_is_edited_or_refused_by_an_error_of_our_own(text: str, values: dict[str, str]) -> None:
    try:
        edited = replace(text, values)
    except RotationError as error:
        check_harmless(error)
    else:
        assert json.loads(text).keys() == json.loads(edited).keys()
