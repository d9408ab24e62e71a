"""Other loads from one trace: fewer VMs, more, at another pace, of another mix.

Each function gives a new trace and leaves the one it was given. Where chance has a part, the same
seed gives the same trace.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.errors import TraceError
from vmagent_marl.trace.trace import LATEST, NEVER, Trace
from vmagent_marl.trace.units import DAY
from vmagent_marl.trace.vm_types import factors, type_names, vm_types


def thin(trace: Trace, share: float, *, seed: int = 0) -> Trace:
    """Each VM with probability `share`, in the same order and under the same id.

    Of one seed, what a smaller share keeps a larger one keeps too. Raises `TraceError` for a share
    that is not above 0 and at most 1, and where no VM is left.
    """
    if not 0 < share <= 1:
        raise TraceError(f"share is {share}; give a number above 0, at most 1")
    return _kept(trace, _uniform(trace, seed) < share, f"thin-{share:g}")


def reweigh(trace: Trace, mix: Mapping[str, float], *, seed: int = 0) -> Trace:
    """Fewer VMs, of types as many times more frequent beside each other as `mix` says.

    With `{"4x8": 2}` every VM of 4 vCPU and 8 GB stays and half of all others; `superpose` makes up
    for what is lost. Raises `TraceError` where no VM is left, `UnknownNameError` for a type that
    the trace has not.
    """
    vm_type, cpu, memory = vm_types(trace)
    factor = factors(mix, type_names(cpu, memory))
    if not factor.max(initial=0) > 0:
        raise TraceError("mix leaves no VM type; give one of them a number above 0")
    chance = (factor / factor.max())[vm_type]
    return _kept(trace, _uniform(trace, seed) < chance, "reweighed")


def superpose(trace: Trace, copies: int, *, shift_days: int | None = None) -> Trace:
    """So many times the requests: copies whose days are shifted, each by more than the one before.

    What a shift moves beyond the last day begins the trace; hours of the day and lifetimes stay.
    The days are those from second 0 to the last arrival, and without `shift_days` the copies are
    spread evenly over them. Ids are rows. Raises `TraceError` for less than one copy.
    """
    if copies < 1:
        raise TraceError(f"copies are {copies}; give 1 or more")
    _require_requests(trace)
    days = int(trace.arrival[-1]) // DAY + 1
    shifts = [
        (copy * shift_days if shift_days is not None else copy * days // copies) % days * DAY
        for copy in range(copies)
    ]
    arrival = np.concatenate([(trace.arrival + shift) % (days * DAY) for shift in shifts])
    order = arrival.argsort(kind="stable")
    row = np.tile(np.arange(len(trace)), copies)[order]
    return trace.chosen(
        row,
        name=f"{trace.name}-times-{copies}",
        vm=np.arange(order.size),
        arrival=arrival[order],
        departure=_after(arrival[order], trace.lifetime[row]),
    )


def stretch(trace: Trace, factor: float, *, lifetimes: bool = False) -> Trace:
    """The same VMs over `factor` times the time, in whole seconds rounded down.

    Without `lifetimes` VMs live as long as before, so that less runs at once where the factor is
    above 1; with it they live `factor` times as long, and as much runs as before. Days are
    stretched too, and with them the rhythm of the day. Raises `TraceError` for a factor that is
    not above 0 and finite, and where a time would lie beyond 2**52 s.
    """
    if not 0 < factor < math.inf:
        raise TraceError(f"factor is {factor}; give a finite number above 0")
    arrival = _scaled(trace.arrival, factor)
    departure = _scaled(trace.departure, factor) if lifetimes else _after(arrival, trace.lifetime)
    return replace(
        trace, name=f"{trace.name}-stretched-{factor:g}", arrival=arrival, departure=departure
    )


def _kept(trace: Trace, kept: NDArray[np.bool_], how: str) -> Trace:
    if not kept.any():
        raise TraceError(f"no VM of trace {trace.name!r} is left: keep more of them")
    return trace.chosen(np.flatnonzero(kept), name=f"{trace.name}-{how}")


def _uniform(trace: Trace, seed: int) -> NDArray[np.float64]:
    """(n,) 0..1, one a row."""
    if seed < 0:
        raise TraceError(f"seed is {seed}; give 0 or more")
    _require_requests(trace)
    return np.random.Generator(np.random.PCG64(seed)).random(len(trace))


def _require_requests(trace: Trace) -> None:
    if not len(trace):
        raise TraceError(f"trace {trace.name!r} has no request to scale")


def _after(arrival: NDArray[np.int64], lifetime: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) departures; `Trace` refuses those beyond its latest second."""
    never = lifetime == NEVER
    return np.where(never, NEVER, arrival + np.where(never, 0, lifetime))


def _scaled(time: NDArray[np.int64], factor: float) -> NDArray[np.int64]:
    never = time == NEVER
    scaled = np.where(never, 0, time) * factor
    if (scaled > LATEST).any():
        raise TraceError("a time would lie beyond 2**52 s: give a smaller factor")
    return np.where(never, NEVER, np.floor(scaled).astype(np.int64))
