"""The module's native tests (tests/*.tftest.hcl), as one test here: one command, one summary."""

from __future__ import annotations

import re
from pathlib import Path

from tools.dev.providers import ROOT
from tools.dev.terraform import Terraform

PAGE = (ROOT / "docs/testing-your-configuration.md").read_text()


def test_terraform_test_passes(environment: dict[str, str], tree: Path, tmp_path: Path) -> None:
    terraform = Terraform(tree, environment, tmp_path)
    terraform.init()
    code, output = terraform.run("test")
    failures = [line for line in output.splitlines() if not line.rstrip().endswith((" pass", "pass\x1b[0m"))]
    assert code == 0, "\n".join(failures)
    assert " passed, 0 failed" in output


def test_a_caller_s_own_tests_need_the_mocks_of_the_page(
    environment: dict[str, str], tree: Path, tmp_path: Path
) -> None:
    directory = tree / "examples/mocked"
    (directory / "tests").mkdir(parents=True)
    configuration, tests = re.findall(r"```hcl\n(.*?)```", PAGE, re.DOTALL)
    (directory / "main.tf").write_text(configuration.replace("SOURCE", "../.."))
    (directory / "tests/rotation.tftest.hcl").write_text(tests)
    terraform = Terraform(directory, environment, tmp_path)
    terraform.init()
    code, output = terraform.run("test")
    assert code == 0, output
    assert "2 passed, 0 failed" in output
