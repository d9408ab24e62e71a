"""A learner of d3rlpy over decisions, as `train_offline` trains it."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

from vmagent_marl.errors import SettingError
from vmagent_marl.policies.checkpoint import save_policy
from vmagent_marl.policies.networks import Network
from vmagent_marl.train.offline.data.batches import Batch, Batches
from vmagent_marl.train.offline.data.decisions import Decisions
from vmagent_marl.train.offline.learner import check_settings, shape_for, training_of
from vmagent_marl.train.offline.on_d3rlpy.fused_adam import fused
from vmagent_marl.train.offline.on_d3rlpy.masked import (
    MaskedQFunctionFactory,
    NetworkFactory,
    network_of,
)
from vmagent_marl.train.offline.on_d3rlpy.quiet_d3rlpy import DiscreteBCConfig, TorchMiniBatch
from vmagent_marl.train.running import drawing_from, find_device

UNMASKED = {  # of d3rlpy, whose policies our Q-function does not cover, and ours in their place
    "discrete_bc": "a MaskedBCConfig",
    "discrete_bcq": "a MaskedBCQConfig",
    "discrete_sac": "a MaskedSACConfig",
}


class D3rlpyLearner:
    """See `OfflineLearner`. The config has a `NetworkFactory` of `on_d3rlpy.masked`.

    Batches are taken from tensors by one indexing each, straight into d3rlpy's update: its own way
    builds every transition in Python, and copies the batch twice. Raises `SettingError` for values
    that train nothing, or where the decisions were read with another discount.
    """

    def __init__(
        self, config: Any, decisions: Decisions, *, seed: int = 0, device: str = "auto"
    ) -> None:
        _check(config, seed)
        config = config_for(config, decisions)
        self.algorithm: str = config.get_type()
        self.gamma: float | None = None if imitates(config) else config.gamma
        self.data, self.seed, self.step = decisions, seed, 0
        self.settings = {**decisions.settings, **config.serialize_to_dict()}
        self.device = find_device(device)
        self.learner = config.create(device=self.device)
        with drawing_from(seed):
            shapes = ((decisions.inputs,), (decisions.actions,))
            self.learner.create_impl(shapes, decisions.actions)
        self._batches = Batches(decisions, size=config.batch_size, device=self.device)
        self.reseed(seed)

    def reseed(self, *seed: int) -> None:
        """See `OfflineLearner`."""
        self._batches.reseed(*seed)

    def update(self) -> dict[str, float]:
        """See `OfflineLearner`."""
        batch = self._batches.draw()
        # its `update` goes through all modules first, to switch dropout on, which none has
        impl = self.learner.impl
        found: dict[str, float] = impl.inner_update(_theirs(batch, self.device), self.step)
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
    return network or network_of(learner.impl.modules.q_funcs[0])


def save_acting(path: str | Path, learner: Any, decisions: Decisions) -> None:
    """Write a checkpoint of what answers for a learner of d3rlpy, as `load_policy` reads it.

    For training loops of your own; `train_offline` writes the best that it has seen.
    """
    gamma = None if imitates(learner.config) else decisions.gamma
    training = training_of(decisions, algorithm=learner.config.get_type(), gamma=gamma)
    save_policy(Path(path), copy.deepcopy(acting_network(learner)).cpu(), training)


def config_for(config: Any, decisions: Decisions) -> Any:
    """A config of d3rlpy whose networks read these decisions, and whose Adam is fused.

    Raises `SettingError` for one that would not know the masks, and where the decisions are of
    another discount.
    """
    told = config.get_type()
    if told in UNMASKED:
        raise SettingError(f"{told}: knows no masks here: give {UNMASKED[told]}")
    if not imitates(config) and config.gamma != decisions.gamma:
        raise SettingError(
            f"gamma: {config.gamma} of the learner is not {decisions.gamma}, with which the "
            "decisions were read: give read_decisions the same"
        )
    filled = {
        name: fused(factory) for name, factory in vars(config).items() if "optim_factory" in name
    }
    for name in [name for name in vars(config) if name.endswith("encoder_factory")]:
        factory = getattr(config, name)
        if not isinstance(factory, NetworkFactory):
            raise SettingError(f"{name}: knows no masks: give a NetworkFactory")
        shape = shape_for(decisions, hidden=tuple(factory.hidden), kind=factory.kind)
        filled[name] = replace(factory, identities=shape.identities, hints=shape.hints)
    judges = getattr(config, "q_func_factory", None)
    if judges is not None and not isinstance(judges, MaskedQFunctionFactory):
        raise SettingError("q_func_factory: knows no masks: give a MaskedQFunctionFactory")
    return replace(config, **filled)


def imitates(config: Any) -> bool:
    """Whether it learns what was done, and nothing of rewards."""
    return isinstance(config, DiscreteBCConfig)


def _theirs(batch: Batch, device: str) -> Any:
    """A batch as d3rlpy's learners take it."""
    return TorchMiniBatch(
        observations=[batch.features, batch.mask],
        actions=batch.action,
        rewards=batch.reward,
        next_observations=[batch.after, batch.after_mask],
        next_actions=batch.after_action,
        returns_to_go=batch.reward,  # which no learner here uses
        terminals=batch.terminal,
        intervals=batch.interval,
        device=device,
    )


def _check(config: Any, seed: int) -> None:
    counts = ("batch_size", "target_update_interval", "n_critics")
    rates = {name: rate for name, rate in vars(config).items() if name.endswith("learning_rate")}
    if rates.get("temp_learning_rate") == 0:  # it stays as it is
        rates.pop("temp_learning_rate")
    for rate in rates.values():
        check_settings(
            seed=seed,
            learning_rate=rate,
            **{name: getattr(config, name, 1) for name in counts},
        )
    for name in ("alpha", "beta"):
        if not getattr(config, name, 0.0) >= 0:
            raise SettingError(f"{name}: {getattr(config, name)} is negative: give 0 or more")
