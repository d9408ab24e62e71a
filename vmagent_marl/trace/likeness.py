"""How like one trace is to another where it matters to a scheduler."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vmagent_marl.errors import TraceError
from vmagent_marl.trace.describe import burst_sizes, mean_and_peak
from vmagent_marl.trace.trace import NEVER, Trace
from vmagent_marl.trace.units import HOUR

_SAME_SHARE = 0.02  # of VMs that stay for ever: their load grows all along the trace

DISTANCES = {
    "lifetimes": "lifetimes, Kolmogorov-Smirnov",
    "types": "type mix, total variation",
    "seconds": "VMs that come in one second, Kolmogorov-Smirnov",
    "bursts": "VMs of a type within 10 s of each other, Kolmogorov-Smirnov",
    "gaps": "seconds between arrivals, Kolmogorov-Smirnov",
    "hour of day": "requests by hour of the day, correlation",
    "hours": "requests hour by hour, correlation",
    "requests": "requests, ratio",
    "mean load": "mean concurrent vCPU, ratio",
    "peak load": "peak concurrent vCPU, ratio",
}
"""What `likeness` measures. Distances are 0 where alike; correlations and ratios 1."""


def likeness(trace: Trace, other: Trace) -> dict[str, float]:
    """The `DISTANCES` of two traces by name; ratios are `other` over `trace`; NaN: undefined.

    Both are taken from second 0; VMs that are never deleted have no lifetime, but load the servers.
    To compare with a trace that tells of deleted VMs only, take the `completed` ones of the other.
    Raises `TraceError` for a trace without requests.
    """
    for each in (trace, other):
        if not len(each):
            raise TraceError(f"trace {each.name!r} has no request to compare")
    hours = int(max(trace.arrival[-1], other.arrival[-1])) // HOUR + 1
    own_load, other_load = (mean_and_peak(each, each.cpu) for each in (trace, other))
    return {
        "lifetimes": _ks(_lifetimes(trace), _lifetimes(other)),
        "types": _total_variation(trace, other),
        "seconds": _ks(_sizes_of_seconds(trace), _sizes_of_seconds(other)),
        "bursts": _ks(_sizes_of_bursts(trace), _sizes_of_bursts(other)),
        "gaps": _ks(np.diff(trace.arrival), np.diff(other.arrival)),
        "hour of day": _correlation(_by_hour_of_day(trace), _by_hour_of_day(other), 24),
        "hours": _correlation(*_by_busy_hour(trace, other), hours),
        "requests": len(other) / len(trace),
        "mean load": _ratio(other_load[0], own_load[0]),
        "peak load": _ratio(other_load[1], own_load[1]),
    }


def unlike_ends(traces: Sequence[Trace]) -> list[str]:
    """For a person: which traces keep another share of their VMs for ever than the first one."""
    first = _never_deleted(traces[0])
    return [
        f"{100 * _never_deleted(trace):.1f} % of {trace.name} are never deleted and "
        f"{100 * first:.1f} % of {traces[0].name}: their loads are not comparable"
        for trace in traces[1:]
        if abs(_never_deleted(trace) - first) > _SAME_SHARE
    ]


def _never_deleted(trace: Trace) -> float:
    return float((trace.departure == NEVER).mean())


def completed(trace: Trace, horizon: int) -> Trace:
    """The VMs that are deleted by second `horizon`, which is what some published traces hold."""
    return trace.chosen(np.flatnonzero(trace.departure <= horizon))


def _lifetimes(trace: Trace) -> NDArray[np.int64]:
    lived: NDArray[np.int64] = trace.lifetime[trace.departure != NEVER]
    return lived


def _ks(a: ArrayLike, b: ArrayLike) -> float:
    """Kolmogorov-Smirnov distance of two samples; NaN where one is empty."""
    a, b = np.sort(a), np.sort(b)
    if not (a.size and b.size):
        return float("nan")
    at = np.concatenate([a, b])
    below_a, below_b = (np.searchsorted(x, at, side="right") / x.size for x in (a, b))
    return float(np.abs(below_a - below_b).max())


def _total_variation(trace: Trace, other: Trace) -> float:
    """Of the shares of types, each a pair of cpu and memory."""
    both = np.concatenate([t.cpu.astype(np.int64) << 32 | t.memory for t in (trace, other)])
    kinds, index = np.unique(both, return_inverse=True)
    parts = index[: len(trace)], index[len(trace) :]
    shares = [np.bincount(part, minlength=kinds.size) / part.size for part in parts]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def _sizes_of_seconds(trace: Trace) -> NDArray[np.int64]:
    """(seconds,) VMs of each second in which any come."""
    return np.unique(trace.arrival, return_counts=True)[1]


def _sizes_of_bursts(trace: Trace) -> NDArray[np.int64]:
    """(bursts,) VMs of each, any order."""
    size, vms = np.unique(burst_sizes(trace), return_counts=True)
    sizes: NDArray[np.int64] = np.repeat(size, vms // size)
    return sizes


def _by_hour_of_day(trace: Trace) -> NDArray[np.int64]:
    return np.bincount((trace.arrival // HOUR + trace.start_hour) % 24, minlength=24)


def _by_busy_hour(trace: Trace, other: Trace) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(hours,) requests of each trace in the hours in which any of the two has some."""
    of = np.concatenate([each.arrival // HOUR for each in (trace, other)])
    busy, hour = np.unique(of, return_inverse=True)
    own, others = (
        np.bincount(part, minlength=busy.size) for part in (hour[: len(trace)], hour[len(trace) :])
    )
    return own, others


def _correlation(a: NDArray[np.int64], b: NDArray[np.int64], size: int) -> float:
    """Of counts, of which those that are not given, of `size`, are 0; NaN where one is constant."""

    def covariance(x: NDArray[np.int64], y: NDArray[np.int64]) -> int:
        return size * int((x * y).sum()) - int(x.sum()) * int(y.sum())

    spread = math.sqrt(covariance(a, a) * covariance(b, b))
    return covariance(a, b) / spread if spread else float("nan")


def _ratio(other: float, own: float) -> float:
    """NaN where nothing ever ran."""
    return other / own if own else float("nan")
