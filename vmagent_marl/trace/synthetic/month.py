"""Traces that look like a real month to a scheduler, drawn from a seed.

Source of the parameters (`huawei_east_1_statistics.json`): Huawei Cloud, VM-placement-dataset,
month of Huawei-East-1; facts measured on it, VMs that outlive the month put back by estimation
(`benchmarks/measure_month.py`). None of its rows is in them. `benchmarks/synthetic.py` tells how
like the real month the drawn ones are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from vmagent_marl.trace.synthetic.bursts import Hours, Requests, draw_requests
from vmagent_marl.trace.synthetic.plan import DayProfile, MonthPlan, Tail
from vmagent_marl.trace.synthetic.statistics import (
    FloatArray,
    IntArray,
    MonthStatistics,
    month_statistics,
)
from vmagent_marl.trace.trace import Trace
from vmagent_marl.trace.units import DAY

START_HOUR = 8  # local time at second 0 of the measured month
_DAY_HOURS = 24


def synthetic_month(
    *,
    seed: int = 0,
    rate: float = 1.0,
    days: float = 31.0,
    day_profile: DayProfile = "as-is",
    tail: Tail = "never",
    mix: Mapping[str, float] | None = None,
    burstiness: float = 1.0,
) -> Trace:
    """A month of VM requests like those of Huawei-East-1; the same arguments, the same trace.

    How requests come is told in `bursts`. The id of a VM is its row, second 0 is 08:00 local time.
    Each day is drawn from (seed, day) alone, so a shorter horizon is the beginning of a longer one;
    what memory does not hold comes day by day from `synthetic_days`.

    Args:
        seed: at least 0.
        rate: bursts per second, as a multiple of the real month's.
        days: horizon in days; requests arrive before it. Past day 31 the day profile starts anew.
        day_profile: how busy days differ, and how long VMs live that come on them: "as-is" as in
            the real month, "resampled" with its days drawn anew, with replacement, "flat" with all
            days alike but for which of their hours are busy.
        tail: what becomes of VMs that outlive a month: "never" deleted, or deleted after "days"
            (31 to 318). All other VMs are the same either way; a departure beyond the horizon is
            a departure like any other.
        mix: how many times as frequent as measured a type is beside the others, e.g.
            `{"64x128": 3}` for 64 vCPU and 128 GB; requests to expect stay as many.
        burstiness: 1 as measured; 0 for VMs that all come alone, as a Poisson process in each
            hour; 2 for bursts that bring twice as many after their first VM, and are as much rarer.

    Raises `TraceError` for an argument out of range, `UnknownNameError` for an unknown name.
    """
    plan = MonthPlan(seed, rate, days, day_profile, tail, mix or {}, burstiness)
    month = month_statistics().adapted(plan.mix, plan.burstiness)
    return _trace(month, _joined(list(_days(month, plan))), 0)


def synthetic_days(plan: MonthPlan) -> Iterator[Trace]:
    """The same trace as `synthetic_month`, a day at a time, each with what arrives on it.

    Memory grows with the requests of a day and not with the days. Ids count on from day to day;
    departures may lie on any later day.
    """
    month = month_statistics().adapted(plan.mix, plan.burstiness)
    rows = 0
    for requests in _days(month, plan):
        yield _trace(month, requests, rows)
        rows += requests.arrival.size


def _days(month: MonthStatistics, plan: MonthPlan) -> Iterator[Requests]:
    """What arrives on each day, in order; a burst that goes on after midnight is handed on."""
    waiting = Requests(*(np.empty(0, np.int64) for _ in range(3)))  # later than the day so far
    for day in range(math.ceil(plan.days)):
        both = _joined([waiting, requests_of_day(month, plan, day)])
        both = both[both.arrival.argsort(kind="stable")]
        now = int(np.searchsorted(both.arrival, min(day + 1, plan.days) * DAY))
        yield both[:now]
        waiting = both[now:]


def requests_of_day(month: MonthStatistics, plan: MonthPlan, day: int) -> Requests:
    """Of bursts that begin on a day, the whole of it, whatever the horizon."""
    rng = np.random.Generator(np.random.PCG64((plan.seed, day)))
    like = day % month.level.shape[1]  # the measured day that it is like
    if plan.day_profile != "as-is":
        like = int(rng.integers(month.level.shape[1]))
    busy = plan.rate / _DAY_HOURS * month.hour * month.busy[:, like]  # (class, hour)
    of_day, level, share = month.day[:, :, like], month.level[:, like], month.level_share
    if plan.day_profile == "flat":
        of_day, level, share = np.ones_like(of_day), np.zeros_like(level), np.zeros_like(share)
    hours = Hours(
        first=day * _DAY_HOURS,
        expected=(month.bursts_per_day * of_day)[:, :, None] * busy,
        level=np.broadcast_to(level[:, None], busy.shape),
        level_share=share,
    )
    # Pools end together whatever day their VMs came on: their phases are of the seed alone.
    return draw_requests(
        rng,
        month,
        hours,
        plan.tail,
        lambda cell, vm_type: _uniform_of(plan.seed, cell, vm_type),
    )


def _joined(parts: Sequence[Requests]) -> Requests:
    return Requests(
        np.concatenate([part.arrival for part in parts]),
        np.concatenate([part.departure for part in parts]),
        np.concatenate([part.type for part in parts]),
    )


def _uniform_of(seed: int, *keys: IntArray) -> FloatArray:
    """(n,) uniform numbers 0..1 of a seed and (n,) keys, whenever they are asked for.

    SplitMix64's finalizer (Steele, Lea & Flood 2014) after each key.
    """
    state = np.full(keys[0].size, seed % 2**64, np.uint64)
    for key in keys:
        state = (state + key.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    uniform: FloatArray = (state >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return uniform


def _trace(month: MonthStatistics, requests: Requests, first_id: int) -> Trace:
    return Trace(
        name="synthetic-month",
        vm=np.arange(first_id, first_id + requests.arrival.size),
        arrival=requests.arrival,
        departure=requests.departure,
        cpu=month.cpu[requests.type],
        memory=month.memory[requests.type],
        start_hour=START_HOUR,
    )
