"""Months that look like a real one to a scheduler, drawn from a seed.

Source of the parameters (`huawei_east_1_statistics.json`): Huawei Cloud, VM-placement-dataset,
month of Huawei-East-1; facts measured on it, VMs that outlive the month put back by Kaplan-Meier
estimation. None of its rows is in them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.errors import TraceError, unknown_name
from vmagent_marl.trace.month import MonthStatistics, month_statistics
from vmagent_marl.trace.trace import NEVER, Trace
from vmagent_marl.trace.units import DAY, HOUR

DayProfile = Literal["as-is", "resampled", "flat"]
Tail = Literal["never", "days"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

_START_HOUR = 8  # local time at second 0 of the measured month
_TEARDOWN_CELL = 240  # s: ends within one cell are torn down together
_TEARDOWN_AFTER = 8 * _TEARDOWN_CELL  # s: VMs of a burst that live longer end with their pool
_TEARDOWN_SPREAD = 6.0  # s, mean


def synthetic_month(
    *,
    seed: int = 0,
    rate: float = 1.0,
    days: float = 31.0,
    day_profile: DayProfile = "as-is",
    tail: Tail = "never",
) -> Trace:
    """A month of VM requests like those of Huawei-East-1; the same arguments, the same trace.

    Requests come in bursts of one VM type: alone, in small bursts (2 to 9) or in large ones.
    Bursts arrive as a Cox process over type, burst class, hour of day and day; lifetimes within a
    burst, and of bursts within an hour, hang together by a Gaussian copula; pools of VMs end
    together. The id of a VM is its row, second 0 is 08:00 local time.

    Args:
        seed: of `numpy.random.PCG64`, at least 0.
        rate: bursts per second, as a multiple of the real month's.
        days: horizon in days; requests arrive before it. Past day 31 the day profile starts anew.
        day_profile: how busy days differ: "as-is" as in the real month, "resampled" with its days
            drawn anew, with replacement, "flat" with all days alike.
        tail: what becomes of VMs that outlive a month: "never" deleted, or deleted after "days"
            (31 to 318). All other VMs are the same either way; a departure beyond the horizon is
            a departure like any other.

    Raises `TraceError` for an argument out of range, `UnknownNameError` for an unknown name.
    """
    if seed < 0:
        raise TraceError(f"seed is {seed}; give 0 or more")
    if not 0 < rate < math.inf:
        raise TraceError(f"rate is {rate}; give a finite number above 0")
    if not 0 < days < math.inf:
        raise TraceError(f"days is {days}; give a finite number above 0")
    if day_profile not in get_args(DayProfile):
        raise unknown_name("day profile", day_profile, get_args(DayProfile))
    if tail not in get_args(Tail):
        raise unknown_name("tail", tail, get_args(Tail))

    rng = np.random.Generator(np.random.PCG64(seed))
    month = month_statistics()
    bursts = _draw_bursts(rng, month, rate, math.ceil(days * 24), day_profile)
    burst = np.repeat(np.arange(bursts.size.size), bursts.size)  # (vm,) its burst
    arrival = _draw_arrivals(rng, month, bursts, burst)
    departure = _draw_departures(rng, month, bursts, burst, arrival, tail)

    order = arrival.argsort(kind="stable")
    order = order[arrival[order] < days * DAY]
    vm_type = bursts.type[burst[order]]
    return Trace(
        name="synthetic-month",
        vm=np.arange(order.size),
        arrival=arrival[order],
        departure=departure[order],
        cpu=month.cpu[vm_type],
        memory=month.memory[vm_type],
        start_hour=_START_HOUR,
    )


@dataclass(frozen=True)
class _Bursts:
    """One row a burst."""

    type: IntArray  # (b,) VM type
    cls: IntArray  # (b,) 0 single, 1 small, 2 large
    size: IntArray  # (b,) VMs
    start: IntArray  # (b,) s
    level: FloatArray  # (b,) standard normal: where the burst's lifetimes lie


def _draw_bursts(
    rng: np.random.Generator, month: MonthStatistics, rate: float, hours: int, profile: DayProfile
) -> _Bursts:
    hour = np.arange(hours)
    day = hour // 24
    measured_days = month.day.shape[2]
    if profile == "resampled":
        day = rng.integers(measured_days, size=hours // 24 + 1)[day]
    busy = np.ones(1) if profile == "flat" else month.day[:, :, day % measured_days]
    # (type, class, hour) bursts expected
    expected = (rate / 24 * month.bursts_per_day)[:, :, None] * busy * month.hour[:, hour % 24]
    k = np.broadcast_to(month.overdispersion[:, :, None], expected.shape)
    spread = k > 0
    factor = np.ones(expected.shape)
    factor[spread] = rng.gamma(1 / k[spread], k[spread])
    count = rng.poisson(expected * factor)

    cell = np.repeat(np.arange(count.size), count.ravel())
    vm_type, cls, at_hour = np.unravel_index(cell, count.shape)
    start = at_hour * HOUR + rng.integers(HOUR, size=cell.size)
    size = month.burst_size(vm_type, cls, rng.random(cell.size))
    # Bursts of one type, class and hour share a part of their level.
    of_hour = rng.standard_normal(count.size)[cell]
    own = rng.standard_normal(cell.size)
    share = month.hour_share[cls]
    level = np.sqrt(share) * of_hour + np.sqrt(1 - share) * own
    return _Bursts(vm_type, cls, size, start, level)


def _draw_arrivals(
    rng: np.random.Generator, month: MonthStatistics, bursts: _Bursts, burst: IntArray
) -> IntArray:
    """(vm,) s: a burst's VMs share seconds, or follow each other after 1 to 10 s."""
    first = np.cumsum(bursts.size) - bursts.size  # (b,) row of each burst's first VM
    member = np.arange(burst.size) - first[burst]  # (vm,) place in the burst
    same_second = month.same_second(bursts.cls, rng.random(bursts.size.size))[burst]
    # However many VMs come at once, some seconds have to pass in a large burst.
    every = np.where(same_second == 1, 46, 20)
    shares = (rng.random(burst.size) < same_second) & (member % every != 0)
    gap = 1 + month.gap(bursts.cls[burst], rng.random(burst.size))
    gap[shares | (member == 0)] = 0
    elapsed = np.cumsum(gap)  # over all bursts before; what came before this one goes out again
    arrival: IntArray = bursts.start[burst] + elapsed - elapsed[first[burst]]
    return arrival


def _draw_departures(
    rng: np.random.Generator,
    month: MonthStatistics,
    bursts: _Bursts,
    burst: IntArray,
    arrival: IntArray,
    tail: Tail,
) -> IntArray:
    """(vm,) s, NEVER for VMs that outlive a month unless `tail` gives them days."""
    vm_type, cls = bursts.type[burst], bursts.cls[burst]
    spread = month.lifetime_spread(bursts.cls, rng.random(bursts.size.size))[burst]
    own = rng.standard_normal(burst.size)
    u = _normal_cdf(np.sqrt(1 - spread**2) * bursts.level[burst] + spread * own)
    outlives = month.outlives[vm_type, cls]
    persists = u > 1 - outlives
    fraction = np.minimum(u / (1 - outlives), 1)
    departure = arrival + month.lifetime(vm_type, cls, fraction)

    pooled = (cls > 0) & (departure - arrival > _TEARDOWN_AFTER)
    end_cell = departure[pooled] // _TEARDOWN_CELL
    # Each type and cell has a phase of its own; only those that occur are drawn.
    keys = end_cell * month.cpu.size + vm_type[pooled]
    cells, index = np.unique(keys, return_inverse=True)
    phase = rng.uniform(0, _TEARDOWN_CELL, cells.size)[index]
    delay = rng.exponential(_TEARDOWN_SPREAD, end_cell.size)
    departure[pooled] = end_cell * _TEARDOWN_CELL + np.rint(phase + delay).astype(np.int64)

    if tail == "never":
        departure[persists] = NEVER
    else:
        lived = month.tail_days(rng.random(burst.size)[persists]) * DAY
        departure[persists] = arrival[persists] + np.rint(lived).astype(np.int64)
    return departure


def _normal_cdf(z: FloatArray) -> FloatArray:
    """Phi. numpy has no erfc; the standard library's costs 10 ms for a month."""
    return 0.5 * np.array(list(map(math.erfc, (-z / math.sqrt(2)).tolist())))
