"""At every call that the function makes it may die, and nothing is lost. `make faults` does it in all ways."""

import json
from pathlib import Path

import pytest

from rotation_lab.crash import report
from rotation_lab.crash.case import Case
from tools.dev import safety

from . import mysql8
from .cases import CASES
from .harness import examine, name

QUICK = [case for case in CASES if case.quick]


@pytest.mark.parametrize("case", QUICK, ids=name)
def test_no_invariant_breaks_at_any_point(case: Case, tmp_path: Path) -> None:
    result = examine(case.name, tmp_path)
    assert result["problem"] == ""
    assert [f"{breach['invariant']}: {breach['run']}: {breach['detail']}" for breach in result["breaches"]] == []
    assert report.status([result]) == 0
    assert result["points"] == 2 * len(result["calls"])
    assert result["runs"] >= result["points"]


FIGURES = json.loads(safety.RESULTS.read_text())


def test_the_documentation_shows_the_results_file() -> None:
    document = safety.DOCUMENT.read_text()
    assert safety.rendered(document, FIGURES) == document


def test_the_results_file_has_every_case_of_the_tests_without_a_breach() -> None:
    assert {case["case"]: case["breaches"] for case in FIGURES["cases"]} == dict.fromkeys(map(name, QUICK), 0)


def test_the_results_file_has_no_breach_in_the_other_cases_and_no_case_that_is_gone() -> None:
    others = {name(case) for case in (*(each for each in CASES if not each.quick), *mysql8.CASES)}
    assert {case["case"] for case in FIGURES["rest"]} <= others
    assert {case["case"] for case in FIGURES["full"]} <= {name(case) for case in (*CASES, *mysql8.CASES)}
    assert [case["case"] for case in (*FIGURES["rest"], *FIGURES["full"]) if case["breaches"]] == []
