"""The batch of environments that an online learner plays, in tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vmagent_marl.envs.course import Course
from vmagent_marl.errors import SettingError
from vmagent_marl.policies.networks import with_identity
from vmagent_marl.scenario import Scenario
from vmagent_marl.sim.global_state import global_state, state_size
from vmagent_marl.train.online.learner import Paid


class Stage:
    """B environments of K agents; whoever's episode has ended waits to be renewed.

    `siblings` environments in a row play the same episodes, each with the answers drawn for it:
    what the trace brings is the same for all of them, and their mean tells how much of a return was
    luck (see `ppo`). They begin together, so those that end first wait for the others; where
    `alive` is false nothing happens and nothing is to be learned.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        batch: int,
        siblings: int = 1,
        seed: int = 0,
        window: str = "train",
        device: str = "cpu",
    ) -> None:
        if siblings < 1 or batch < 1 or batch % siblings:
            raise SettingError(
                f"batch: {batch} environments are no whole number of groups of {siblings} siblings"
            )
        self.course = Course(scenario, batch, window=window, seed=seed)
        self.scenario, self.simulator = scenario, self.course.simulator
        self.siblings, self.device = siblings, torch.device(device)
        self.layout = self.simulator.layout
        self.identities = self.layout.clusters if self.layout.clusters > 1 else 0
        self._return = np.zeros(batch)
        self.returns: list[float] = []  # of the episodes that ended since somebody emptied it
        self.renew()

    @property
    def state_size(self) -> int:
        """Floats of the state of all."""
        return state_size(self.simulator)

    def features(self) -> Tensor:
        """(B, K, F + identities) float32: a copy of what the agents see, and who they are."""
        seen = torch.from_numpy(self.simulator.observation.copy())
        return with_identity(seen, self.identities).to(self.device)

    def mask(self) -> Tensor:
        """(B, K, A) bool: a copy of what is legal."""
        return torch.from_numpy(self.simulator.mask > 0).to(self.device)

    def state(self) -> Tensor:
        """(B, state_size) float32: the state of all, for what is trained centrally."""
        return torch.from_numpy(global_state(self.simulator)).to(self.device)

    @property
    def alive(self) -> Tensor:
        """(B,) bool: whether a request is to be decided."""
        return torch.from_numpy(self.simulator.running).to(self.device)

    def step(self, actions: Tensor) -> None:
        """Decide the requests of the live environments by actions (B, K)."""
        self.simulator.step(actions.cpu().numpy())
        self._return += self.simulator.team_reward

    def credit(self, returns: NDArray[np.float64]) -> None:
        """Environments were played on elsewhere, and earned this (B,)."""
        self._return += returns

    def rewards(self, kind: Paid = "team") -> Tensor:
        """(B, K) float32 of the last transition: the team's mean, each one's own, or `shared`."""
        simulator = self.simulator
        whose = {"team": simulator.team_reward[:, None], "own": simulator.own_reward}
        paid = whose.get(kind, simulator.reward)
        paid = np.broadcast_to(paid, (simulator.batch, simulator.clusters))
        return torch.from_numpy(paid.astype(np.float32)).to(self.device)

    def asked(self) -> Tensor:
        """(B, K) bool: who is in the chain of the request that is shown, and may be reached."""
        beyond = self.simulator.observation[:, :, self.layout.parts["chain"].stop - 1]
        return torch.from_numpy(beyond == 0).to(self.device)

    def reached(self) -> Tensor:
        """(B, K) bool: whose answers counted."""
        return torch.from_numpy(self.simulator.state.reached.copy()).to(self.device)

    def effective(self) -> Tensor:
        """(B, K) int64: the answers as they counted; of agents that were not reached, pass."""
        return torch.from_numpy(self.simulator.state.effective.astype(np.int64)).to(self.device)

    def ends(self) -> tuple[Tensor, Tensor]:
        """(B,) bool each: whether the episode has terminated, and whether it was truncated."""
        simulator = self.simulator
        terminated, truncated = simulator.terminated, simulator.truncated
        return (
            torch.from_numpy(terminated).to(self.device),
            torch.from_numpy(truncated).to(self.device),
        )

    def renew(self, among: Tensor | None = None) -> None:
        """Begin the next episodes where those of all siblings have ended.

        Of environments that are not `among` these, (B,) bool, none begins: see `off_policy`.
        """
        waits = self.simulator.running if among is None else ~among.cpu().numpy()
        over = ~(self.simulator.running | waits).reshape(-1, self.siblings).any(axis=1)
        episodes = {}
        for group in np.flatnonzero(over).tolist():
            episode = self.course.take()
            for b in range(group * self.siblings, (group + 1) * self.siblings):
                episodes[b] = episode
        if episodes:
            which = np.fromiter(episodes, np.int64)
            if (
                self.course.number > over.size
            ):  # not those that are about to begin for the first time
                self.returns += self._return[which].tolist()
            self._return[which] = 0.0
            self.simulator.reset(episodes)

    def state_dict(self) -> dict[str, Any]:
        """Where all environments stand, as tensors and plain values."""
        snapshot = self.simulator.snapshot()._asdict()
        return {
            "arrays": {name: torch.from_numpy(array) for name, array in snapshot.items()},
            "number": self.course.number,
            "return": torch.from_numpy(self._return.copy()),
        }

    def load_state_dict(self, content: dict[str, Any]) -> None:
        """Go on from there."""
        arrays = {name: array.numpy() for name, array in content["arrays"].items()}
        self.simulator.restore(self.simulator.state._replace(**arrays))
        self.course.number = content["number"]
        self._return = content["return"].numpy().copy()
        self.returns = []
