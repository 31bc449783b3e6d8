"""What the terminal shows of the results."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .invariants import NAMES

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
