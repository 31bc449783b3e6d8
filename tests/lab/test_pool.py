"""How many environments a burst of invocations gets: few that share the CPU, more where the function waits."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rotation_lab.sandbox import runtime
from rotation_lab.sandbox.interpreters import Interpreters
from rotation_lab.sandbox.reaper import Reaper
from rotation_lab.sandbox.runtime import Code, Pool
from tests.lab.evidence import own

pytestmark = own("how many processes it has")

FUNCTION = {"FunctionArn": "arn:aws:lambda:eu-west-1:123456789012:function:f", "FunctionName": "f"}
BURST = 60


class Fake:
    """An environment without a process."""

    made: list[Fake]
    work: Callable[[], object]
    dead, used = False, 0.0

    def __init__(self, *_: Any) -> None:
        self.made.append(self)

    def start(self) -> None: ...

    def invoke(self, *_: Any) -> object:
        return type(self).work()

    def close(self) -> None: ...

    def kill(self) -> None: ...


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[Fake]:
    monkeypatch.setattr(runtime, "Environment", Fake)
    monkeypatch.setattr(Fake, "made", [], raising=False)
    return Fake


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    reaper = Reaper(tmp_path / "reaper")
    made = Pool(Interpreters(), reaper)
    yield made
    made.close()
    reaper.close()


def burst(pool: Pool, number: int) -> None:
    """So many invocations at the same time."""
    with ThreadPoolExecutor(number) as threads:
        list(threads.map(lambda n: pool.invoke(FUNCTION, Code(b""), {}, str(n), b"{}", None), range(number)))


def test_a_burst_shares_the_environments_that_the_cpu_has_use_for(
    pool: Pool, fake: type[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "_STILL_SECONDS", 20)  # not even on a busy machine
    monkeypatch.setattr(runtime, "_LONGEST_SECONDS", 60)
    fake.work = lambda: time.sleep(0.01)
    burst(pool, BURST)
    assert len(fake.made) <= runtime._ENOUGH + runtime._MOST_STARTING


def test_invocations_of_a_function_that_waits_each_get_an_environment(pool: Pool, fake: type[Fake]) -> None:
    barrier = threading.Barrier(BURST, timeout=60)  # breaks where not all of them are at work together
    fake.work = barrier.wait
    burst(pool, BURST)
    assert len(fake.made) == BURST
