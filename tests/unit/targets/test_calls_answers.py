"""What the target calls reads in an answer, whatever its form."""

from email.message import Message
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secret_rotation.targets.declared import answers

XML = "application/xml"


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b'{"a": [1, null]}', "application/json", {"a": [1, None]}),
        (b'\xef\xbb\xbf"abc"\n', "", "abc"),
        (b"abc\n", "text/plain", "abc"),
        (b"12", "text/plain", 12),
        (b"12e9", "text/plain", "12e9"),
        (b"", "application/json", None),
        (b"\xff", "text/plain", None),
        (b"[" * 100_000, "application/json", "[" * 100_000),
        (b"a=1&b=x+y&b=2", "application/x-www-form-urlencoded; charset=utf-8", {"a": "1", "b": ["x y", "2"]}),
        (b"<a/>", XML, {"a": ""}),
        (b"<a>x<b/>\n</a>", "text/xml", {"a": {"b": "", "#text": "x"}}),
        (b'<n:a xmlns:n="u" n:i="1"><n:b>1</n:b><n:b/></n:a>', "a/soap+xml", {"a": {"@i": "1", "b": ["1", ""]}}),
        (b"<a><b></a>", XML, None),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', XML, None),
        (b"<a>" * 50_000 + b"</a>" * 50_000, XML, None),
    ],
)  # fmt: skip
def test_an_answer_is_read_by_its_kind(body: bytes, kind: str, expected: Any) -> None:
    assert answers.parsed(body, kind) == expected


@given(st.binary(max_size=60), st.sampled_from(["", "application/json", "text/plain", XML, "a/x-www-form-urlencoded"]))
def test_no_answer_ends_in_an_error(body: bytes, kind: str) -> None:
    found = answers.parsed(body, kind)
    assert answers.listed(found, "/a/*/b") is not NotImplemented
    assert answers.of_session(found, None, "/a/0") is None or isinstance(found, dict | list)


@pytest.mark.parametrize(
    ("document", "pointer", "expected"),
    [
        ({"a": [1, 2]}, "/a", [1, 2]),
        ({}, "/a", []),
        ({"a": None}, "/a", []),
        ([], "", []),
        ({"a": {"x": 1}}, "/a", [{"key": "x", "value": 1}]),
        ({"a": [{"b": [1]}, {"b": [2]}, {}]}, "/a/*/b", [1, 2]),
        ({"a": {"x": {"b": [1]}, "y": {"b": [2]}}}, "/a/*/b", [1, 2]),
        ({"a": [[1], [2]]}, "/a/*", [1, 2]),
        ({}, "/a/*/b", []),
        ({"a*": [1]}, "/a*", [1]),
        ({"a": "text"}, "/a", None),
        ({"a": "text"}, "/a/*/b", None),
        ({"a": [{"b": "text"}]}, "/a/*/b", None),
    ],
)
def test_items_are_found_at_any_depth(document: Any, pointer: str, expected: list[Any] | None) -> None:
    found = answers.listed(document, pointer)
    assert (found if found is None else list(found)) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("<k><i>1</i></k>", ["1"]), ("<k><i>1</i><i>2</i></k>", ["1", "2"]), ("<k/>", [])]
)
def test_a_single_element_of_xml_is_a_list_too(text: str, expected: list[str]) -> None:
    found = answers.listed(answers.parsed(text.encode(), XML), "/k/i")
    assert list(found or []) == expected


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ([], None),
        (['<https://a/?p=2>; rel="next"'], "https://a/?p=2"),
        (['<a>; rel="first", <b,c>; title="x"; rel=next'], "b,c"),
        (['<a>; rel="prev"', '<b>; REL="last Next"'], "b"),
        (['<a>; rel="nextish"'], None),
    ],
)
def test_the_next_page_is_the_one_that_link_names(links: list[str], expected: str | None) -> None:
    headers = Message()
    for link in links:
        headers["Link"] = link
    assert answers.next_link(headers) == expected


def test_a_session_has_headers_and_cookies() -> None:
    headers = Message()
    headers["X-Subject-Token"] = "t"
    for cookie in ("a=1; Path=/; Secure", "b=x=y", "a=2", "odd"):
        headers["Set-Cookie"] = cookie
    asked = ("header.x-subject-token", "cookie.b", "cookies", "cookie.none", "header.none", "", "/id")
    assert [answers.of_session({"id": 7}, headers, what) for what in asked] == [
        "t",
        "x=y",
        "a=2; b=x=y",
        None,
        None,
        None,
        "7",
    ]
