"""IQL, VDN and QMIX by name: the same learner, with the mixing and the defaults of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vmagent_marl.train.mixers import Mixing
from vmagent_marl.train.online.value_decomposition import ValueDecomposition


@dataclass(frozen=True, kw_only=True)
class IQL(ValueDecomposition):
    """Independent Q-learning: every cluster learns by itself, all with one network."""

    mixing: ClassVar[Mixing] = "none"


@dataclass(frozen=True, kw_only=True)
class VDN(ValueDecomposition):
    """Value decomposition: the value of the team is the sum of its clusters' values."""

    mixing: ClassVar[Mixing] = "sum"


@dataclass(frozen=True, kw_only=True)
class QMIX(ValueDecomposition):
    """QMIX: the value of the team grows with the value of each cluster."""

    mixing: ClassVar[Mixing] = "monotonic"
    duelling: bool = False
    """Whether the value of what is seen is learned apart; the mixer's last bias does so already."""
