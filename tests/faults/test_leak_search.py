"""The search for leaks finds a value in each form, and nothing else."""

import base64
import json
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest

from rotation_lab.leaks import LeakSearch
from rotation_lab.model.secrets_manager import SecretsManager

from .harness import ROOT

VALUE = 'p"ä/ß+wörd&Secret42'

SHOWN = {
    "as it is": f"password={VALUE}.",
    "a piece of eight characters": f"...{VALUE[5:13]}...",
    "JSON": json.dumps({"password": VALUE}),
    "JSON without escapes": json.dumps({"password": VALUE}, ensure_ascii=False),
    "a query": urllib.parse.urlencode({"password": VALUE}),
    "a path": urllib.parse.quote(VALUE, safe=""),
    "base64": base64.b64encode(VALUE.encode()).decode(),
    "base64 after one byte": base64.b64encode(b":" + VALUE.encode()).decode(),
    "base64 after a user name": base64.b64encode(b"app:" + VALUE.encode()).decode(),
    "base64 for URLs": base64.urlsafe_b64encode(b"user:" + VALUE.encode()).decode(),
    "hexadecimal": VALUE.encode().hex(),
    "Python's way": repr([VALUE]),
}


@pytest.mark.parametrize("form", SHOWN)
def test_a_value_is_found_in_each_form_and_not_repeated(form: str) -> None:
    search = LeakSearch()
    search.add("password", VALUE)
    found = search.find(SHOWN[form])
    assert found
    assert all(line.startswith("password: ") for line in found)
    assert not any(VALUE[at : at + 4] in line for line in found for at in range(len(VALUE) - 3))


def test_seven_characters_of_a_value_are_not_a_finding() -> None:
    search = LeakSearch()
    search.add("password", VALUE)
    assert search.find(f"... {VALUE[-7:]} ... {VALUE[:7]} ...") == []


def test_a_short_value_is_found_as_a_whole() -> None:
    search = LeakSearch()
    search.add("pin", "4711x")
    assert search.find("the pin is 4711x") == ["pin: all of it, as it is"]
    assert search.find("the pin is 4711") == []


def test_a_value_of_three_characters_is_not_looked_for() -> None:
    search = LeakSearch()
    search.add("pin", "abc")
    assert search.find("abc") == []


@pytest.mark.parametrize("form", SHOWN)
def test_a_text_is_cleaned_of_all_that_would_be_found(form: str) -> None:
    search = LeakSearch()
    search.add("password", VALUE)
    search.add("pin", "4711x")
    cleaned = search.clean(f"before {SHOWN[form]} between 4711x after")
    assert search.find(cleaned) == []
    assert cleaned.startswith("before ")
    assert cleaned.endswith(" between [hidden] after")


def test_a_text_without_a_value_stays_as_it_is() -> None:
    search = LeakSearch()
    search.add("password", VALUE)
    assert search.clean("nothing here") == "nothing here"


FAILING = """
import base64, json, sys
from rotation_lab.model.secrets_manager import SecretsManager

def test_fails():
    value = SecretsManager(seed=7).client().get_random_password()["RandomPassword"]
    print(json.dumps({"password": value}), base64.b64encode(value.encode()))
    print(value[5:], file=sys.stderr)
    assert {"password": value, "user": "app"} == {"password": "other", "user": "app"}
"""


def test_a_failing_test_shows_no_value_that_was_made(tmp_path: Path) -> None:
    (tmp_path / "test_failing.py").write_text(FAILING)
    command = [sys.executable, "-m", "pytest", "-vv", "--showlocals", "-n", "1", "-p", "tests.conftest"]
    command += ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), str(tmp_path)]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert "1 failed" in shown.stdout
    assert shown.stdout.count("[hidden]") >= 4
    search = LeakSearch()
    search.add("the value", SecretsManager(seed=7).client().get_random_password()["RandomPassword"])
    assert search.find(shown.stdout + shown.stderr) == []
