"""Figures of traces: every format, what is written in them, what they show, and odd traces."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vmagent_marl.errors import SettingError, TraceError
from vmagent_marl.trace import NEVER, Trace, synthetic_month
from vmagent_marl.trace.scaling import stretch, superpose, thin
from vmagent_marl.view import plot_traces
from vmagent_marl.view.trace_course import Clock, draw_arrivals, draw_load
from vmagent_marl.view.trace_panels import (
    Line,
    draw_bursts,
    draw_hours,
    draw_lifetimes,
    draw_weekdays,
)

MAGIC = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF", ".html": b"<!DOCTYPE html>"}
HOUR, DAY = 3600, 86_400


@pytest.fixture(scope="module")
def month() -> Trace:
    return synthetic_month(seed=0)


def text_of(svg: Path) -> str:
    """What a reader sees written in a figure; text is kept as text in SVG."""
    return "\n".join(re.findall(r"<text[^>]*>(.*?)</text>", svg.read_text(encoding="utf-8")))


def trace_of(rows: list[tuple[int, int, int]]) -> Trace:
    """Rows are arrival, departure, cpu."""
    arrival, departure, cpu = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return Trace("drawn", np.arange(len(rows)), arrival, departure, cpu, np.full_like(cpu, 1024))


@pytest.mark.parametrize("suffix", MAGIC)
def test_several_traces_in_every_format(suffix: str, month: Trace, tmp_path: Path) -> None:
    few = month.rows(0, 2000)
    traces = [few, thin(few, 0.5), stretch(few, 2)]
    path = plot_traces(traces, str(tmp_path / f"some{suffix}"), servers=2)
    assert path.read_bytes().startswith(MAGIC[suffix])
    assert path.stat().st_size > 10_000
    again = plot_traces(traces, tmp_path / f"again{suffix}", servers=2)
    assert again.read_bytes() == path.read_bytes()


def test_panels_have_units(month: Trace, tmp_path: Path) -> None:
    text = text_of(plot_traces([month], tmp_path / "month.svg"))
    for words in (
        f"synthetic-month ({len(month):,} VMs)",
        "Running at once: cpu",
        "(vCPU)",
        "Running at once: memory",
        "(GB)",
        "thin: only VMs that end within the trace",
        "requests per hour",
        "time (days)",
        "hour of the day, local",
        "day of the week, from the trace",
        "1 vCPU, 2 GB",
        "share of the requests (%)",
        "lived at most",
        "are never deleted",
        "come in bursts of at least",
    ):
        assert words in text, words
    assert "servers" not in text


def test_several_traces_are_named_and_held_against_servers(month: Trace, tmp_path: Path) -> None:
    few = month.rows(0, 3000)
    text = text_of(plot_traces([few, superpose(few, 2)], tmp_path / "two.svg", servers=1200))
    for words in ("synthetic-month (3,000 VMs)", "synthetic-month-times-2 (6,000 VMs)"):
        assert words in text
    assert text.count("1,200 servers") == 2
    assert "time (hours)" in text


def drawn_points(axes: Figure) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    return [(line.get_xdata(), line.get_ydata()) for line in axes.get_lines()]


def test_load_is_what_runs() -> None:
    trace = trace_of([(0, 1000, 2000), (500, NEVER, 4000), (2000, 2001, 1000)])
    axes = Figure().add_subplot()
    draw_load(axes, [Line(trace, "", "k")], 0, Clock(1, "time (s)"))
    (time, all_of_them), (_, ended) = drawn_points(axes)
    for second, running, of_ended in ((100, 2, 2), (700, 6, 2), (1500, 4, 0)):
        at = int(np.searchsorted(time, second))
        assert (all_of_them[at], ended[at]) == (running, of_ended)


def test_lifetimes_and_bursts_are_shares_of_all_vms() -> None:
    trace = trace_of([(0, 10, 1000)] * 3 + [(100, NEVER, 1000)])
    axes = Figure().add_subplot()
    draw_lifetimes(axes, [Line(trace, "", "k")])
    ((lived, share),) = drawn_points(axes)
    assert (lived.tolist(), share.tolist()) == ([1, 10, 30 * DAY], [0, 75, 75])
    axes = Figure().add_subplot()
    draw_bursts(axes, [Line(trace, "", "k")])
    ((size, share),) = drawn_points(axes)
    assert (size.tolist(), share.tolist()) == ([1, 1, 3, 10], [100, 100, 75, 0])


def test_what_lives_alike_and_comes_alone_is_drawn_too() -> None:
    """A step needs a point before it and one after."""
    trace = trace_of([(100 * i, 100 * i + 60, 1000) for i in range(3)])
    axes = Figure().add_subplot()
    draw_lifetimes(axes, [Line(trace, "", "k")])
    ((lived, share),) = drawn_points(axes)
    assert (lived.tolist(), share.tolist()) == ([1, 60, 30 * DAY], [0, 100, 100])
    axes = Figure().add_subplot()
    draw_bursts(axes, [Line(trace, "", "k")])
    ((size, share),) = drawn_points(axes)
    assert (size.tolist(), share.tolist()) == ([1, 1, 10], [100, 100, 0])


def test_a_peak_is_drawn_however_short() -> None:
    rows = [(0, NEVER, 1000), *[(1_000_007, 1_000_008, 5000)] * 3, (2_000_000, NEVER, 1000)]
    axes = Figure().add_subplot()
    draw_load(axes, [Line(trace_of(rows), "", "k")], 0, Clock(1, "time (s)"))
    (_, running), _ = drawn_points(axes)
    assert running.max() == 16
    assert sorted(running)[-2] < 3


def test_only_what_is_cut_off_has_a_thin_line() -> None:
    """Whoever leaves after the last arrival has an end all the same."""
    axes = Figure().add_subplot()
    draw_load(axes, [Line(trace_of([(0, 5, 1), (10, 99, 1)]), "", "k")], 0, Clock(1, "time (s)"))
    assert len(axes.get_lines()) == 1
    assert "thin" not in axes.get_xlabel()


def test_what_ran_before_did_not_arrive(tmp_path: Path) -> None:
    before = [(0, 9 * HOUR, 1000)] * 50
    trace = trace_of([*before, *((hour * HOUR, NEVER, 1000) for hour in range(1, 49))])
    known = Line(replace(trace, tells_running=True), "", "k")
    for draw, highest in ((draw_arrivals, 60), (draw_hours, 3)):
        axes = Figure().add_subplot()
        draw(axes, [known], *([Clock(1, "")] if draw is draw_arrivals else []))
        (steps,) = axes.patches
        assert np.nanmax(steps.get_data().values) <= highest
    axes = Figure().add_subplot()
    draw_bursts(axes, [known])
    ((_, share),) = drawn_points(axes)
    assert share.tolist() == [100, 100, 0]
    plot_traces([replace(trace_of(before), tells_running=True)], tmp_path / "all.png")


def test_weekdays_are_means_of_the_days_there_are() -> None:
    # Nine days: the first two days of the week come twice.
    each = [4, 1, 1, 1, 1, 1, 1, 2, 3]
    rows = [(day * DAY, NEVER, 1000) for day, count in enumerate(each) for _ in range(count)]
    rows[-1] = (9 * DAY - 1, NEVER, 1000)  # the last day is seen whole
    axes = Figure().add_subplot()
    draw_weekdays(axes, [Line(trace_of(rows), "", "k")])
    heights = [bar.get_height() * np.mean(each) for bar in axes.patches]
    assert heights == pytest.approx([3, 2, 1, 1, 1, 1, 1])


def test_a_day_begins_at_midnight() -> None:
    """At 20:00 begin two days and a half, of one request an hour and two on the second day."""
    hours = [hour for hour in range(60) for _ in range(2 if 4 <= hour < 28 else 1)]
    rows = [(hour * HOUR, NEVER, 1000) for hour in hours] + [(60 * HOUR - 1, NEVER, 1000)]
    trace = replace(trace_of(rows[:-2] + rows[-1:]), start_hour=20)
    axes = Figure().add_subplot()
    draw_weekdays(axes, [Line(trace, "", "k")])
    heights = [bar.get_height() * len(trace) / 60 for bar in axes.patches]
    assert heights == pytest.approx([1, 2, 1, 1, *[np.nan] * 3], nan_ok=True)


def test_hours_are_held_against_how_long_they_were_seen() -> None:
    """Thirty hours of one request each: six hours come twice and are no busier."""
    rows = [(hour * HOUR, NEVER, 1000) for hour in range(29)] + [(30 * HOUR - 1, NEVER, 1000)]
    axes = Figure().add_subplot()
    draw_hours(axes, [Line(replace(trace_of(rows), start_hour=8), "", "k")])
    (steps,) = axes.patches
    assert steps.get_data().values == pytest.approx(np.ones(24))


def test_a_trace_of_one_request(tmp_path: Path) -> None:
    one, stays = (trace_of([(50, departure, 1)]) for departure in (50, NEVER))
    assert "drawn (1 VM)" in text_of(plot_traces([one], tmp_path / "one.svg"))
    plot_traces([stays, one], tmp_path / "one.html")


def test_the_page_is_whole_in_one_file(month: Trace, tmp_path: Path) -> None:
    odd = month.rows(0, 500)
    object.__setattr__(odd, "name", "<b>&")
    text = plot_traces([month, odd], tmp_path / "page.html").read_text(encoding="utf-8")
    assert not re.findall(r"(?:src|href)=[\"'](?!#)", text)  # nothing from elsewhere
    assert "<b>&<" not in text
    assert "&lt;b&gt;&amp;" in text
    assert f"<td>{len(month):,}</td>" in text
    assert "Kolmogorov-Smirnov</td><td>0.000</td>" in text
    figure = text[text.index("<svg") : text.index("</svg>") + 6]
    assert ElementTree.fromstring(figure).tag.endswith("svg")
    alone = plot_traces([month], tmp_path / "alone.html").read_text(encoding="utf-8")
    assert "Kolmogorov" not in alone


@pytest.mark.parametrize(
    ("number", "servers", "name", "message"),
    [
        (0, None, "x.png", "0 traces in one figure: give 1 to 6"),
        (7, None, "x.png", "7 traces in one figure: give 1 to 6"),
        (1, 0, "x.png", "0 servers with nodes of .*: give sizes above 0"),
        (1, None, "x.jpg", "no picture format"),
    ],
)
def test_what_cannot_be_drawn(
    month: Trace, tmp_path: Path, number: int, servers: int | None, name: str, message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        plot_traces([month.rows(0, 9)] * number, tmp_path / name, servers=servers)
    assert not list(tmp_path.iterdir())


def test_nothing_to_draw(month: Trace, tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="no request to draw"):
        plot_traces([month, month.rows(0, 0)], tmp_path / "none.png")
    assert not list(tmp_path.iterdir())


def test_names_that_matplotlib_would_take_for_something_else(tmp_path: Path) -> None:
    names = ["a$b^{$c", "_hidden"]
    traces = [replace(trace_of([(0, 9, 1), (5, 9, 1)]), name=name) for name in names]
    text = text_of(plot_traces(traces, tmp_path / "odd.svg"))
    assert all(f"{name} (2 VMs)" in text for name in names)


def test_a_time_that_is_far_away(month: Trace, tmp_path: Path) -> None:
    far = trace_of([(0, 9, 1), (2**52 - 1, 2**52, 1)])
    assert plot_traces([month, far], tmp_path / "far.png").stat().st_size > 10_000
