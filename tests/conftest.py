"""What all tests share."""

import pytest

from tests.support import servers


def pytest_report_header() -> list[str]:
    """Print the versions of the servers that the targets are tested against."""
    return list(servers.versions())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file in one worker, unless they say otherwise: they share what is slow to start."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(f"{item.path.parent.name}/{item.path.stem}"))
