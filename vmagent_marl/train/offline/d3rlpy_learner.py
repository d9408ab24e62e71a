"""A learner of d3rlpy over decisions, as `train_offline` trains it."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vmagent_marl.errors import SettingError
from vmagent_marl.policies.networks import Network
from vmagent_marl.train.offline.decisions import Decisions
from vmagent_marl.train.offline.learner import check_settings, shape_for
from vmagent_marl.train.offline.quiet_d3rlpy import DiscreteBCConfig, TorchMiniBatch
from vmagent_marl.train.running import drawing_from, find_device


class D3rlpyLearner:
    """See `OfflineLearner`. The config has a `NetworkFactory`, see `train.offline.masked`.

    Batches are taken from tensors by one indexing each, straight into d3rlpy's update: its own way
    builds every transition in Python, and copies the batch twice. Raises `SettingError` for values
    that train nothing, or where the decisions were read with another discount.
    """

    def __init__(
        self, config: Any, decisions: Decisions, *, seed: int = 0, device: str = "auto"
    ) -> None:
        imitates = isinstance(config, DiscreteBCConfig)
        _check(config, decisions, seed, imitates)
        factory = config.encoder_factory
        shape = shape_for(decisions, hidden=tuple(factory.hidden), kind=factory.kind)
        filled = replace(factory, identities=shape.identities, hints=shape.hints)
        config = replace(config, encoder_factory=filled)
        self.algorithm: str = config.get_type()
        self.gamma: float | None = None if imitates else config.gamma
        self.data, self.seed, self.step = decisions, seed, 0
        self.settings = {**decisions.settings, **config.serialize_to_dict()}
        self.device = find_device(device)
        self.learner = config.create(device=self.device)
        with drawing_from(seed):
            self.learner.create_impl(((shape.inputs,), (shape.actions,)), shape.actions)
        self.batch_size: int = config.batch_size
        self._rows = np.flatnonzero(~decisions.closing)
        self._tensors = _Tensors(decisions, self.device)
        self.reseed(seed)

    def reseed(self, *seed: int) -> None:
        """See `OfflineLearner`."""
        self._generator = np.random.default_rng(seed)

    def update(self) -> dict[str, float]:
        """See `OfflineLearner`."""
        rows = torch.from_numpy(self._generator.choice(self._rows, self.batch_size))
        found: dict[str, float] = self.learner.impl.update(self._tensors.batch(rows), self.step)
        self.step += 1
        return found

    @property
    def network(self) -> Network:
        """See `OfflineLearner`."""
        return copy.deepcopy(acting_network(self.learner)).cpu()

    def state_dict(self) -> dict[str, Any]:
        """See `OfflineLearner`."""
        modules = vars(self.learner.impl.modules)
        states = {name: each.state_dict() for name, each in modules.items() if each is not None}
        return {"step": self.step, "modules": states}

    def load_state_dict(self, content: dict[str, Any]) -> None:
        """See `OfflineLearner`."""
        self.step = content["step"]
        modules = vars(self.learner.impl.modules)
        for name, state in content["modules"].items():
            modules[name].load_state_dict(state)
        self.learner.set_grad_step(self.step)


def acting_network(learner: Any) -> Network:
    """What answers for a learner of d3rlpy: its first Q-function, where it does not say itself."""
    network: Network | None = getattr(learner, "acting_network", None)
    return network or learner.impl.modules.q_funcs[0].encoder.network


class _Tensors:
    """Decisions on a device; on the CPU the same memory."""

    def __init__(self, decisions: Decisions, device: str) -> None:
        def column(values: Any) -> Tensor:
            return torch.from_numpy(values).to(device, torch.float32)[:, None]

        self.device = device
        self.features = torch.from_numpy(decisions.features).to(device)
        self.mask = torch.from_numpy(decisions.mask).to(device)
        self.action = column(decisions.action)
        self.reward = column(decisions.reward)
        self.terminal = column(decisions.terminal)
        self.interval = column(decisions.interval)

    def batch(self, rows: Tensor) -> Any:
        """d3rlpy's batch of the decisions at these rows (N,), none of them closing."""
        rows = rows.to(self.device)
        after = rows + 1
        reward = self.reward[rows]
        return TorchMiniBatch(
            observations=[self.features[rows], self.mask[rows].float()],
            actions=self.action[rows],
            rewards=reward,
            next_observations=[self.features[after], self.mask[after].float()],
            next_actions=self.action[after],
            returns_to_go=torch.zeros_like(reward),  # which no learner here uses
            terminals=self.terminal[rows],
            intervals=self.interval[rows],
            device=self.device,
        )


def _check(config: Any, decisions: Decisions, seed: int, imitates: bool) -> None:
    counts = ("batch_size", "target_update_interval", "n_critics")
    rates = ("learning_rate", "actor_learning_rate", "critic_learning_rate")
    for rate in (getattr(config, name) for name in rates if hasattr(config, name)):
        check_settings(
            seed=seed,
            learning_rate=rate,
            **{name: getattr(config, name, 1) for name in counts},
        )
    for name in ("alpha", "beta"):
        if not getattr(config, name, 0.0) >= 0:
            raise SettingError(f"{name}: {getattr(config, name)} is negative: give 0 or more")
    if not imitates and config.gamma != decisions.gamma:
        raise SettingError(
            f"gamma: {config.gamma} of the learner is not {decisions.gamma}, with which the "
            "decisions were read: give read_decisions the same"
        )
