"""The figures of the mutation check: ``docs/results/mutants.json`` holds them, two documents show them."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs/results/mutants.json"
SAFETY, README = ROOT / "docs/safety.md", ROOT / "README.md"
PLACE = re.compile(r"(?<=<!-- mutants -->).*(?=<!-- /mutants -->)", re.DOTALL)
Figures = Mapping[str, Mapping[str, int]]
"""File → how many ``mutants`` it has, and how many of them a test has ``killed``."""


def record(file: str, mutants: int, killed: int, known: Sequence[str]) -> None:
    """Keep the figures of a file, without those of files that are not ``known`` any more, and write both documents."""
    found = {**read(), file: {"mutants": mutants, "killed": killed}}
    figures = {name: found[name] for name in known if name in found}
    RESULTS.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    for document in (SAFETY, README):
        document.write_text(rendered(document, figures), "utf-8")


def read() -> Figures:
    """The figures that were kept."""
    return dict(json.loads(RESULTS.read_text("utf-8")))


def rendered(document: Path, figures: Figures) -> str:
    """The text of a document with these figures in their place."""
    made = {SAFETY: table, README: sentence}[document](figures)
    text, places = PLACE.subn(lambda _: made, document.read_text("utf-8"))
    if places != 1:
        raise SystemExit(f"mutants: {document.name} needs one place between <!-- mutants --> and <!-- /mutants -->.")
    return text


def table(figures: Figures) -> str:
    """A row for each file."""
    rows = [
        f"| `{file}` | {of['mutants']} | {of['killed']} ({percent(of['killed'], of['mutants'])} %) |"
        for file, of in figures.items()
    ]
    return "\n".join(["", "| file | mutants | killed |", "| --- | --- | --- |", *rows, ""])


def sentence(figures: Figures) -> str:
    """All files together."""
    mutants, killed = (sum(of[what] for of in figures.values()) for what in ("mutants", "killed"))
    return (
        f"\nOf {mutants:,} small changes to {len(figures)} of the function's files, the tests notice "
        f"{percent(killed, mutants)} % (`make mutants`).\n"
    )


def percent(part: int, whole: int) -> int:
    """Rounded down, so that 100 means all."""
    return 100 * part // max(whole, 1)
