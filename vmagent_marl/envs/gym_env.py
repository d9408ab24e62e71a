"""The game as a Gymnasium environment: one agent for one cluster, a joint one for many."""

from __future__ import annotations

import operator
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from vmagent_marl.envs.game import FRAMES_PER_SECOND, RENDER_MODES, Game
from vmagent_marl.envs.spaces import joint_action_space, joint_observation_space
from vmagent_marl.errors import ActionError


class ClusterEnv(gymnasium.Env[Any, Any]):
    """All clusters under one agent; with one cluster a plain single-agent environment.

    Observation   {"observation": (F,), "action_mask": (A,)}; (K, F) and (K, A) for K clusters
    Action        Discrete(A), A = 2 S + 1, or k + 1 with actions="top-k"; MultiDiscrete([A] * K)
                  for K clusters
    Reward        the team's mean
    Info          agent_rewards, reached, effective_action, illegal (each (K,)), seconds; at the end
                  `metrics` of the episode

    The rest is as in `vmagent_marl.envs.parallel.ClusterParallelEnv`.
    """

    metadata = {  # noqa: RUF012  # Gymnasium declares it as it is
        "render_modes": RENDER_MODES,
        "render_fps": FRAMES_PER_SECOND,
    }

    def __init__(self, scenario: Any, **options: Any) -> None:
        """Options are those of `Game` (window, seed, mask_in, actions ...), and scenario fields."""
        self.game = Game(scenario, **options)
        self.render_mode = self.game.render_mode
        self.observation_space = joint_observation_space(self.game.layout, self.game.mask_in)
        self.action_space = joint_action_space(self.game.layout)
        self._single = self.game.layout.clusters == 1

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin the seed's next episode; `options`: its `number`, its `start` and `stop` rows."""
        super().reset(seed=seed)
        self.game.begin(seed, options)
        return self._observation(), self._info()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Decide the request; an action outside of the space raises `ActionError`."""
        game = self.game
        try:
            plans = (operator.index(action),) if self._single else self._joint(action)
        except TypeError:
            plans = self._joint(action)
        game.step(plans)
        terminated, truncated = game.ends
        info = self._info()
        if terminated or truncated:
            info["metrics"] = game.simulator.metrics(0).as_dict()
        return self._observation(), game.team_reward, terminated, truncated, info

    def _joint(self, action: Any) -> tuple[int, ...]:
        """A plan for each cluster."""
        plans = np.asarray(action)
        if plans.dtype.kind not in "iu" or plans.size != self.game.layout.clusters:
            raise ActionError(f"action {action!r} is not in {self.action_space}: give one that is")
        return tuple(plans.reshape(-1).tolist())

    def action_masks(self) -> NDArray[np.bool_]:
        """The mask as booleans, flat over the agents, as sb3-contrib's MaskablePPO asks for it."""
        mask: NDArray[np.bool_] = self.game.joint[1].reshape(-1).astype(bool)
        return mask

    def render(self) -> Any:
        """The servers as a heat map: (H, W, 3) uint8, or text; `human` shows, at each step too."""
        return self.game.render()

    def close(self) -> None:
        """Give the terminal back, where it was drawn on."""
        self.game.close()

    def _observation(self) -> Any:
        game = self.game
        seen, mask = game.seen[0] if self._single else game.joint
        if game.mask_in == "info":
            return seen.copy()
        return {"observation": seen.copy(), "action_mask": mask.copy()}

    def _info(self) -> dict[str, Any]:
        game = self.game
        last = game.last
        info: dict[str, Any] = {
            "agent_rewards": last.own_reward.copy(),
            "reached": last.reached.copy(),
            "effective_action": last.effective.copy(),
            "illegal": last.illegal.copy(),
            "seconds": game.seconds,
        }
        if game.mask_in != "obs":
            info["action_mask"] = (game.seen[0] if self._single else game.joint)[1].copy()
        return info
