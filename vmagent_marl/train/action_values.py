"""Networks that say what actions are worth, around a plain one that says which is worth most."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vmagent_marl.policies.networks import NetworkShape, masked
from vmagent_marl.policies.new_networks import new_critic, new_network


class ActionValues(nn.Module):
    """Values of legal actions, and `ILLEGAL` for the others.

    Duelling (Wang et al., ICML 2016, arXiv 1511.06581): the state's value, and each action's
    advantage less the mean of those of legal actions. Taking one number off all does not change
    which is the highest, so the plain network of the advantages acts, and is what a checkpoint
    holds; without duelling it is the network of the values. Differences from the paper: the value
    has layers of its own, and learns in units of the `horizon`, what a reward of 1 a request comes
    to for ever.
    """

    def __init__(self, shape: NetworkShape, *, duelling: bool, gamma: float) -> None:
        super().__init__()
        self.network = new_network(shape)
        self.horizon = 1.0 / max(1.0 - gamma, 1e-3)
        self.value: nn.Module | None = new_critic(shape) if duelling else None

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """(N, A) of features (N, inputs) and masks (N, A) bool."""
        return masked(self.unmasked(features, mask), mask)

    def unmasked(self, features: Tensor, mask: Tensor) -> Tensor:
        """The same (N, A), of illegal actions too: for answers that count as another one."""
        values: Tensor = self.network(features)
        if self.value is None:
            return values
        legal = mask.to(values.dtype)
        mean = (values * legal).sum(1, keepdim=True) / legal.sum(1, keepdim=True)
        state: Tensor = self.value(features)
        return state * self.horizon + values - mean

    def loss(self, value: Tensor, goal: Tensor) -> Tensor:
        """(N,) Huber's, which turns linear at the horizon.

        Where an episode ends, a rare request loses all that was hoped for: cut to the size of a
        reward, as in games whose rewards come often, such errors would be outvoted.
        """
        error = (value - goal) / self.horizon
        return nn.functional.huber_loss(error, torch.zeros_like(error), reduction="none")

    def best(self, features: Tensor, mask: Tensor) -> Tensor:
        """(N,) the legal action of the highest value."""
        return masked(self.network(features), mask).argmax(1)


def follow(target: nn.Module, source: nn.Module, share: float) -> None:
    """Bring a target network this share of the way to its source; 1 copies it."""
    for behind, ahead in zip(target.parameters(), source.parameters(), strict=True):
        behind.data.lerp_(ahead.data, share)
