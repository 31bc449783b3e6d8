"""The sandbox's README names all its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from rotation_lab import model, sandbox
from tests.lab.evidence import own

pytestmark = own("its README")
README = Path(sandbox.__file__).with_name("README.md").read_text("utf-8").partition("## How it is built")[2]
FILES = [path.name for package in (sandbox, model) for path in Path(str(package.__file__)).parent.glob("*.*")]


@pytest.mark.parametrize("name", sorted({name for name in FILES if name not in ("__init__.py", "README.md")}))
def test_a_file_is_on_the_map(name: str) -> None:
    assert f"`{name}`" in README
