"""Placeholders: what they are filled in from, and that a value cannot change the structure around it."""

import json
from urllib.parse import parse_qsl

import pytest

from secret_rotation import placeholders
from secret_rotation.credential import Credential
from secret_rotation.errors import ConfigurationError, SecretError
from tests.messages import refused
from tests.support.contexts import credential, plain

HOSTILE = 's3cret"&=\r\n{{login}}/../ä'
VALUES = {
    "pending": credential("s3cret-new", tenant="t1"),
    "current": credential("s3cret-old"),
    "login": credential("s3cret-login"),
}


def test_a_placeholder_names_a_value_and_a_key_of_it() -> None:
    text = "{{pending}} {{ current.a.b }} {{login.x}} {not} }}{{"
    assert list(placeholders.names(text)) == [("pending", None), ("current", "a.b"), ("login", "x")]


@pytest.mark.parametrize("inner", ["", "pendng.x", "password", "pending.", "pending x", "Pending"])
def test_an_unknown_placeholder_is_named_with_those_that_are_allowed(inner: str) -> None:
    with refused(ConfigurationError, f"{{{{{inner}}}}};", "{{pending.KEY}}", "{{current.KEY}}", "{{login.KEY}}"):
        list(placeholders.names(f"x{{{{{inner}}}}}"))


def test_a_placeholder_may_lead_into_the_document() -> None:
    values = {"pending": Credential("v", '{"database": {"password": "s3cret"}, "l": ["x"]}', ("/database/password",))}
    assert placeholders.fill("{{pending./database/password}},{{pending./l/0}},{{pending}}", values) == "s3cret,x,s3cret"
    with refused(SecretError, "/l/1"):
        placeholders.fill("{{pending./l/1}}", values)


def test_each_placeholder_is_filled_in_and_escaped() -> None:
    text = "{{pending}},{{current}},{{login}},{{pending.tenant}}"
    assert placeholders.fill(text, VALUES) == "s3cret-new,s3cret-old,s3cret-login,t1"
    assert placeholders.fill("a{{pending}}b", VALUES, lambda value: f"<{value}>") == "a<s3cret-new>b"


def test_a_key_that_the_secret_lacks_is_named() -> None:
    with refused(SecretError, "'region'"):
        placeholders.fill("{{pending.region}}", VALUES)


def test_a_value_that_does_not_exist_yet_is_named() -> None:
    with refused(ConfigurationError, "{{current.x}}", "current"):
        placeholders.fill("{{current.x}}", {**VALUES, "current": None})


def test_a_value_stays_one_segment_of_a_url() -> None:
    assert placeholders.for_url("a/b ?ä") == "a%2Fb%20%3F%C3%A4"
    assert placeholders.for_url("...") == "..."


@pytest.mark.parametrize("value", [".", ".."])
def test_a_segment_that_would_change_the_path_is_refused(value: str) -> None:
    with refused(SecretError, "URL", "path"):
        placeholders.for_url(value)


def test_a_header_takes_printable_ascii() -> None:
    assert placeholders.for_header(" ~") == " ~"
    assert placeholders.for_header("") == ""


@pytest.mark.parametrize("value", ["s3cret\n", "s3cret\r", "\x7f", "\x1f", "ä"])
def test_what_a_header_cannot_hold_is_refused(value: str) -> None:
    with refused(SecretError, "header", "ASCII"):
        placeholders.for_header(value)


def body(kind: str, text: str) -> bytes:
    return placeholders.fill_body(kind, placeholders.parse_body(kind, text), {"pending": plain(HOSTILE)})


def test_a_value_stays_one_string_of_a_json_body() -> None:
    template = {"a": ["{{pending}}", 1, None, True], "b": {"c": "x{{pending}}y"}, "{{pending}}": "d"}
    found = json.loads(body(placeholders.JSON, json.dumps(template)))
    assert found == {"a": [HOSTILE, 1, None, True], "b": {"c": f"x{HOSTILE}y"}, HOSTILE: "d"}


def test_a_value_stays_one_field_of_a_form() -> None:
    sent = body(placeholders.FORM, "a={{pending}}&b=&a=x").decode()
    assert parse_qsl(sent, keep_blank_values=True) == [("a", HOSTILE), ("b", ""), ("a", "x")]


def test_a_text_body_is_filled_in_as_it_is() -> None:
    assert body(placeholders.TEXT, "<{{pending}}>") == f"<{HOSTILE}>".encode()


@pytest.mark.parametrize("text", ['{"password": {{pending}}}', "", "[" * 100_000])
def test_a_body_that_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="JSON") as raised:
        placeholders.parse_body(placeholders.JSON, text)
    assert raised.value.__suppress_context__


def test_an_unknown_content_type_is_refused_with_those_that_are_allowed() -> None:
    kinds = (placeholders.JSON, placeholders.FORM, placeholders.TEXT)
    with refused(ConfigurationError, "'application/xml'", "Content-Type", *kinds):
        placeholders.parse_body("application/xml", "<a/>")


def test_a_value_is_one_key_of_a_json_body_and_no_other_one() -> None:
    with refused(SecretError, "key"):
        body(placeholders.JSON, json.dumps({"{{pending}}": "a", "{{ pending }}": "b"}))


def test_a_value_is_the_name_of_one_field_of_a_form() -> None:
    assert parse_qsl(body(placeholders.FORM, "a=1&{{pending}}=2").decode()) == [("a", "1"), (HOSTILE, "2")]


@pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN", "Infinity", "-Infinity", "1" * 5000])
def test_a_number_that_json_does_not_have_is_refused(number: str) -> None:
    with refused(ConfigurationError, "JSON"):
        placeholders.parse_body(placeholders.JSON, f'{{"n": [{number}]}}')


@pytest.mark.parametrize("number", ["1e300", "-0.5", "12345678901234567890"])
def test_a_number_of_a_json_body_is_kept(number: str) -> None:
    found = body(placeholders.JSON, f'{{"n": {number}}}')
    assert json.loads(found)["n"] == json.loads(number)


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("application/json; charset=utf-8", placeholders.JSON),
        ("application/vnd.api+json", placeholders.JSON),
        ("Application/Merge-Patch+JSON;charset=utf-8", placeholders.JSON),
        ("application/x-www-form-urlencoded", placeholders.FORM),
        ("text/plain", placeholders.TEXT),
        ("application/xml", "application/xml"),
        ("+json", "+json"),
    ],
)
def test_the_kind_of_a_body_is_that_of_its_content_type(content_type: str, kind: str) -> None:
    assert placeholders.kind_of(content_type) == kind
