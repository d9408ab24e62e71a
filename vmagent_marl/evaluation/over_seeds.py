"""Learners of several training seeds on the same episodes: means, differences, and their intervals.

Two things are left to chance, which parameters a run begins with and which rows of the trace are
played, and so both are drawn anew, as wholes: the runs of a learner (Agarwal et al. 2021, "Deep RL
at the Edge of the Statistical Precipice") and the blocks of the trace that episodes share rows of.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.episodes.collecting import intervals
from vmagent_marl.episodes.collecting.intervals import RESAMPLES, Estimate, Floats
from vmagent_marl.evaluation.statistics import interquartile_mean

_AT_ONCE = 2**21  # drawn values held in memory at a time


@dataclass(frozen=True)
class Runs:
    """What one learner's runs (S) came to on the same episodes (E); a heuristic is one run.

    The score is sum of `part` / sum of `whole`: a mean where the whole is ones.
    """

    part: Floats  # (S, E)
    whole: Floats  # (S, E)

    @property
    def score(self) -> float:
        """Over all runs and episodes."""
        return float(self.part.sum() / self.whole.sum()) if self.whole.sum() else 0.0

    @property
    def scores(self) -> Floats:
        """(S,) of each run."""
        return _over(self.part.sum(axis=1), self.whole.sum(axis=1))

    @property
    def values(self) -> Floats:
        """(S, E) of each episode."""
        return _over(self.part, self.whole)


@dataclass(frozen=True)
class Resampling:
    """Draws of runs and of blocks of the trace; the same blocks for whoever is compared.

    Every interval is a 95 % percentile bootstrap of 10,000 resamples. Where there is but one block,
    it is over the runs alone, of a single run over the blocks alone, and of both unknown (NaN).
    """

    blocks: NDArray[np.int64]  # (E,) of each episode
    seed: int = 0

    @cached_property
    def _drawn(self) -> Floats:
        """(resamples, blocks) how often each block is drawn."""
        return intervals.draw_blocks(self.blocks, self.seed)

    @property
    def block_count(self) -> int:
        """Of the trace, which the episodes cover."""
        return int(self.blocks.max()) + 1

    def score(self, runs: Runs) -> Estimate:
        """See `Runs`."""
        return self._estimate(runs.score, self._draws(runs), runs)

    def difference(self, new: Runs, old: Runs) -> Estimate:
        """Score less the other's on the same episodes; their runs are drawn apart."""
        draws = self._draws(new) - self._draws(old, 1)
        return self._estimate(new.score - old.score, draws, new, old)

    def normalised(self, runs: Runs, zero: Runs, one: Runs) -> Estimate | None:
        """0 at one's score, 1 at another's; None where these two are not surely apart."""
        spread = self.difference(one, zero)
        value = intervals.normalised(runs.score, zero.score, one.score, spread)
        if value is None:
            return None
        low, high = self._draws(zero, 1), self._draws(one, 2)
        return self._estimate(value, _over(self._draws(runs) - low, high - low), runs)

    def interquartile(self, runs: Runs) -> Estimate:
        """The mean of the middle half of the values of all runs and episodes."""
        values = runs.values
        found = float(interquartile_mean(values.ravel()))
        order = np.argsort(values, axis=None)
        run, episode = np.unravel_index(order, values.shape)
        times, drawn = self._times(len(values), 0), self._drawn
        if self.block_count < 2:
            drawn = np.ones((RESAMPLES, 1))
        draws, step = [], max(1, _AT_ONCE // values.size)
        for first in range(0, RESAMPLES, step):
            rows = slice(first, first + step)
            weight = times[rows][:, run] * drawn[rows][:, self.blocks[episode]]
            draws.append(_middle(values.ravel()[order], weight))
        return self._estimate(found, np.concatenate(draws), runs)

    def _times(self, runs: int, which: int) -> Floats:
        """(resamples, runs) how often each run is drawn, other draws for each `which`."""
        rng = np.random.default_rng((self.seed, 1 + which))
        return rng.multinomial(runs, np.full(runs, 1 / runs), RESAMPLES).astype(np.float64)

    def _draws(self, runs: Runs, which: int = 0) -> Floats:
        """(resamples,) the score over drawn runs and blocks."""
        drawn = self._drawn if self.block_count > 1 else np.ones((RESAMPLES, 1))
        times = self._times(len(runs.part), which)

        def summed(table: Floats) -> Floats:
            by_block = np.array([np.bincount(self.blocks, row, drawn.shape[1]) for row in table])
            total: Floats = (times * (drawn @ by_block.T)).sum(axis=1)
            return total

        return _over(summed(runs.part), summed(runs.whole), np.nan)

    def _estimate(self, value: float, draws: Floats, *drawn: Runs) -> Estimate:
        if self.block_count < 2 and max(len(runs.part) for runs in drawn) < 2:
            return Estimate(value, float("nan"), float("nan"))
        return Estimate(value, *intervals.percentiles(draws))


def _middle(ordered: Floats, weight: Floats) -> Floats:
    """(n,) interquartile means of ordered values (m,), each there so often as weight (n, m) says.

    The same rule as `interquartile_mean`: off each end goes a quarter of the number, rounded down.
    """
    until = weight.cumsum(axis=1)
    total = until[:, -1:]
    off = np.floor(total / 4)
    inside = np.clip(until, off, total - off) - np.clip(until - weight, off, total - off)
    return _over(inside @ ordered, inside.sum(axis=1), np.nan)


def _over(part: Floats, whole: Floats, empty: float = 0.0) -> Floats:
    filled = np.full(np.shape(part), empty)
    ratio: Floats = np.divide(part, whole, out=filled, where=whole != 0)
    return ratio
