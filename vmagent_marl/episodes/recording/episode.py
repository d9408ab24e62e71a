"""One recorded episode: what every agent saw, what it answered, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from vmagent_marl import sim


@dataclass(frozen=True, eq=False, repr=False)
class Episode:
    """T transitions of K agents; row t of what belongs to a transition is the answer to request t.

    Observations and masks have one row more: the last is what was seen after the last answer.
    """

    observations: NDArray[np.float32]  # (T+1, K, F) in the order of the scenario's layout, 0 to 1
    masks: NDArray[np.int8]  # (T+1, K, A) 1 = legal, the last action is pass
    actions: NDArray[np.int64]  # (T, K) as the policy gave them
    rewards: NDArray[np.float64]  # (T,) mean over the agents
    agent_rewards: NDArray[np.float64]  # (T, K) of each agent, before sharing
    behavior_logp: NDArray[np.float64]  # (T, K) log-probability of its action given the component
    reached: NDArray[np.bool_]  # (T, K) whether the request was offered to it
    effective_action: NDArray[np.int64]  # (T, K) as it counted; illegal or unreached = pass
    seconds: NDArray[np.int64]  # (T,) simulated, from the answer to the next request
    component: int  # of the mixture, the one policy that played this episode
    terminated: bool  # the game was over
    truncated: bool  # the horizon was reached
    played: sim.Episode  # rows of the trace, number and seed
    metrics: sim.Metrics

    ARRAYS: ClassVar[tuple[str, ...]] = (  # names of the arrays, in order
        "observations",
        "masks",
        "actions",
        "rewards",
        "agent_rewards",
        "behavior_logp",
        "reached",
        "effective_action",
        "seconds",
    )

    def __len__(self) -> int:
        return len(self.rewards)

    def __repr__(self) -> str:
        end = "terminated" if self.terminated else "truncated"
        return (
            f"Episode({self.played.number}, {len(self):,} transitions of {self.clusters} agents, "
            f"return {self.total:.6g}, {end})"
        )

    @property
    def clusters(self) -> int:
        """K, the agents."""
        return int(self.actions.shape[1])

    @property
    def total(self) -> float:
        """Return: the sum of the team's rewards."""
        return float(self.rewards.sum())

    @property
    def agent_returns(self) -> NDArray[np.float64]:
        """(K,) sum of each agent's rewards, before sharing."""
        returns: NDArray[np.float64] = self.agent_rewards.sum(axis=0)
        return returns

    @property
    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The arrays by name."""
        return {name: getattr(self, name) for name in self.ARRAYS}
