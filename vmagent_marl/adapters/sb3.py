"""Stable-Baselines3's `VecEnv`, with the masks that sb3-contrib's `MaskablePPO` asks for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.adapters.missing import missing
from vmagent_marl.envs.course import Course
from vmagent_marl.envs.spaces import (
    agent_action_space,
    agent_observation_space,
    joint_action_space,
    joint_observation_space,
)
from vmagent_marl.errors import ActionError

try:
    from stable_baselines3.common.vec_env import VecEnv
except ModuleNotFoundError as error:
    raise missing("stable-baselines3", "pip install sb3-contrib", error) from None


class ClusterVecEnv(VecEnv):  # type: ignore[misc]  # not followed by mypy: see pyproject.toml
    """`num_envs` environments in one simulator, each a row; with `each_cluster` each cluster one.

    Observation   (F,) float32; (K, F) for K clusters under one agent
    Action        Discrete(A); MultiDiscrete([A] * K) for K clusters under one agent
    Reward        the team's mean; with `each_cluster` the cluster's own, after sharing
    Mask          `env_method("action_masks")`: booleans, (A,) a row, flat over joint clusters
    End           the next episode of the course begins in the same step. The info holds
                  `terminal_observation`, `TimeLimit.truncated` and the episode's `metrics`

    With `each_cluster` one policy plays all clusters, rows b K to b K + K - 1 those of game b, and
    an action is a plan, "if it reaches me".
    """

    def __init__(
        self,
        scenario: Any,
        num_envs: int = 1,
        *,
        each_cluster: bool = False,
        window: str = "train",
        seed: int = 0,
        **fields: Any,
    ) -> None:
        """`window`: the rows of the trace that episodes may touch; `fields`: of the scenario."""
        self._course = Course(scenario, num_envs, window=window, seed=seed, **fields)
        self._simulator = self._course.simulator
        layout = self._simulator.layout
        self._rows = layout.clusters if each_cluster else 1  # of a game
        space_of = agent_observation_space if each_cluster else joint_observation_space
        seen = space_of(layout, "info")
        acts = agent_action_space(layout) if each_cluster else joint_action_space(layout)
        self._shape: tuple[int, ...] = (num_envs * self._rows, *(seen.shape or ()))
        self._plans: NDArray[Any] = np.zeros((num_envs, layout.clusters), np.int64)
        super().__init__(num_envs * self._rows, seen, acts)

    def seed(self, seed: int | None = None) -> list[int | None]:
        """The next `reset` begins this seed's course at number 0."""
        if seed is not None:
            self._course.restart(seed)
        return [self._course.seed] * self.num_envs

    def reset(self) -> NDArray[np.float32]:
        """Begin the course's next episodes in all environments."""
        self._course.begin(np.arange(self._simulator.batch))
        return self._seen()

    def step_async(self, actions: Any) -> None:
        """Take the rows' actions."""
        plans = np.asarray(actions)
        if plans.size != self._plans.size:
            raise ActionError(f"actions have shape {plans.shape}: give one for each of the rows")
        self._plans = plans.reshape(self._plans.shape)

    def step_wait(self) -> tuple[NDArray[np.float32], NDArray[Any], NDArray[np.bool_], list[Any]]:
        """Decide a request in every environment; those that end begin their next episode."""
        simulator = self._simulator
        simulator.step(self._plans)
        reward = simulator.reward if self._rows > 1 else simulator.reward.mean(axis=1)
        over = ~simulator.running
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        given = reward.astype(np.float32).reshape(-1)  # a copy: the live one is about to change
        if over.any():
            self._tell_ends(over, infos)
            self._course.begin(np.flatnonzero(over))
        return self._seen(), given, np.repeat(over, self._rows), infos

    def action_masks(self) -> NDArray[np.bool_]:
        """What is legal in each row; never nothing."""
        return self._simulator.mask.reshape(self.num_envs, -1).astype(bool)

    def has_attr(self, attr_name: str) -> bool:
        """Whether environments have it: `action_masks` is what MaskablePPO looks for."""
        return hasattr(self, attr_name)

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The batch's own attribute, once a row."""
        if attr_name == "render_mode":
            return [None for _ in self._get_indices(indices)]
        value = getattr(self, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refused: environments have nothing of their own."""
        raise AttributeError(f"{attr_name!r} cannot be set: make another env with other fields")

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """`action_masks` of these rows."""
        if method_name != "action_masks":
            raise AttributeError(f"environments have no method {method_name!r}: only action_masks")
        masks = self.action_masks()
        return [masks[row] for row in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """No row is wrapped by anything."""
        return [False for _ in self._get_indices(indices)]

    def close(self) -> None:
        """Nothing is open."""

    def _seen(self) -> NDArray[np.float32]:
        return self._simulator.observation.reshape(self._shape).copy()

    def _tell_ends(self, over: NDArray[np.bool_], infos: list[dict[str, Any]]) -> None:
        """To the rows of environments that have ended, before they begin anew."""
        seen, truncated = self._seen(), self._simulator.truncated
        for b in np.flatnonzero(over).tolist():
            metrics = self._simulator.metrics(b).as_dict()
            for row in range(b * self._rows, (b + 1) * self._rows):
                infos[row] = {
                    "terminal_observation": seen[row],
                    "TimeLimit.truncated": bool(truncated[b]),
                    "metrics": metrics,
                }
