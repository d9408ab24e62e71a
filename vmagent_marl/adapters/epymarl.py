"""EPyMARL's `MultiAgentEnv`, by its methods: EPyMARL is no package, so nothing of it is imported.

In EPyMARL's src/envs/__init__.py:

    from vmagent_marl.adapters.epymarl import EpymarlEnv
    REGISTRY["vmagent"] = EpymarlEnv

and a src/config/envs/vmagent.yaml:

    env: "vmagent"
    env_args: {key: "region-prices", time_limit: 500, seed: 0}
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.envs.game import Game
from vmagent_marl.errors import ActionError, SettingError
from vmagent_marl.sim.global_state import global_state, state_size

SCALARISATIONS = ("mean", "sum")


class EpymarlEnv:
    """One environment of K clusters, whose episodes are `time_limit` requests long at most.

    `step` gives (observations, reward, terminated, truncated, info). The reward is the team's mean
    or sum, or with common_reward=False a list of the clusters' own. Where an episode is cut at its
    limit, the info's `episode_limit` is True and `get_state` is the genuine next state, so that
    learners bootstrap from it. The other entries of the info are numbers, as runners add them up.
    """

    def __init__(
        self,
        key: str,
        time_limit: int,
        seed: int = 0,
        common_reward: bool = True,
        reward_scalarisation: str = "mean",
        **options: Any,
    ) -> None:
        """`key`: the scenario; options are `window` and fields of the scenario."""
        if common_reward and reward_scalarisation not in SCALARISATIONS:
            raise SettingError(f"reward_scalarisation: {reward_scalarisation!r}: give mean or sum")
        self._game = Game(key, seed=seed, horizon=time_limit, **options)
        self._common, self._sums = common_reward, reward_scalarisation == "sum"
        self._seed: int | None = None  # of the next reset
        self._simulator, self._view = self._game.simulator, self._game.view
        self.n_agents, self.episode_limit = self._simulator.clusters, time_limit

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[list[NDArray[np.float32]], dict[str, Any]]:
        """Begin the seed's next episode; `options` as `Game.begin` takes them."""
        self._game.begin(self._seed if seed is None else seed, options)
        self._seed = None
        return self.get_obs(), {}

    def step(self, actions: Any) -> tuple[list[NDArray[np.float32]], Any, bool, bool, Any]:
        """Decide a request by the plans (K,) of all clusters, a tensor, an array or a list."""
        plans = np.array([int(action) for action in actions])
        if plans.size != self.n_agents:
            raise ActionError(f"{plans.size} actions for {self.n_agents} clusters: give one each")
        self._game.step(plans)
        paid = self._simulator.reward[0]
        reward: Any = paid.tolist()
        if self._common:
            reward = float(paid.sum() if self._sums else paid.mean())
        terminated, truncated = self._game.ends
        info: dict[str, Any] = {"episode_limit": truncated}
        if terminated or truncated:
            told = self._simulator.metrics(0).as_dict()
            info |= {key: value for key, value in told.items() if isinstance(value, int | float)}
        return self.get_obs(), reward, terminated, truncated, info

    def get_obs(self) -> list[NDArray[np.float32]]:
        """(F,) of each cluster."""
        return list(self._view.observation[0].copy())

    def get_obs_agent(self, agent_id: int) -> NDArray[np.float32]:
        """(F,) of one cluster."""
        return self.get_obs()[agent_id]

    def get_obs_size(self) -> int:
        """F."""
        return self._view.layout.size

    def get_state(self) -> NDArray[np.float32]:
        """What a central critic or mixer reads: see `vmagent_marl.sim.global_state`."""
        state: NDArray[np.float32] = global_state(self._simulator)[0]
        return state

    def get_state_size(self) -> int:
        """Floats of the state."""
        return state_size(self._simulator)

    def get_avail_actions(self) -> list[list[int]]:
        """1 for what is legal, of each cluster."""
        masks: list[list[int]] = self._view.mask[0].tolist()
        return masks

    def get_avail_agent_actions(self, agent_id: int) -> list[int]:
        """1 for what is legal, of one cluster."""
        mask: list[int] = self._view.mask[0, agent_id].tolist()
        return mask

    def get_total_actions(self) -> int:
        """A."""
        return self._view.layout.actions

    def get_env_info(self) -> dict[str, int]:
        """What runners and learners make their buffers of."""
        return {
            "state_shape": self.get_state_size(),
            "obs_shape": self.get_obs_size(),
            "n_actions": self.get_total_actions(),
            "n_agents": self.n_agents,
            "episode_limit": self.episode_limit,
        }

    def get_stats(self) -> dict[str, Any]:
        """None beside those in the info of an episode's last step."""
        return {}

    def seed(self, seed: int | None = None) -> None:
        """The next reset begins this seed's course at number 0."""
        self._seed = seed

    def render(self) -> Any:
        """As the option `render_mode` says."""
        return self._game.render()

    def close(self) -> None:
        """Nothing is open."""

    def save_replay(self) -> None:
        """Nothing is kept: record episodes with `vmagent_marl.collect`."""
