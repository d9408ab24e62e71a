"""Traces that look like a real month to a scheduler, drawn from a seed.

Source of the parameters (`huawei_east_1_statistics.json`): Huawei Cloud, VM-placement-dataset,
month of Huawei-East-1; facts measured on it, VMs that outlive the month put back by Kaplan-Meier
estimation. None of its rows is in them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from vmagent_marl.trace.bursts import FloatArray, IntArray, Requests, draw_requests
from vmagent_marl.trace.month import MonthStatistics, month_statistics
from vmagent_marl.trace.plan import DayProfile, MonthPlan, Tail
from vmagent_marl.trace.trace import Trace
from vmagent_marl.trace.units import DAY

_START_HOUR = 8  # local time at second 0 of the measured month
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
    The whole trace is drawn at once; what is too large for that comes from `synthetic_days`.

    Args:
        seed: of `numpy.random.PCG64`, at least 0.
        rate: bursts per second, as a multiple of the real month's.
        days: horizon in days; requests arrive before it. Past day 31 the day profile starts anew.
        day_profile: how busy days differ: "as-is" as in the real month, "resampled" with its days
            drawn anew, with replacement, "flat" with all days alike.
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
    rng = np.random.Generator(np.random.PCG64(seed))
    month = month_statistics().adapted(plan.mix, plan.burstiness)
    hours = math.ceil(days * _DAY_HOURS)
    day = np.arange(hours) // _DAY_HOURS
    if day_profile == "resampled":
        day = rng.integers(month.day.shape[2], size=hours // _DAY_HOURS + 1)[day]
    requests = draw_requests(
        rng,
        month,
        _expected(month, plan, np.arange(hours), day),
        0,
        tail,
        lambda cell, vm_type: rng.random(cell.size),
    )
    order = requests.arrival.argsort(kind="stable")
    order = order[requests.arrival[order] < days * DAY]
    return _trace(month, requests[order], 0, "synthetic-month")


def synthetic_days(plan: MonthPlan) -> Iterator[Trace]:
    """The trace of a plan day by day, each with the requests that arrive on it, in order.

    Memory grows with the requests of a day and not with the days. Each day is drawn from (seed,
    day) alone, so a shorter horizon is the beginning of a longer one; it is another trace than
    `synthetic_month` draws at once from the same seed. A burst that goes on after midnight is
    handed on; ids count on; departures may lie on any later day, and pools that end together do so
    whatever day their VMs came on.
    """
    month = month_statistics().adapted(plan.mix, plan.burstiness)
    waiting = Requests(*(np.empty(0, np.int64) for _ in range(3)))  # later than the day so far
    rows = 0
    for day in range(math.ceil(plan.days)):
        drawn = _requests_of_day(month, plan, day)
        both = Requests(
            np.concatenate([waiting.arrival, drawn.arrival]),
            np.concatenate([waiting.departure, drawn.departure]),
            np.concatenate([waiting.type, drawn.type]),
        )
        both = both[both.arrival.argsort(kind="stable")]
        now = int(np.searchsorted(both.arrival, min((day + 1), plan.days) * DAY))
        yield _trace(month, both[:now], rows, "synthetic-days")
        rows += now
        waiting = both[now:]


def _requests_of_day(month: MonthStatistics, plan: MonthPlan, day: int) -> Requests:
    """Of bursts that begin on a day, the whole of it, whatever the horizon."""
    rng = np.random.Generator(np.random.PCG64((plan.seed, day)))
    like = day
    if plan.day_profile == "resampled":
        like = int(rng.integers(month.day.shape[2]))
    hours = np.arange(day * _DAY_HOURS, (day + 1) * _DAY_HOURS)
    expected = _expected(month, plan, hours, np.full(hours.size, like))
    return draw_requests(
        rng,
        month,
        expected,
        int(hours[0]),
        plan.tail,
        lambda cell, vm_type: _uniform_of(plan.seed, cell, vm_type),
    )


def _expected(month: MonthStatistics, plan: MonthPlan, hour: IntArray, day: IntArray) -> FloatArray:
    """(type, class, hours) bursts to expect in hours that are as busy as on the measured days."""
    measured_days = month.day.shape[2]
    busy = np.ones(1) if plan.day_profile == "flat" else month.day[:, :, day % measured_days]
    of_day = (plan.rate / _DAY_HOURS * month.bursts_per_day)[:, :, None] * busy
    expected: FloatArray = of_day * month.hour[:, hour % _DAY_HOURS]
    return expected


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


def _trace(month: MonthStatistics, requests: Requests, first_id: int, name: str) -> Trace:
    return Trace(
        name=name,
        vm=np.arange(first_id, first_id + requests.arrival.size),
        arrival=requests.arrival,
        departure=requests.departure,
        cpu=month.cpu[requests.type],
        memory=month.memory[requests.type],
        start_hour=_START_HOUR,
    )
