"""The game as a PettingZoo `AECEnv`: only the clusters that a request reaches are asked."""

from __future__ import annotations

import operator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pettingzoo import AECEnv

from vmagent_marl.envs.agents import Agents
from vmagent_marl.envs.parallel import ClusterParallelEnv
from vmagent_marl.errors import ActionError


class ClusterAECEnv(Agents, AECEnv):  # type: ignore[misc]  # PettingZoo is not typed
    """The same game as `ClusterParallelEnv`, asked in turns.

    A request's home is asked first, then the ring until one places it. A pass changes nothing that
    anyone observes: observations and masks are fixed when the request arrives, and `observe` is
    valid for every agent at any time. The step that resolves the request pays all agents, the
    others pay nothing. The same policy and seed give, request by request, the same placements,
    rewards and `state()` as in the parallel form.
    """

    metadata: ClassVar[dict[str, Any]] = {
        **ClusterParallelEnv.metadata,
        "is_parallelizable": False,  # not by PettingZoo's wrapper; ours is `parallel_env`
    }

    agent_selection: str
    _position: int  # of the selected agent in the request's chain
    _plans: NDArray[np.int64]  # (K,) answers so far

    def __init__(self, scenario: Any, **options: Any) -> None:
        """Options are those of `Game`, and any field of the scenario."""
        super().__init__()
        self.set_up(scenario, **options)
        self.agents = []

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Begin the seed's next episode; `options`: its `number`, its `start` and `stop` rows."""
        self.game.begin(seed, options)
        self.agents = self.possible_agents[:]
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos = self.infos_now()
        self._await_answers()

    def observe(self, agent: str) -> Any:
        """A copy of what an agent sees of the request that is being decided."""
        return self.observation_of(self.possible_agents.index(agent))

    def step(self, action: int | None) -> None:
        """The selected agent answers; the one that places, or the last, resolves the request."""
        agent = self.agent_selection
        if self.terminations[agent] or self.truncations[agent]:
            self._was_dead_step(action)
            return
        if action is None:
            raise ActionError(f"{agent} has to answer: give an action, or pass")
        k = self.possible_agents.index(agent)
        try:
            plan = operator.index(action)
        except TypeError:
            raise ActionError(f"{action!r} is no action: give a whole number") from None
        passes = self.game.view.answer(0, k, plan) == self.layout.actions - 1
        self._cumulative_rewards[agent] = 0.0
        self._clear_rewards()
        self._plans[k] = plan
        if passes and self._position + 1 < self.game.simulator.rules.tries:
            self._position += 1
            self.agent_selection = self._agent_at(self._position)
            return
        self.game.step(self._plans)
        self._pay()
        self._await_answers()

    def last(self, observe: bool = True) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Observation, reward since its last turn, ends and info of the selected agent."""
        agent = self.agent_selection
        return (
            self.observe(agent) if observe else None,
            self._cumulative_rewards[agent],
            self.terminations[agent],
            self.truncations[agent],
            self.infos[agent],
        )

    def snapshot(self) -> Any:
        """Everything that changes, for `restore`."""
        turn = (
            self.agent_selection,
            self._position,
            self._plans.copy(),
            dict(self.rewards),
            dict(self._cumulative_rewards),
            dict(self.terminations),
            dict(self.truncations),
            {agent: dict(info) for agent, info in self.infos.items()},
        )
        return super().snapshot(), turn

    def restore(self, snapshot: Any) -> None:
        """Go on from a snapshot."""
        game, turn = snapshot
        super().restore(game)
        self.agent_selection, self._position = turn[:2]
        self._plans = turn[2].copy()
        self.rewards, self._cumulative_rewards = dict(turn[3]), dict(turn[4])
        self.terminations, self.truncations = dict(turn[5]), dict(turn[6])
        self.infos = {agent: dict(info) for agent, info in turn[7].items()}

    def _await_answers(self) -> None:
        """Turn to the home of the next request; who is not asked passes."""
        self._position = 0
        self._plans = np.full(len(self.possible_agents), self.layout.actions - 1, np.int64)
        self.agent_selection = self._agent_at(0)

    def _agent_at(self, position: int) -> str:
        """The agent at a position of the request's chain."""
        return self.possible_agents[(self.game.home + position) % len(self.possible_agents)]

    def _pay(self) -> None:
        """What the resolved request brought to every agent."""
        simulator = self.game.simulator
        terminated, truncated = self.game.ends
        for agent, reward in zip(self.possible_agents, simulator.reward[0].tolist(), strict=True):
            self.rewards[agent] = reward
            self.terminations[agent] = terminated
            self.truncations[agent] = truncated
        self.infos = self.infos_now()
        for info in self.infos.values():
            info["illegal"] = info["illegal"] and info["reached"]  # who was not asked did nothing
        self._accumulate_rewards()
