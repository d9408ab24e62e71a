"""How well estimates rank policies whose returns are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def ranks(values: ArrayLike) -> NDArray[np.float64]:
    """(n,) 1 for the least; equal values share the mean of their ranks."""
    x = np.asarray(values, np.float64)
    ordered = np.sort(x)
    before = np.searchsorted(ordered, x, side="left")
    upto = np.searchsorted(ordered, x, side="right")
    shared: NDArray[np.float64] = (before + 1 + upto) / 2.0
    return shared


def spearman(estimated: ArrayLike, true: ArrayLike) -> float:
    """Spearman's rank correlation (1904), -1 to 1; NaN where all of one are equal."""
    x, y = ranks(estimated), ranks(true)
    x, y = x - x.mean(), y - y.mean()
    spread = np.sqrt((x**2).sum() * (y**2).sum())
    return float((x * y).sum() / spread) if spread > 0 else float("nan")


def regret_at_1(estimated: ArrayLike, true: ArrayLike) -> float:
    """What choosing the policy of the highest estimate costs, as a share of best - worst.

    Fu et al. 2021, "Benchmarks for Deep Off-Policy Evaluation". 0: the best was chosen; of equal
    estimates the first counts.
    """
    guess, real = np.asarray(estimated, np.float64), np.asarray(true, np.float64)
    spread = real.max() - real.min()
    lost = real.max() - real[int(np.nanargmax(guess))]
    return float(lost / spread) if spread > 0 else 0.0
