"""A fleet: many functions that start at once do not starve."""

from __future__ import annotations

import subprocess
import sys
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


COUNTED = """
import threading, time
from types import SimpleNamespace
from rotation_lab.sandbox import rotation

class Counting(rotation.Rotations):
    lock, now, most, left = threading.Lock(), 0, 0, 200

    def _attempt(self, run, attempt):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.01)
        with self.lock:
            self.now -= 1
        return "ok"

    def _run(self, run):
        self._attempts(run)
        with self.lock:
            self.left -= 1

rotations = Counting(SimpleNamespace(), rotation.Policy())
for number in range(rotations.left):
    rotations._start(SimpleNamespace(arn=str(number)), "token", rotation.STEPS, None)
while rotations.left:
    time.sleep(0.01)
print(rotations.most)
"""


def test_rotations_of_a_fleet_wait_for_their_turn_before_lambda_throttles_them() -> None:
    done = subprocess.run([sys.executable, "-c", COUNTED], capture_output=True, text=True, timeout=120, check=True)
    assert 1 < int(done.stdout) <= 64
