"""Estimates from weights and values: importance sampling and doubly robust, plain or normalised.

What is estimated is the **discounted return of the team from the episode's start to its end**,
sum over requests t of gamma^t r_t, in expectation over the starts that the episodes stand for and
over what the target policy draws. r_t is the mean of the agents' rewards, the discount is per
request, and the end is the recorded one: the horizon cuts the return off, nothing is bootstrapped.

With w_t the weight after request t (`train.estimation.weights`), n episodes, and Q and V the values
of the target policy from `train.estimation.fitted_q`, Q at what was answered:

- `is`, per-decision importance sampling (Precup, Sutton & Singh, ICML 2000):
  mean over episodes of sum_t gamma^t w_t r_t. Unbiased; its variance grows with the horizon.
- `wis`, its self-normalised form (same source; Thomas 2015, section 3.8):
  sum_t gamma^t (sum_i w_it r_it) / (sum_i w_it). Consistent, biased towards the behaviour.
- `dr`, doubly robust (Jiang & Li, ICML 2016, equation 10 unrolled as in Thomas & Brunskill 2016):
  mean over episodes of V(s_0) + sum_t gamma^t w_t (r_t + gamma V(s_t+1) - Q(s_t, a_t)), V = 0 at
  the end. Unbiased for any Q that was not fitted to the same episodes.
- `wdr`, weighted doubly robust (Thomas & Brunskill, ICML 2016, equation 6), with
  u_it = w_it / sum_j w_jt and u_i,-1 = 1/n:
  sum_i sum_t gamma^t (u_it r_it - u_it Q_it + u_i,t-1 V_it). Consistent.
- `fqe`, fitted Q evaluation (Le, Voloshin & Yue, ICML 2019): mean over episodes of V(s_0).

Episodes that have ended keep their weight with no reward and no value, as in an absorbing state.
Intervals are 95 % percentile bootstraps over blocks of the trace; those of `fqe`, `dr` and `wdr`
take the fitted values as they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.episodes.collecting.intervals import (
    Estimate,
    Floats,
    draw_blocks,
    mean_interval,
    percentiles,
)
from vmagent_marl.train.estimation.weights import Weights

RESAMPLES = 2_000  # of normalised estimates, whose every request is a ratio of its own
_AT_ONCE = 2**21  # drawn values held in memory at a time


def recorded_return(
    reward: Floats, gamma: float, *, blocks: NDArray[np.int64] | None = None, seed: int = 0
) -> Estimate:
    """The discounted return of what was recorded; `reward` is (E, H), zero after the end."""
    return mean_interval(reward @ _discounts(reward, gamma), blocks=blocks, seed=seed)


def started(v: Floats, *, blocks: NDArray[np.int64] | None = None, seed: int = 0) -> Estimate:
    """`fqe`; `v` is (E, H)."""
    return mean_interval(v[:, 0], blocks=blocks, seed=seed)


def importance_sampled(
    reward: Floats,
    weights: Weights,
    gamma: float,
    *,
    blocks: NDArray[np.int64] | None = None,
    seed: int = 0,
) -> Estimate:
    """`is`; NaN where the weights pass what a float holds."""
    with np.errstate(over="ignore", invalid="ignore"):
        each = (np.exp(weights.log) * reward) @ _discounts(reward, gamma)
    return _mean(each, blocks, seed)


def weighted_importance_sampled(
    reward: Floats,
    weights: Weights,
    gamma: float,
    *,
    blocks: NDArray[np.int64] | None = None,
    seed: int = 0,
) -> Estimate:
    """`wis`; NaN where no episode has a weight."""
    w = weights.scaled
    discounts = _discounts(reward, gamma)
    return _normalised([(w * reward, w, discounts)], blocks, seed)


def doubly_robust(
    reward: Floats,
    weights: Weights,
    q: Floats,
    v: Floats,
    gamma: float,
    *,
    blocks: NDArray[np.int64] | None = None,
    seed: int = 0,
) -> Estimate:
    """`dr`; `q` and `v` are (E, H), zero after the end."""
    after = np.concatenate([v[:, 1:], np.zeros_like(v[:, :1])], axis=1)
    with np.errstate(over="ignore", invalid="ignore"):
        corrections = np.exp(weights.log) * (reward + gamma * after - q)
        each = v[:, 0] + corrections @ _discounts(reward, gamma)
    return _mean(each, blocks, seed)


def weighted_doubly_robust(
    reward: Floats,
    weights: Weights,
    q: Floats,
    v: Floats,
    gamma: float,
    *,
    blocks: NDArray[np.int64] | None = None,
    seed: int = 0,
) -> Estimate:
    """`wdr`; `q` and `v` as in `doubly_robust`."""
    w = weights.scaled
    before = np.concatenate([np.ones_like(w[:, :1]), w[:, :-1]], axis=1)
    discounts = _discounts(reward, gamma)
    parts = [(w * (reward - q), w, discounts), (before * v, before, discounts)]
    return _normalised(parts, blocks, seed)


def _discounts(reward: Floats, gamma: float) -> Floats:
    return np.asarray(gamma ** np.arange(reward.shape[1]), np.float64)


def _mean(each: Floats, blocks: NDArray[np.int64] | None, seed: int) -> Estimate:
    if not np.isfinite(each).all():
        return Estimate(float("nan"), float("nan"), float("nan"))
    return mean_interval(each, blocks=blocks, seed=seed)


def _normalised(
    parts: list[tuple[Floats, Floats, Floats]], blocks: NDArray[np.int64] | None, seed: int
) -> Estimate:
    """Sum over the parts (top, bottom, factor) of sum_t factor_t (sum_i top_it / sum_i bottom_it).

    The sums over i are of the episodes, and in the draws of those of the drawn blocks.
    """
    episodes, horizon = parts[0][0].shape
    groups = np.arange(episodes) if blocks is None else blocks
    number = int(groups.max()) + 1
    tables = []
    for top, bottom, factor in parts:
        sums = np.zeros((2, number, horizon))
        np.add.at(sums[0], groups, top)
        np.add.at(sums[1], groups, bottom)
        tables.append((sums[0], sums[1], factor))

    def of(counts: Floats) -> Floats:
        """(n,) of blocks that occur so often, (n, blocks)."""
        total = np.zeros(len(counts))
        with np.errstate(invalid="ignore", divide="ignore"):
            for top, bottom, factor in tables:
                total += ((counts @ top) / (counts @ bottom)) @ factor
        return total

    value = float(of(np.ones((1, number)))[0])
    if number < 2 or np.isnan(value):
        return Estimate(value, float("nan"), float("nan"))
    drawn = draw_blocks(groups, seed, RESAMPLES)
    size = max(1, _AT_ONCE // horizon)
    draws = [of(drawn[first : first + size]) for first in range(0, len(drawn), size)]
    return Estimate(value, *percentiles(np.concatenate(draws)))
