"""Every recipe is accepted by the plan and by the function, which checks requests to AWS against botocore's models."""

from __future__ import annotations

import json
import os
from typing import Any
from unittest import mock

import pytest

from secret_rotation import loading, settings
from tests.recipes import pages
from tests.recipes.proofs import PROOFS
from tools.dev import recipes_page

PAGES = pages.read()
SECTIONS = (
    "The secret",
    "What consumers see",
    "What a crash may leave",
    "What the administrator's credential must be allowed",
)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return pages.planned(tmp_path_factory.mktemp("recipes"))


@pytest.mark.parametrize("name", PAGES)
def test_the_plan_accepts_a_recipe(name: str, given: dict[str, Any]) -> None:
    assert given[name]["problems"] == []


@pytest.mark.parametrize("name", PAGES)
def test_the_function_accepts_a_recipe(name: str, given: dict[str, Any]) -> None:
    with mock.patch.dict(os.environ, AWS_REGION="eu-central-1"):
        found = settings.read(pages.environment(given[name]))
        loading.load(str(found.target), found.given)  # raises what is wrong


@pytest.mark.parametrize("name", PAGES)
def test_a_recipe_names_what_the_role_may_call(name: str, given: dict[str, Any]) -> None:
    found = given[name]
    assert bool(found["actions"]) == bool(found["target"]["resource_arns"])


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_a_reader_has_to_know(name: str) -> None:
    text = (pages.FOLDER / f"{name}.md").read_text("utf-8")
    assert [section for section in SECTIONS if f"\n## {section}\n\n" not in text] == []
    assert "\nSource: " in text
    assert "to-be-rotated" in text


def test_pages_and_table_say_what_was_run_and_no_more() -> None:
    results = json.loads(recipes_page.RESULTS.read_text("utf-8"))
    for name, text in recipes_page.rendered(results).items():
        assert (pages.FOLDER / name).read_text("utf-8") == text, f"{name}: run `make recipes`"
    assert results.keys() <= PROOFS.keys() <= PAGES.keys()


def test_a_recipe_that_is_run_says_whether_two_values_work() -> None:
    results = json.loads(recipes_page.RESULTS.read_text("utf-8"))
    said = {name: PAGES[name].overlap == "yes" for name in results}
    assert said == {name: result["previous"] for name, result in results.items()}


def test_there_are_thirty_services_and_more() -> None:
    assert len(PAGES) >= 30
