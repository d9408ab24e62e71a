"""How traces go over time: panels of what runs at once and what comes in, for all traces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.trace import NEVER, Trace
from vmagent_marl.trace.likeness import completed
from vmagent_marl.trace.units import DAY, HOUR, MIB, MILLI
from vmagent_marl.view.style import INK, short_number
from vmagent_marl.view.trace_panels import Line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]

_POINTS = 1500  # of a curve
_BINS = 250  # at most, of a histogram


@dataclass(frozen=True)
class Clock:
    """The unit of axes over time."""

    seconds: int
    label: str


def draw_load(axes: Axes, lines: list[Line], resource: int, clock: Clock) -> None:
    """What runs at most at once of cpu (0) or memory (1), and without VMs of unknown end."""
    unit, parts = (("vCPU", MILLI), ("GB", MIB))[resource]
    stays = False
    for line in lines:
        trace = line.trace
        first, last = int(trace.arrival[0]), int(trace.arrival[-1])
        at = np.linspace(first, max(last, first + 1), _POINTS)
        running = _peaks(trace, resource, at) / parts
        axes.plot(at / clock.seconds, running, color=line.colour, linewidth=1.2)
        ended = completed(trace, last)
        if len(ended) and (trace.departure == NEVER).any():
            stays = True
            running = _peaks(ended, resource, at) / parts
            axes.plot(at / clock.seconds, running, color=line.colour, linewidth=0.7, alpha=0.75)
    axes.set_title("Running at once: " + ("cpu", "memory")[resource])
    axes.set_xlabel(clock.label + ("; thin: only VMs that end within the trace" if stays else ""))
    axes.set_ylabel(f"running VMs' size ({unit})")
    axes.yaxis.set_major_formatter(short_number)
    axes.set_ylim(bottom=0)


def _peaks(trace: Trace, resource: int, at: Floats) -> Floats:
    """(n,) the most that runs from each second of `at` until the next one."""
    time = np.unique(np.concatenate([trace.arrival, trace.departure]))
    time = time[(time >= at[0]) & (time <= at[-1])]
    peak = _running(trace, resource, at)
    since = np.searchsorted(at, time, side="right") - 1
    np.maximum.at(peak, since, _running(trace, resource, time.astype(np.float64)))
    return peak


def _running(trace: Trace, resource: int, at: Floats) -> Floats:
    """(n,) in milli-vCPU or MiB at the seconds `at`, also after the last arrival."""
    amount = (trace.cpu, trace.memory)[resource].astype(np.float64)
    return _until(trace.arrival, amount, at) - _until(trace.departure, amount, at)


def _until(time: NDArray[np.int64], amount: Floats, at: Floats) -> Floats:
    order = time.argsort(kind="stable")
    total = np.concatenate([[0.0], np.cumsum(amount[order])])
    until: Floats = total[np.searchsorted(time[order], at, side="right")]
    return until


def mark_size(axes: Axes, servers: int, size: float) -> None:
    """A line at the size of the servers; the axis shows it, and all of the load."""
    axes.axhline(size, color=INK, linewidth=1, linestyle="--")
    axes.annotate(
        f"{servers:,} servers",
        (0, size),
        xycoords=("axes fraction", "data"),
        xytext=(4, 3),
        textcoords="offset points",
        fontsize=8,
        color=INK,
    )
    axes.set_ylim(top=max(axes.get_ylim()[1], 1.12 * size))


def draw_arrivals(axes: Axes, lines: list[Line], clock: Clock) -> None:
    """Requests per hour, in as many bins as can be told apart."""
    first = min(int(line.trace.arrival[0]) for line in lines)
    last = max(int(line.trace.arrival[-1]) for line in lines)
    widths = (60, 600, HOUR, 3 * HOUR, 6 * HOUR, DAY, 7 * DAY)  # s
    width = next((w for w in widths if (last - first) // w < _BINS), (last - first) // _BINS)
    edges = np.arange(first // width, last // width + 2) * width
    alpha = 1.0 if len(lines) == 1 else 0.75  # what lies below shows through
    for line in lines:
        count = np.histogram(line.arriving.arrival, edges)[0] * (HOUR / width)
        axes.stairs(count, edges / clock.seconds, color=line.colour, linewidth=0.9, alpha=alpha)
    axes.set_title("Arrivals")
    axes.set_xlabel(clock.label)
    axes.set_ylabel("requests per hour")
    axes.yaxis.set_major_formatter(short_number)
    axes.set_ylim(bottom=0)
