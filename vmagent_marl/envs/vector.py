"""The game as a Gymnasium `VectorEnv`: a batch of environments in one simulator."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from vmagent_marl.envs.candidates import Candidates
from vmagent_marl.envs.course import Course
from vmagent_marl.envs.game import FRAMES_PER_SECOND, view_of
from vmagent_marl.envs.spaces import (
    MaskIn,
    check_mask_in,
    joint_action_space,
    joint_observation_space,
)
from vmagent_marl.errors import ActionError, SettingError
from vmagent_marl.sim.state import SECONDS


class ClusterVectorEnv(VectorEnv[Any, Any, Any]):
    """`num_envs` environments that play episodes of one seed; environment i begins with number i.

    An environment that has ended begins its next episode at the next step, whatever its action
    (Gymnasium's next-step autoreset). Spaces, rewards and infos are those of `ClusterEnv`, batched,
    but for the metrics at the end of an episode.
    """

    metadata = {  # noqa: RUF012  # Gymnasium declares it as it is
        "render_modes": [],
        "render_fps": FRAMES_PER_SECOND,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        scenario: Any,
        num_envs: int = 1,
        *,
        window: str = "train",
        seed: int = 0,
        mask_in: MaskIn = "obs",
        actions: str = "slots",
        **fields: Any,
    ) -> None:
        """`window`: the rows of the trace that episodes may touch; `fields`: of the scenario.

        `actions`: `slots`, or `top-8` for 8 candidates (see `Candidates`).
        """
        check_mask_in(mask_in)
        self._course = Course(scenario, num_envs, window=window, seed=seed, **fields)
        self.scenario, self.simulator = self._course.scenario, self._course.simulator
        self.num_envs, self.window, self.mask_in = num_envs, window, mask_in
        self.view = view_of(self.simulator, actions)
        layout = self.view.layout
        self.single_observation_space = joint_observation_space(layout, mask_in)
        self.single_action_space = joint_action_space(layout)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin episodes in all environments: of this seed from number 0, or the next numbers.

        `options` are Gymnasium's; none is read here.
        """
        if isinstance(seed, list):
            raise SettingError("seed: a list is not taken: give one, which keys every episode")
        super().reset(seed=seed)
        if seed is not None:
            self._course.restart(seed)
        self._begin(np.arange(self.num_envs))
        return self._observation(), self._infos()

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Decide a request in every environment that runs; begin anew in those that have ended."""
        if self._course.number == 0:
            raise ActionError("no episode has begun: call reset() first")
        ended = np.flatnonzero(~self.simulator.running)
        plans = np.asarray(actions)
        self.view.step(plans[:, None] if plans.ndim == 1 else plans)
        if ended.size:
            self._begin(ended)
        simulator = self.simulator
        reward = simulator.team_reward.copy()
        return (
            self._observation(),
            reward,
            simulator.terminated,
            simulator.truncated,
            self._infos(),
        )

    def _begin(self, which: Any) -> None:
        """The course's next episodes, one in each of these environments."""
        self.view.reset({b: self._course.take() for b in which.tolist()})

    def _observation(self) -> Any:
        seen, mask = self.view.observation, self.view.mask
        if self.simulator.clusters == 1:
            seen, mask = seen[:, 0], mask[:, 0]
        if self.mask_in == "info":
            return seen.copy()
        return {"observation": seen.copy(), "action_mask": mask.copy()}

    def _infos(self) -> dict[str, Any]:
        view, state = self.view, self.simulator.state
        counted = view if isinstance(view, Candidates) else state
        infos: dict[str, Any] = {
            "agent_rewards": state.own_reward.copy(),
            "reached": state.reached.copy(),
            "effective_action": counted.effective.copy(),
            "illegal": counted.illegal.copy(),
            "seconds": state.outcome[:, SECONDS].copy(),
        }
        if self.mask_in != "obs":
            mask = view.mask[:, 0] if self.simulator.clusters == 1 else view.mask
            infos["action_mask"] = mask.copy()
        return infos
