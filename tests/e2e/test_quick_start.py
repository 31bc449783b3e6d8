"""The quick start of the README, taken out of its text: it applies, and the secret has a value afterwards."""

from __future__ import annotations

import re
from pathlib import Path

from rotation_lab.sandbox.client import Sandbox
from tests.e2e.stack import applied
from tools.dev.providers import ROOT

README = (ROOT / "README.md").read_text()
(QUICK_START,) = re.findall(r"<!-- quick start -->\n```hcl\n(.*?)```", README, re.DOTALL)


def test_the_quick_start_applies_and_the_secret_gets_a_value(
    aws: Sandbox, environment: dict[str, str], tree: Path, tmp_path: Path
) -> None:
    assert len(QUICK_START.splitlines()) <= 20
    text, replaced = re.subn(r'source = "git::[^"]+\?ref=v[\d.]+"', f'source = "{tree}"', QUICK_START)
    assert replaced == 1
    folder = tmp_path / "empty"
    folder.mkdir()
    (folder / "main.tf").write_text(text)
    name = re.findall(r'name += "([\w/-]+)"', text)[0]
    with applied(folder, aws, environment, tmp_path / "work") as stack:
        manager = aws.client("secretsmanager")
        assert aws.settle(name)["result"] == "ok", aws.logs("app-token-rotation")
        assert len(manager.get_secret_value(SecretId=name)["SecretString"]) == 32
        # A reviewer reads all of it. Where the secret is there before, the policy's 30 lines come on top: test_life.py.
        assert 100 < planned(stack.terraform.log_path.read_text()) <= 200
        assert stack.terraform.plan() is False
    manager.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def planned(output: str) -> int:
    """How many lines the plan has that an apply printed."""
    lines = output.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("  # "))
    return next(number for number, line in enumerate(lines) if line.startswith("Plan:")) - start


def test_the_commands_below_it_name_its_secret_and_its_function() -> None:
    after = README.partition("<!-- quick start -->")[2]
    for kind, name in zip(("--secret-id", "/aws/lambda/"), re.findall(r'name += "([^"]+)"', QUICK_START), strict=False):
        assert re.search(rf"{re.escape(kind)} ?{re.escape(name)}\b", after)
