"""Means that few outliers do not move, and whether one policy is better than another.

Source: Agarwal et al. 2021, "Deep RL at the Edge of the Statistical Precipice" (interquartile
mean, stratified bootstrap, probability of improvement).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vmagent_marl.episodes.collecting.intervals import (
    RESAMPLES,
    Estimate,
    Floats,
    mean_interval,
    percentiles,
)

Statistic = Callable[[Floats], Floats]  # (n, values) -> (n,)

CUT = 0.1  # off each end, for a trimmed mean
_AT_ONCE = 2**22  # drawn values held in memory at a time


def trimmed_mean(values: ArrayLike, cut: float = CUT) -> Floats:
    """Mean along the last axis without the int(cut x n) least and as many largest."""
    ordered = np.sort(np.asarray(values, np.float64), axis=-1)
    length = ordered.shape[-1]
    if length == 0:
        return np.full(ordered.shape[:-1], np.nan)
    off = int(cut * length)
    return np.asarray(ordered[..., off : length - off].mean(axis=-1))


def interquartile_mean(values: ArrayLike) -> Floats:
    """Mean along the last axis of the middle half."""
    return trimmed_mean(values, 0.25)


def stratified_interval(
    scores: ArrayLike,
    statistic: Statistic = interquartile_mean,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Estimate:
    """A statistic of (runs, tasks) scores with its interval: each task's runs are drawn anew.

    The tasks are what is asked about and stay; the runs are those of different training seeds.
    """
    table = np.asarray(scores, np.float64)
    table = table[:, None] if table.ndim == 1 else table
    runs, tasks = table.shape
    value = float(statistic(table.reshape(1, -1))[0])
    if runs < 2:
        return Estimate(value, float("nan"), float("nan"))
    rng, draws, left = np.random.default_rng(seed), [], resamples
    while left:
        n = min(left, max(1, _AT_ONCE // table.size))
        drawn = table[rng.integers(runs, size=(n, runs, tasks)), np.arange(tasks)]
        draws.append(statistic(drawn.reshape(n, -1)))
        left -= n
    return Estimate(value, *percentiles(np.concatenate(draws)))


def probability_of_improvement(new: ArrayLike, old: ArrayLike) -> float:
    """P(a run of `new` beats a run of `old`), ties half, averaged over tasks; (runs, tasks) each.

    Mann & Whitney's U per task, as Agarwal et al. 2021 use it. Larger is better.
    """
    x, y = np.asarray(new, np.float64), np.asarray(old, np.float64)
    x, y = (a[:, None] if a.ndim == 1 else a for a in (x, y))
    difference = x[:, None, :] - y[None, :, :]
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())


def paired_improvement(
    new: ArrayLike, old: ArrayLike, *, blocks: NDArray[np.int64] | None = None, seed: int = 0
) -> Estimate:
    """Share of the episodes in which `new` beats `old` on the same rows, ties half."""
    difference = np.asarray(new, np.float64) - np.asarray(old, np.float64)
    wins = (difference > 0) + 0.5 * (difference == 0)
    return mean_interval(wins, blocks=blocks, seed=seed)
