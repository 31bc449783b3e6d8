"""A rotation that goes back to an older value converges, whatever happens at any of its calls."""

from pathlib import Path

import pytest

from .harness import examine


@pytest.mark.parametrize("case", ["none/one key, going back"])
def test_no_invariant_breaks_on_the_way_back(case: str, tmp_path: Path) -> None:
    result = examine(case, tmp_path)
    assert result["problem"] == ""
    assert [f"{breach['invariant']}: {breach['run']}: {breach['detail']}" for breach in result["breaches"]] == []
    assert any("UpdateSecretVersionStage" in call for call in map(str, result["calls"]))
    assert not any("GetRandomPassword" in call for call in map(str, result["calls"]))
