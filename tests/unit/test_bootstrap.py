"""The function's own zip: a file in the repository that imports the code from a layer."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "bootstrap/lambda_function.py"


def test_the_zip_holds_its_source_and_nothing_else() -> None:
    with zipfile.ZipFile(io.BytesIO((ROOT / "bootstrap/function.zip").read_bytes())) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {SOURCE.name: SOURCE.read_bytes()}


def test_no_checkout_changes_a_byte_of_code_or_zip() -> None:
    files = ["bootstrap/function.zip", "bootstrap/lambda_function.py", "lambda_src/secret_rotation/catalogue.json"]
    command = ["git", "-c", "core.autocrlf=true", "check-attr", "text", "eol", "--", *files]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"{files[0]}: text: unset" in answer
    assert [f"{name}: eol: lf" in answer for name in files[1:]] == [True, True]


@pytest.mark.parametrize("python", ["opt/python", "opt/python/lib/python3.13/site-packages"], ids=str)
def test_the_code_is_found_in_the_folder_of_the_layers(tmp_path: Path, python: str) -> None:
    package = tmp_path / "opt/secret_rotation"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "handler.py").write_text("lambda_handler = 'of the layer'\n")
    (tmp_path / "task").mkdir()
    (tmp_path / "task/lambda_function.py").write_bytes(SOURCE.read_bytes())
    path = os.pathsep.join(map(str, [tmp_path / "task", tmp_path / "opt/python", tmp_path / python]))
    command = [sys.executable, "-c", "import lambda_function; print(lambda_function.lambda_handler)"]
    environment = {**os.environ, "PYTHONPATH": path}
    answer = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert answer.stdout == "of the layer\n", answer.stderr
