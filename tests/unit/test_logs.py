"""Log lines, which cannot show a value."""

import base64
import html
import json
import logging
import urllib.parse
from typing import Any

import pytest

from secret_rotation.logs import Log, silence_libraries

VALUE = "pä ss'w\"o\\r<d>&/+\n?"


def line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def hiding(*texts: str) -> Log:
    log = Log(step="setSecret")
    log.hide(*texts)
    return log


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        repr(VALUE)[1:-1],
        json.dumps(VALUE)[1:-1],
        json.dumps(VALUE, ensure_ascii=False)[1:-1],
        html.escape(VALUE),
        urllib.parse.quote(VALUE),
        urllib.parse.quote(VALUE, safe=""),
        urllib.parse.quote_plus(VALUE),
    ],
)
def test_a_value_is_hidden_in_every_form(form: str) -> None:
    assert hiding(VALUE).clean(f"<{form}>") == "<[hidden]>"


@pytest.mark.parametrize("before", ["", "u", "us", "use", "user:"])
@pytest.mark.parametrize("after", ["", "x", "xy", "xyz"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_value_is_hidden_wherever_it_stands_in_base64(before: str, after: str, encode: Any) -> None:
    value = "p4ssw0rd-with-some-length\xff?>"
    encoded = encode(f"{before}{value}{after}".encode()).decode()
    alone = base64.b64encode(value.encode()).decode()
    first, end = -(-len(before.encode()) * 4 // 3), len(f"{before}{value}".encode()) * 4 // 3  # what the value decides
    cleaned = hiding(value).clean(encoded)
    assert cleaned == f"{encoded[:first]}[hidden]{encoded[end:]}"
    assert not [alone[at : at + 8] for at in range(len(alone) - 7) if alone[at : at + 8] in cleaned]


def test_the_longest_of_several_values_is_hidden_first() -> None:
    assert hiding("bcde", "abcdefgh").clean("abcdefgh bcde") == "[hidden] [hidden]"


def test_half_a_character_is_hidden() -> None:
    assert hiding("half \ud83d character").clean("<half \ud83d character>") == "<[hidden]>"


def test_a_very_short_value_is_not_hidden_since_it_stands_everywhere() -> None:
    assert hiding("abc", "").clean("abc") == "abc"


def test_four_characters_are_hidden() -> None:
    assert hiding("1234").clean("1234") == "[hidden]"


@pytest.mark.parametrize("value", ["secret-value", ["secret-value"], {"k": "secret-value"}, ValueError("secret-value")])
def test_values_of_fields_are_searched(capsys: pytest.CaptureFixture[str], value: object) -> None:
    hiding("secret-value").info("a message", value=value)
    assert "secret-value" not in capsys.readouterr().out


def test_names_of_fields_are_searched(capsys: pytest.CaptureFixture[str]) -> None:
    hiding("secret-value").info("a message", **{"secret-value": 1})
    assert "secret-value" not in capsys.readouterr().out


def test_numbers_stay_numbers_unless_they_are_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    hiding("123456").info("m", count=7, ratio=0.5, nothing=None, right=True, pin=123456)
    shown = line(capsys)
    assert (shown["count"], shown["ratio"], shown["nothing"], shown["right"]) == (7, 0.5, None, True)
    assert shown["pin"] == "[hidden]"


def test_the_fields_of_every_line_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    hiding("setSecret", "INFO").info("setSecret", step="other")
    shown = line(capsys)
    assert (shown["step"], shown["level"], shown["message"]) == ("setSecret", "INFO", "[hidden]")


def test_a_line_has_a_time_that_lambda_reads(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 1_000_000_001.5625)
    Log().info("m")
    assert line(capsys)["timestamp"] == "2001-09-09T01:46:41.562Z"


def test_whatever_is_said_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    Log().info("two\nlines \ud800")
    assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("TRACE", ["DEBUG", "INFO", "WARN", "ERROR"]),
        ("DEBUG", ["DEBUG", "INFO", "WARN", "ERROR"]),
        ("INFO", ["INFO", "WARN", "ERROR"]),
        ("warn", ["WARN", "ERROR"]),
        ("WARNING", ["WARN", "ERROR"]),
        ("ERROR", ["ERROR"]),
        ("FATAL", []),
        ("nonsense", ["INFO", "WARN", "ERROR"]),
        (None, ["INFO", "WARN", "ERROR"]),
    ],
)
def test_the_level_is_the_one_that_lambda_was_given(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, level: str | None, shown: list[str]
) -> None:
    monkeypatch.delenv("AWS_LAMBDA_LOG_LEVEL", raising=False)
    if level is not None:
        monkeypatch.setenv("AWS_LAMBDA_LOG_LEVEL", level)
    log = Log()
    for say in (log.debug, log.info, log.warning, log.error):
        say("m")
    lines = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert [line["level"] for line in lines] == shown
    assert {line["message"] for line in lines} <= {"m"}


@pytest.mark.parametrize(("before", "after"), [(logging.DEBUG, logging.INFO), (logging.ERROR, logging.ERROR)])
def test_libraries_are_kept_from_debug_lines_only(caplog: pytest.LogCaptureFixture, before: int, after: int) -> None:
    caplog.set_level(before)
    silence_libraries()
    assert logging.getLogger().level == after
