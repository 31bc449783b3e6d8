"""The pages of docs/recipes, and what Terraform makes of their fenced configuration: one plan for all."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.settings_cases import ADMIN, LAYER, SECRET
from tests.terraform import plans

FOLDER = plans.ROOT / "docs/recipes"
VARIABLES = f"""
variable "secret" {{ default = "{SECRET}" }}
variable "admin_secret" {{ default = "{ADMIN}" }}
variable "drivers_layer" {{ default = "{LAYER}" }}
variable "subnet_ids" {{ default = ["subnet-1"] }}
variable "security_group_ids" {{ default = ["sg-1"] }}
"""
"""What a page takes from its reader."""
OUTPUTS = """
output "given" {
  value = {
    keys       = var.keys
    generators = var.generators
    target     = var.target
    timeout    = var.function.timeout
    excluded   = var.exclude_characters
    problems   = concat(local.call_problems, local.call_value_problems)
    actions    = local.call_iam_actions
  }
}
"""


@dataclass(frozen=True)
class Page:
    """One recipe."""

    name: str
    title: str
    overlap: str
    """Whether two values work at a time, as the page says: yes or no."""
    configuration: str
    """The fenced HCL: a call of the module."""

    @property
    def module(self) -> str:
        """The name of the call."""
        (name,) = re.findall(r'^module "(\w+)" \{$', self.configuration, re.MULTILINE)
        return str(name)


def read() -> dict[str, Page]:
    """All pages, by their names."""
    files = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")
    return {path.stem: _page(path) for path in files}


def _page(path: Path) -> Page:
    text = path.read_text("utf-8")
    (configuration,) = re.findall(r"^```hcl\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (overlap,) = re.findall(r"^Overlap: (yes|no)$", text, re.MULTILINE)
    return Page(path.stem, text.partition("\n")[0].removeprefix("# "), overlap, configuration)


def planned(folder: Path) -> dict[str, Any]:
    """Name of a page → what the module is given, and what it says of the requests. Fails when a plan fails."""
    module, root = plans.module_of_variables(folder / "module"), folder / "root"
    shutil.copy2(plans.ROOT / "calls.tf", module)
    (module / "outputs.tf").write_text(OUTPUTS)
    root.mkdir()
    (root / "variables.tf").write_text(VARIABLES)
    pages = read()
    for page in pages.values():
        written = page.configuration.replace('source = "../.."', 'source = "../module"')
        output = f'\noutput "{page.module}" {{ value = module.{page.module}.given }}\n'
        (root / f"{page.name}.tf").write_text(written + output)
    for command in (("init", "-backend=false"), ("plan", "-out=plan")):
        _terraform(root, *command)
    outputs = json.loads(_terraform(root, "show", "-json", "plan"))["planned_values"]["outputs"]
    return {page.name: outputs[page.module]["value"] for page in pages.values()}


def environment(given: dict[str, Any]) -> dict[str, str]:
    """The function's environment, as main.tf makes it."""
    target = given["target"]
    found = {"TARGET": target["type"], "TARGET_SETTINGS": json.dumps(target["settings"])}
    found |= {"SECRET_KEYS": json.dumps(given["keys"]), "EXCLUDE_CHARACTERS": given["excluded"]}
    found |= {"TARGET_CALLS": json.dumps(target["calls"])} if target["calls"] else {}
    return found | ({"GENERATORS": json.dumps(given["generators"])} if given["generators"] else {})


def _terraform(folder: Path, *command: str) -> str:
    done = subprocess.run(
        ["terraform", *command], cwd=folder, env=plans.alone(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
