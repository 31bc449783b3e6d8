"""``terraform fmt -check`` and ``terraform validate`` for the module and every example.

Each validate starts the provider anew. So one configuration calls all examples, which call the module, and is validated
once: the same checks in a tenth of the time.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tools.dev import providers
from tools.dev.terraform import Terraform, TerraformError, checkout


def main() -> int:
    """Prints what is wrong; returns the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            environment = providers.environment(report=lambda line: None)
            _check(checkout(Path(folder) / "tree"), environment, Path(folder) / "work")
        except (providers.ProvidersError, TerraformError) as error:
            print(error, file=sys.stderr)
            return 1
    return 0


def _check(tree: Path, environment: dict[str, str], work: Path) -> None:
    examples = sorted(path.parent.name for path in tree.glob("examples/*/main.tf"))
    whole = tree / "whole"
    whole.mkdir()
    (whole / "main.tf").write_text("".join(_call(name) for name in examples))
    code, output = Terraform(tree, environment, work).run("fmt", "-check", "-diff", "-recursive")
    if code:
        raise TerraformError(["terraform", "fmt", "-check", "-recursive"], output, work / "terraform.log")
    terraform = Terraform(whole, environment, work)
    terraform.init()
    terraform.validate()


def _call(example: str) -> str:
    return f'module "{example}" {{\n  source = "../examples/{example}"\n}}\n\n'


if __name__ == "__main__":
    sys.exit(main())
