"""Several policies estimated on the same recordings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.episodes.collecting.intervals import Estimate
from vmagent_marl.errors import DatasetError, SettingError
from vmagent_marl.progress import counter
from vmagent_marl.train.estimation import weighing
from vmagent_marl.train.estimation.chances import Target, counted
from vmagent_marl.train.estimation.fitted_q import Fit, Values, fitted_values
from vmagent_marl.train.estimation.trajectories import Trajectories
from vmagent_marl.train.estimation.weights import Weights, weights_of

Estimator = Literal["fqe", "is", "wis", "dr", "wdr"]
ESTIMATORS: tuple[Estimator, ...] = get_args(Estimator)
WEIGHED = ("is", "wis", "dr", "wdr")  # need the behaviour's probabilities
FITTED = ("fqe", "dr", "wdr")  # need values
FIT = Fit()
TOLD = 0.9  # share of the discounted requests that weights have to tell of


@dataclass(frozen=True, eq=False)
class PolicyEstimates:
    """What one policy would return, by each estimator."""

    policy: str
    estimates: dict[str, Estimate]
    weights: Weights | None = None  # None: not asked for, or refused
    refused: str = ""  # why there are no weights


@dataclass(frozen=True, eq=False)
class ReturnEstimates:
    """Discounted returns of the team from an episode's start to its end, see `weighing`."""

    data: Trajectories
    gamma: float
    recorded: Estimate  # of the behaviour itself
    policies: tuple[PolicyEstimates, ...]

    def warnings(self, policy: PolicyEstimates) -> list[str]:
        """Why what weights say of a policy means little, if it does."""
        weights = policy.weights
        if weights is None:
            return [policy.refused] if policy.refused else []
        found = []
        told = weights.told(self.gamma)
        if told < TOLD:
            found.append(
                f"fewer than 10 effective episodes from request {weights.until} on: the weights "
                f"tell of {100 * told:.0f} % of the discounted time, and not of the rest"
            )
        if weights.biased:
            found.append(
                f"the mean ratio of a request is {weights.mean_ratio:.3f} and not 1: the data "
                "lacks what the policy does, or holds too few of it"
            )
        return found


def estimate_returns(
    data: Trajectories,
    targets: Sequence[Target],
    *,
    gamma: float = 0.99,
    estimators: Sequence[str] = ("fqe", "wis", "dr"),
    fit: Fit = FIT,
    seed: int = 0,
    progress: bool = False,
) -> ReturnEstimates:
    """Every estimate of every policy; `seed` is the bootstrap's.

    An estimator that the data cannot serve is left out, with its reason in `refused`. Raises
    `SettingError` for an unknown estimator or a discount that is none, and `DatasetError` where no
    estimate is left of any policy.
    """
    for name in estimators:
        if name not in ESTIMATORS:
            raise SettingError(f"estimators: {name!r} is none: choose from {', '.join(ESTIMATORS)}")
    if not estimators:
        raise SettingError(f"estimators: there is none: choose from {', '.join(ESTIMATORS)}")
    if not 0.0 <= gamma <= 1.0:
        raise SettingError(f"gamma: {gamma} is no discount: give 0 to 1")
    reward = data.padded(data.reward)
    found = []
    with counter("Estimating", len(targets), unit="policies", shown=progress) as count:
        for target in targets:
            found.append(_estimated(data, target, reward, gamma, estimators, fit, seed))
            count()
    refused = [each.refused for each in found if not each.estimates]
    if refused and len(refused) == len(found):
        raise DatasetError(refused[0])
    recorded = weighing.recorded_return(reward, gamma, blocks=data.blocks, seed=seed)
    return ReturnEstimates(data, gamma, recorded, tuple(found))


def _estimated(
    data: Trajectories,
    target: Target,
    reward: NDArray[np.float64],
    gamma: float,
    estimators: Sequence[str],
    fit: Fit,
    seed: int,
) -> PolicyEstimates:
    plans = target.chances(data.observation, data.mask)
    weights, refused = None, ""
    if set(estimators) & set(WEIGHED):
        try:
            weights = weights_of(data, plans)
        except DatasetError as error:
            refused = str(error)
    served = [name for name in estimators if weights is not None or name not in WEIGHED]
    values = None
    if set(served) & set(FITTED):
        values = fitted_values(data, counted(plans, data.place, data.tries), gamma, fit)
    estimates = {name: _one(name, data, reward, weights, values, gamma, seed) for name in served}
    return PolicyEstimates(target.name, estimates, weights, refused)


def _one(
    name: str,
    data: Trajectories,
    reward: NDArray[np.float64],
    weights: Weights | None,
    values: Values | None,
    gamma: float,
    seed: int,
) -> Estimate:
    blocks = data.blocks
    if name == "fqe":
        assert values is not None
        return weighing.started(values.v, blocks=blocks, seed=seed)
    assert weights is not None
    if name == "is":
        return weighing.importance_sampled(reward, weights, gamma, blocks=blocks, seed=seed)
    if name == "wis":
        return weighing.weighted_importance_sampled(
            reward, weights, gamma, blocks=blocks, seed=seed
        )
    assert values is not None
    estimate = weighing.doubly_robust if name == "dr" else weighing.weighted_doubly_robust
    return estimate(reward, weights, values.q, values.v, gamma, blocks=blocks, seed=seed)


def as_dict(found: ReturnEstimates) -> dict[str, object]:
    """Plain values for JSON, None for what is not known."""

    def plain(estimate: Estimate) -> dict[str, float | None]:
        return {key: _finite(value) for key, value in vars(estimate).items()}

    return {
        "dataset": list(found.data.dataset),
        "episodes": int(found.data.lengths.size),
        "gamma": found.gamma,
        "recorded": plain(found.recorded),
        "policies": [
            {
                "policy": each.policy,
                "estimates": {name: plain(value) for name, value in each.estimates.items()},
                "weights": None
                if each.weights is None
                else {
                    "effective_sample_size": each.weights.effective.tolist(),
                    "effective_mean": each.weights.effective_mean(found.gamma),
                    "until": each.weights.until,
                    "mean_ratio": _finite(each.weights.mean_ratio),
                },
                "warnings": found.warnings(each),
            }
            for each in found.policies
        ],
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
