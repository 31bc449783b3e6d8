"""A fleet: many functions that start at once do not starve."""

from __future__ import annotations

from pathlib import Path

from rotation_lab import bench
from rotation_lab.sandbox.client import Sandbox
from tests.lab.evidence import own

pytestmark = own("how many it holds")


def test_300_secrets_rotate_at_once_without_a_failure(tmp_path: Path) -> None:
    with Sandbox.start(attempts=1, log=tmp_path / "log") as aws:
        _, failures, use = bench.at_once(aws, 300, bench.make_function(aws))
    assert failures == 0
    assert use.processes <= 40
    assert use.megabytes <= 1600
