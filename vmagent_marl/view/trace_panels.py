"""What VMs of traces are like: panels of types, rhythm, lifetimes and bursts, for all traces."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.trace import NEVER, Trace
from vmagent_marl.trace.describe import arriving, burst_sizes
from vmagent_marl.trace.units import DAY, HOUR
from vmagent_marl.trace.vm_types import type_names, vm_types
from vmagent_marl.view.style import FAINT, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]

_TYPES = 10
_TICKS = {1: "1 s", 60: "1 min", HOUR: "1 h", DAY: "1 d", 30 * DAY: "30 d", 365 * DAY: "1 y"}
_WEEK = 7
_ENOUGH = 0.1  # of the time in which any hour or day was seen: else it tells too little


@dataclass(frozen=True)
class Line:
    """A trace and how it is drawn in every panel."""

    trace: Trace
    label: str
    colour: str

    @cached_property
    def arriving(self) -> Trace:
        """Without VMs that ran before it began."""
        return arriving(self.trace)


def draw_types(axes: Axes, lines: list[Line]) -> None:
    """Shares of the most frequent types of the first trace."""
    shares = [_shares(line.trace) for line in lines]
    shown = sorted(shares[0], key=lambda name: -shares[0][name])[:_TYPES]
    height = 0.8 / len(lines)
    for i, (line, share) in enumerate(zip(lines, shares, strict=True)):
        place = np.arange(len(shown)) - 0.4 + (i + 0.5) * height
        values = [100 * share.get(name, 0.0) for name in shown]
        axes.barh(place, values, height=height * 0.9, color=line.colour)
    axes.set_yticks(range(len(shown)), [_words(name) for name in shown])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_title(f"The {len(shown)} most frequent types" if len(shown) > 1 else "The one type")
    axes.set_xlabel("share of the requests (%)")


def draw_hours(axes: Axes, lines: list[Line]) -> None:
    """Requests by hour of the day, for the time seen of it, as a multiple of those of any hour."""
    for line in lines:
        pace = _pace(line, HOUR, 24)
        axes.stairs(pace, np.arange(25), color=line.colour, linewidth=1.6)
    axes.axhline(1, color=FAINT, linewidth=0.8)
    axes.set_title("Arrivals by hour of the day")
    axes.set_xlabel("hour of the day, local")
    axes.set_ylabel("requests / mean hour")
    axes.set_xticks(range(0, 25, 4))
    axes.set_xlim(0, 24)
    axes.set_ylim(bottom=0)


def draw_weekdays(axes: Axes, lines: list[Line]) -> None:
    """Days run from midnight and have no name: a trace does not tell which one it begins on."""
    width = 0.8 / len(lines)
    for i, line in enumerate(lines):
        place = np.arange(_WEEK) + 1 - 0.4 + (i + 0.5) * width
        axes.bar(place, _pace(line, DAY, _WEEK), width=width * 0.9, color=line.colour)
    axes.axhline(1, color=FAINT, linewidth=0.8)
    axes.grid(axis="x", visible=False)
    axes.set_title("Arrivals by day of the week")
    axes.set_xlabel("day of the week, from the trace's first")
    axes.set_ylabel("requests / mean day")
    axes.set_xticks(range(1, _WEEK + 1))
    axes.set_xlim(0.4, _WEEK + 0.6)


def _pace(line: Line, length: int, number: int) -> Floats:
    """(number,) requests per second in each of the hours or days that take turns.

    They are `length` s long; the pace is a multiple of that of the whole trace, NaN where hardly
    anything of them was seen.
    """
    trace = line.arriving
    begin = int(line.trace.arrival[0]) + trace.start_hour * HOUR
    midnight = begin // DAY * DAY
    time = trace.arrival + trace.start_hour * HOUR - midnight
    ends = begin - midnight, int(time[-1]) + 1
    turn = np.arange(number) * length

    def until(end: int) -> Floats:
        rounds, rest = divmod(end, number * length)
        return rounds * length + np.clip(rest - turn, 0, length).astype(np.float64)

    seen = until(ends[1]) - until(ends[0])  # (number,) s
    count = np.bincount(time // length % number, minlength=number)
    pace = np.full(number, np.nan)
    enough = seen >= _ENOUGH * seen.max()
    pace[enough] = count[enough] / seen[enough] / (len(trace) / seen.sum())
    return pace


def draw_lifetimes(axes: Axes, lines: list[Line]) -> None:
    """How many VMs lived at most so long, of all, also those that are never deleted."""
    notes = []
    lived_longest = (line.trace.lifetime[line.trace.departure != NEVER] for line in lines)
    longest = max(30 * DAY, *(int(lived.max(initial=0)) for lived in lived_longest))
    for line in lines:
        trace = line.trace
        leaves = trace.departure != NEVER
        lived, count = np.unique(trace.lifetime[leaves], return_counts=True)
        if lived.size:
            share = 100 * np.cumsum(count) / len(trace)
            # From none at the beginning of the axis to what is left at its end.
            lived = np.concatenate([[1], np.maximum(lived, 1), [longest]])
            share = np.concatenate([[0], share, share[-1:]])
            axes.step(lived, share, where="post", color=line.colour, linewidth=1.3)
        if not leaves.all():
            notes.append((f"{100 * (1 - leaves.mean()):.1f} % are never deleted", line.colour))
    for i, (note, colour) in enumerate(notes):
        axes.text(
            *(0.03, 0.95 - 0.09 * i, note),
            transform=axes.transAxes,
            fontsize=8,
            color=colour if len(lines) > 1 else INK,
            va="top",
        )
    axes.set_title("Lifetimes")
    axes.set_xlabel("lived at most")
    axes.set_ylabel("share of the VMs (%)")
    axes.set_xscale("log")
    axes.set_xticks(list(_TICKS), list(_TICKS.values()))
    axes.minorticks_off()
    axes.set_xlim(1, longest)
    axes.set_ylim(0, 102)


def draw_bursts(axes: Axes, lines: list[Line]) -> None:
    """How many VMs come in bursts of at least so many."""
    sizes = [burst_sizes(line.arriving) for line in lines]
    largest = max(10, *(int(size.max()) for size in sizes))
    for line, of_vms in zip(lines, sizes, strict=True):
        size, count = np.unique(of_vms, return_counts=True)
        share = 100 * count[::-1].cumsum()[::-1] / of_vms.size
        # From all at the beginning of the axis to none at its end.
        size = np.concatenate([[1], size, [largest]])
        share = np.concatenate([[100], share, [0]])
        axes.step(size, share, where="pre", color=line.colour, linewidth=1.3)
    axes.set_title("Bursts")
    axes.set_xlabel("come in bursts of at least (VMs of a type, each within 10 s)")
    axes.set_ylabel("share of the VMs (%)")
    axes.set_xscale("log")
    ticks = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlim(1, largest)
    axes.set_ylim(0, 102)


def _shares(trace: Trace) -> dict[str, float]:
    vm_type, cpu, memory = vm_types(trace)
    share = np.bincount(vm_type) / len(trace)
    return dict(zip(type_names(cpu, memory), share.tolist(), strict=True))


def _words(name: str) -> str:
    cpu, memory = name.split("x")
    return f"{cpu} vCPU, {memory} GB"
