"""Where things are: a user who opens the repository sees the module first, and each folder has one purpose."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# bootstrap: the function's own zip, a part of the module (docs/decisions/0014-packaging.md).
FOLDERS = {"bootstrap", "lambda_src", "examples", "modules", "tests", "docs", "tools", ".ci", ".github"}
FILES = {
    "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "SECURITY.md",
    "Makefile", "pyproject.toml", ".editorconfig", ".gitattributes", ".gitignore", ".pre-commit-config.yaml",
}  # fmt: skip


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [Path(name) for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def test_the_root_holds_the_module_and_the_usual_files() -> None:
    top = {path.parts[0] for path in tracked()}
    assert {name for name in top - FILES - FOLDERS if not name.endswith(".tf")} == set()


def test_tools_are_what_make_calls_their_pins_and_the_lab() -> None:
    parts = {path.parts[1] for path in tracked() if path.parts[0] == "tools"}
    assert parts == {"__init__.py", "dev", "requirements", "rotation_lab"}


def test_each_folder_of_tests_is_in_the_map() -> None:
    described = re.findall(r"`tests/(\w+)`", (ROOT / "CONTRIBUTING.md").read_text())
    folders = {path.parts[1] for path in tracked() if path.parts[0] == "tests" and len(path.parts) > 2}
    assert folders == set(described)


@pytest.mark.parametrize("folder", [ROOT, *sorted(path for path in ROOT.glob("modules/*"))], ids=lambda path: path.name)
def test_no_name_is_defined_twice_in_a_module(folder: Path) -> None:
    # Terraform says so too, but only when it runs: two changes that met would first be seen in the slow tests.
    text = "\n".join(path.read_text() for path in sorted(folder.glob("*.tf")))
    bodies = re.findall(r"^locals \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    names = [f"local {name}" for body in bodies for name in re.findall(r"^  (\w+) +=", body, re.MULTILINE)]
    names += re.findall(r'^((?:variable|output|module|resource|data) "\w+"(?: "\w+")?)', text, re.MULTILINE)
    assert len(names) > 1
    assert [name for name in set(names) if names.count(name) > 1] == []
