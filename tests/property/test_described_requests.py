"""Whatever a value of the secret is, only the places of its placeholders change in a described request."""

import contextlib
import json
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secret_rotation.catalogue import defaults
from secret_rotation.errors import ConfigurationError, SecretError
from secret_rotation.target import Credential
from secret_rotation.targets.declared import filling, web
from secret_rotation.targets.declared.check import Described

values = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
BODY = {"a": ["{{pending.value}}", 1, None, True], "b": {"c": "x{{pending.value}}y"}, "n": "{{pending.other}}"}


def request(value: str, **fields: Any) -> Any:
    """The request, filled in."""
    described = Described("calls.set", "set", {"url": "https://localhost/", **fields})
    credential = Credential("v", json.dumps({"value": value, "other": "o"}), ("value",))
    sources = {"pending": filling.of_credential("pending", credential, None)}
    return web.of(described, {**defaults("calls")}, None)._fill(sources)


@given(values)
def test_a_body_keeps_its_structure(value: str) -> None:
    sent = json.loads(request(value, body=BODY).body)
    assert sent == {"a": [value, 1, None, True], "b": {"c": f"x{value}y"}, "n": "o"}


@given(values)
def test_a_form_keeps_its_fields(value: str) -> None:
    sent = parse_qs(request(value, form={"p": "{{pending.value}}", "q": "1"}).body.decode(), keep_blank_values=True)
    assert sent == {"p": [value], "q": ["1"]}


@given(values)
def test_a_url_keeps_its_host_and_segments(value: str) -> None:
    url = "https://localhost/a/{{pending.value}}/b?q={{pending.value}}&r=1"
    if value in (".", ".."):
        with pytest.raises(SecretError):
            request(value, url=url)
        return
    made = request(value, url=url)
    parts = urlsplit(made.target)
    assert made.url.netloc == "localhost"
    assert [unquote(part) for part in parts.path.split("/")] == ["", "a", value, "b"]
    assert parse_qs(parts.query, keep_blank_values=True) == {"q": [value], "r": ["1"]}


@given(values)
def test_a_header_has_one_line_or_is_refused(value: str) -> None:
    try:
        made = request(value, headers={"X-Key": "k {{pending.value}}"})
    except SecretError:
        assert not (value.isascii() and value.isprintable())
    else:
        assert made.headers["X-Key"] == f"k {value}"
        assert value.isascii()
        assert value.isprintable()


@given(st.text(max_size=20))
def test_any_text_within_the_braces_is_a_placeholder_or_refused(inner: str) -> None:
    found: list[filling.Placeholder] = []
    with contextlib.suppress(ConfigurationError):
        found = list(filling.names(f"{{{{{inner}}}}}"))
    assert all(one.root in (*filling.FROM_SECRET, "session", *filling.NAMES, "expires") for one in found)
