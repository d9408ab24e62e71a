"""Requests that are offered to one agent alone, in turn, and pay everybody 1: a stage."""

from __future__ import annotations

import torch
from torch import Tensor
from train.online.two_steps import TwoSteps

from vmagent_marl.policies.networks import with_identity

LENGTH = 3  # requests of an episode, which is truncated: a request more is shown


class Relay(TwoSteps):
    """An agent sees whether it is in the chain; what it answers changes nothing."""

    def features(self) -> Tensor:
        beyond = (~self.asked()).float()
        seen = torch.stack([torch.ones_like(beyond), beyond, 1 - beyond], 2)
        return with_identity(seen, 2)

    def asked(self) -> Tensor:
        return (self.at[:, None] + torch.arange(2)) % 2 == 0

    def step(self, actions: Tensor) -> None:
        self.answers, self.offered = actions.clone(), self.asked()
        self.paid = torch.ones(len(self.at))
        self.at = self.at + 1
        self.over = self.at == LENGTH

    def reached(self) -> Tensor:
        return self.offered

    def ends(self) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(self.over), self.over.clone()
