"""Figures of traces, one or several beside each other: load, arrivals, types, lifetimes, bursts."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from vmagent_marl.errors import SettingError, TraceError
from vmagent_marl.files import replacing
from vmagent_marl.trace import Trace
from vmagent_marl.trace.units import DAY, HOUR
from vmagent_marl.view.style import PALETTE, drawing
from vmagent_marl.view.trace_course import Clock, draw_arrivals, draw_load, mark_size
from vmagent_marl.view.trace_page import trace_page
from vmagent_marl.view.trace_panels import (
    Line,
    draw_bursts,
    draw_hours,
    draw_lifetimes,
    draw_types,
    draw_weekdays,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 6  # traces that a figure can tell apart


def plot_traces(
    traces: Sequence[Trace],
    path: str | Path,
    *,
    servers: int | None = None,
    node: tuple[float, float] = (40.0, 90.0),
) -> Path:
    """Eight views of one to six traces, written as the suffix of `path` says.

    What runs at once, in vCPU and GB, beside the size of `servers` with two NUMA nodes of `node`
    (vCPU, GB); requests over time, by hour of the day and by day of the week (counted from the
    trace's first); types, lifetimes and bursts. With .html it is a page that holds the figure and
    its numbers.

    Raises `TraceError` for a trace without requests, `SettingError` for none or too many traces,
    for servers without room and for another suffix.
    """
    path = Path(path)
    lines = _lines(traces)
    if servers is not None and not all(0 < size < math.inf for size in (servers, *node)):
        raise SettingError(f"{servers} servers with nodes of {node}: give sizes above 0")
    if path.suffix.lower() == ".html":
        with TemporaryDirectory() as folder:
            svg = plot_traces(traces, Path(folder) / "figure.svg", servers=servers, node=node)
            drawn = svg.read_text(encoding="utf-8")
            page = trace_page(traces, drawn, servers=servers, node=node)
        with replacing(path) as unfinished:
            unfinished.write_text(page, encoding="utf-8")
        return path
    with drawing(path, 9.6, 11.2) as figure:
        panels = figure.subplots(4, 2).ravel()
        clock = _clock(lines)
        for resource in (0, 1):
            draw_load(panels[resource], lines, resource, clock)
            if servers is not None:
                mark_size(panels[resource], servers, 2 * servers * node[resource])
        draw_arrivals(panels[2], lines, clock)
        draw_types(panels[3], lines)
        draw_hours(panels[4], lines)
        draw_weekdays(panels[5], lines)
        draw_lifetimes(panels[6], lines)
        draw_bursts(panels[7], lines)
        _title(figure, lines)
    return path


def _lines(traces: Sequence[Trace]) -> list[Line]:
    if not 1 <= len(traces) <= MOST:
        raise SettingError(f"{len(traces)} traces in one figure: give 1 to {MOST}")
    for trace in traces:
        if not len(trace):
            raise TraceError(f"trace {trace.name!r} has no request to draw")
    # Matplotlib takes what is between two dollars for a formula, and hides what begins with _.
    names = [re.sub(r"^_", " _", trace.name.replace("$", r"\$")) for trace in traces]
    return [
        Line(trace, f"{name} ({_vms(trace)})", colour)
        for trace, name, colour in zip(traces, names, PALETTE, strict=False)
    ]


def _vms(trace: Trace) -> str:
    return f"{len(trace):,} VMs" if len(trace) > 1 else "1 VM"


def _clock(lines: list[Line]) -> Clock:
    last = max(int(line.trace.arrival[-1]) for line in lines)
    for seconds, unit in ((DAY, "days"), (HOUR, "hours"), (60, "minutes")):
        if last >= 2 * seconds:
            return Clock(seconds, f"time ({unit})")
    return Clock(1, "time (s)")


def _title(figure: Figure, lines: list[Line]) -> None:
    if len(lines) == 1:
        figure.suptitle(lines[0].label, fontweight="bold", fontsize=11)
        return
    from matplotlib.lines import Line2D

    keys = [Line2D([], [], color=line.colour, linewidth=3, label=line.label) for line in lines]
    figure.legend(handles=keys, loc="outside upper center", ncols=min(len(lines), 3), fontsize=9)
