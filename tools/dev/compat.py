"""``make compat``: the module with the oldest and the newest Terraform and OpenTofu, as a table.

    python -m tools.dev.compat [--docs] [NAME...]       (NAME of tools.dev.go_tools; default: all four)

Each program is built from source once, which takes minutes. Then it initialises and validates the root of the
repository, runs the native tests, applies, plans and destroys examples in the local AWS, and applies a saved plan where
a checkout has other line ends. ``--docs`` writes the table to docs/compatibility.md. The exit code is 1 if anything
failed.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rotation_lab.sandbox.client import Sandbox
from tools.dev import go_tools, providers
from tools.dev.terraform import Terraform, TerraformError, checkout

PROGRAMS = ("terraform-1.9.8", "terraform-1.16.0", "tofu-1.9.4", "tofu-1.12.6")
EXAMPLES = ("plaintext", "for-each")
_OWN_TARGET = """
resource "aws_secretsmanager_secret" "carried" {
  name                    = "carried"
  recovery_window_in_days = 0
}

module "rotation" {
  source  = "%s"
  name    = "carried"
  secrets = { carried = aws_secretsmanager_secret.carried.arn }
  target  = { type = "python", file = "${path.module}/my_target.py" }
}
"""
PAGE = providers.ROOT / "docs/compatibility.md"
_TABLE = re.compile(r"(<!-- BEGIN_COMPAT -->\n).*?(<!-- END_COMPAT -->)", re.DOTALL)
_TOFU_HOST = "registry.opentofu.org"
Cell = Callable[[], str]


def main(arguments: list[str]) -> int:
    """Print the table; returns the exit code."""
    names = [name for name in arguments if name != "--docs"] or list(PROGRAMS)
    with tempfile.TemporaryDirectory() as folder:
        rows = [_row(name, Path(folder) / name) for name in names]
    text = "\n".join(_lines(rows))
    print(text)
    if "--docs" in arguments:
        PAGE.write_text(_TABLE.sub(lambda found: found[1] + text + "\n" + found[2], PAGE.read_text("utf-8")), "utf-8")
    return 1 if "✗" in text else 0


def _lines(rows: list[list[str]]) -> list[str]:
    examples = [f"example {name}" for name in EXAMPLES]
    header = ["version", "init and validate", "native tests", *examples, "saved plan, CRLF at apply"]
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]


def _row(name: str, work: Path) -> list[str]:
    program = go_tools.program(name)
    tree = checkout(work / "tree")
    environment = _environment(name, work)
    root = Terraform(tree, environment, work / "root", program)
    cells: list[Cell] = [partial(_initialised, root), partial(_tested, root)]
    cells += [partial(_applied, example, tree, environment, work, program) for example in EXAMPLES]
    cells.append(partial(_carried, tree, environment, work, program))
    shown = [" ".join(name.replace("tofu", "OpenTofu").replace("terraform", "Terraform").split("-"))]
    for cell in cells:
        shown.append(_outcome(cell))
        print(f"compat: {name}: {shown[-1]}", file=sys.stderr, flush=True)
    return shown


def _outcome(cell: Cell) -> str:
    try:
        return cell()
    except TerraformError as error:
        found = re.search(r"Error: (.+)", error.output)
        return f"✗ {found[1] if found else 'failed'}"


def _environment(name: str, work: Path) -> dict[str, str]:
    environment = providers.environment(report=lambda line: None)
    if not name.startswith("tofu"):
        return environment
    # OpenTofu asks for the same providers under the name of its own registry.
    text = Path(environment["TF_CLI_CONFIG_FILE"]).read_text()
    for number, mirror in enumerate(re.findall(r'path = "([^"]+)"', text)):
        other = work / f"mirror-{number}"
        _linked(Path(mirror) / providers.HOST, other / _TOFU_HOST)
        text = text.replace(f'"{mirror}"', f'"{other}"')
    path = work / "tofu.rc"
    path.write_text(text.replace(providers.HOST, _TOFU_HOST))
    return {**environment, "TF_CLI_CONFIG_FILE": str(path)}


def _linked(mirror: Path, other: Path) -> None:
    """The same packages in another mirror; of links only those to a package's own folder are followed."""
    for package in mirror.glob("*/*/*/*"):
        link = other / package.relative_to(mirror)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(package)


def _initialised(root: Terraform) -> str:
    root.init()
    root.validate()
    return "✓"


def _tested(root: Terraform) -> str:
    code, output = root.run("test")
    found = re.search(r"(\d+) passed, (\d+) failed(?:, (\d+) skipped)?", output)
    if not found:
        raise TerraformError(["test"], output, root.log_path)
    return f"✓ {found[1]}" if code == 0 else f"✗ {found[2]} of {int(found[1]) + int(found[2])} fail"


def _applied(example: str, tree: Path, environment: dict[str, str], work: Path, program: Path) -> str:
    with Sandbox.start() as aws:
        terraform = Terraform(tree / "examples" / example, {**environment, **aws.environment}, work / example, program)
        terraform.init()
        terraform.apply()
        outputs = terraform.output()
        secrets = outputs.get("secret_arns") or {"": outputs["secret_arn"]}
        results = {aws.settle(secret)["result"] for secret in secrets.values()}
        if results != {"ok"}:
            return f"✗ rotation: {', '.join(map(str, results))}"
        if terraform.plan():
            return "✗ the second plan is not empty"
        terraform.destroy()
    return "✓"


def _carried(tree: Path, environment: dict[str, str], work: Path, program: Path) -> str:
    """The plan of one runner, applied by another whose checkout gave the caller's own target CRLF.

    Terraform >= 1.13 rejects a plan whose functions read other bytes at apply.
    """
    root = work / "carried"
    root.mkdir()
    (root / "main.tf").write_text(_OWN_TARGET % tree)
    own = root / "my_target.py"
    own.write_text("def set_secret(context):\n    pass\n\n\ndef test_secret(context):\n    pass\n")
    with Sandbox.start() as aws:
        terraform = Terraform(root, {**environment, **aws.environment}, work / "carried-data", program)
        terraform.init()
        terraform.plan(out=work / "carried.tfplan")
        own.write_bytes(own.read_bytes().replace(b"\n", b"\r\n"))
        terraform.apply(plan=work / "carried.tfplan")
        result = aws.settle("carried")["result"]
        terraform.destroy()
    return "✓" if result == "ok" else f"✗ rotation: {result}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
