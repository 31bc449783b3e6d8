"""The table of docs/changes.md: a row for each variable, made by ``make changes``."""

from __future__ import annotations

import re

from tools.dev import changes_page
from tools.dev.changes_page import BEGIN, END, PAGE, UNTRIED, Account
from tools.dev.providers import ROOT

ACCOUNT = Account("key", "role", "boundary", "layer", "topic", ["subnet"], ["group"], "endpoint")
WHOLE = {"secrets", "keys", "generators", "network", "kms_key_arns", "package", "tags", "target"}
WHOLE |= {"alarms", "on_success", "secret_policy"}
"""Variables that have rows of their own, or one row for all of their attributes."""


def rows() -> list[str]:
    table = PAGE.read_text("utf-8").partition(BEGIN)[2].partition(END)[0]
    return re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)


def variables() -> set[str]:
    """Every variable, and the attributes of those that are objects."""
    found = set()
    for text in re.findall(
        r'^variable "\w+" {\n.*?^}', "".join(path.read_text() for path in ROOT.glob("*.tf")), re.DOTALL | re.MULTILINE
    ):
        name = text.split('"')[1]
        attributes = re.findall(r"^    (\w+) += optional\(", text, re.MULTILINE)
        found |= {name} if name in WHOLE or not attributes else {f"{name}.{attribute}" for attribute in attributes}
    return found - {"schedule.rotate_immediately"}  # which no call may have


def test_the_table_has_a_row_for_each_case() -> None:
    assert rows() == [case.variable.partition(":")[0] for case in changes_page.cases(ACCOUNT)]


def test_each_variable_and_each_attribute_is_changed() -> None:
    assert variables() - set(rows()) == set(UNTRIED)


def test_what_stands_around_the_table_is_kept() -> None:
    page = changes_page.replaced(f"before\n{BEGIN}\nold\n{END}\nafter\n", ["| row |"])
    assert page.startswith(f"before\n{BEGIN}\n| variable")
    assert page.endswith(f"| row |\n{END}\nafter\n")
    assert "old" not in page
