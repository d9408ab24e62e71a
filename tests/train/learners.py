"""Configs of masked learners with small networks, as the programs on the shelf build them."""

from __future__ import annotations

from typing import Any

from vmagent_marl.train.offline.masked import (
    FeatureEncoderFactory,
    MaskedBCConfig,
    MaskedQFunctionFactory,
)
from vmagent_marl.train.offline.quiet_d3rlpy import DiscreteCQLConfig


def cql(*, hidden: tuple[int, ...] = (16,), **fields: Any) -> Any:
    return DiscreteCQLConfig(
        encoder_factory=FeatureEncoderFactory(list(hidden)),
        q_func_factory=MaskedQFunctionFactory(),
        **{"batch_size": 16, "learning_rate": 3e-4, "gamma": 0.9, **fields},
    )


def bc(*, hidden: tuple[int, ...] = (16,), **fields: Any) -> Any:
    return MaskedBCConfig(
        encoder_factory=FeatureEncoderFactory(list(hidden)),
        **{"batch_size": 16, "learning_rate": 3e-4, "beta": 0.0, **fields},
    )
