"""How well a policy plays a scenario's validation window, for choosing among checkpoints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vmagent_marl import windows
from vmagent_marl.policies.policy import Policy
from vmagent_marl.scenario import Scenario


@dataclass(frozen=True)
class Score:
    """Means over the episodes; the profit share is a ratio of sums."""

    mean_return: float  # of the team's mean reward, undiscounted
    profit_share: float


class Validation:
    """A fixed set of episodes of one window, all played at once.

    Episode `number` is the same for every policy and every run: `seed` and the number decide it.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        episodes: int,
        seed: int = 0,
        window: str = "validation",
    ) -> None:
        self._simulator = scenario.simulator(batch=episodes)
        trace = self._simulator.trace
        self.layout = self._simulator.layout
        self._episodes = {
            number: windows.episode_of(scenario, trace, window, seed=seed, number=number)
            for number in range(episodes)
        }

    def score(self, policy: Policy) -> Score:
        """Play every episode to its end."""
        simulator = self._simulator
        simulator.reset(self._episodes)
        returns = np.zeros(simulator.batch)
        while simulator.running.any():
            actions, _ = policy.act(simulator, simulator.keys())
            simulator.step(actions)
            returns += simulator.own_reward.mean(axis=1)  # 0 where an episode has ended
        metrics = [simulator.metrics(b) for b in range(simulator.batch)]
        possible = sum(each.possible_revenue for each in metrics)
        profit = sum(each.profit for each in metrics)
        return Score(float(returns.mean()), profit / possible if possible else 0.0)
