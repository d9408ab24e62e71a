"""d3rlpy's discrete batch-constrained Q-learning, among the legal actions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from vmagent_marl.errors import SettingError
from vmagent_marl.policies.constrained_network import ConstrainedNetwork, among_likely
from vmagent_marl.train.offline.on_d3rlpy.masked import (
    Observations,
    imitation,
    network_of,
    new_critics,
    new_policy,
)
from vmagent_marl.train.offline.on_d3rlpy.quiet_d3rlpy import (
    DiscreteBCQ,
    DiscreteBCQConfig,
    DiscreteBCQImpl,
    DiscreteBCQLoss,
    DiscreteBCQModules,
    DoubleDQNImpl,
    register_learnable,
)


class MaskedBCQImpl(DiscreteBCQImpl):  # type: ignore[misc]  # d3rlpy has no annotations
    """Double DQN whose greedy action, in play and in the target, is a likely and legal one."""

    def compute_loss(self, batch: Any, q_tpn: Tensor) -> Any:
        """A `DiscreteBCQLoss`."""
        values = DoubleDQNImpl.compute_loss(self, batch, q_tpn).loss
        likeness = imitation(self._modules.imitator, batch.observations, batch.actions, self._beta)
        return DiscreteBCQLoss(
            loss=values + likeness.loss, td_loss=values, imitator_loss=likeness.loss
        )

    def inner_predict_best_action(self, x: Observations) -> Tensor:
        """(N,); d3rlpy's own lifts values above 0 by the least, which a fill would be."""
        values = self._q_func_forwarder.compute_expected_q(x)
        chances = self._modules.imitator(x).probs
        return among_likely(values, chances, self._action_flexibility).argmax(1)


@dataclass
class MaskedBCQConfig(DiscreteBCQConfig):  # type: ignore[misc]  # as above
    """d3rlpy's `DiscreteBCQConfig` for observations (features, mask) and a `NetworkFactory`.

    The imitator has a network of its own. An action is likely whose probability is at least
    `action_flexibility` times the largest: with 0 any legal one is, with 1 the likeliest alone.
    """

    share_encoder: bool = False

    def __post_init__(self) -> None:
        """Refuse what constrains nothing that there is."""
        if not 0.0 <= self.action_flexibility <= 1.0:
            raise SettingError(
                f"action_flexibility: {self.action_flexibility} is no share: give 0 to 1"
            )
        if self.share_encoder:
            raise SettingError("share_encoder: the imitator has a network of its own: give False")

    def create(self, device: Any = False, enable_ddp: bool = False) -> MaskedBCQ:
        """The learner."""
        return MaskedBCQ(self, device, enable_ddp)

    @staticmethod
    def get_type() -> str:
        """Name in what d3rlpy saves."""
        return "masked_bcq"


class MaskedBCQ(DiscreteBCQ):  # type: ignore[misc]  # as above
    """d3rlpy's `DiscreteBCQ` that chooses among the legal actions."""

    def inner_create_impl(self, observation_shape: Sequence[Sequence[int]], actions: int) -> None:
        """Networks, optimizer and loss."""
        config = self._config
        shared = {"device": self._device, "enable_ddp": self._enable_ddp}
        critics, targets = new_critics(config, config.encoder_factory, observation_shape, **shared)
        imitator = new_policy(config.encoder_factory, observation_shape, **shared)
        learned = [*critics[0].named_modules(), *imitator.named_modules()]
        optim = config.optim_factory.create(
            learned, lr=config.learning_rate, compiled=self.compiled
        )
        self._impl = MaskedBCQImpl(
            observation_shape=observation_shape,
            action_size=actions,
            modules=DiscreteBCQModules(
                q_funcs=critics[0], targ_q_funcs=targets[0], imitator=imitator, optim=optim
            ),
            q_func_forwarder=critics[1],
            targ_q_func_forwarder=targets[1],
            target_update_interval=config.target_update_interval,
            gamma=config.gamma,
            action_flexibility=config.action_flexibility,
            beta=config.beta,
            compiled=self.compiled,
            device=self._device,
        )

    @property
    def acting_network(self) -> ConstrainedNetwork:
        """What answers: the first Q-function, among what the imitator thinks likely."""
        modules = self.impl.modules
        values, imitator = network_of(modules.q_funcs[0]), network_of(modules.imitator)
        return ConstrainedNetwork(values, imitator, self._config.action_flexibility)


register_learnable(MaskedBCQConfig)
