"""What all tests share."""

from tests.support import servers


def pytest_report_header() -> list[str]:
    """Print the versions of the servers that the targets are tested against."""
    return list(servers.versions())
