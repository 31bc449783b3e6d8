"""``terraform fmt -check`` and ``terraform validate`` for the module and every example.

Each validate starts the provider anew. So one configuration calls all examples, which call the module, and is validated
once: the same checks in a tenth of the time.
"""

from __future__ import annotations

import re
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
    examples = sorted(tree.glob("examples/*/main.tf"))
    # Only a root module may import: the first such example is the configuration that calls the others.
    roots = [path.parent for path in examples if re.search("^import ", path.read_text(), re.MULTILINE)]
    calls = "".join(_call(path.parent.name) for path in examples if path.parent not in roots)
    (roots[0] / "calls.tf").write_text(calls)
    code, output = Terraform(tree, environment, work).run("fmt", "-check", "-diff", "-recursive")
    if code:
        raise TerraformError(["terraform", "fmt", "-check", "-recursive"], output, work / "terraform.log")
    for root in roots:
        terraform = Terraform(root, environment, work / root.name)
        terraform.init()
        terraform.validate()


def _call(example: str) -> str:
    return f'module "{example}" {{\n  source = "../{example}"\n}}\n\n'


if __name__ == "__main__":
    sys.exit(main())
