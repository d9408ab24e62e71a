"""Statistics corrected by what is drawn from them, until drawn months are as the real one."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from measuring.bursts import CLASSES, DAYS, KNOWN, TYPES, Month, Seconds
from numpy.typing import NDArray
from synthetic import HORIZON

from vmagent_marl.trace import Trace
from vmagent_marl.trace.synthetic.bursts import Requests
from vmagent_marl.trace.synthetic.month import requests_of_day
from vmagent_marl.trace.synthetic.plan import MonthPlan
from vmagent_marl.trace.synthetic.statistics import MonthStatistics

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Cell = tuple[int, int]  # type and class

STAY = 9_117  # VMs of the month that its publisher has not seen deleted
MEASURED = 150  # VMs from which lifetimes are measured anew


class Watched(MonthStatistics):
    """Remembers where in their distributions the last lifetimes were."""

    def lifetime(self, vm_type: IntArray, cls: IntArray, u: FloatArray) -> IntArray:  # noqa: D102  # the base tells
        self.raw["seen"] = (vm_type, cls, u)
        return super().lifetime(vm_type, cls, u)


@dataclass
class Drawn:
    """What some months are like that were drawn from the same statistics."""

    vms: FloatArray  # (type, class) of a month, deleted within it
    stay: float  # VMs of a month that are not
    seconds: list[Seconds]  # of each month
    place: dict[Cell, list[FloatArray]]  # where in their distribution the lifetimes were, 0..1
    lived: dict[Cell, list[IntArray]]  # s, by the class that a VM was drawn in
    seen: dict[Cell, list[IntArray]]  # s, by the class that it is seen in


def corrected(real: Month, month: MonthStatistics, seeds: range) -> MonthStatistics:
    """The month with as many bursts, and lifetimes such, that drawn months are as the real one."""
    drawn = _drawn(month, seeds)
    factor = np.where(real.vms >= KNOWN, real.vms / np.maximum(drawn.vms, 1), 1)
    quantiles = dict(month.raw["lt_q"])
    for t, c in np.ndindex(TYPES, CLASSES):
        wanted = real.lifetimes(t, c)
        if wanted.size >= MEASURED:
            place = np.concatenate(drawn.place[t, c])
            below = _shares(place, np.array(month.raw["lt_u"]))
            below[[0, -1]] = 0, 1
            lived, seen = np.concatenate(drawn.lived[t, c]), np.concatenate(drawn.seen[t, c])
            quantiles[f"{t},{c}"] = _quantiles(wanted, lived, seen, below)
    follow = Seconds.of(real).corrects(Seconds.mean(drawn.seconds), month.raw)
    return replace(
        month,
        bursts_per_day=month.bursts_per_day * factor,
        outlives=np.minimum(month.outlives * min(STAY / drawn.stay, 2), 0.95),
        raw={**month.raw, **follow, "lt_q": quantiles},
    )


def _drawn(month: MonthStatistics, seeds: range) -> Drawn:
    watched = Watched(**{**vars(month), "raw": dict(month.raw)})
    found = Drawn(*(np.zeros((TYPES, CLASSES)), 0.0, []), *(defaultdict(list) for _ in range(3)))
    for seed in seeds:
        days: list[Requests] = []
        for day in range(DAYS):
            requests = requests_of_day(watched, MonthPlan(seed=seed), day)
            vm_type, cls, u = watched.raw["seen"]
            ends = np.flatnonzero(requests.departure <= HORIZON)
            days.append(requests[ends])
            found.stay += (requests.departure.size - ends.size) / len(seeds)
            for t, c in np.ndindex(TYPES, CLASSES):
                chosen = ends[(vm_type[ends] == t) & (cls[ends] == c)]
                found.place[t, c].append(u[chosen])
                found.lived[t, c].append((requests.departure - requests.arrival)[chosen])
        whole = Month(_trace(days, month))
        for t, c in np.ndindex(TYPES, CLASSES):
            found.seen[t, c].append(whole.lifetimes(t, c))
        found.vms += whole.vms / len(seeds)
        found.seconds.append(Seconds.of(whole))
    return found


def _quantiles(
    wanted: IntArray, drawn: IntArray, seen: IntArray, shares: FloatArray
) -> list[float]:
    """Lifetimes by share that make what is seen like what is wanted.

    Bursts that meet by chance are seen as one, of another class: what is `seen` of a class is not
    what was `drawn` in it. Only by how far it is off is what is drawn to be corrected.
    """
    at = np.unique(wanted)
    target = _shares(drawn, at) + _shares(wanted, at) - _shares(seen, at)
    target = np.maximum.accumulate(np.clip(target, 0, 1))
    target[-1] = 1
    found: list[float] = np.maximum(at[np.searchsorted(target, shares)], 1).tolist()
    return found


def _shares(sample: NDArray[Any], at: NDArray[Any]) -> FloatArray:
    """Of a sample, what is at or below each value."""
    shares: FloatArray = np.searchsorted(np.sort(sample), at, side="right") / sample.size
    return shares


def _trace(days: list[Requests], month: MonthStatistics) -> Trace:
    arrival, departure, vm_type = (
        np.concatenate([getattr(day, name) for day in days])
        for name in ("arrival", "departure", "type")
    )
    order = arrival.argsort(kind="stable")
    order = order[arrival[order] < HORIZON]
    kinds = vm_type[order]
    return Trace(
        "drawn",
        np.arange(order.size),
        arrival[order],
        departure[order],
        month.cpu[kinds],
        month.memory[kinds],
    )
