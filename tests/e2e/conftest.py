"""One local AWS and one Terraform environment for all end-to-end tests: both cost seconds to make."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rotation_lab.sandbox.client import Sandbox
from tests.e2e.stack import local_aws
from tools.dev import providers
from tools.dev.terraform import checkout


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks every test here, so that `pytest -m "not e2e"` is quick."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of Terraform commands."""
    return providers.environment(report=lambda line: None)


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The local AWS."""
    with local_aws(tmp_path_factory.mktemp("sandbox")) as started:
        yield started


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the module and its examples, in which Terraform may write."""
    return checkout(tmp_path_factory.mktemp("tree"))
