"""Drawing VM requests from the measured month's distributions, for any stretch of hours.

Requests come in bursts of one VM type: alone, in small bursts (2 to 9) or in large ones. Bursts
arrive as a Cox process over type, burst class and hour; lifetimes within a burst, of bursts within
an hour, and of hours within a day hang together by a Gaussian copula; pools of VMs end together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vmagent_marl.trace.synthetic.plan import Tail
from vmagent_marl.trace.synthetic.statistics import FloatArray, IntArray, MonthStatistics
from vmagent_marl.trace.trace import NEVER
from vmagent_marl.trace.units import DAY, HOUR

Phases = Callable[[IntArray, IntArray], FloatArray]
"""Of (n,) cells and (n,) types, no pair twice: where in its cell the pool ends, 0..1."""

TEARDOWN_CELL = 240  # s: ends within one cell are torn down together
_TEARDOWN_AFTER = 8 * TEARDOWN_CELL  # s: VMs of a burst that live longer end with their pool
_TEARDOWN_SPREAD = 6.0  # s, mean


@dataclass(frozen=True)
class Hours:
    """A stretch of hours: how busy they are, and how long VMs live that come in them."""

    first: int  # hours since the trace's start
    expected: FloatArray  # (type, class, hours) bursts
    level: FloatArray  # (class, hours) mean of the bursts' levels; above 0 they live longer
    level_share: FloatArray  # (class,) of the variance of levels, what their means make up


@dataclass(frozen=True)
class Requests:
    """One row a VM, in the order of their bursts and not of arrival."""

    arrival: IntArray  # (n,) s
    departure: IntArray  # (n,) s, NEVER for VMs that stay
    type: IntArray  # (n,) VM type

    def __getitem__(self, rows: IntArray | slice) -> Requests:
        return Requests(self.arrival[rows], self.departure[rows], self.type[rows])


@dataclass(frozen=True)
class _Bursts:
    """One row a burst."""

    type: IntArray  # (b,) VM type
    cls: IntArray  # (b,) 0 single, 1 small, 2 large
    size: IntArray  # (b,) VMs
    start: IntArray  # (b,) s
    level: FloatArray  # (b,) standard normal: where the burst's lifetimes lie


def draw_requests(
    rng: np.random.Generator,
    month: MonthStatistics,
    hours: Hours,
    tail: Tail,
    phases: Phases,
) -> Requests:
    """The requests of bursts that begin in some hours; they may go on after the last of them."""
    bursts = _draw_bursts(rng, month, hours)
    burst = np.repeat(np.arange(bursts.size.size), bursts.size)  # (vm,) its burst
    arrival = _draw_arrivals(rng, month, bursts, burst)
    departure = _draw_departures(rng, month, bursts, burst, arrival, tail, phases)
    return Requests(arrival, departure, bursts.type[burst])


def _draw_bursts(rng: np.random.Generator, month: MonthStatistics, hours: Hours) -> _Bursts:
    k = np.broadcast_to(month.overdispersion[:, :, None], hours.expected.shape)
    spread = k > 0
    factor = np.ones(k.shape)
    factor[spread] = rng.gamma(1 / k[spread], k[spread])
    count = rng.poisson(hours.expected * factor)

    cell = np.repeat(np.arange(count.size), count.ravel())
    vm_type, cls, at_hour = np.unravel_index(cell, count.shape)
    start = (hours.first + at_hour) * HOUR + rng.integers(HOUR, size=cell.size)
    size = month.burst_size(vm_type, cls, rng.random(cell.size))
    # Bursts of one type, class and hour share a part of their level, and so do those of one day.
    of_hour = rng.standard_normal(count.size)[cell]
    own = rng.standard_normal(cell.size)
    of_day, share = hours.level[cls, at_hour], (month.hour_share - hours.level_share)[cls]
    level = of_day + np.sqrt(share) * of_hour + np.sqrt(1 - month.hour_share[cls]) * own
    return _Bursts(vm_type, cls, size, start, level)


def _draw_arrivals(
    rng: np.random.Generator, month: MonthStatistics, bursts: _Bursts, burst: IntArray
) -> IntArray:
    """(vm,) s: a burst's VMs share seconds, or follow each other after 1 to 10 s."""
    first = np.cumsum(bursts.size) - bursts.size  # (b,) row of each burst's first VM
    member = np.arange(burst.size) - first[burst]  # (vm,) place in the burst
    same_second = month.same_second(bursts.size, rng.random(bursts.size.size))[burst]
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
    phases: Phases,
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
    end_cell = departure[pooled] // TEARDOWN_CELL
    # Each type and cell has a phase of its own; only those that occur are drawn.
    types = month.cpu.size
    keys, index = np.unique(end_cell * types + vm_type[pooled], return_inverse=True)
    phase = (TEARDOWN_CELL * phases(keys // types, keys % types))[index]
    delay = rng.exponential(_TEARDOWN_SPREAD, end_cell.size)
    departure[pooled] = end_cell * TEARDOWN_CELL + np.rint(phase + delay).astype(np.int64)

    if tail == "never":
        departure[persists] = NEVER
    else:
        lived = month.tail_days(rng.random(burst.size)[persists]) * DAY
        departure[persists] = arrival[persists] + np.rint(lived).astype(np.int64)
    return departure


def _normal_cdf(z: FloatArray) -> FloatArray:
    """Phi. numpy has no erfc; the standard library's costs 10 ms for a month."""
    return 0.5 * np.array(list(map(math.erfc, (-z / math.sqrt(2)).tolist())))
