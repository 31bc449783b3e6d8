"""What all tests share."""

import os
from collections.abc import Generator

import pytest
from xdist.scheduler.loadfile import LoadFileScheduling

from rotation_lab.leaks import MADE
from rotation_lab.services import servers

# So that a case that fails shows the values that it compared. Here, since tests of several folders import them.
pytest.register_assert_rewrite("tests.target_contract", "rotation_lab.contract")


def pytest_report_header() -> list[str]:
    """Print the versions of the servers that the targets are tested against."""
    return list(servers.versions())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the odd worlds with a sample of the contract's cases, unless WORLDS is set: `make test WORLDS=1`."""
    left_out = [] if os.environ.get("WORLDS") else [item for item in items if not _is_in_sample(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _is_in_sample(item: pytest.Item) -> bool:
    sample = getattr(getattr(item, "cls", None), "sample", None)
    return sample is None or getattr(item, "originalname", "") in sample


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Hide the values of secrets in what a test has raised and printed, before anybody shows it."""
    report = yield
    report.sections = [(name, MADE.clean(text)) for name, text in report.sections]
    raised = str(report.longrepr or "")
    hidden = MADE.clean(raised)
    if hidden != raised:  # else it keeps its colours
        report.longrepr = hidden
    return report


ALONE = ("tests/e2e/test_examples.py", "tests/e2e/test_copied_examples.py", "tests/faults/test_faults.py")


class Scheduling(LoadFileScheduling):  # type: ignore[misc]
    """A file's tests go to one worker, since they share what is slow to start; but what takes long and shares nothing,
    an example or a case of the crash harness, goes by itself.

    The marker xdist_group would say the same, and does nothing in pytest-xdist 3.8 with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        return str(nodeid if nodeid.startswith(ALONE) else super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Scheduling:
    """Hand out the tests as above."""
    return Scheduling(config, log)
