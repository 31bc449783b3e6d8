"""The plan takes the same settings as the function, and rejects the same ones, with what is allowed.

A call of the module can hold a value of each setting, so the cases share a few calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.settings_cases import (
    ACCEPTED,
    ACCEPTED_GENERATORS,
    LAYER,
    REJECTED,
    REJECTED_GENERATORS,
    REQUIRED,
    SECRET,
    Generated,
    Setting,
)
from tests.terraform import plans
from tests.terraform.plans import Refusal

BASE: dict[str, Any] = {
    "name": "app",
    "secrets": {"app": SECRET},
    "network": {"subnet_ids": ["subnet-1"], "security_group_ids": ["sg-1"]},
    "function": {"layers": [LAYER]},
}


def shared(cases: Iterable[Setting], prefix: str) -> dict[str, list[Setting]]:
    """The cases by the name of the call that they share: in each, a setting has one value."""
    found: dict[str, list[Setting]] = {}
    values = Counter[tuple[str, str]]()
    for case in cases:
        number = values[case.target, case.name]
        found.setdefault(f"{prefix}_{case.target}_{number}", []).append(case)
        values[case.target, case.name] += 1
    return found


def key(number: int) -> str:
    return f"k{number}"


def generators(cases: list[Generated]) -> dict[str, Any]:
    """A call with all of them, a key of the secret each, and another for its public half."""
    names = [{"private": key(number), "public": f"public{number}"} for number in range(len(cases))]
    entries = {
        of["private"]: {name: of.get(str(value), value) for name, value in case.entry.items()}
        for of, case in zip(names, cases, strict=True)
    }
    return {"keys": [key for key, entry in entries.items() if entry["type"] != "template"], "generators": entries}


BAD, GOOD = shared(REJECTED, "bad"), shared(ACCEPTED, "good")
SETTINGS = {
    name: {
        "target": {"type": cases[0].target, "settings": REQUIRED[cases[0].target] | {c.name: c.value for c in cases}}
    }
    for name, cases in {**BAD, **GOOD}.items()
}
GENERATORS = {"bad": generators(REJECTED_GENERATORS), "good": generators(ACCEPTED_GENERATORS)}
CALL = {case: name for name, cases in BAD.items() for case in cases}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Refusal]]:
    """What one plan says about all calls above."""
    folder = tmp_path_factory.mktemp("catalogue")
    module = plans.module_of_variables(folder / "module")
    calls = {name: BASE | call for name, call in {**SETTINGS, **GENERATORS}.items()}
    return plans.refusals(calls, module, folder / "root", plans.alone())


@pytest.mark.parametrize("case", REJECTED, ids=str)
def test_a_bad_value_is_rejected_with_what_is_allowed(case: Setting, found: dict[str, list[Refusal]]) -> None:
    texts = [refusal.text for refusal in found[CALL[case]] if f" {case.name} = " in refusal.text]
    assert len(texts) == 1, found[CALL[case]]
    assert case.allowed in texts[0].partition(f"{case.name} = ")[2]


@pytest.mark.parametrize("name", GOOD)
def test_good_values_are_accepted(name: str, found: dict[str, list[Refusal]]) -> None:
    assert found.get(name, []) == []


@pytest.mark.parametrize(("number", "case"), [*enumerate(REJECTED_GENERATORS)], ids=str)
def test_a_bad_generator_is_rejected_with_what_is_allowed(
    number: int, case: Generated, found: dict[str, list[Refusal]]
) -> None:
    place = f'generators["{key(number)}"].{case.setting}'
    texts = [refusal.text for refusal in found["bad"] if place in refusal.text]
    assert len(texts) == 1, found["bad"]
    assert case.allowed in texts[0].partition(place)[2]


def test_good_generators_are_accepted(found: dict[str, list[Refusal]]) -> None:
    assert found.get("good", []) == []


UNKNOWN = """
resource "terraform_data" "made_in_the_same_apply" {}

module "rotation" {
  source   = "../module"
  name     = "app"
  secrets  = {}
  network  = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
  function = { layers = ["arn"] }
  target = {
    type     = "postgresql"
    settings = { host = terraform_data.made_in_the_same_apply.id, strategy = "%s" }
  }
}
"""


@pytest.mark.parametrize(("strategy", "rejected"), [("single", False), ("both", True)])
def test_a_host_that_is_not_known_yet_does_not_hide_a_bad_strategy(
    strategy: str, rejected: bool, tmp_path: Path
) -> None:
    plans.module_of_variables(tmp_path / "module")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "main.tf").write_text(UNKNOWN % strategy)
    found = plans.refusals({}, tmp_path / "module", tmp_path / "root", plans.alone())
    texts = [refusal.text for refusals in found.values() for refusal in refusals]
    assert ['strategy = "both" (allowed: single, alternating)' in text for text in texts] == [True] * rejected
