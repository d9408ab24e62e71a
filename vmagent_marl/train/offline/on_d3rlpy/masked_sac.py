"""d3rlpy's discrete soft actor-critic, over the legal actions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vmagent_marl.errors import SettingError
from vmagent_marl.policies.networks import Network
from vmagent_marl.train.offline.on_d3rlpy.masked import network_of, new_critics, new_policy
from vmagent_marl.train.offline.on_d3rlpy.quiet_d3rlpy import (
    DiscreteSAC,
    DiscreteSACConfig,
    DiscreteSACImpl,
    DiscreteSACModules,
    create_parameter,
    get_parameter,
    register_learnable,
)


class MaskedSACImpl(DiscreteSACImpl):  # type: ignore[misc]  # d3rlpy has no annotations
    """Expectations and entropies over legal actions, and an entropy that each state can reach.

    d3rlpy's is a share of the logarithm of all actions, which no policy over a few legal ones has,
    and so its temperature would grow for ever.
    """

    def __init__(self, target_entropy: float, **rest: Any) -> None:
        super().__init__(**rest)
        self._target_entropy = target_entropy

    @property
    def _temperature(self) -> Tensor:
        """(1, 1), in units of reward."""
        worth: Tensor = get_parameter(self._modules.log_temp).exp()
        return worth

    def compute_target(self, batch: Any) -> Tensor:
        """(N, 1) soft values of what comes next: 0 where no action is legal, behind an end."""
        x = batch.next_observations
        with torch.no_grad():
            policy = self._modules.policy(x)
            values = self._targ_q_func_forwarder.compute_target(x)  # the least of the critics'
            soft = values - self._temperature * policy.logits
            return expected(policy.probs, soft, x[1])[:, None]

    def compute_actor_loss(self, batch: Any) -> dict[str, Tensor]:
        """Minus the mean soft value of the states that leave a choice; tunes the temperature."""
        x = batch.observations
        legal = x[1].sum(1)
        leaves = (legal > 1).float()
        number = leaves.sum().clamp(min=1.0)
        with torch.no_grad():
            values = self._q_func_forwarder.compute_expected_q(x, reduction="min")
        policy = self._modules.policy(x)
        entropy = -expected(policy.probs, policy.logits, x[1])
        said = {"entropy": (entropy.detach() * leaves).sum() / number}
        if self._modules.temp_optim:
            surplus = entropy.detach() - self._target_entropy * legal.clamp(min=1).log()
            said |= self._tune((surplus * leaves).sum() / number)
        gain = expected(policy.probs, values, x[1]) + self._temperature.detach()[0, 0] * entropy
        return {"loss": -(gain * leaves).sum() / number, **said}

    def _tune(self, surplus: Tensor) -> dict[str, Tensor]:
        """Cheapen entropy where there is more of it than wanted (), dearer where less."""
        self._modules.temp_optim.zero_grad()
        loss = self._temperature[0, 0] * surplus
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own
        self._modules.temp_optim.step()
        return {"temperature": self._temperature.detach()[0, 0]}

    def update_actor(self, batch: Any) -> dict[str, float]:
        """Losses, with what d3rlpy leaves unsaid: the entropy and its worth."""
        self._modules.q_funcs.eval()
        said = self._compute_actor_grad(batch)
        self._modules.actor_optim.step()
        return {
            "actor_loss" if name == "loss" else name: float(value.detach())
            for name, value in said.items()
        }


def expected(chances: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """(N,) mean of values (N, actions) over the legal actions; 0 where none is."""
    return (chances * torch.where(mask > 0, values, 0.0)).sum(1)


@dataclass
class MaskedSACConfig(DiscreteSACConfig):  # type: ignore[misc]  # as above
    """d3rlpy's `DiscreteSACConfig` for observations (features, mask) and `NetworkFactory`s.

    The temperature is tuned to keep `target_entropy` times the logarithm of the number of legal
    actions, of each state; with `temp_learning_rate` 0 it stays as it is.
    """

    target_entropy: float = 0.98

    def __post_init__(self) -> None:
        """Refuse what is no entropy."""
        if not 0.0 < self.initial_temperature < math.inf:
            raise SettingError(
                f"initial_temperature: {self.initial_temperature} is not positive: give e.g. 0.1"
            )
        if not 0.0 <= self.target_entropy <= 1.0:
            raise SettingError(f"target_entropy: {self.target_entropy} is no share: give 0 to 1")

    def create(self, device: Any = False, enable_ddp: bool = False) -> MaskedSAC:
        """The learner."""
        return MaskedSAC(self, device, enable_ddp)

    @staticmethod
    def get_type() -> str:
        """Name in what d3rlpy saves."""
        return "masked_sac"


class MaskedSAC(DiscreteSAC):  # type: ignore[misc]  # as above
    """d3rlpy's `DiscreteSAC` whose policy is over the legal actions."""

    def inner_create_impl(self, observation_shape: Sequence[Sequence[int]], actions: int) -> None:
        """Networks, optimizers and losses."""
        config = self._config
        shared = {"device": self._device, "enable_ddp": self._enable_ddp}
        critics, targets = new_critics(
            config, config.critic_encoder_factory, observation_shape, **shared
        )
        policy = new_policy(config.actor_encoder_factory, observation_shape, **shared)
        log_temp = create_parameter((1, 1), math.log(config.initial_temperature), **shared)

        def optimizer(factory: Any, module: Any, rate: float) -> Any:
            return factory.create(module.named_modules(), lr=rate, compiled=self.compiled)

        tuned = config.temp_learning_rate
        self._impl = MaskedSACImpl(
            target_entropy=config.target_entropy,
            observation_shape=observation_shape,
            action_size=actions,
            modules=DiscreteSACModules(
                policy=policy,
                q_funcs=critics[0],
                targ_q_funcs=targets[0],
                log_temp=log_temp,
                actor_optim=optimizer(
                    config.actor_optim_factory, policy, config.actor_learning_rate
                ),
                critic_optim=optimizer(
                    config.critic_optim_factory, critics[0], config.critic_learning_rate
                ),
                temp_optim=optimizer(config.temp_optim_factory, log_temp, tuned) if tuned else None,
            ),
            q_func_forwarder=critics[1],
            targ_q_func_forwarder=targets[1],
            target_update_interval=config.target_update_interval,
            gamma=config.gamma,
            compiled=self.compiled,
            device=self._device,
        )

    @property
    def acting_network(self) -> Network:
        """What answers."""
        return network_of(self.impl.modules.policy)


register_learnable(MaskedSACConfig)
