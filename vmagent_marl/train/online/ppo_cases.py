"""PPO's cases by name: the same learner, with the defaults of each."""

from __future__ import annotations

from dataclasses import dataclass

from vmagent_marl.train.online.critics import Judged
from vmagent_marl.train.online.ppo import PPO


@dataclass(frozen=True, kw_only=True)
class A2C(PPO):
    """Advantage actor-critic: PPO of one epoch without clipping, all that was played an update.

    Huang et al. 2022 (arXiv 2205.09123) show that it is that case; the original has RMSprop in the
    place of Adam, as in Mnih et al. 2016 (arXiv 1602.01783).
    """

    segment: int = 16
    """Requests an environment plays between updates."""
    epochs: int = 1
    """Passes over what was played."""
    minibatch: int | None = None
    """Answers an update; none: all that was played."""
    clip: float | None = None
    """How far the ratio of probabilities counts; none: without bound."""


@dataclass(frozen=True, kw_only=True)
class IPPO(PPO):
    """Independent PPO: clusters share one network, and each is judged by what it sees itself.

    De Witt et al. 2020 (arXiv 2011.09533).
    """

    scenario: str = "region-prices"
    """Name on the shelf, or the path of a YAML file."""
    batch: int = 128
    """Environments that are played at once."""


@dataclass(frozen=True, kw_only=True)
class MAPPO(IPPO):
    """Multi-agent PPO: as IPPO, with a critic that is given the state of all while it trains.

    Yu et al., NeurIPS 2022 (arXiv 2103.01955).
    """

    critic: Judged = "state"
    """What values are judged by: each agent's observation, or the state of all."""
