"""Action masks for d3rlpy's discrete learners, which know none.

Observations are tuples (features, mask). The encoder holds one of our networks whole and fills
illegal actions with a low finite value, and d3rlpy's heads behind it add nothing: so all that
d3rlpy computes from them is masked, the greedy action, the bootstrap target and the logsumexp of
CQL. Encoder, Q-function and learners are registered, so that what d3rlpy saves, it loads once this
is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.distributions import Categorical
from torch.nn import functional

from vmagent_marl.policies.networks import Kind, Network, NetworkShape
from vmagent_marl.policies.new_networks import new_network
from vmagent_marl.train.offline.learner import check_hidden
from vmagent_marl.train.offline.on_d3rlpy.quiet_d3rlpy import (
    DiscreteImitationLoss,
    DiscreteMeanQFunctionForwarder,
    Encoder,
    EncoderFactory,
    QFunctionFactory,
    QFunctionOutput,
    create_discrete_q_function,
    register_encoder_factory,
    register_q_func_factory,
    unwrap_ddp_model,
    wrap_model_by_ddp,
)

Observations = Sequence[Tensor]  # features (N, inputs) and mask (N, actions), both float32


class NetworkEncoder(Encoder):  # type: ignore[misc]  # d3rlpy has no annotations
    """One of our networks with its mask, to the end: one value an action."""

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        self.network = new_network(shape)

    def forward(self, x: Observations) -> Tensor:
        """(N, actions), low and finite where the action is illegal."""
        return self.network.legal(x[0], x[1])


@dataclass
class NetworkFactory(EncoderFactory):  # type: ignore[misc]  # as above
    """Makes networks that read (features, mask): plain layers, or the one over servers.

    `identities` and `hints` are those of `NetworkShape`; `D3rlpyLearner` fills them in.
    """

    hidden: list[int] = field(default_factory=lambda: [64, 64])
    kind: Kind = "flat"
    identities: int = 0
    hints: int = 0

    def __post_init__(self) -> None:
        """Refuse what makes no network."""
        check_hidden(self.hidden)

    def create(self, observation_shape: Sequence[Sequence[int]]) -> NetworkEncoder:
        """`observation_shape` is ((inputs,), (actions,))."""
        (inputs,), (actions,) = observation_shape
        shape = NetworkShape(
            observation=inputs - self.identities,
            identities=self.identities,
            actions=actions,
            hidden=tuple(self.hidden),
            kind=self.kind,
            hints=self.hints,
        )
        return NetworkEncoder(shape)

    @staticmethod
    def get_type() -> str:
        """Name in what d3rlpy saves."""
        return "vmagent_network"


class MaskedQFunction(nn.Module):
    """What the encoder says, in the form that d3rlpy's forwarders and targets take."""

    def __init__(self, encoder: NetworkEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x: Observations) -> Any:
        """A `QFunctionOutput`."""
        return QFunctionOutput(q_value=self.encoder(x), quantiles=None, taus=None)


@dataclass
class MaskedQFunctionFactory(QFunctionFactory):  # type: ignore[misc]  # as above
    """Makes masked Q-functions, with the loss and target of d3rlpy's mean Q-function."""

    def create_discrete(
        self, encoder: NetworkEncoder, hidden_size: int, action_size: int
    ) -> tuple[MaskedQFunction, Any]:
        """The Q-function and its forwarder."""
        q_function = MaskedQFunction(encoder)
        return q_function, DiscreteMeanQFunctionForwarder(q_function, action_size)

    @staticmethod
    def get_type() -> str:
        """Name in what d3rlpy saves."""
        return "vmagent_masked"


class MaskedPolicy(nn.Module):
    """A categorical policy over the legal actions, in the place of d3rlpy's `CategoricalPolicy`."""

    def __init__(self, encoder: NetworkEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x: Observations) -> Categorical:
        """Illegal actions have probability 0, to the last bit of float32."""
        return Categorical(logits=self.encoder(x), validate_args=False)


def new_policy(
    factory: NetworkFactory, shape: Sequence[Sequence[int]], *, device: str, enable_ddp: bool
) -> nn.Module:
    """A masked policy, wrapped as d3rlpy wraps its own where several processes learn."""
    policy = MaskedPolicy(factory.create(shape)).to(device)
    return cast(nn.Module, wrap_model_by_ddp(policy)) if enable_ddp else policy


def new_critics(
    config: Any,
    factory: NetworkFactory,
    shape: Sequence[Sequence[int]],
    *,
    device: str,
    enable_ddp: bool,
) -> Any:
    """Q-functions with their forwarder, and the same for the targets, as d3rlpy makes them."""
    (_, (actions,)) = shape
    return tuple(
        create_discrete_q_function(
            shape,
            actions,
            factory,
            config.q_func_factory,
            n_ensembles=config.n_critics,
            device=device,
            enable_ddp=enable_ddp,
        )
        for _ in range(2)
    )


def imitation(policy: nn.Module, x: Observations, actions: Tensor, beta: float) -> Any:
    """d3rlpy's loss of a discrete imitator, whose penalty counts legal actions alone.

    Its own squares the logits of all, and so the fill of illegal ones. `actions` (N, 1).
    """
    log_probs, legal = policy(x).logits, x[1] > 0  # which torch has normalised
    loss = functional.nll_loss(log_probs, actions.long().view(-1))
    squares = torch.where(legal, log_probs, 0.0).square().sum() / legal.sum()
    return DiscreteImitationLoss(
        loss=loss + beta * squares, imitation_loss=loss, regularization_loss=beta * squares
    )


def network_of(module: nn.Module) -> Network:
    """The network inside a Q-function or a policy."""
    network: Network = unwrap_ddp_model(module).encoder.network
    return network


register_encoder_factory(NetworkFactory)
register_q_func_factory(MaskedQFunctionFactory)
