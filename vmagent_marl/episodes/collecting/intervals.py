"""Intervals of what episodes came to, by bootstrap over blocks of the trace, in numpy alone.

Source: Efron & Tibshirani 1993 (percentile bootstrap).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

RESAMPLES = 10_000
LEVEL = 0.95  # of every interval


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


def normalised(value: float, zero: float, one: float, spread: Estimate) -> float | None:
    """(value - zero) / (one - zero): the one rule for scores that are 0 at random, 1 at the best.

    `spread` is one - zero with its interval over episodes that both played. None, for undefined,
    where that does not tell it from nothing.
    """
    return None if spread.holds_zero else (value - zero) / (one - zero)
