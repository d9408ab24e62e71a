"""Configs of masked learners with small networks, as the programs on the shelf build them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vmagent_marl.train.offline.data.decisions import Reward, read_decisions
from vmagent_marl.train.offline.in_torch.implicit_q import ImplicitQ, ImplicitQLearner
from vmagent_marl.train.offline.learner import OfflineLearner
from vmagent_marl.train.offline.learning import train_offline
from vmagent_marl.train.offline.on_d3rlpy.d3rlpy_learner import D3rlpyLearner
from vmagent_marl.train.offline.on_d3rlpy.masked import MaskedQFunctionFactory, NetworkFactory
from vmagent_marl.train.offline.on_d3rlpy.masked_bc import MaskedBCConfig
from vmagent_marl.train.offline.on_d3rlpy.masked_bcq import MaskedBCQConfig
from vmagent_marl.train.offline.on_d3rlpy.masked_sac import MaskedSACConfig
from vmagent_marl.train.offline.on_d3rlpy.quiet_d3rlpy import DiscreteCQLConfig, DoubleDQNConfig


def cql(*, hidden: tuple[int, ...] = (16,), **fields: Any) -> Any:
    return DiscreteCQLConfig(
        encoder_factory=NetworkFactory(list(hidden)),
        q_func_factory=MaskedQFunctionFactory(),
        **{"batch_size": 16, "learning_rate": 3e-4, "gamma": 0.9, **fields},
    )


def bc(*, hidden: tuple[int, ...] = (16,), **fields: Any) -> Any:
    return MaskedBCConfig(
        encoder_factory=NetworkFactory(list(hidden)),
        **{"batch_size": 16, "learning_rate": 3e-4, "beta": 0.0, **fields},
    )


def dqn(*, hidden: tuple[int, ...] = (16,), **fields: Any) -> Any:
    return DoubleDQNConfig(
        encoder_factory=NetworkFactory(list(hidden)),
        q_func_factory=MaskedQFunctionFactory(),
        **{"batch_size": 16, "learning_rate": 3e-4, "gamma": 0.9, **fields},
    )


def bcq(*, hidden: tuple[int, ...] = (16,), **fields: Any) -> Any:
    return MaskedBCQConfig(
        encoder_factory=NetworkFactory(list(hidden)),
        q_func_factory=MaskedQFunctionFactory(),
        **{"batch_size": 16, "learning_rate": 3e-4, "gamma": 0.9, "beta": 0.01, **fields},
    )


def sac(*, hidden: tuple[int, ...] = (16,), learning_rate: float = 3e-4, **fields: Any) -> Any:
    rates = ("actor_learning_rate", "critic_learning_rate", "temp_learning_rate")
    return MaskedSACConfig(
        actor_encoder_factory=NetworkFactory(list(hidden)),
        critic_encoder_factory=NetworkFactory(list(hidden)),
        q_func_factory=MaskedQFunctionFactory(),
        **{
            **dict.fromkeys(rates, learning_rate),
            "batch_size": 16,
            "gamma": 0.9,
            "initial_temperature": 0.1,
            "target_entropy": 0.1,
            **fields,
        },
    )


def iql(*, hidden: tuple[int, ...] = (16,), **fields: Any) -> ImplicitQ:
    return ImplicitQ(hidden=hidden, **{"batch_size": 16, **fields})


def learner(
    config: Any,
    dataset: str | Sequence[str],
    *,
    seed: int = 0,
    reward: Reward = "team",
    reward_scale: float | None = None,
    gamma: float = 0.9,
) -> OfflineLearner:
    """Of the decisions of these data sets, read as the config needs them.

    `gamma` is for configs that tell no discount.
    """
    gamma = getattr(config, "gamma", gamma)
    decisions = read_decisions(dataset, reward=reward, gamma=gamma, reward_scale=reward_scale)
    if isinstance(config, ImplicitQ):
        return ImplicitQLearner(config, decisions, seed=seed, device="cpu")
    return D3rlpyLearner(config, decisions, seed=seed, device="cpu")


def trained(
    config: Any,
    dataset: str | Sequence[str],
    out: Path,
    *,
    seed: int = 0,
    reward: Reward = "team",
    reward_scale: float | None = None,
    gamma: float = 0.9,
    **run: Any,
) -> Path:
    """The best checkpoint of a run of `learner`."""
    made = learner(
        config, dataset, seed=seed, reward=reward, reward_scale=reward_scale, gamma=gamma
    )
    return train_offline(made, out, **run)
