"""No form in which a value travels gets past the log, and the lab's search for leaks knows every one of them."""

import base64
import contextlib
import html
import io
import json
import time
import urllib.parse
from collections.abc import Callable

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from rotation_lab.leaks import LeakSearch
from secret_rotation.logs import HIDDEN, SHORTEST_HIDDEN, Log


def raw(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")


def in_json(value: str) -> str:
    return json.dumps(value)[1:-1]


def in_utf8_json(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1]


def percent(value: str) -> str:
    return urllib.parse.quote(raw(value), safe="")


def lower(quoted: str) -> str:
    first, *others = quoted.split("%")
    return "%".join([first, *(each[:2].lower() + each[2:] for each in others)])


def among(shown: Callable[[str], str]) -> Callable[[str], str]:
    """As ``shown`` writes the value in a text that has both quotes, such as a whole document."""
    return lambda value: shown("<'\"" + value + ">").partition("<")[2].rpartition(">")[0].partition('"')[2]


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": in_json,
    "JSON in UTF-8": in_utf8_json,
    "JSON with escaped slashes": lambda value: in_json(value).replace("/", "\\/"),
    "JSON in JSON": lambda value: in_json(in_json(value)),
    "JSON in JSON, UTF-8": lambda value: in_utf8_json(in_utf8_json(value)),
    "JSON in JSON, UTF-8 within": lambda value: in_json(in_utf8_json(value)),
    "JSON in JSON in JSON": lambda value: in_json(in_json(in_json(value))),
    "repr": lambda value: repr(value)[1:-1],
    "repr of a text with both quotes": among(repr),
    "ascii": among(ascii),
    "repr of bytes": lambda value: repr(raw(value))[2:-1],
    "repr of bytes with both quotes": among(lambda text: repr(raw(text))),
    "repr of JSON": lambda value: among(repr)(in_json(value)),
    "repr of bytes of JSON": lambda value: among(lambda text: repr(raw(text)))(in_utf8_json(value)),
    "HTML": html.escape,
    "HTML, decimal": lambda value: html.escape(value).replace("&#x27;", "&#39;"),
    "XML": lambda value: html.escape(value, quote=False),
    "percent": percent,
    "percent, lower case": lambda value: lower(percent(value)),
    "percent of a path": lambda value: urllib.parse.quote(raw(value)),
    "percent of a form": lambda value: urllib.parse.quote_plus(raw(value)),
    "percent of a form, lower case": lambda value: lower(urllib.parse.quote_plus(raw(value))),
    "percent twice": lambda value: urllib.parse.quote(percent(value), safe=""),
    "percent of JSON": lambda value: percent(in_json(value)),
    "hexadecimal": lambda value: raw(value).hex(),
    "hexadecimal, upper case": lambda value: raw(value).hex().upper(),
    "hexadecimal of JSON": lambda value: in_json(value).encode().hex(),
    "base64": lambda value: base64.b64encode(raw(value)).decode().rstrip("="),
    "base64 for URLs": lambda value: base64.urlsafe_b64encode(raw(value)).decode().rstrip("="),
    "base64 of JSON": lambda value: base64.b64encode(in_json(value).encode()).decode().rstrip("="),
    "base64 in lines": lambda value: base64.encodebytes(raw(value)).decode().partition("\n")[0],
}

any_value = st.text(st.characters(exclude_categories=()), min_size=SHORTEST_HIDDEN, max_size=120)
awkward_value = st.text("a1'\"\\/&<+ %\n\r\té\U0001f511", min_size=SHORTEST_HIDDEN, max_size=120)
around = st.sampled_from(["", "x", "password=", "user:", "{'\"", " "])
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq+/hkiG9w0B\nAQEFAASC\n-----END PRIVATE KEY-----\n"
DEEP = 'it\'s a "q"/\\uö%'


def logged(log: Log, text: str) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as output:
        log.info(text)
    message: str = json.loads(output.getvalue())["message"]
    return message


@given(value=any_value | awkward_value, before=around, after=around)
@example(value=DEEP, before="", after="")
@example(value=PEM, before="x", after="")
def test_a_value_passes_the_log_in_no_form(value: str, before: str, after: str) -> None:
    log = Log()
    log.hide(value)
    for form, write in FORMS.items():
        written = write(value)
        if written not in f"{before}{HIDDEN}{HIDDEN}{after}":
            assert written not in logged(log, f"{before}{written}{after}"), form


@given(lines=st.lists(any_value | awkward_value, min_size=2, max_size=4), end=st.sampled_from(["\n", "\r\n"]))
@example(lines=PEM.splitlines(), end="\n")
def test_a_line_of_a_value_passes_the_log_in_no_form(lines: list[str], end: str) -> None:
    value = end.join(lines)
    log = Log()
    log.hide(value)
    for line in map(str.strip, value.splitlines()):
        for form, write in FORMS.items():
            written = write(line)
            if len(line) >= SHORTEST_HIDDEN and written not in HIDDEN * 2:
                assert written not in logged(log, f"<{written}>"), form


@given(value=any_value | awkward_value, before=around, after=around)
@example(value=DEEP, before="", after="")
@example(value=PEM, before="x", after="")
def test_the_search_for_leaks_finds_a_value_in_every_form(value: str, before: str, after: str) -> None:
    assume(value not in HIDDEN * 2)
    search = LeakSearch()
    search.add("password", value)
    for form, write in FORMS.items():
        text = f"{before}{write(value)}{after}"
        assert search.find(text), form
        assert search.find(search.clean(text)) == [], form


@pytest.mark.parametrize("line", ["a", "host", "\"'\\/%ö<"])
def test_a_value_of_64_kib_is_hidden_within_two_seconds(line: str) -> None:
    value = "\n".join(f"{line}{number}" for number in range(65536 // (len(line) + 6)))
    log = Log()
    started = time.process_time()
    log.hide(value)
    assert log.clean(value) == HIDDEN
    assert time.process_time() - started < 2


def test_a_line_has_a_message_whatever_is_hidden() -> None:
    log = Log()
    log.hide("message")
    assert logged(log, "a message") == f"a {HIDDEN}"


def test_what_is_logged_beside_a_document_stays_readable() -> None:
    log = Log()
    log.hide('{\n  "port": 5432,\n  "tls": true,\n  "password": "a-secret-value"\n}\n')
    message = "Port 5432 of the host db-1 answers. TLS is on: {'tls': True}. The key \"password\" was changed."
    assert log.clean(message) == message
