"""What `make recipes` has shown: a line on each page of docs/recipes, and the table of docs/recipes/README.md.

The results file names the recipes that were run, and against what. A page that is not in it says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/recipes"
RESULTS = ROOT / "docs/results/recipes.json"
START, END = "<!-- proof: made by `make recipes` -->\n", "<!-- end of proof -->\n"
NOT_RUN = (
    "**Not run.** Written from the source below; the plan accepts it{models}. Check it against the vendor's page, and\n"
    "try it with a credential that nothing uses, before you rely on it.\n"
)
Results = Mapping[str, Mapping[str, Any]]


def main() -> int:
    """Write the pages and the table."""
    results = json.loads(RESULTS.read_text("utf-8"))
    for name, text in rendered(results).items():
        (FOLDER / name).write_text(text, "utf-8")
    return 0


def rendered(results: Results) -> dict[str, str]:
    """File → its text with what these results show."""
    pages = {path.name: path.read_text("utf-8") for path in sorted(FOLDER.glob("*.md")) if path.name != "README.md"}
    found = {name: _with(text, _proof(text, results.get(name.removesuffix(".md")))) for name, text in pages.items()}
    table = "\n".join(_row(name, text, results.get(name.removesuffix(".md"))) for name, text in pages.items())
    head = "| service | proved against | lines of Terraform | two values work at a time |\n| --- | --- | --- | --- |\n"
    proved = sum(name.removesuffix(".md") in results for name in pages)
    count = f"{len(pages)} recipes, {proved} of them proved.\n\n"
    readme = (FOLDER / "README.md").read_text("utf-8")
    return {**found, "README.md": _with(readme, f"{count}{head}{table}\n")}


def _with(text: str, made: str) -> str:
    before, _, rest = text.partition(START)
    return f"{before}{START}\n{made}\n{END}{rest.partition(END)[2]}"


def _proof(text: str, result: Mapping[str, Any] | None) -> str:
    if result is None:
        return NOT_RUN.format(
            models=", and botocore's models have its operations and parameters" if "action =" in text else ""
        )
    previous = "was still accepted" if result["previous"] else "was refused"
    rotations = f"{result['rotations']} rotations, in one of which createSecret failed once and was repeated"
    return (
        f"**Proved against {result['against']}**: {rotations}.\n"
        f"After each, the new value logged in, and the one before {previous}.\n"
    )


def _row(name: str, text: str, result: Mapping[str, Any] | None) -> str:
    title = text.partition("\n")[0].removeprefix("# ")
    overlap = re.findall(r"^Overlap: (\w+)$", text, re.MULTILINE)[0]
    against = result["against"] if result else "not run"
    return f"| [{title}]({name}) | {against} | {lines(text)} | {overlap} |"


def lines(text: str) -> int:
    """Lines of Terraform that are not empty."""
    (written,) = re.findall(r"^```hcl\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return sum(bool(line.strip()) for line in written.splitlines())


if __name__ == "__main__":
    raise SystemExit(main())
