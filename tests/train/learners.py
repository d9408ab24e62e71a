"""Configs of masked learners with small networks, as the programs on the shelf build them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vmagent_marl.train.offline.d3rlpy_learner import D3rlpyLearner
from vmagent_marl.train.offline.decisions import Reward, read_decisions
from vmagent_marl.train.offline.learning import train_offline
from vmagent_marl.train.offline.masked import MaskedQFunctionFactory, NetworkFactory
from vmagent_marl.train.offline.masked_bc import MaskedBCConfig
from vmagent_marl.train.offline.quiet_d3rlpy import DiscreteCQLConfig


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


def learner(
    config: Any,
    dataset: str | Sequence[str],
    *,
    seed: int = 0,
    reward: Reward = "team",
    reward_scale: float | None = None,
) -> D3rlpyLearner:
    """Of the decisions of these data sets, read as the config needs them."""
    decisions = read_decisions(
        dataset, reward=reward, gamma=config.gamma, reward_scale=reward_scale
    )
    return D3rlpyLearner(config, decisions, seed=seed, device="cpu")


def trained(
    config: Any,
    dataset: str | Sequence[str],
    out: Path,
    *,
    seed: int = 0,
    reward: Reward = "team",
    reward_scale: float | None = None,
    **run: Any,
) -> Path:
    """The best checkpoint of a run of `learner`."""
    made = learner(config, dataset, seed=seed, reward=reward, reward_scale=reward_scale)
    return train_offline(made, out, **run)
