"""At every call that the function makes it may die, and nothing is lost. `make faults` does it in all ways."""

from pathlib import Path

import pytest

from rotation_lab.crash import report
from rotation_lab.crash.cases import CASES, Case

from .harness import examine, name


@pytest.mark.parametrize("case", [case for case in CASES if case.quick], ids=name)
def test_no_invariant_breaks_at_any_point(case: Case, tmp_path: Path) -> None:
    result = examine(case.name, tmp_path)
    assert result["problem"] == ""
    assert [f"{breach['invariant']}: {breach['run']}: {breach['detail']}" for breach in result["breaches"]] == []
    assert report.status([result]) == 0
    assert result["points"] == 2 * len(result["calls"])
    assert result["runs"] >= result["points"]
    documented = [line for line in report.DOCUMENT.read_text().splitlines() if line.startswith(f"| {case.name} |")]
    figures = [len(result["calls"]), result["points"], result["runs"]]
    assert [line.split(" | ")[1:4] for line in documented] == [list(map(str, figures))], (
        f"docs/safety.md is stale: {figures}. Run `make faults QUICK=1 DOCS=1`."
    )


def test_every_case_is_documented() -> None:
    documented = report.DOCUMENT.read_text()
    assert [case.name for case in CASES if case.quick and f"| {case.name} |" not in documented] == []
