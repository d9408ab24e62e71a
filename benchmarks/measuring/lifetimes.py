"""How long the VMs of a day live, seen from those that are deleted within the month."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from measuring.bursts import CLASSES, DAYS, TYPES, Month
from numpy.typing import NDArray
from synthetic import HORIZON

from vmagent_marl.trace.synthetic.statistics import MonthStatistics
from vmagent_marl.trace.units import DAY, HOUR

FloatArray = NDArray[np.float64]

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
        lived = real.trace.lifetime[vms]
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
