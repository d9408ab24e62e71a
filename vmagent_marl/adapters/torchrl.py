"""TorchRL's `EnvBase`, native on the batch core."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.adapters.missing import missing
from vmagent_marl.envs.course import Course
from vmagent_marl.sim.global_state import global_state, state_size

try:
    import torch
    from tensordict import TensorDict
    from torchrl.data import Bounded, Categorical, Composite, Unbounded
    from torchrl.envs import EnvBase
except ModuleNotFoundError as error:
    raise missing("torchrl", "pip install torchrl", error) from None

GROUP = "cluster"


class ClusterTorchEnv(EnvBase):  # type: ignore[misc]  # not followed by mypy: see pyproject.toml
    """`num_envs` environments (B) of K clusters in one simulator.

    Keys and values are those of TorchRL's `PettingZooWrapper` on `parallel_env` with
    mask_in="info", batched, without the infos and the ends of single agents (all end together):

    ("cluster", "observation")  (B, K, F) float32
    ("cluster", "action_mask")  (B, K, A) bool; also the mask of `action_spec`, so that a rollout
                                without a policy draws legal actions
    ("cluster", "action")       (B, K) int64
    ("cluster", "reward")       (B, K, 1) float32, after sharing
    "state"                     (B, N) float32, with return_state
    "done", "terminated", "truncated"  (B, 1) bool

    A reset, of all or by "_reset" of some, begins the next episodes of the course.
    """

    def __init__(
        self,
        scenario: Any,
        num_envs: int = 1,
        *,
        window: str = "train",
        seed: int = 0,
        return_state: bool = False,
        device: Any = None,
        **fields: Any,
    ) -> None:
        """`device`: where tensors are handed out; the simulator itself runs on the CPU."""
        super().__init__(device=device, batch_size=torch.Size([num_envs]))
        self._course = Course(scenario, num_envs, window=window, seed=seed, **fields)
        self._simulator = self._course.simulator
        self._return_state = return_state
        layout = self._simulator.layout
        batch, clusters = (num_envs,), (num_envs, layout.clusters)
        self.group_map = {GROUP: [f"{GROUP}_{k}" for k in range(layout.clusters)]}

        def composite(shape: tuple[int, ...], **keys: Any) -> Any:
            return Composite(**keys, shape=shape, device=self.device)

        def flag(*shape: int) -> Any:
            return Categorical(2, shape=shape, dtype=torch.bool, device=self.device)

        seen = Bounded(0.0, 1.0, (*clusters, layout.size), self.device, torch.float32)
        mask = flag(*clusters, layout.actions)
        told = {GROUP: composite(clusters, observation=seen, action_mask=mask)}
        if return_state:
            size = (num_envs, state_size(self._simulator))
            told["state"] = Unbounded(size, self.device, torch.float32)
        self.observation_spec = composite(batch, **told)
        acts = Categorical(layout.actions, shape=clusters, dtype=torch.int64, device=self.device)
        self.action_spec = composite(batch, **{GROUP: composite(clusters, action=acts)})
        paid = Unbounded((*clusters, 1), self.device, torch.float32)
        self.reward_spec = composite(batch, **{GROUP: composite(clusters, reward=paid)})
        ends = ("done", "terminated", "truncated")
        self.done_spec = composite(batch, **{end: flag(num_envs, 1) for end in ends})

    def _reset(self, tensordict: Any = None, **options: Any) -> Any:
        asked = None if tensordict is None else tensordict.get("_reset", None)
        which = np.arange(self._simulator.batch)
        if asked is not None:
            which = which[asked.reshape(-1).cpu().numpy()]
        self._course.begin(which)
        return self._told()

    def _step(self, tensordict: Any) -> Any:
        simulator = self._simulator
        simulator.step(tensordict.get((GROUP, "action")).cpu().numpy())
        told = self._told()
        told[GROUP]["reward"] = self._tensor(simulator.reward[:, :, None].astype(np.float32))
        over = {"terminated": simulator.terminated, "truncated": simulator.truncated}
        for end, value in {"done": ~simulator.running, **over}.items():
            told[end] = self._tensor(value[:, None])
        return told

    def _set_seed(self, seed: int | None) -> None:
        """The next reset begins this seed's course at number 0."""
        if seed is not None:
            self._course.restart(seed)

    def _told(self) -> Any:
        """Copies of what is seen, which no later step changes."""
        simulator = self._simulator
        mask = self._tensor(simulator.mask.astype(bool))
        self.full_action_spec[GROUP, "action"].update_mask(mask)
        seen = {"observation": self._tensor(simulator.observation.copy()), "action_mask": mask}
        told = {GROUP: TensorDict(seen, simulator.mask.shape[:2], device=self.device)}
        if self._return_state:
            told["state"] = self._tensor(global_state(simulator))
        return TensorDict(told, self.batch_size, device=self.device)

    def _tensor(self, array: NDArray[Any]) -> Any:
        """Of an array that nobody else writes to."""
        return torch.from_numpy(array).to(self.device)
