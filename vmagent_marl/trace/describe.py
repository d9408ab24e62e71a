"""What a trace holds, in figures that tell one trace from another."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.errors import TraceError
from vmagent_marl.trace.trace import NEVER, Trace
from vmagent_marl.trace.units import DAY, MIB, MILLI
from vmagent_marl.trace.vm_types import vm_types

_BURST_GAP = 10  # s: VMs of one type that follow each other within it are one burst
_LARGE_BURST = 10  # VMs
_TYPES_SHOWN = 10
_QUANTILES = (0.1, 0.5, 0.9, 0.99)


def describe(
    trace: Trace, *, servers: int | None = None, node: tuple[float, float] = (40.0, 90.0)
) -> dict[str, object]:
    """A summary in plain numbers, strings, lists and dicts, ready to be printed or dumped.

    Keys: name, fingerprint, start_hour; requests (VMs); span_days (first to last arrival);
    never_deleted_share and alive_at_start_share (censored: VMs that outlive the trace, and those
    that ran before it, None where the trace does not tell them); large_burst_share (of the VMs that
    come after it begins, those in bursts of 10 and more, see `burst_sizes`); lifetime_s (quantiles
    of VMs that are deleted, by probability; None where none is); mean_vcpu, peak_vcpu,
    mean_memory_gb, peak_memory_gb (of all VMs that run at once, over the span); type_count; types
    (the ten most frequent: vcpu, memory_gb, share of the requests, lifetime_s).

    With a cluster of `servers`, each with two NUMA nodes of `node` vCPU and GB, also: servers;
    mean_load and peak_load (what runs at once as a share of the cluster, for cpu and memory);
    overload_share (of the span, in which more runs than the cluster could hold).

    Raises `TraceError` for a trace without requests and a cluster without room.
    """
    if not len(trace):
        raise TraceError(f"trace {trace.name!r} has no request to describe")
    if servers is not None and not all(0 < size < math.inf for size in (servers, *node)):
        raise TraceError(f"{servers} servers with nodes of {node}: give sizes above 0")
    vm_type, cpu, memory = vm_types(trace)
    count = np.bincount(vm_type)
    shown = np.argsort(-count, kind="stable")[:_TYPES_SHOWN]
    mean_cpu, peak_cpu = mean_and_peak(trace, trace.cpu)
    mean_memory, peak_memory = mean_and_peak(trace, trace.memory)
    told: dict[str, object] = {
        "name": trace.name,
        "fingerprint": trace.fingerprint,
        "start_hour": trace.start_hour,
        "requests": len(trace),
        "span_days": int(trace.arrival[-1] - trace.arrival[0]) / DAY,
        "never_deleted_share": _share(trace.departure == NEVER),
        "alive_at_start_share": _share(trace.alive_at_start) if trace.tells_running else None,
        "large_burst_share": _share(burst_sizes(arriving(trace)) >= _LARGE_BURST),
        "lifetime_s": _lifetimes(trace, np.ones(len(trace), dtype=np.bool_)),
        "mean_vcpu": mean_cpu / MILLI,
        "peak_vcpu": peak_cpu / MILLI,
        "mean_memory_gb": mean_memory / MIB,
        "peak_memory_gb": peak_memory / MIB,
        "type_count": int(count.size),
        "types": [
            {
                "vcpu": int(cpu[t]) / MILLI,
                "memory_gb": int(memory[t]) / MIB,
                "share": int(count[t]) / len(trace),
                "lifetime_s": _lifetimes(trace, vm_type == t),
            }
            for t in shown.tolist()
        ],
    }
    if servers is not None:
        told |= _on_cluster(trace, servers, node)
    return told


def arriving(trace: Trace) -> Trace:
    """The requests that came while the trace ran; all of them where no other is left."""
    came = np.flatnonzero(~trace.alive_at_start)
    return trace.chosen(came) if 0 < came.size < len(trace) else trace


def _share(holds: NDArray[np.bool_]) -> float:
    return float(holds.mean())


def burst_sizes(trace: Trace, gap: int = _BURST_GAP) -> NDArray[np.int64]:
    """(n,) VMs in the burst of each row: of one type, each within `gap` s of the one before."""
    vm_type, _, _ = vm_types(trace)
    by_type = vm_type.argsort(kind="stable")  # within a type, still in the order of arrival
    starts = np.ones(len(trace), dtype=np.bool_)
    starts[1:] = np.diff(vm_type[by_type]) != 0
    starts[1:] |= np.diff(trace.arrival[by_type]) > gap
    burst = np.cumsum(starts) - 1
    size = np.empty(len(trace), dtype=np.int64)
    size[by_type] = np.bincount(burst)[burst]
    return size


def load_over_time(
    trace: Trace, amount: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(events,) second of each event up to the last arrival, and (events,) what runs from then on.

    An event is an arrival or a departure; `amount` is one of the trace's columns, and what runs is
    in its unit. Departures come first in their second.
    """
    ends = trace.departure <= trace.arrival[-1]  # afterwards the load only falls
    time = np.concatenate([trace.departure[ends], trace.arrival])
    change = np.concatenate([-amount[ends].astype(np.int64), amount.astype(np.int64)])
    order = time.argsort(kind="stable")
    return time[order], np.cumsum(change[order])


def _lifetimes(trace: Trace, chosen: NDArray[np.bool_]) -> dict[str, float] | None:
    """Quantiles in s of the chosen VMs that are deleted, by probability."""
    lifetimes = trace.lifetime[chosen & (trace.departure != NEVER)]
    if not lifetimes.size:
        return None
    values = np.quantile(lifetimes, _QUANTILES).tolist()
    return dict(zip(map(str, _QUANTILES), values, strict=True))


def _on_cluster(trace: Trace, servers: int, node: tuple[float, float]) -> dict[str, object]:
    """What runs at once against a cluster's size, two nodes a server."""
    amounts = {"cpu": (trace.cpu, MILLI), "memory": (trace.memory, MIB)}
    means, peaks = {}, {}
    over: NDArray[np.bool_] = np.zeros(1, np.bool_)
    for (name, (amount, parts)), size in zip(amounts.items(), node, strict=True):
        whole = 2 * servers * size * parts
        mean, peak = mean_and_peak(trace, amount)
        means[name], peaks[name] = mean / whole, peak / whole
        time, load = load_over_time(trace, amount)  # at the same times for both
        over = over | (load > whole)
    span = int(time[-1] - time[0])
    seconds = float(np.diff(time)[over[:-1]].sum())
    return {
        "servers": servers,
        "mean_load": means,
        "peak_load": peaks,
        "overload_share": seconds / span if span else float(over[-1]),
    }


def mean_and_peak(trace: Trace, amount: NDArray[np.int32]) -> tuple[float, int]:
    """Of what runs at once, from the first arrival to the last, in the unit of `amount`."""
    time, load = load_over_time(trace, amount)
    peak = int(load.max())
    span = int(time[-1] - time[0])
    # As floats: int64 does not hold what many large VMs use over thousands of years.
    return (float(load[:-1].astype(np.float64) @ np.diff(time)) / span if span else peak), peak
