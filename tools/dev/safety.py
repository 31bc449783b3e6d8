"""The figures of ``docs/safety.md``: ``make faults QUICK=1 DOCS=1`` writes a results file, and the tables from it.

    python -m tools.dev.safety RESULTS            # the file that ``rotation-lab crash --json`` has written
    python -m tools.dev.safety --rest RESULTS     # of the cases that QUICK leaves out: in addition to those there are
    python -m tools.dev.safety --full RESULTS     # of cases with every fault at each point: likewise

The results file holds counts and no run: what was found is for whoever runs it, and a table needs no more.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.dev.providers import ROOT

DOCUMENT = ROOT / "docs/safety.md"
RESULTS = ROOT / "docs/results/faults.json"
HEAD = ("target and secret", "calls", "points", "runs", "breaches", "by a person")
Results = Sequence[Mapping[str, Any]]
Figures = Mapping[str, Any]


def main(file: Path, part: str = "") -> None:
    """Keep the figures of the results in ``file``, and write the tables. ``part``: rest or full."""
    known, found = json.loads(RESULTS.read_text("utf-8")), json.loads(file.read_text("utf-8"))
    figures = {**known, **({part: _merged(known.get(part, []), found)} if part else summary(found))}
    RESULTS.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    DOCUMENT.write_text(rendered(DOCUMENT.read_text("utf-8"), figures), "utf-8")


def summary(results: Results) -> Figures:
    """What the tables need."""
    outcomes: Counter[tuple[str, str]] = Counter()
    for way, _, ended, count in (row for result in results for row in result["outcomes"]):
        outcomes[way, ended] += count
    return {
        "cases": [_figures(result) for result in results],
        "outcomes": [[*key, count] for key, count in sorted(outcomes.items())],
    }


def _merged(known: Results, found: Results) -> list[Any]:
    """A case that was examined again has its new figures; these cases take hours, and are run in parts."""
    by_name = {case["case"]: case for case in [*known, *map(_figures, found)]}
    return [by_name[name] for name in sorted(by_name)]


def rendered(document: str, figures: Figures) -> str:
    """The document with the tables of these figures in their places."""
    tables = {
        ("points", "QUICK=1 DOCS=1"): _points(figures["cases"]),
        ("outcomes", "QUICK=1 DOCS=1"): _outcomes(figures),
        ("rest", "REST=1 DOCS=1"): _points(figures["rest"]),
        ("full", "DOCS=1"): _points(figures["full"]),
    }
    for (name, options), made in tables.items():
        start, end = f"<!-- {name}: made by `make faults {options}` -->\n", f"<!-- end of {name} -->"
        before, _, rest = document.partition(start)
        document = f"{before}{start}\n{made}\n\n{end}{rest.partition(end)[2]}"
    return document


def _figures(result: Mapping[str, Any]) -> dict[str, Any]:
    counts = {"calls": len(result["calls"]), "points": result["points"], "runs": result["runs"]}
    broken = len({breach["run"] for breach in result["breaches"]})
    return {"case": result["case"], **counts, "breaches": broken, "by a person": len(result["helped"])}


def _points(cases: Sequence[Mapping[str, Any]]) -> str:
    rows = [HEAD, ["---"] * len(HEAD), *(list(case.values()) for case in cases)]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)


def _outcomes(figures: Figures) -> str:
    """How the step that was hit ended, by what had happened."""
    lines = ["| what happens at the point | the step ends with (number of runs) |", "| --- | --- |"]
    for way in dict.fromkeys(way for way, *_ in figures["outcomes"]):
        shown = ", ".join(f"{ended} ({count})" for found, ended, count in figures["outcomes"] if found == way)
        lines.append(f"| {way} | {shown} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main(Path(sys.argv[-1]), next((part for part in ("rest", "full") if f"--{part}" in sys.argv), ""))
