"""Measure the real month anew: `python benchmarks/measure_month.py OUT.json`.

It begins with the statistics that the package holds and measures again what says when requests
come and how long their VMs live: `day`, `busy_hour`, `hour_of_day`, `overdispersion`, `level`; then
it draws months and corrects `bursts_per_day`, `p0`, `gap_pmf`, `lt_q` and `p_persist`, until the
drawn VMs that are deleted within the month are as many, come as close on each other and live as
long as the real ones, and as many others stay. Of sizes only those of large bursts are measured.
Facts are counts and quantiles over many VMs; no row is one of them.

What is measured depends a little on what it begins with: run on its own results it changes them
by about as much as they scatter from seed to seed.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import tyro
from month_bursts import CLASSES, SAME_SECOND, TYPES, Month, Seconds, large_sizes
from numpy.typing import NDArray
from synthetic import HORIZON, real_month

from vmagent_marl.trace import Trace, read_trace
from vmagent_marl.trace.synthetic.bursts import Requests
from vmagent_marl.trace.synthetic.month import requests_of_day
from vmagent_marl.trace.synthetic.plan import MonthPlan
from vmagent_marl.trace.synthetic.statistics import MonthStatistics, month_statistics
from vmagent_marl.trace.units import DAY, HOUR

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

DAYS = 31
HEAVY = 11  # types from here on are too rare for days of their own and keep out of the others'
STAY = 9_117  # VMs of the month that its publisher has not seen deleted
KNOWN = 60  # bursts from which a type and class has a day profile and a spread of its own
PRIOR = 2.0  # bursts a day for which the profile of all types speaks
MEASURED = 150  # VMs from which lifetimes are measured anew

_GRID = np.linspace(0, 1, 20_001)[1:-1]
_NORMAL = np.array([NormalDist().inv_cdf(u) for u in _GRID])


def phi(z: FloatArray) -> FloatArray:
    """Standard normal distribution function."""
    below: FloatArray = np.interp(z, _NORMAL, _GRID, left=0, right=1)
    return below


def probit(u: FloatArray) -> FloatArray:
    """Its inverse."""
    score: FloatArray = np.interp(u, _GRID, _NORMAL)
    return score


def distribution(month: MonthStatistics, t: int, c: int, seconds: FloatArray) -> FloatArray:
    """Probability that a VM lives at most so long."""
    measured = month.raw["lt_q"]
    quantiles = np.log(measured.get(f"{t},{c}", measured[f"{t},0"]))
    even = np.linspace(0, 1, quantiles.size)
    grid = month.raw["lt_u"] if quantiles.size == len(month.raw["lt_u"]) else even
    rising = quantiles + np.arange(quantiles.size) * 1e-9
    below: FloatArray = np.interp(np.log(np.maximum(seconds, 1)), rising, grid)
    share: FloatArray = (1 - month.outlives[t, c]) * below
    return share


def levels(real: Month, month: MonthStatistics) -> tuple[FloatArray, FloatArray]:
    """(class, day) mean of lifetimes on the normal scale, and (class,) their variance.

    Only what was deleted within the month is seen: each mean is that of a normal distribution
    of which what lies above some place is cut off.
    """
    score, most = np.empty(real.type.size), np.empty(real.type.size)
    for t, c in np.ndindex(TYPES, CLASSES):
        vms = (real.type == t) & (real.cls == c)
        lived = real.lifetime[vms]
        low, high = (distribution(month, t, c, lived + half) for half in (-0.5, 0.5))
        score[vms] = probit((low + high) / 2)
        most[vms] = probit(distribution(month, t, c, HORIZON - real.trace.arrival[vms]))
    level, arrived = np.zeros((CLASSES, DAYS)), np.zeros((CLASSES, DAYS))
    share = month.hour_share
    for c, d in np.ndindex(CLASSES, DAYS):
        vms = (real.cls == c) & (real.trace.arrival // DAY == d)
        weight = real.weight[vms]
        level[c, d] = _cut_mean(score[vms], most[vms], weight)
        arrived[c, d] = (weight / np.maximum(phi(most[vms] - level[c, d]), 0.1)).sum()
    arrived /= arrived.sum(axis=1, keepdims=True)
    level -= (arrived * level).sum(axis=1, keepdims=True)
    variance = (arrived * level**2).sum(axis=1)
    # Hours of a day differ too: what of the variance is their noise is taken out.
    hours = (real.bursts(HOUR).sum(axis=0) > 0).sum(axis=1) / DAYS
    noise = np.maximum(share - variance, 0) / hours
    level *= np.sqrt(np.maximum(1 - noise / variance, 0))[:, None]
    return level, (arrived * level**2).sum(axis=1)


def _cut_mean(score: FloatArray, most: FloatArray, weight: FloatArray) -> float:
    """Mean of a normal distribution of which only what is below `most` is seen."""
    low, high = -3.0, 3.0
    seen = (weight * score).sum() / weight.sum()
    for _ in range(40):
        mean = (low + high) / 2
        at = most - mean
        density = np.exp(-(at**2) / 2) / math.sqrt(2 * math.pi)
        expected = mean - density / np.maximum(phi(at), 1e-9)
        if (weight * expected).sum() / weight.sum() < seen:
            low = mean
        else:
            high = mean
    return low


def deleted_share(month: MonthStatistics) -> FloatArray:
    """(type, class, day) probability that who comes on a day is deleted within the month."""
    share = np.empty((TYPES, CLASSES, DAYS))
    left = HORIZON - np.arange(1, DAYS * 24, 2) * HOUR
    for t, c in np.ndindex(TYPES, CLASSES):
        place = probit(distribution(month, t, c, left)).reshape(DAYS, -1)
        own = math.sqrt(1 - month.level_share[c])
        share[t, c] = phi((place - month.level[c][:, None]) / own).mean(axis=1)
    return np.maximum(share, 0.03)


def day_profiles(real: Month, deleted: FloatArray) -> FloatArray:
    """(type, class, day) how busy: of its own where it is known, else of types like it."""
    came = real.bursts(DAY) / deleted
    profile = np.empty_like(came)
    for c in range(CLASSES):
        usual, heavy = came[:HEAVY, c].sum(axis=0), came[HEAVY:, c].sum(axis=0) + PRIOR
        for t in range(TYPES):
            like = usual / usual.mean() if t < HEAVY else heavy / heavy.mean()
            own = (came[t, c] + PRIOR) / (like * came[t, c].mean() + PRIOR) * like
            known = came[t, c].sum() >= KNOWN
            profile[t, c] = own / own.mean() if known else like
    return profile


def busy_hours(real: Month, expected: FloatArray) -> FloatArray:
    """(class, hour of the month) how busy beyond (class, hour) bursts that the days let expect.

    Counts scatter by chance as well; of each excess only that part is kept that leaves the variance
    of a Poisson count with such a mean as large as the measured one.
    """
    count = real.bursts(HOUR).sum(axis=0)
    excess = count - expected
    variance = (excess**2).sum(axis=1)
    kept = np.sqrt(np.maximum(variance - expected.sum(axis=1), 0) / variance)
    return np.maximum(1 + kept[:, None] * excess / np.maximum(expected, 0.3), 0)


def overdispersion(real: Month, month: MonthStatistics, deleted: FloatArray) -> FloatArray:
    """(type, class) k of the Gamma(1/k, k) factor that is left of the hours' variance."""
    hourly = (month.day * deleted)[:, :, :, None] * (month.hour[:, None] * month.busy)
    expected = hourly.reshape(TYPES, CLASSES, -1)
    count = real.bursts(HOUR)
    k = np.minimum(month.overdispersion, 1.0)
    for t, c in np.ndindex(TYPES, CLASSES):
        if (bursts := count[t, c].sum()) >= KNOWN:
            mean = expected[t, c] * bursts / expected[t, c].sum()
            k[t, c] = max(((count[t, c] - mean) ** 2).sum() - bursts, 0) / (mean**2).sum()
    return k


class Watched(MonthStatistics):
    """Remembers where in their distributions the last lifetimes were."""

    def lifetime(self, vm_type: IntArray, cls: IntArray, u: FloatArray) -> IntArray:  # noqa: D102
        self.raw["seen"] = (vm_type, cls, u)
        return super().lifetime(vm_type, cls, u)


def corrected(real: Month, month: MonthStatistics, seeds: range) -> MonthStatistics:
    """The month with as many bursts, and lifetimes such, that drawn months are as the real one."""
    watched = Watched(**{**vars(month), "raw": dict(month.raw)})
    places: dict[tuple[int, int], list[FloatArray]] = {}
    lived: dict[tuple[int, int], list[IntArray]] = {}
    found: dict[tuple[int, int], list[IntArray]] = {}
    vms, seconds, stay = np.zeros((TYPES, CLASSES)), [], 0.0
    for seed in seeds:
        drawn: list[Requests] = []
        for day in range(DAYS):
            requests = requests_of_day(watched, MonthPlan(seed=seed), day)
            vm_type, cls, u = watched.raw["seen"]
            kept = np.flatnonzero(requests.departure <= HORIZON)
            drawn.append(requests[kept])
            stay += int((requests.departure > HORIZON).sum()) / len(seeds)
            for t, c in np.ndindex(TYPES, CLASSES):
                chosen = kept[(vm_type[kept] == t) & (cls[kept] == c)]
                places.setdefault((t, c), []).append(u[chosen])
                ends, begins = requests.departure[chosen], requests.arrival[chosen]
                lived.setdefault((t, c), []).append(ends - begins)
        whole = Month(_trace(drawn, month))
        for t, c in np.ndindex(TYPES, CLASSES):
            found.setdefault((t, c), []).append(whole.lifetimes(t, c))
        vms += whole.vms / len(seeds)
        seconds.append(Seconds.of(whole))
    factor = np.where(real.vms >= KNOWN, real.vms / np.maximum(vms, 1), 1)
    quantiles = dict(month.raw["lt_q"])
    for t, c in np.ndindex(TYPES, CLASSES):
        wanted = real.lifetimes(t, c)
        if wanted.size >= MEASURED:
            place = np.concatenate(places[t, c])
            below = _shares(place, np.array(month.raw["lt_u"]))
            below[[0, -1]] = 0, 1
            drawn_as, seen_as = np.concatenate(lived[t, c]), np.concatenate(found[t, c])
            quantiles[f"{t},{c}"] = _quantiles(wanted, drawn_as, seen_as, below)
    mean = Seconds(
        {least: np.mean([each.same[least] for each in seconds], axis=0) for least in SAME_SECOND},
        np.mean([each.gap for each in seconds], axis=0),
    )
    seen = Seconds.of(real).corrects(mean, month.raw)
    return replace(
        month,
        bursts_per_day=month.bursts_per_day * factor,
        outlives=np.minimum(month.outlives * min(STAY / stay, 2), 0.95),
        raw={**month.raw, **seen, "lt_q": quantiles},
    )


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


def measured(real: Month, month: MonthStatistics, rounds: int, seeds: int) -> MonthStatistics:
    """All of it, some rounds over, since each part needs the others."""
    same = Seconds.of(real).same
    begin = [[least, list(levels), same[least].tolist()] for least, levels in SAME_SECOND.items()]
    month = replace(month, raw={**month.raw, **large_sizes(real, month.raw), "p0": begin})
    for number in range(rounds):
        level, share = levels(real, month)
        month = replace(month, level=level, level_share=np.minimum(share, month.hour_share))
        deleted = deleted_share(month)
        month = replace(month, day=day_profiles(real, deleted))
        by_hour = real.bursts(HOUR).sum(axis=0).reshape(CLASSES, DAYS, 24)
        of_day = by_hour.sum(axis=1)
        month = replace(month, hour=24 * of_day / of_day.sum(axis=1, keepdims=True))
        daily = (month.day * deleted * month.bursts_per_day[:, :, None]).sum(axis=0)
        daily *= (by_hour.sum(axis=(1, 2)) / daily.sum(axis=1))[:, None]
        expected = (daily[:, :, None] * month.hour[:, None] / 24).reshape(CLASSES, -1)
        busy = busy_hours(real, expected).reshape(CLASSES, DAYS, 24)
        month = replace(month, busy=busy)
        month = replace(month, overdispersion=overdispersion(real, month, deleted))
        first = 1000 * (number + 1)  # seeds that nobody compares with
        month = corrected(real, month, range(first, first + seeds))
        print(f"round {number + 1}: {month.bursts_per_day.sum():.1f} bursts a day")
    return month


def as_json(month: MonthStatistics) -> dict[str, Any]:
    """The file that `month_statistics` reads."""
    told = {name: value for name, value in month.raw.items() if name != "seen"}
    return told | {
        "version": 4,
        "bursts_per_day": month.bursts_per_day.round(3).tolist(),
        "overdispersion": month.overdispersion.round(2).tolist(),
        "hour_of_day": month.hour.round(2).tolist(),
        "day": month.day.round(2).tolist(),
        "busy_hour": month.busy.round(2).tolist(),
        "level": month.level.round(2).tolist(),
        "level_share": month.level_share.round(3).tolist(),
        "p_persist": month.outlives.round(4).tolist(),
        "p0": [[least, levels, np.round(w, 3).tolist()] for least, levels, w in month.raw["p0"]],
        "gap_pmf": np.round(month.raw["gap_pmf"], 3).tolist(),
        "lt_q": {key: [int(v) for v in values] for key, values in month.raw["lt_q"].items()},
    }


def main(out: tyro.conf.Positional[Path], rounds: int = 3, seeds: int = 20) -> None:
    """Write the statistics of the real month, measured anew."""
    file = real_month()
    if file is None:
        sys.exit("the real month is not in ../shared/data: set VMAGENT_TRACE_DIR to its folder")
    month = measured(Month(read_trace(file)), month_statistics(), rounds, seeds)
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in as_json(month).items()]
    out.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    tyro.cli(main)
