"""Importance weights of recorded episodes, and what they are worth.

The ratio of a request is that of the probabilities of all its answers that counted, the target's
over the behaviour's: the product over the *reached* agents alone, since what the others would have
answered changed nothing. The weight of an episode after request t is the product of its ratios up
to there (Precup, Sutton & Singh 2000); where it has ended it stays. Given the component of the
behaviour that plays an episode, the weight's expectation is 1 after every request, if that
component gives every answer a chance that the target gives one: support.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.errors import DatasetError
from vmagent_marl.train.estimation.trajectories import Trajectories

CERTAIN = 1e-9  # a probability as near to 1 leaves nothing for others
FEW = 10.0  # effective episodes below which an estimate means little


@dataclass(frozen=True, eq=False)
class Weights:
    """Of one target policy on recorded episodes."""

    log: NDArray[np.float64]  # (E, H) after each request; -inf: the target never does so
    mean_ratio: float  # of a request; 1 in expectation
    mean_ratio_error: float  # its standard error

    @cached_property
    def scaled(self) -> NDArray[np.float64]:
        """(E, H) the weights of a request divided by the largest, for what is self-normalised."""
        most = self.log.max(axis=0)
        scaled: NDArray[np.float64] = np.exp(self.log - np.where(np.isfinite(most), most, 0.0))
        return scaled

    @cached_property
    def effective(self) -> NDArray[np.float64]:
        """(H,) effective sample size (sum w)^2 / sum w^2 after each request (Kish 1965)."""
        squares = (self.scaled**2).sum(axis=0)
        total = self.scaled.sum(axis=0) ** 2
        size: NDArray[np.float64] = np.divide(
            total, squares, out=np.zeros_like(total), where=squares > 0
        )
        return size

    @property
    def until(self) -> int:
        """Requests before the effective sample size first falls below `FEW`."""
        below = np.flatnonzero(self.effective < FEW)
        return int(below[0]) if below.size else self.effective.size

    def effective_mean(self, gamma: float) -> float:
        """Mean of the effective sample size over the requests, as much as they count."""
        return float(np.average(self.effective, weights=gamma ** np.arange(self.effective.size)))

    def told(self, gamma: float) -> float:
        """Share of the discounted requests that come before `until`: 1 is all."""
        counts = gamma ** np.arange(self.effective.size)
        return float(counts[: self.until].sum() / counts.sum())

    @property
    def biased(self) -> bool:
        """Whether the mean ratio is not 1, by five standard errors and a twentieth."""
        return abs(self.mean_ratio - 1.0) > max(0.05, 5.0 * self.mean_ratio_error)


def weights_of(data: Trajectories, plans: NDArray[np.float64]) -> Weights:
    """The weights of a target that answers with chances `plans` (N, K, A) if it is reached.

    Raises `DatasetError` for a behaviour without support, see `check_support`.
    """
    answers = np.take_along_axis(plans[data.seen], data.action[..., None], axis=2)[..., 0]
    check_support(data, answers)
    with np.errstate(divide="ignore"):
        each = np.where(data.reached, np.log(answers) - data.behavior_logp, 0.0)
    log_ratio = each.sum(axis=1)
    off = np.exp(log_ratio) - 1.0
    padded = data.padded(log_ratio)
    return Weights(
        log=np.cumsum(padded, axis=1),
        mean_ratio=1.0 + float(off.mean()),
        mean_ratio_error=float(np.sqrt((off**2).sum()) / off.size),
    )


def check_support(data: Trajectories, answers: NDArray[np.float64]) -> None:
    """Raise `DatasetError` where the behaviour gives no chance to what the target may do.

    `answers` (M, K) are the target's chances of what was answered. Refused are answers of unknown
    probability, answers given with certainty where the target may give another, and components
    that are known to play without noise, unless the target never differs from them.
    """
    component = data.component[data.episode]
    unknown = data.reached & np.isnan(data.behavior_logp)
    differs = data.reached & (answers < 1.0 - CERTAIN)
    certain = np.exp(np.where(unknown, -np.inf, data.behavior_logp)) > 1.0 - CERTAIN
    bare = np.isin(component, list(data.bare))[:, None]
    for wrong, why in (
        (unknown, "gives answers of unknown probability"),
        (differs & certain, "is certain of an answer that the target may not give"),
        (differs & bare, "plays without noise, and the target plays otherwise"),
    ):
        for t, k in np.argwhere(wrong)[:1]:
            raise DatasetError(
                f"data set {' or '.join(map(repr, data.dataset)) or 'given'}: "
                f"{data.components[component[t]]} {why} (episode {data.episode[t]}, request "
                f"{data.step[t]}, cluster_{k}), so there is no support for weights: record noise "
                "(epsilon above 0), or ask for fqe alone"
            )
