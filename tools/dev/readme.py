"""The tables of the README that follow from the sources: targets, and examples. `make docs` writes them.

Between `<!-- BEGIN_TARGETS -->` and its END is a row for each target of the catalogue, with the examples that use it.
EXAMPLES has one for each other example, by the heading of its page, and RECIPES one for each page of docs/recipes.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "README.md"
_CATALOGUE = ROOT / "lambda_src/secret_rotation/catalogue.json"


def main(arguments: list[str]) -> int:
    """Write the tables, or with --check compare them; returns the exit code."""
    before = PAGE.read_text("utf-8")
    after = page(before)
    if "--check" in arguments:
        print("" if before == after else "README.md: its tables are out of date: run make docs", end="")
        return int(before != after)
    PAGE.write_text(after, "utf-8")
    return 0


def page(text: str) -> str:
    """The README with its tables made anew."""
    tables: Mapping[str, Callable[[], Iterator[str]]] = {
        "TARGETS": _targets,
        "EXAMPLES": _examples,
        "RECIPES": _recipes,
    }
    for name, rows in tables.items():
        between = re.compile(rf"(<!-- BEGIN_{name} -->\n).*?(<!-- END_{name} -->)", re.DOTALL)
        made = "".join(f"{row}\n" for row in rows())
        text = between.sub(lambda found, made=made: found[1] + made + found[2], text)  # type: ignore[misc]
    return text


def _targets() -> Iterator[str]:
    yield "| target | what it changes | examples |"
    yield "| --- | --- | --- |"
    targets = json.loads(_CATALOGUE.read_text("utf-8"))["targets"]
    for kind, about in targets.items():
        links = [f"[{name}](examples/{name})" for name, used in _used().items() if used == kind and kind != "none"]
        yield f"| `{kind}` | {about['summary']} | {', '.join(links)} |"


def _examples() -> Iterator[str]:
    yield "| example | shows |"
    yield "| --- | --- |"
    for name in (name for name, used in _used().items() if used == "none"):
        yield f"| [{name}](examples/{name}) | {_heading(ROOT / 'examples' / name / 'README.md')} |"


def _recipes() -> Iterator[str]:
    for path in sorted(ROOT.glob("docs/recipes/*.md")):
        if path.name != "README.md":
            yield f"- [{_heading(path)}](docs/recipes/{path.name})"


def _used() -> Mapping[str, str]:
    """Each example and its target."""
    found = {}
    for path in sorted(ROOT.glob("examples/*/main.tf")):
        types = re.findall(r'target\s*=\s*\{[^}]*?\btype\s*=\s*"(\w+)"', path.read_text("utf-8"))
        found[path.parent.name] = types[0] if types else "none"
    return found


def _heading(path: Path) -> str:
    return path.read_text("utf-8").splitlines()[0].removeprefix("# ").strip()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
