"""What all tests share."""

import pytest
from xdist.scheduler.loadfile import LoadFileScheduling

from tests.support import servers


def pytest_report_header() -> list[str]:
    """Print the versions of the servers that the targets are tested against."""
    return list(servers.versions())


class Scheduling(LoadFileScheduling):  # type: ignore[misc]
    """A file's tests go to one worker, since they share what is slow to start; but each example goes by itself.

    The marker xdist_group would say the same, and does nothing in pytest-xdist 3.8 with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        scope = nodeid if nodeid.startswith("tests/e2e/test_examples.py") else super()._split_scope(nodeid)
        return str(scope)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Scheduling:
    """Hand out the tests as above."""
    return Scheduling(config, log)
