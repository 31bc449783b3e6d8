"""What is told of the results: the table on the terminal, and the one in the documentation."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .invariants import NAMES

DOCUMENT = Path(__file__).parents[5] / "docs/safety.md"
Results = Sequence[Mapping[str, Any]]
MOST_UNREACHED = 0.05
"""Part of the runs."""
HEAD = ("secret", "points", "runs", "breaches", "by a person", "not reached", "time")


def table(results: Results) -> str:
    """A line for each case, and one for all of them."""
    rows = [HEAD, *(_row(result) for result in results)]
    total = {
        "case": "all",
        "points": sum(result["points"] for result in results),
        "runs": sum(result["runs"] for result in results),
        "seconds": sum(result["seconds"] for result in results),
        "breaches": [breach for result in results for breach in result["breaches"]],
        "helped": [run for result in results for run in result["helped"]],
        "unreached": [run for result in results for run in result["unreached"]],
    }
    return _align([*rows, _row(total)])


def findings(results: Results) -> Iterator[str]:
    """What was found: the breaches by invariant, with an example of each, and what could not be examined."""
    for result in results:
        if result["problem"]:
            yield f"{result['case']}: not examined: {result['problem']}"
        if result["unreached"]:
            yield f"{result['case']}: {_unreached(result['unreached'])}"
        for invariant in NAMES:
            found = [breach for breach in result["breaches"] if breach["invariant"] == invariant]
            if found:
                runs = len({breach["run"] for breach in found})
                yield f"{result['case']}: {invariant}: not in {runs} runs, such as: {_told(found[0])}"


def status(results: Results) -> int:
    """0 when no invariant was breached, 1 when one was, 2 when something could not be examined."""
    if any(result["problem"] or _too_few(result) for result in results):
        return 2
    return 1 if any(result["breaches"] for result in results) else 0


def _too_few(result: Mapping[str, Any]) -> bool:
    """Whether so many points were not reached that the machine being busy is no explanation."""
    return bool(len(result["unreached"]) > MOST_UNREACHED * result["runs"])


def _unreached(runs: Sequence[str]) -> str:
    """These runs show nothing, neither good nor bad."""
    return f"{len(runs)} points not reached, though tried again with more time (a busy machine?), such as: {runs[0]}"


def progress(result: Mapping[str, Any]) -> str:
    """One line when a case is done."""
    return f"{result['case']}: {result['runs']} runs, {len(result['breaches'])} breaches, {result['seconds']:.0f} s"


def outcomes(results: Results) -> str:
    """A Markdown table: how the step that was hit ended, by way of dying; only counts that never vary."""
    ways = dict.fromkeys(way for result in results for way, *_ in result["outcomes"])
    lines = ["| what happens at the point | the step ends with (number of runs) |", "| --- | --- |"]
    for way in ways:
        counts: Counter[str] = Counter()
        for found, _, ended, count in (row for result in results for row in result["outcomes"]):
            counts[ended] += count if found == way else 0
        shown = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()) if count)
        lines.append(f"| {way} | {shown} |")
    return "\n".join(lines)


def markdown(results: Results) -> str:
    """The table of the documentation: without times, which vary."""
    head = ("target and secret", "calls", "points", "runs", "breaches", "by a person")
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join(['---'] * len(head))} |"]
    return "\n".join([*lines, *map(line, results)])


def line(result: Mapping[str, Any]) -> str:
    """A case's line in the documentation."""
    cells = [result["case"], len(result["calls"]), result["points"], result["runs"], *_row(result)[3:5]]
    return f"| {' | '.join(map(str, cells))} |"


def write(results: Results) -> None:
    """Replace the generated parts of the documentation."""
    text = DOCUMENT.read_text("utf-8")
    for name, made in (("points", markdown(results)), ("outcomes", outcomes(results))):
        start, end = f"<!-- {name}: made by `make faults QUICK=1 DOCS=1` -->\n", f"<!-- end of {name} -->"
        before, _, rest = text.partition(start)
        text = f"{before}{start}\n{made}\n\n{end}{rest.partition(end)[2]}"
    DOCUMENT.write_text(text, "utf-8")


def _row(result: Mapping[str, Any]) -> tuple[str, ...]:
    runs = len({breach["run"] for breach in result["breaches"]})
    figures = (result["points"], result["runs"], runs, len(result["helped"]), len(result["unreached"]))
    return (result["case"], *map(str, figures), f"{result['seconds']:.0f} s")


def _align(rows: Iterable[Sequence[str]]) -> str:
    rows = list(rows)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _told(breach: Mapping[str, str]) -> str:
    return f"{breach['run']}: {breach['detail']}"
