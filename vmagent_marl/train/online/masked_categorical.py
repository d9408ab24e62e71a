"""The distribution over legal actions that every stochastic policy here draws from."""

from __future__ import annotations

import torch
from torch import Tensor

from vmagent_marl.policies.networks import masked


class MaskedCategorical:
    """Softmax of the logits (..., A) of legal actions; illegal ones have probability 0.

    Gradients reach the logits of legal actions only. Every mask has a legal action.
    """

    def __init__(self, logits: Tensor, mask: Tensor) -> None:
        self.mask = mask
        self.logits = masked(logits, mask)
        self.log_probs = torch.log_softmax(self.logits, -1)

    @property
    def probs(self) -> Tensor:
        """(..., A)"""
        return self.log_probs.exp()

    def sample(self, generator: torch.Generator) -> Tensor:
        """(...) int64, by Gumbel's trick: one draw an action, whatever the batch."""
        noise = torch.empty_like(self.logits).exponential_(generator=generator)
        return (self.logits - noise.log()).argmax(-1)

    def log_prob(self, actions: Tensor) -> Tensor:
        """(...) of actions (...)."""
        return self.log_probs.gather(-1, actions[..., None]).squeeze(-1)

    def entropy(self) -> Tensor:
        """(...) in nats."""
        finite = torch.where(self.mask > 0, self.log_probs, 0.0)
        return -(self.probs * finite).sum(-1)

    def expected(self, values: Tensor) -> Tensor:
        """(...) mean of values (..., A) over the actions; those of illegal ones do not matter."""
        return (self.probs * torch.where(self.mask > 0, values, 0.0)).sum(-1)
