"""One plan of many calls of a module, and what Terraform says about each.

A command of Terraform costs a second where a provider starts, and a tenth of one where none does; a call in a plan
costs milliseconds. So all calls stand in one configuration, a file for each.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

VARIABLES = ("variables.tf", "schedule.tf", "catalogue.tf")
"""The files with every variable and what their rules read. They need no provider."""

Call = Mapping[str, Any]
"""The arguments of one call of the module."""

_CHECKED_BY = re.compile(r"\n\nThis was checked by the validation rule at .*?([\w.]+\.tf):(\d+),\d+-\d+\.$")


@dataclass(frozen=True)
class Refusal:
    """An error of a plan: its text, and the rule that it comes from, as ``variables.tf:12``."""

    text: str
    rule: str


def alone() -> dict[str, str]:
    """The environment of a plan without a provider: there is nothing to install, so no CLI configuration is read."""
    # Half of Terraform's time is Go's garbage collection.
    return {"TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1", "GOGC": "800", "PATH": os.environ["PATH"]}


def module_of_variables(folder: Path, sources: Path = ROOT / "lambda_src") -> Path:
    """A module with the variables of this one and nothing else; returns its folder."""
    for name in VARIABLES:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder)
    # The rules read the JSON beside the function's code.
    shutil.copytree(sources, folder / "lambda_src", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    return folder


def refusals(
    calls: Mapping[str, Call], module: Path, folder: Path, environment: Mapping[str, str]
) -> dict[str, list[Refusal]]:
    """Plans ``calls`` of ``module`` in ``folder``; the errors of each call by its name."""
    folder.mkdir(parents=True, exist_ok=True)
    source = os.path.relpath(module, folder)  # Terraform takes an absolute path for a package, and copies it
    for name, call in calls.items():
        (folder / f"{name}.tf.json").write_text(json.dumps(_configuration(name, call, source)))
    _terraform("init", "-backend=false", folder=folder, environment=environment)
    found: dict[str, list[Refusal]] = defaultdict(list)
    for diagnostic in _terraform("plan", "-json", folder=folder, environment=environment):
        found[_call(diagnostic)].append(_refusal(diagnostic))
    return found


def rules(kind: str, files: Iterable[Path]) -> set[str]:
    """Where each rule of a kind (``validation``, ``precondition``) begins, as ``Refusal.rule`` has it."""
    return {
        f"{path.name}:{number}"
        for path in files
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if line.strip() == f"{kind} {{"
    }


def _configuration(name: str, call: Call, source: str) -> dict[str, Any]:
    # By a variable of the root module: it is unknown to `validate`, which would stop at the first calls with an error
    # and leave out all rules that read more than one variable.
    arguments = {argument: f"${{var.{name}.{argument}}}" for argument in call}
    return {
        "variable": {name: {"default": call}},
        "module": {name: {"source": source, **arguments}},
    }


def _terraform(command: str, *options: str, folder: Path, environment: Mapping[str, str]) -> list[dict[str, Any]]:
    answer = subprocess.run(
        ["terraform", command, *options], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if command == "init":
        assert answer.returncode == 0, answer.stderr
        return []
    messages = [json.loads(line) for line in answer.stdout.splitlines()]
    return [message["diagnostic"] for message in messages if message["@level"] == "error"]


def _call(diagnostic: Mapping[str, Any]) -> str:
    """The name of the call, from the file in which the argument stands; a precondition's file is the module's."""
    return str(diagnostic.get("range", {}).get("filename", "")).removesuffix(".tf.json")


def _refusal(diagnostic: Mapping[str, Any]) -> Refusal:
    if checked_by := _CHECKED_BY.search(diagnostic["detail"]):
        return Refusal(diagnostic["detail"][: checked_by.start()], f"{checked_by[1]}:{checked_by[2]}")
    place = diagnostic.get("range") or {"filename": "", "start": {"line": 0}}
    # A precondition is reported at its condition, the line after the one that it begins with.
    return Refusal(
        f"{diagnostic['summary']}: {diagnostic['detail']}",
        f"{Path(place['filename']).name}:{place['start']['line'] - 1}",
    )
