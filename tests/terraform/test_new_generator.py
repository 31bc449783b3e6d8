"""A generator is one file and one entry: with these two, and no other change, plan and function take it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.settings_cases import SECRET
from tests.terraform import plans

FILE = """
def make(key, settings, source):
    return {key: settings["face"] * int(settings["dice"])}
"""
ENTRY = {
    "summary": "Dice that always show one face.",
    "settings": {
        "dice": {"summary": "How many.", "default": "3", "range": [1, 6]},
        "face": {"summary": "Which.", "required": True, "allowed": ["1", "6"]},
    },
    "permissions": [],
}
MADE = """
import json, sys
from secret_rotation import settings
found = settings.read({"GENERATORS": json.dumps({"": json.loads(sys.argv[1])})})
print(found.generators[""].make("", None)[""])
"""
GOOD = {"type": "dice", "face": "6"}
BAD = {"type": "dice", "face": "6", "dice": "7"}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the function's code with the new generator."""
    folder = tmp_path_factory.mktemp("dice") / "lambda_src"
    shutil.copytree(plans.ROOT / "lambda_src", folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "secret_rotation/generators/dice.py").write_text(FILE)
    catalogue = folder / "secret_rotation/catalogue.json"
    found: dict[str, Any] = json.loads(catalogue.read_text())
    found["generators"]["dice"] = ENTRY
    catalogue.write_text(json.dumps(found))
    return folder


def made(sources: Path, entry: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", MADE, json.dumps(entry)]
    environment = {**os.environ, "PYTHONPATH": str(sources)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_function_takes_it_with_its_defaults_and_its_limits(sources: Path) -> None:
    assert made(sources, GOOD).stdout.strip() == "666"
    refused = made(sources, BAD).stderr
    assert "SettingError" in refused
    assert "'dice' = '7'; allowed: whole numbers from 1 to 6" in refused


def test_the_plan_takes_it_and_rejects_what_the_function_would(sources: Path, tmp_path: Path) -> None:
    module = plans.module_of_variables(tmp_path / "module", sources)
    calls = {
        name: {"name": "app", "secrets": {"app": SECRET}, "generators": {"": entry}}
        for name, entry in {"good": GOOD, "bad": BAD}.items()
    }
    found = plans.refusals(calls, module, tmp_path / "root", plans.alone())
    assert set(found) == {"bad"}
    assert 'generators[""].dice = "7" (allowed: whole numbers from 1 to 6)' in found["bad"][0].text
