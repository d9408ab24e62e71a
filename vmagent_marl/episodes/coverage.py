"""What a data set holds, counted while its episodes go by."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.episodes.episode import Episode
from vmagent_marl.sim import ObservationLayout

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
GRAINS = 16  # steps into which shares are rounded before situations are compared


class Statistics:
    """Counts over the answers of all agents; those that were reached, where it says so.

    returns       mean, standard deviation, extremes and quantiles of the team's return
    acceptance    VMs placed / requests offered
    mask_density  legal actions / actions, mean over all answers
    entropy       of the distribution of reached agents' effective actions, in nats
    coverage      unlike (situation, action) pairs / answers of reached agents; a situation is the
                  agent's own servers and the request, shares rounded to 1/16
    """

    def __init__(self, layout: ObservationLayout) -> None:
        self._layout = layout
        seen = layout.parts["request"].stop
        # a random odd multiplier an entry: sums modulo 2**64 tell situations apart
        draws = np.random.default_rng(0).integers(0, 2**63, seen + 1, dtype=np.uint64)
        self._multipliers = draws * np.uint64(2) + np.uint64(1)
        self._returns: list[float] = []
        self._agent_returns: list[NDArray[np.float64]] = []
        self._lengths: list[int] = []
        self._terminated = self._placed = self._offered = self._reached = 0
        self._legal = 0
        self._actions = np.zeros(layout.actions, np.int64)
        self._pairs: list[NDArray[np.uint64]] = []
        self._components: dict[int, int] = {}

    def add(self, episode: Episode) -> None:
        """Count an episode."""
        self._returns.append(episode.total)
        self._agent_returns.append(episode.agent_returns)
        self._lengths.append(len(episode))
        self._terminated += episode.terminated
        self._placed += episode.metrics.placed
        self._offered += episode.metrics.requests
        self._legal += int(episode.masks[:-1].sum(dtype=np.int64))
        taken = episode.effective_action[episode.reached]
        self._reached += len(taken)
        self._actions += np.bincount(taken, minlength=self._layout.actions)
        self._pairs.append(np.unique(self._hashed(episode, taken)))
        self._components[episode.component] = self._components.get(episode.component, 0) + 1

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; of at least one episode."""
        returns, lengths = np.array(self._returns), np.array(self._lengths)
        answers = int(lengths.sum()) * self._layout.clusters
        shares = self._actions[self._actions > 0] / self._reached
        pairs = np.unique(np.concatenate(self._pairs)).size
        return {
            "episodes": len(returns),
            "transitions": int(lengths.sum()),
            "agents": self._layout.clusters,
            "length_mean": float(lengths.mean()),
            "length_max": int(lengths.max()),
            "terminated": self._terminated,
            "return_mean": float(returns.mean()),
            "return_sd": float(returns.std(ddof=1)) if len(returns) > 1 else 0.0,
            "return_min": float(returns.min()),
            "return_max": float(returns.max()),
            "return_quantiles": {
                f"{share:g}": float(value)
                for share, value in zip(QUANTILES, np.quantile(returns, QUANTILES), strict=True)
            },
            "agent_return_mean": np.mean(self._agent_returns, axis=0).tolist(),
            "acceptance": self._placed / self._offered,
            "reached": self._reached / answers,
            "mask_density": self._legal / (answers * self._layout.actions),
            "entropy": float(-(shares * np.log(shares)).sum()),
            "actions_taken": int((self._actions > 0).sum()),
            "actions": self._layout.actions,
            "coverage": pairs / self._reached,
            "component_episodes": {str(k): n for k, n in sorted(self._components.items())},
        }

    def _hashed(self, episode: Episode, taken: NDArray[np.int64]) -> NDArray[np.uint64]:
        """64 bits for each reached agent's situation and action."""
        seen = self._layout.parts["request"].stop
        own = episode.observations[:-1, :, :seen][episode.reached]
        grains = np.rint(own * GRAINS).astype(np.uint64)
        hashed: NDArray[np.uint64] = grains @ self._multipliers[:-1]
        hashed += taken.astype(np.uint64) * self._multipliers[-1]
        return hashed
