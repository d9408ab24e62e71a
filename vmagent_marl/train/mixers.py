"""What joins the values of agents to one of the team, none of which may lower it."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Mixing = Literal["none", "sum", "monotonic"]


class Mixer(nn.Module):
    """Values (N, M) of M agents' answers and the state of all (N, S) to a team's value (N,).

    Values may be of several answers (N, ..., M) to one state each, for values (N, ...). It rises,
    or stays, with every agent's value: what is best for each is best for all.
    """


class SumMixer(Mixer):
    """Their sum (VDN); of one agent alone, its own value. It reads no state."""

    def forward(self, values: Tensor, state: Tensor) -> Tensor:
        """See `Mixer`."""
        return values.sum(-1)


class MonotonicMixer(Mixer):
    """Two layers with weights that are nowhere negative, which the state decides (QMIX).

    Rashid et al. 2018 (arXiv 1803.11485), section 4: each layer's weights, made absolute, and the
    first bias are linear in the state; the last bias is a network of two layers.
    """

    def __init__(self, agents: int, state_size: int, width: int) -> None:
        super().__init__()
        self.agents, self.width = agents, width
        self.first_weight = nn.Linear(state_size, agents * width)
        self.first_bias = nn.Linear(state_size, width)
        self.last_weight = nn.Linear(state_size, width)
        self.last_bias = nn.Sequential(nn.Linear(state_size, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, values: Tensor, state: Tensor) -> Tensor:
        """See `Mixer`."""
        several = (1,) * (values.dim() - 2)  # answers to one state

        def of_each(made: Tensor) -> Tensor:
            return made.view(len(made), *several, made.shape[-1])

        weight = self.first_weight(state).abs().view(-1, self.agents, self.width)
        first = torch.einsum("n...m,nmw->n...w", values, weight)
        hidden = F.elu(first + of_each(self.first_bias(state)))
        mixed: Tensor = (hidden * of_each(self.last_weight(state).abs())).sum(-1)
        return mixed + of_each(self.last_bias(state)).squeeze(-1)


def new_mixer(mixing: Mixing, *, agents: int, state_size: int, width: int) -> Mixer:
    """A mixer by its name, whose first parameters are drawn."""
    if mixing == "monotonic":
        return MonotonicMixer(agents, state_size, width)
    return SumMixer()
