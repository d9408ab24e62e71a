"""What the two PettingZoo forms share: names, spaces, and dictionaries by agent."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from vmagent_marl.envs.candidate_layout import Layout
from vmagent_marl.envs.candidates import Candidates
from vmagent_marl.envs.game import Game
from vmagent_marl.envs.spaces import agent_action_space, agent_observation_space
from vmagent_marl.sim.global_state import global_state, state_size


class Agents:
    """One agent for each cluster of a `Game`."""

    game: Game
    possible_agents: list[str]
    observation_spaces: dict[str, spaces.Space[Any]]
    action_spaces: dict[str, spaces.Discrete]
    state_space: spaces.Box
    render_mode: str | None
    agents: list[str]

    def set_up(self, scenario: Any, **options: Any) -> None:
        """Make the game, and the spaces that never change."""
        self.game = Game(scenario, **options)
        self.render_mode = self.game.render_mode
        self.possible_agents = [f"cluster_{k}" for k in range(self.layout.clusters)]
        seen = agent_observation_space(self.layout, self.game.mask_in)
        acts = agent_action_space(self.layout)
        # each agent its own object: PettingZoo's tests seed them one by one
        self.observation_spaces = {agent: copy.deepcopy(seen) for agent in self.possible_agents}
        self.action_spaces = {agent: copy.deepcopy(acts) for agent in self.possible_agents}
        self._seen_slots = self.layout.clusters * self.game.simulator.layout.size
        size = state_size(self.game.simulator) - self._seen_slots
        size += self.layout.clusters * self.layout.size
        self.state_space = spaces.Box(0.0, np.inf, (size,), np.float32)

    @property
    def layout(self) -> Layout:
        """Order of an observation."""
        return self.game.layout

    @property
    def unwrapped(self) -> Any:
        """This environment."""
        return self

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """The same object at every call."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Discrete:
        """The same object at every call."""
        return self.action_spaces[agent]

    def state(self) -> NDArray[np.float32]:
        """What a centralised critic may read: see `vmagent_marl.sim.global_state`.

        It begins with the observations of all agents, as they see them.
        """
        state: NDArray[np.float32] = global_state(self.game.simulator)[0]
        if isinstance(self.game.view, Candidates):
            seen = self.game.view.observation[0].reshape(-1)
            state = np.concatenate([seen, state[self._seen_slots :]])
        return state

    def render(self) -> Any:
        """The servers as a heat map: (H, W, 3) uint8, or text; `human` shows, at each step too."""
        return self.game.render()

    def close(self) -> None:
        """Give the terminal back, where it was drawn on."""
        self.game.close()

    def observation_of(self, k: int) -> Any:
        """A copy of what cluster k sees, which no later step changes."""
        seen, mask = self.game.seen[k]
        if self.game.mask_in == "info":
            return seen.copy()
        return {"observation": seen.copy(), "action_mask": mask.copy()}

    def observations(self) -> dict[str, Any]:
        """Every agent's observation."""
        pairs = zip(self.possible_agents, self.game.seen)  # noqa: B905  # asking costs as much
        if self.game.mask_in == "info":
            return {agent: seen.copy() for agent, (seen, _) in pairs}
        return {
            agent: {"observation": seen.copy(), "action_mask": mask.copy()}
            for agent, (seen, mask) in pairs
        }

    def infos_now(self) -> dict[str, dict[str, Any]]:
        """Every agent's info on the last transition."""
        last, seconds = self.game.last, self.game.seconds
        columns = zip(  # noqa: B905  # all have K entries
            self.possible_agents,
            last.reached.tolist(),
            last.effective.tolist(),
            last.illegal.tolist(),
            last.own_reward.tolist(),
        )
        infos: dict[str, dict[str, Any]] = {
            agent: {
                "reached": reached,
                "effective_action": effective,
                "illegal": illegal,
                "agent_reward": own,
                "seconds": seconds,
            }
            for agent, reached, effective, illegal, own in columns
        }
        if self.game.mask_in != "obs":
            for agent, (_, mask) in zip(self.possible_agents, self.game.seen, strict=True):
                infos[agent]["action_mask"] = mask.copy()
        return infos

    def snapshot(self) -> Any:
        """Everything that changes, for `restore`."""
        return self.game.snapshot(), self.agents[:]

    def restore(self, snapshot: Any) -> None:
        """Go on from a snapshot."""
        game, agents = snapshot
        self.game.restore(game)
        self.agents = agents[:]
