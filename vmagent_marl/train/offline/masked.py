"""Action masks for d3rlpy's discrete learners, which know none.

Observations are tuples (features, mask). A Q-function that fills illegal actions with a low finite
value masks all that d3rlpy computes from it: the greedy action, the bootstrap target and the
logsumexp of CQL. The imitator has a head of its own, and so a learner of its own here. Encoder,
Q-function and learner are registered, so that what d3rlpy saves, it loads once this is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.distributions import Categorical
from torch.nn import functional

from vmagent_marl.errors import SettingError
from vmagent_marl.policies.networks import FlatNetwork, NetworkShape, flat_body, masked
from vmagent_marl.train.offline.quiet_d3rlpy import (
    DiscreteBC,
    DiscreteBCConfig,
    DiscreteBCImpl,
    DiscreteBCModules,
    DiscreteImitationLoss,
    DiscreteMeanQFunctionForwarder,
    Encoder,
    EncoderFactory,
    QFunctionFactory,
    QFunctionOutput,
    compute_output_size,
    register_encoder_factory,
    register_learnable,
    register_q_func_factory,
)

Observations = Sequence[Tensor]  # features (N, inputs) and mask (N, actions), both float32


class FeatureEncoder(Encoder):  # type: ignore[misc]  # d3rlpy has no annotations
    """The body of our flat network over the features; the mask goes past it."""

    def __init__(self, inputs: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.body = flat_body(inputs, hidden)

    def forward(self, x: Observations) -> Tensor:
        """(N, last hidden size)."""
        return cast(Tensor, self.body(x[0]))


@dataclass
class FeatureEncoderFactory(EncoderFactory):  # type: ignore[misc]  # as above
    """Makes the bodies of networks that read (features, mask)."""

    hidden: list[int] = field(default_factory=lambda: [64, 64])

    def __post_init__(self) -> None:
        """Refuse what makes no network."""
        if not self.hidden or min(self.hidden) < 1:
            raise SettingError(f"hidden: {self.hidden} makes no network: give sizes, e.g. 64 64")

    def create(self, observation_shape: Sequence[Sequence[int]]) -> FeatureEncoder:
        """`observation_shape` is ((inputs,), (actions,))."""
        return FeatureEncoder(observation_shape[0][0], tuple(self.hidden))

    @staticmethod
    def get_type() -> str:
        """Name in what d3rlpy saves."""
        return "vmagent_features"


class MaskedHead(nn.Module):
    """Values or logits, low and finite where the action is illegal."""

    def __init__(self, encoder: FeatureEncoder, hidden_size: int, action_size: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(hidden_size, action_size)

    def values(self, x: Observations) -> Tensor:
        """(N, actions)."""
        return masked(self.head(self.encoder(x)), x[1])


class MaskedQFunction(MaskedHead):
    """Q-values in the form that d3rlpy's forwarders and targets take."""

    def forward(self, x: Observations) -> Any:
        """A `QFunctionOutput`."""
        return QFunctionOutput(q_value=self.values(x), quantiles=None, taus=None)


@dataclass
class MaskedQFunctionFactory(QFunctionFactory):  # type: ignore[misc]  # as above
    """Makes masked Q-functions, with the loss and target of d3rlpy's mean Q-function."""

    def create_discrete(
        self, encoder: FeatureEncoder, hidden_size: int, action_size: int
    ) -> tuple[MaskedQFunction, Any]:
        """The Q-function and its forwarder."""
        q_function = MaskedQFunction(encoder, hidden_size, action_size)
        return q_function, DiscreteMeanQFunctionForwarder(q_function, action_size)

    @staticmethod
    def get_type() -> str:
        """Name in what d3rlpy saves."""
        return "vmagent_masked"


class MaskedImitator(MaskedHead):
    """A categorical policy over the legal actions."""

    def forward(self, x: Observations) -> Categorical:
        """Illegal actions have probability 0, to the last bit of float32."""
        return Categorical(logits=self.values(x))


class MaskedBCImpl(DiscreteBCImpl):  # type: ignore[misc]  # as above
    """Cross-entropy over the legal actions, and d3rlpy's penalty on their squared logits."""

    def compute_loss(self, obs_t: Observations, act_t: Tensor) -> Any:
        """d3rlpy's own would square the fill of illegal actions."""
        values = self._modules.imitator.values(obs_t)
        legal = obs_t[1] > 0
        imitation = functional.cross_entropy(values, act_t.long().view(-1))
        penalty = self._beta * (values[legal] ** 2).mean()
        return DiscreteImitationLoss(
            loss=imitation + penalty, imitation_loss=imitation, regularization_loss=penalty
        )


@dataclass
class MaskedBCConfig(DiscreteBCConfig):  # type: ignore[misc]  # as above
    """d3rlpy's `DiscreteBCConfig` for observations (features, mask); encoder as above."""

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
        encoder = config.encoder_factory.create(observation_shape)
        size = compute_output_size([observation_shape], encoder)
        imitator = MaskedImitator(encoder, size, actions).to(self._device)
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


def network_of(learner: Any, shape: NetworkShape) -> FlatNetwork:
    """A copy of what a masked learner of d3rlpy has learned, as our own network."""
    modules = learner.impl.modules
    head = modules.imitator if isinstance(learner, MaskedBC) else modules.q_funcs[0]
    with torch.no_grad(), torch.random.fork_rng(devices=[]):  # its first parameters are drawn
        network = FlatNetwork(shape)
        network.body.load_state_dict(head.encoder.body.state_dict())
        network.head.load_state_dict(head.head.state_dict())
    return network


register_encoder_factory(FeatureEncoderFactory)
register_q_func_factory(MaskedQFunctionFactory)
register_learnable(MaskedBCConfig)
