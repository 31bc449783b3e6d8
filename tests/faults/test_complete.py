"""A new target is examined too: the list of cases and that of the mutation check name every target."""

from pathlib import Path

from rotation_lab.crash.cases import CASES
from secret_rotation import targets
from tools.dev.mutants import TESTS

from .harness import ROOT

SOURCE = ROOT / "lambda_src/secret_rotation"


def test_every_target_has_a_case_in_the_fault_harness() -> None:
    assert {case.target for case in CASES} == set(targets.catalogue())


def test_the_tests_examine_every_target() -> None:
    assert {case.target for case in CASES if case.quick} == set(targets.catalogue())


def test_every_file_of_a_target_is_in_the_mutation_check() -> None:
    with_code = {f"targets/{path.name}" for path in (SOURCE / "targets").glob("*.py") if "def " in path.read_text()}
    assert with_code <= set(TESTS)
    assert all((SOURCE / file).exists() for file in TESTS)


def test_the_mutation_check_names_tests_that_exist() -> None:
    missing = {test for tests in TESTS.values() for test in tests if not Path(ROOT, "tests", test).exists()}
    assert missing == set()
