"""The benchmarks: what is shown of them. The figures themselves are measured by `make bench`."""

from __future__ import annotations

from xml.etree import ElementTree

from tools.dev import bench

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
