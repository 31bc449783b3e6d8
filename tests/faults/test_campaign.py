"""A point that a busy machine does not reach is tried again with more time, then counted, and is no error."""

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rotation_lab.crash import campaign, report
from rotation_lab.crash.campaign import Choice, Result, examine
from rotation_lab.crash.document import plain
from rotation_lab.crash.environment import open_ports
from rotation_lab.crash.history import History, Outcome, Stuck
from rotation_lab.points import Point

CALLS = [Point("createSecret", "secretsmanager:DescribeSecret"), Point("setSecret", "service:request")]


class Machine:
    """Stands in for the runs, on a machine that is so many times slower than an idle one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, slowness: float, *, stuck: bool = False) -> None:
        self.slowness, self.stuck, self.tries = slowness, stuck, list[float]()
        monkeypatch.setattr(campaign, "record", lambda subject, result: (CALLS, ""))
        monkeypatch.setattr(campaign, "_once", self._once)

    def _once(self, subject: object, fault: object, continuation: object, slowness: float) -> Any:
        self.tries.append(slowness)
        history = History(str(fault), plain(), events=[Stuck("in a test")] if self.stuck else [])
        return SimpleNamespace(fired=slowness >= self.slowness, helped=False, history=history), Outcome("any", "done")

    def examined(self) -> Result:
        return examine("case", SimpleNamespace(), Choice(thin=True))  # type: ignore[arg-type]


def shown(result: Result, **changes: Any) -> dict[str, Any]:
    return {**vars(result), "breaches": [vars(breach) for breach in result.breaches], **changes}


def test_a_point_that_was_not_reached_is_tried_again_with_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, slowness=10)
    result = machine.examined()
    assert machine.tries == [1.0, 5.0, 15.0] * 2 * len(CALLS)
    assert result.unreached == []
    assert sum(result.outcomes.values()) == result.runs == 2 * len(CALLS)


def test_what_was_never_reached_shows_nothing_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    result = Machine(monkeypatch, slowness=1_000).examined()
    assert len(result.unreached) == result.runs == 2 * len(CALLS)
    assert sum(result.outcomes.values()) == 0
    assert report.status([shown(result)]) == 2  # all of them: being busy is no explanation


def test_a_few_points_that_were_not_reached_are_no_error_and_are_said() -> None:
    result = shown(Result("case", runs=6_675, unreached=["one", "two"]))
    assert report.status([result]) == 0
    (line,) = report.findings([result])
    assert "2 points not reached" in line
    assert report.table([result]).splitlines()[1].split()[-3] == "2"


def test_a_breach_is_an_error_whether_all_points_were_reached_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    result = Machine(monkeypatch, slowness=1, stuck=True).examined()
    assert report.status([shown(result, runs=1_000, unreached=["one"])]) == 1


def test_looking_for_open_connections_leaves_no_file_open(tmp_path: Path) -> None:
    # They doubled with each step once, until an environment of many steps could open nothing more.
    with (
        (tmp_path / "log").open("w"),
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        before = len(list(Path("/dev/fd").iterdir()))
        assert client.getsockname()[1] in open_ports()
        assert len(list(Path("/dev/fd").iterdir())) == before
