"""A new target is examined too, by the fault harness and by the mutation check."""

import pytest

from secret_rotation import catalogue
from tools.dev.mutants import examiners

from . import cases, mongodb

CASES = (*cases.CASES, *mongodb.CASES)
"""Those of `make faults`, and those whose server only a target of make brings."""


def test_every_target_has_a_case_in_the_fault_harness() -> None:
    assert {case.group for case in CASES} == set(catalogue.targets())


def test_the_tests_examine_every_target() -> None:
    assert {case.group for case in CASES if case.quick} == set(catalogue.targets())


@pytest.mark.parametrize("target", sorted(catalogue.targets().keys() - {"none"}))
def test_the_mutation_check_runs_the_examiners_a_target_on_its_service(target: str) -> None:
    assert f"targets/test_{target}.py" in examiners(f"targets/{target}.py")
