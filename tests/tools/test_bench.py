"""The benchmarks: what is shown of them. The figures themselves are measured by `make bench`."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tools.dev import bench
from tools.dev.bench_terraform import Measured

FIGURES = [
    bench.Figure("cold start, boto3 alone", 600, "ms CPU"),
    bench.Figure("cold start, none", 660, "ms CPU", 1.1, 1.05),
    bench.Figure("failed", 0, "", goal=0),
]


def test_a_row_has_value_ratio_and_goal() -> None:
    assert bench.table(FIGURES).splitlines() == [
        "| what | value | ratio | goal |",
        "| --- | --- | --- | --- |",
        "| cold start, boto3 alone | 600 ms CPU |  |  |",
        "| cold start, none | 660 ms CPU | 1.10 | 1.05 |",
        "| failed | 0 |  | 0 |",
    ]


def test_the_plot_is_a_bar_for_each_cold_start() -> None:
    picture = ElementTree.fromstring(bench.plot(FIGURES))
    bars = [float(bar.get("width", 0)) for bar in picture.iter("{http://www.w3.org/2000/svg}rect")]
    assert len(bars) == 2
    assert bars[0] < bars[1]


def test_the_page_keeps_its_text_around_the_table() -> None:
    text = bench.page(FIGURES)
    assert bench.table(FIGURES) in text
    assert text.startswith("# Benchmarks")
    assert text.rstrip().endswith("no token gets two values.")


def test_values_of_a_rotation_are_counted_where_they_were_stored() -> None:
    stored = {"action": "PutSecretValue", "error": None, "n": 2}
    refused = {"action": "PutSecretValue", "error": "ThrottlingException", "n": 5}
    assert bench._values([stored, refused, {**stored, "action": "GetSecretValue"}]) == 2


def measured(number: int, **bytes_of: int) -> Measured:
    sizes = {"policy_bytes": 900 if number <= 20 else 800, "permission_bytes": 300, "environment_bytes": 2, **bytes_of}
    return Measured(1.0, 2.0, 1.0, number + 6, 1024 * number, **sizes)


def test_a_fleet_in_one_call_is_beside_a_call_each_and_its_sizes_beside_those_of_many() -> None:
    one = {number: measured(number) for number in (1, 10, 21, 100)}
    found = {figure.what: figure for figure in bench.terraform({"one call": one, "a call each": {10: measured(20)}})}
    assert found["10 secrets in one call: state"].ratio == 0.5
    assert found["100 secrets in one call: apply"].goal == 13
    assert next(figure.value for what, figure in found.items() if "sizes that differ" in what) == 0
    grown = {**one, 100: measured(100, environment_bytes=3)}
    figures = bench.terraform({"one call": grown, "a call each": {}})
    assert next(figure.value for figure in figures if "sizes that differ" in figure.what) == 1


def test_a_part_that_is_measured_alone_replaces_its_own_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "RESULT", tmp_path / "build/bench.json")
    parts = {"cold": lambda _: FIGURES, "sizes": lambda _: [bench.Figure("zip", 1, "KB")]}
    monkeypatch.setattr(bench, "PARTS", parts)
    assert bench.main([]) == 0
    monkeypatch.setattr(bench, "PARTS", {**parts, "sizes": lambda _: [bench.Figure("zip", 2, "KB")]})
    capsys.readouterr()
    bench.main(["sizes"])
    shown = capsys.readouterr().out
    assert "| zip | 2 KB |" in shown
    assert "cold start, none" in shown
    with pytest.raises(SystemExit):
        bench.main(["nonsense"])
