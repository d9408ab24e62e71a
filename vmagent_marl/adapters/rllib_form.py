"""The observation that RLlib's action-masking module reads, in PettingZoo's form; no Ray needed."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from vmagent_marl.envs.parallel import ClusterParallelEnv
from vmagent_marl.envs.spaces import agent_observation_space


class MaskedParallelEnv(ClusterParallelEnv):
    """`ClusterParallelEnv` that observes {"observations": (F,), "action_mask": (A,)}, float32."""

    def __init__(self, scenario: Any, **options: Any) -> None:
        """Options are those of `Game` but for `mask_in`, and any field of the scenario."""
        super().__init__(scenario, **options, mask_in="obs")
        shape = (self.layout.actions,)
        self.observation_spaces = {
            agent: spaces.Dict(
                {
                    "action_mask": spaces.Box(0.0, 1.0, shape, np.float32),
                    "observations": agent_observation_space(self.layout, "info"),
                }
            )
            for agent in self.possible_agents
        }

    def observation_of(self, k: int) -> dict[str, Any]:
        """A copy of what cluster k sees, which no later step changes."""
        view = self.game.view
        return {
            "action_mask": view.mask[0, k].astype(np.float32),
            "observations": view.observation[0, k].copy(),
        }
