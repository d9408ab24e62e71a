"""Two scores that make returns of a scenario comparable: random play and the best heuristic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.policies import Policy, make_policy, policy_names
from vmagent_marl.scenario import Scenario
from vmagent_marl.sim import Simulator
from vmagent_marl.trace import Trace
from vmagent_marl.windows import episode_of

SEED = 0  # references belong to the scenario, whatever seed a data set is drawn with
TRANSITIONS = 100_000  # of each policy, about
FEWEST, MOST = 8, 64  # episodes


@dataclass(frozen=True)
class References:
    """Mean returns over the same episodes."""

    returns: dict[str, float]  # of every heuristic that goes with the scenario
    episodes: int  # of each
    window: str
    seed: int = SEED

    @property
    def random(self) -> float:
        """Mean return of random legal play."""
        return self.returns["random"]

    @property
    def best_policy(self) -> str:
        """The heuristic with the highest mean return."""
        return max(self.returns, key=lambda name: self.returns[name])

    @property
    def best(self) -> float:
        """Its mean return."""
        return self.returns[self.best_policy]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "returns": self.returns,
            "best_policy": self.best_policy,
            "episodes": self.episodes,
            "window": self.window,
            "seed": self.seed,
        }


def reference_scores(
    scenario: Scenario,
    *,
    window: str = "train",
    episodes: int | None = None,
    trace: Trace | None = None,
) -> References:
    """Play every decentralised heuristic on the same episodes of a window.

    `episodes`: of each; None: about `TRANSITIONS` of them, and `FEWEST` to `MOST`.
    """
    if episodes is None:
        length = expected_length(scenario, window=window, seed=SEED, trace=trace)
        episodes = int(np.clip(TRANSITIONS // length, FEWEST, MOST))
    simulator = scenario.simulator(batch=episodes, trace=trace)
    returns = {}
    for name in policy_names(scenario):
        policy = make_policy(name)
        if policy.needs != "everything":
            total, _ = play(scenario, simulator, policy, window, SEED)
            returns[name] = float(total.mean())
    return References(returns, episodes, window)


def expected_length(scenario: Scenario, *, window: str, seed: int, trace: Trace | None) -> int:
    """Transitions of an episode: its horizon, else the longest of a few under first fit."""
    if isinstance(scenario.horizon, int):
        return scenario.horizon
    simulator = scenario.simulator(batch=FEWEST, trace=trace)
    _, lengths = play(scenario, simulator, make_policy("first-fit"), window, seed)
    return int(lengths.max())


def play(
    scenario: Scenario, simulator: Simulator, policy: Policy, window: str, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return of the team and transitions of episode b of a seed in each environment b, (B,)."""
    simulator.reset(
        {
            b: episode_of(scenario, simulator.trace, window, seed=seed, number=b)
            for b in range(simulator.batch)
        }
    )
    total, lengths = np.zeros(simulator.batch), np.zeros(simulator.batch, np.int64)
    while simulator.running.any():
        lengths += simulator.running
        actions, _ = policy.act(simulator, simulator.keys())
        simulator.step(actions)
        total += simulator.reward.mean(axis=1)
    return total, lengths
