"""The files of a release: reproducible, complete, and refused for a version that the changelog does not know."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tools.dev import layer, package

ROOT = Path(__file__).parents[2]
CHANGES = "# Changelog\n\n## Unreleased\n\n- a\n\n## [1.2.0] - 2026-12-01\n\n- b\n\n## 1.1.0\n\n- c\n"


def test_the_function_s_zip_has_the_same_bytes_in_another_folder_with_other_modes(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "lambda_src", tmp_path / "lambda_src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tools", tmp_path / "tools", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for path in (tmp_path / "lambda_src").rglob("*.py"):
        path.chmod(0o600)
    (tmp_path / "lambda_src/left.pyc").touch()
    code = "import sys; from tools.dev.package import function_bytes; sys.stdout.buffer.write(function_bytes())"
    environment = {"PYTHONPATH": f"{tmp_path}:{tmp_path}/tools/rotation_lab/src", "PYTHONDONTWRITEBYTECODE": "1"}
    made = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert made.stdout == package.function_bytes()
    with zipfile.ZipFile(io.BytesIO(made.stdout)) as archive:
        assert {"lambda_function.py", "secret_rotation/catalogue.json"} <= set(archive.namelist())
        assert not [name for name in archive.namelist() if name.endswith(".pyc")]


def test_on_request_the_function_s_zip_holds_bytecode_beside_its_sources() -> None:
    with zipfile.ZipFile(io.BytesIO(package.function_bytes([sys.executable]))) as archive:
        names = archive.namelist()
    compiled = f"secret_rotation/__pycache__/handler.{sys.implementation.cache_tag}.pyc"
    assert {"lambda_function.py", "secret_rotation/handler.py", compiled} <= set(names)


def test_the_bill_of_materials_names_each_driver_with_its_hash() -> None:
    found = package.bill_of_materials("1.2.0")
    pinned = [line.partition(" ")[0] for line in layer.REQUIREMENTS.read_text().splitlines() if "==" in line]
    assert [f"{each['name']}=={each['version']}" for each in found["components"]] == sorted(pinned)
    assert all(len(each["hashes"][0]["content"]) == 64 for each in found["components"])
    assert json.dumps(found) == json.dumps(package.bill_of_materials("1.2.0"))


def test_the_notes_of_a_release_are_its_part_of_the_changelog() -> None:
    assert package.newest(CHANGES) == "1.2.0"
    assert package.release_notes(CHANGES, "1.2.0") == "- b\n"
    assert package.release_notes(CHANGES, "unreleased") == "- a\n"
    assert package.newest("## Unreleased\n") == "unreleased"


@pytest.mark.parametrize("version", ["1.3.0", "1.2", "2.0"])
def test_a_version_without_a_heading_in_the_changelog_is_refused(version: str) -> None:
    with pytest.raises(package.PackageError, match="CHANGELOG") as refused:
        package.release_notes(CHANGES, version)
    assert version in str(refused.value)
