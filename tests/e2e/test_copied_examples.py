"""Every example as its reader uses it: copied to an empty folder, with only `source` changed.

Three of them in `make test`; all in `make examples`, which sets EXAMPLES=all (or a name).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rotation_lab.sandbox.client import Sandbox
from tests.e2e.stack import applied
from tools.dev import examples
from tools.dev.prepared import FORGOTTEN, NOT_APPLIED
from tools.dev.providers import ROOT
from tools.dev.terraform import Terraform

ALL = sorted(path.parent.name for path in ROOT.glob("examples/*/main.tf"))
FEW = ["existing-secret", "for-each", "several-keys"]
ELSEWHERE = {"mongodb": "FERRETDB", "mysql-dual-passwords": "MYSQL8"}
"""Examples whose server a target of make brings, which sets this variable."""
CHOSEN = {"": FEW, "all": ALL}.get(os.environ.get("EXAMPLES", ""), os.environ.get("EXAMPLES", "").split())


def copied(name: str, tree: Path, folder: Path) -> Path:
    """The example in a folder of its own; its `source` is the module's folder, fetched as from anywhere else."""
    copy = shutil.copytree(tree / "examples" / name, folder / "copy")
    for path in copy.glob("*.tf"):
        text = re.sub(r'(source +=) "\.\./\.\./(modules/\w+)"', rf'\1 "{tree}//\2"', path.read_text())
        path.write_text(re.sub(r'(source +=) "\.\./\.\."', rf'\1 "{tree}"', text))
    return copy


def arns(outputs: Mapping[str, Any]) -> list[str]:
    return list(outputs["secret_arns"].values()) if "secret_arns" in outputs else [outputs["secret_arn"]]


@pytest.mark.parametrize("name", CHOSEN)
def test_an_example_that_is_copied_away_applies_rotates_and_has_nothing_left_to_do(
    name: str, aws: Sandbox, environment: dict[str, str], tree: Path, tmp_path: Path
) -> None:
    if name in ELSEWHERE and ELSEWHERE[name] not in os.environ:
        pytest.skip(f"its server is not in Debian: see `make help`; then {ELSEWHERE[name]}=... make examples")
    copy = copied(name, tree, tmp_path)
    if name in NOT_APPLIED:
        terraform = Terraform(copy, environment, tmp_path / "work")
        terraform.init()
        terraform.validate()
        return
    manager = aws.client("secretsmanager")
    with (
        examples.running(name, aws) as example,
        applied(copy, aws, environment, tmp_path / "work", example.variables) as stack,
    ):
        for secret in arns(stack.outputs):
            assert aws.settle(secret)["result"] in ("ok", None), stack.log()  # None: it waits for its schedule
            manager.rotate_secret(SecretId=secret)
            assert aws.settle(secret)["result"] == "ok", stack.log()
        assert changed(stack.terraform, example.variables, tmp_path / "saved.tfplan") <= FORGOTTEN.get(name, set())


def changed(terraform: Terraform, variables: Mapping[str, Any], plan: Path) -> set[str]:
    """What the next plan would change."""
    if not terraform.plan(variables, out=plan):
        return set()
    changes = terraform.show(plan)["resource_changes"]
    return {each["address"] for each in changes if each["change"]["actions"] not in (["no-op"], ["read"])}


def test_each_example_says_what_it_is_for() -> None:
    assert not [name for name in ALL if not (ROOT / "examples" / name / "README.md").exists()]
    assert set(FEW) <= set(ALL)
