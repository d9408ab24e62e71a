"""A mixture by the answer: heuristics of which every answer is given by one, drawn anew."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.episodes.recording.record import Mixture
from vmagent_marl.errors import PolicyError
from vmagent_marl.policies.chances import logarithms, uniforms
from vmagent_marl.policies.choosing import RANDOM
from vmagent_marl.policies.heuristics import Heuristic
from vmagent_marl.policies.policy import Needs
from vmagent_marl.sim import Simulator

WHO = np.uint64(0xD1B54A32D192ED03)  # sets the draw of who answers apart from those of the answer


@dataclass(frozen=True)
class Blend:
    """Each agent's answer to each request is that of one of the heuristics, drawn by the weights.

    Who answers is told by nothing but the answer's key. The probability of the answer a, whoever
    gave it, is the sum over all of them of weight x [(1 - epsilon) [a is its rule's] + epsilon /
    legal answers], and 1 / legal answers in the bracket for random play.
    """

    policies: tuple[Heuristic, ...]
    weights: tuple[float, ...]  # above 0, one a policy; only their ratios count

    @property
    def name(self) -> str:
        """Those of its parts."""
        return " or ".join(policy.name for policy in self.policies)

    @property
    def needs(self) -> Needs:
        """All that one of them reads."""
        needs = [policy.needs for policy in self.policies]
        if "everything" in needs:
            return "everything"
        summaries = any(need.startswith("summaries") for need in needs)
        if any(need.endswith("lifetimes") for need in needs):
            return "summaries and lifetimes" if summaries else "lifetimes"
        return "summaries" if summaries else "own servers"

    def act(
        self, batch: Simulator, keys: NDArray[np.uint64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """See `Policy.act`."""
        who = self._who(keys)
        actions = np.zeros(keys.shape, np.int64)
        for i, policy in enumerate(self.policies):
            answers, _ = policy.act(batch, keys)
            actions = np.where(who == i, answers, actions)
        legal = np.maximum(1, np.count_nonzero(batch.mask, axis=2))
        chances = np.zeros(keys.shape)
        for policy, share in zip(self.policies, self._shares, strict=True):
            if policy.packing == RANDOM:
                chances += share / legal
                continue
            planned, _ = replace(policy, epsilon=0.0).act(batch, keys)
            own = np.where(actions == planned, 1.0 - policy.epsilon, 0.0)
            chances += share * (own + policy.epsilon / legal)
        chances[~batch.running] = 1.0
        return actions, logarithms(chances)

    @property
    def _shares(self) -> list[float]:
        return [weight / sum(self.weights) for weight in self.weights]

    def _who(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """(B, K) which of them answers."""
        upto = np.cumsum(self._shares)
        drawn = np.searchsorted(upto, uniforms(keys ^ WHO) * upto[-1], side="right")
        who: NDArray[np.int64] = np.minimum(drawn, len(self.policies) - 1)
        return who


def by_step(mixture: Mixture) -> Mixture:
    """The same policies and weights, drawn for every answer and not for an episode.

    Raises `PolicyError` for a policy that is no heuristic.
    """
    for policy in mixture.policies:
        if not isinstance(policy, Heuristic):
            raise PolicyError(
                f"policy {policy.name!r}: is no heuristic, whose answers all have a known "
                "probability: mix it by the episode (`per: episode`)"
            )
    policies = tuple(policy for policy in mixture.policies if isinstance(policy, Heuristic))
    return Mixture((Blend(policies, mixture.weights),), (1.0,))
