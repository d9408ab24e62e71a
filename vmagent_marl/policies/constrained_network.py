"""A network of values that takes only what an imitator thinks was likely."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from vmagent_marl.policies.networks import ILLEGAL, Network


class ConstrainedNetwork(Network):
    """Values of the actions that were likely, `ILLEGAL` for others (Fujimoto et al. 2019).

    Likely are those of at least `flexibility` times the probability of the likeliest one, of the
    imitator's distribution over legal actions. One action always is. Both networks are of one
    shape.
    """

    def __init__(self, values: Network, imitator: Network, flexibility: float) -> None:
        super().__init__()
        self.values, self.imitator, self.flexibility = values, imitator, flexibility
        self.shape = replace(values.shape, flexibility=flexibility)

    def forward(self, features: Tensor) -> Tensor:
        """Values where all actions are legal."""
        return self._likely(self.values(features), self.imitator(features))

    def legal(self, features: Tensor, mask: Tensor) -> Tensor:
        """See `Network`; `ILLEGAL` too where the action was not likely."""
        return self._likely(self.values.legal(features, mask), self.imitator.legal(features, mask))

    def _likely(self, values: Tensor, logits: Tensor) -> Tensor:
        return among_likely(values, torch.softmax(logits, 1), self.flexibility)


def among_likely(values: Tensor, chances: Tensor, flexibility: float) -> Tensor:
    """Values (N, actions), and `ILLEGAL` where the chance is below that share of the largest."""
    likely = chances >= flexibility * chances.amax(1, keepdim=True)
    return torch.where(likely, values, ILLEGAL)
