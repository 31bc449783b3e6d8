"""Edits of rotation.py that would lose a credential are caught, each by the name of the invariant that it breaks.

They show that the harness sees what it is for. An edit that no longer applies fails: write it anew for the new source.
"""

import shutil
from pathlib import Path

import pytest

from rotation_lab.crash import invariants

from .harness import ROOT, examine

EDITS = {
    "generates again on a retry": (
        "python/issued by the service",
        "made = not self._has_issued() and self._store_new(",
        "made = self._store_new(",
        "killed before setSecret secretsmanager:DescribeSecret",
        {invariants.ONE_VALUE},
    ),
    "finishes without testing": (
        "python/one key",
        "            self._use(self._target.test_secret, context)\n\n    def _use",
        "            pass\n\n    def _use",
        "killed before setSecret secretsmanager:DescribeSecret",
        {invariants.VERIFIED},
    ),
    "does not search unlabelled versions": (
        "python/one key",
        "chain([previous] if previous else [], others)",
        "chain([previous] if previous else [], [])",
        "killed before testSecret secretsmanager:DescribeSecret",
        {invariants.CONVERGES, invariants.CURRENT},
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_wrong_edit_is_caught_by_name(edit: str, tmp_path: Path) -> None:
    case, right, wrong, fault, broken = EDITS[edit]
    assert examine(case, tmp_path, only=fault)["breaches"] == []
    source = shutil.copytree(ROOT / "lambda_src", tmp_path / "source", ignore=shutil.ignore_patterns("__pycache__"))
    rotation = source / "secret_rotation/rotation.py"
    text = rotation.read_text()
    assert text.count(right) == 1, "the edit does not apply any more: write it anew for the new source"
    rotation.write_text(text.replace(right, wrong))
    assert broken <= set(examine(case, tmp_path, source, fault)["by_invariant"])
