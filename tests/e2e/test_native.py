"""The module's native tests (tests/*.tftest.hcl), as one test here: one command, one summary."""

from __future__ import annotations

from pathlib import Path

from tools.dev.terraform import Terraform


def test_terraform_test_passes(environment: dict[str, str], tree: Path, tmp_path: Path) -> None:
    terraform = Terraform(tree, environment, tmp_path)
    terraform.init()
    code, output = terraform.run("test")
    failures = [line for line in output.splitlines() if not line.rstrip().endswith((" pass", "pass\x1b[0m"))]
    assert code == 0, "\n".join(failures)
    assert " passed, 0 failed" in output
