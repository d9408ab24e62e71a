"""Means that few outliers do not move, and bootstrap intervals, in numpy alone.

Sources: Efron & Tibshirani 1993 (percentile bootstrap); Agarwal et al. 2021, "Deep RL at the Edge
of the Statistical Precipice" (interquartile mean, stratified bootstrap, probability of
improvement).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]  # (n, values) -> (n,)

RESAMPLES = 10_000
LEVEL = 0.95  # of every interval
CUT = 0.1  # off each end, for a trimmed mean
_AT_ONCE = 2**22  # drawn values held in memory at a time


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval; NaN ends where there is too little to tell one."""

    value: float
    low: float
    high: float

    @property
    def holds_zero(self) -> bool:
        """Whether the interval does not tell the figure from zero (so does one that is unknown)."""
        return not (self.low > 0.0 or self.high < 0.0)


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


def blocks_of(first: ArrayLike, stop: ArrayLike) -> NDArray[np.int64]:
    """(n,) the block of the trace that each episode of rows first..stop-1 belongs to.

    Going through the episodes by their first row, one that begins before the first of its block has
    ended belongs to the same block. So there are about as many blocks as episodes of this length
    that share no row: what overlaps is counted once, and a chain of overlaps is no single block.
    """
    begin, end = np.asarray(first, np.int64), np.asarray(stop, np.int64)
    blocks = np.zeros(begin.size, np.int64)
    block, until = -1, -1
    for i in np.lexsort((end, begin)):
        if block < 0 or begin[i] >= until:
            block, until = block + 1, int(end[i])
        blocks[i] = block
    return blocks


def draw_blocks(blocks: NDArray[np.int64], seed: int, resamples: int = RESAMPLES) -> Floats:
    """(resamples, blocks) how often each block is drawn, as many in all as there are."""
    number = int(blocks.max()) + 1 if blocks.size else 0
    if number == 0:
        return np.zeros((resamples, 0))
    draws = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), resamples)
    return draws.astype(np.float64)


def ratio_draws(
    part: ArrayLike, whole: ArrayLike, blocks: NDArray[np.int64], drawn: Floats
) -> Floats:
    """(resamples,) sum of `part` / sum of `whole` over the episodes of the drawn blocks.

    With a `whole` of ones it is the mean. NaN where the whole is zero.
    """
    number = drawn.shape[1]
    top = drawn @ np.bincount(blocks, np.asarray(part, np.float64), number)
    bottom = drawn @ np.bincount(blocks, np.asarray(whole, np.float64), number)
    ratio: Floats = np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom != 0)
    return ratio


def percentiles(draws: Floats, level: float = LEVEL) -> tuple[float, float]:
    """The middle `level` of bootstrap draws; NaN where one of them is no number."""
    if draws.size == 0 or np.isnan(draws).any():
        return float("nan"), float("nan")
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def mean_interval(
    values: ArrayLike, *, blocks: NDArray[np.int64] | None = None, seed: int = 0
) -> Estimate:
    """The mean with its bootstrap interval over blocks; each value is its own if none are given."""
    x = np.asarray(values, np.float64)
    if x.size == 0:
        return Estimate(float("nan"), float("nan"), float("nan"))
    groups = np.arange(x.size) if blocks is None else blocks
    drawn = draw_blocks(groups, seed)
    if drawn.shape[1] < 2:
        return Estimate(float(x.mean()), float("nan"), float("nan"))
    return Estimate(float(x.mean()), *percentiles(ratio_draws(x, np.ones(x.size), groups, drawn)))


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
