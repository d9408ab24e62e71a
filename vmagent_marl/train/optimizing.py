"""How learners go down: Adam, and a rate that falls."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

LEAST = 0.05  # of the learning rate, in the end


def adam(
    parameters: Iterable[nn.Parameter], learning_rate: float, *, eps: float = 1e-8
) -> torch.optim.Optimizer:
    """Adam in one call for all parameters."""
    return torch.optim.Adam(parameters, lr=learning_rate, eps=eps, fused=True)


def anneal(optimizer: torch.optim.Optimizer, learning_rate: float, gone: float) -> None:
    """Set the rate for the share of the steps that are gone: a line down to a twentieth."""
    optimizer.param_groups[0]["lr"] = learning_rate * max(1.0 - gone, LEAST)
