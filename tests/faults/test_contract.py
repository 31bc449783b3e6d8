"""The contract, inherited from outside by somebody whose rotation function is not ours."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rotation_lab.contract import RotationContract

FUNCTION = Path(__file__).parent / "foreign"
CONFTEST = 'import pytest\n\npytest.register_assert_rewrite("rotation_lab.contract")\n'
TESTS = """
import sys

import pytest

sys.path.insert(0, {folder!r})
import lambda_function
from rotation_lab.contract import RotationContract
from rotation_lab.services import postgresql


@pytest.fixture(scope="session")
def server():
    with postgresql.start() as running:
        yield running


class TestMine(RotationContract):
    required_keys = ("username", "host")
    not_applicable = {{"test_a_test_that_comes_alone_passes": "rotation is always immediate"}}

    @pytest.fixture
    def service(self, server, request):
        name = str(abs(hash(request.node.name)))
        return server.credential("app" + name, "admin" + name)

    def environment(self, place):
        return {{"DATABASE_CA": place.ca}}

    def start(self, environment):
        return lambda_function.lambda_handler
"""
KEPT = {
    "test_after_a_rotation_the_new_value_logs_in",
    "test_the_value_before_works_as_long_as_the_target_promises",
    "test_every_step_may_run_twice_in_a_row",
    "test_a_rotation_that_dies_anywhere_goes_on",
    "test_a_server_that_is_down_is_a_network_error",
    "test_a_secret_without_what_the_target_needs_is_refused_by_name",
}
BROKEN = {
    "test_any_character_may_be_in_a_password[statement]",  # it pastes the password into a statement
    "test_the_lock_out_of_clearing_awspending_after_set_is_recovered",
    "test_a_pending_value_for_another_server_is_refused_unused",
    "test_a_certificate_of_an_unknown_authority_is_refused",
    "test_nothing_secret_is_shown",  # the server logs that statement
}


def test_of_a_function_that_is_not_ours_it_shows_what_it_keeps_and_what_it_breaks(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_mine.py").write_text(TESTS.format(folder=str(FUNCTION)))
    cases = [f"test_mine.py::TestMine::{name}" for name in sorted(KEPT | BROKEN)]
    cases.append("test_mine.py::TestMine::test_a_test_that_comes_alone_passes")
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "--rootdir", ".", *cases]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert set(re.findall(r"^PASSED \S+::(\S+)", done.stdout, re.MULTILINE)) == KEPT, done.stdout[-3000:]
    assert set(re.findall(r"^FAILED \S+::(\S+)", done.stdout, re.MULTILINE)) == BROKEN
    assert "1 skipped" in done.stdout
    assert "rotation is always immediate" in done.stdout


def test_a_case_that_does_not_exist_is_refused_in_not_applicable() -> None:
    with pytest.raises(TypeError, match="test_nothing_of_the_kind"):
        type("TestMine", (RotationContract,), {"not_applicable": {"test_nothing_of_the_kind": "a typing error"}})
