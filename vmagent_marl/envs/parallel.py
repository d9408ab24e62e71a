"""The game as a PettingZoo `ParallelEnv`."""

from __future__ import annotations

from typing import Any, ClassVar

from pettingzoo import ParallelEnv

from vmagent_marl.envs.agents import Agents
from vmagent_marl.envs.game import FRAMES_PER_SECOND, RENDER_MODES
from vmagent_marl.errors import ActionError


class ClusterParallelEnv(Agents, ParallelEnv):  # type: ignore[misc]  # PettingZoo is not typed
    """Every cluster answers each VM request with a plan, "if it reaches me".

    A request is offered to its home cluster, then around the ring, at most `tries` times; the first
    cluster whose plan places it keeps it; if all pass, it is turned away.

    Agents        `cluster_0`, ..., one a cluster
    Observation   {"observation": (F,) float32 in [0, 1], in the order of `layout`,
                  "action_mask": (2 S + 1,) int8}; the mask moves to the info with mask_in="info"
    Action        a < 2 S: server a // 2, NUMA node a % 2; 2 S: pass. For a VM that is halved over
                  both nodes the even action stands for the server. One outside of the mask counts
                  as pass where pass is legal, else as the lowest legal slot. With
                  actions="top-8" a < 8: the a-th best candidate, 8: pass (see `Candidates`)
    Reward        the scenario's (see `vmagent_marl.sim.rewards`), every cluster its own, shared
                  with the team by the scenario's `share`
    End           as the scenario says: at the first VM turned away or the window's end
                  (termination), at its horizon (truncation); all agents end together
    Info          reached, effective_action, illegal, agent_reward (before sharing), seconds
    """

    metadata: ClassVar[dict[str, Any]] = {
        "name": "vmagent_marl_v0",
        "render_modes": RENDER_MODES,
        "render_fps": FRAMES_PER_SECOND,
        "is_parallelizable": True,
    }

    def __init__(self, scenario: Any, **options: Any) -> None:
        """Options are those of `Game`, and any field of the scenario."""
        self.set_up(scenario, **options)
        self.agents = []

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Begin the seed's next episode; `options`: its `number`, its `start` and `stop` rows."""
        self.game.begin(seed, options)
        self.agents = self.possible_agents[:]
        return self.observations(), self.infos_now()

    def step(
        self, actions: dict[str, int]
    ) -> tuple[
        dict[str, Any],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """Decide the request by the plans of all agents."""
        agents = self.possible_agents
        try:
            self.game.step([actions[agent] for agent in agents])
        except KeyError as missing:
            raise ActionError(f"no action for agent {missing}: give every agent's plan") from None
        terminated, truncated = self.game.ends
        step = (
            self.observations(),
            dict(zip(agents, self.game.last.reward.tolist())),  # noqa: B905  # both have K
            dict.fromkeys(agents, terminated),
            dict.fromkeys(agents, truncated),
            self.infos_now(),
        )
        if terminated or truncated:
            self.agents = []
        return step
