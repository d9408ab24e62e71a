"""d3rlpy's discrete behaviour cloning, among the legal actions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from vmagent_marl.policies.networks import Network
from vmagent_marl.train.offline.on_d3rlpy.masked import (
    Observations,
    imitation,
    network_of,
    new_policy,
)
from vmagent_marl.train.offline.on_d3rlpy.quiet_d3rlpy import (
    DiscreteBC,
    DiscreteBCConfig,
    DiscreteBCImpl,
    DiscreteBCModules,
    register_learnable,
)


class MaskedBCImpl(DiscreteBCImpl):  # type: ignore[misc]  # d3rlpy has no annotations
    """Cross-entropy over the legal actions, and d3rlpy's penalty on their squared logits."""

    def compute_loss(self, obs_t: Observations, act_t: Tensor) -> Any:
        """A `DiscreteImitationLoss`."""
        return imitation(self._modules.imitator, obs_t, act_t, self._beta)


@dataclass
class MaskedBCConfig(DiscreteBCConfig):  # type: ignore[misc]  # as above
    """d3rlpy's `DiscreteBCConfig` for observations (features, mask) and a `NetworkFactory`."""

    def create(self, device: Any = False, enable_ddp: bool = False) -> MaskedBC:
        """The learner."""
        return MaskedBC(self, device, enable_ddp)

    @staticmethod
    def get_type() -> str:
        """Name in what d3rlpy saves."""
        return "masked_bc"


class MaskedBC(DiscreteBC):  # type: ignore[misc]  # as above
    """d3rlpy's `DiscreteBC` that imitates among the legal actions."""

    def inner_create_impl(self, observation_shape: Sequence[Sequence[int]], actions: int) -> None:
        """Network, optimizer and loss."""
        config = self._config
        imitator = new_policy(
            config.encoder_factory,
            observation_shape,
            device=self._device,
            enable_ddp=self._enable_ddp,
        )
        optim = config.optim_factory.create(
            imitator.named_modules(), lr=config.learning_rate, compiled=self.compiled
        )
        self._impl = MaskedBCImpl(
            observation_shape=observation_shape,
            action_size=actions,
            modules=DiscreteBCModules(optim=optim, imitator=imitator),
            beta=config.beta,
            compiled=self.compiled,
            device=self._device,
        )

    @property
    def acting_network(self) -> Network:
        """What answers."""
        return network_of(self.impl.modules.imitator)


register_learnable(MaskedBCConfig)
