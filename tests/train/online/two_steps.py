"""Two agents, two requests: the first agent's answer picks which matrix is played next."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from vmagent_marl.policies.networks import with_identity

FIRST = torch.full((2, 2), 7.0)
SECOND = torch.tensor([[0.0, 1.0], [1.0, 8.0]])


class TwoSteps:
    """Rashid et al. 2018, section 5: 7 for sure, or 8 where both dare; a stage for learners."""

    def __init__(self, batch: int) -> None:
        self.layout = SimpleNamespace(
            clusters=2, servers=0, size=3, actions=2, summaries=0, hints=0
        )
        self.simulator = SimpleNamespace(batch=batch)
        self.scenario = SimpleNamespace(name="two steps", clusters=2)
        self.identities, self.device, self.siblings = 2, torch.device("cpu"), 1
        self.state_size = 3
        self.at = torch.zeros(batch, dtype=torch.int64)
        self.returns: list[float] = []
        self.paid = torch.zeros(batch)
        self.over = torch.zeros(batch, dtype=torch.bool)

    def features(self) -> Tensor:
        return with_identity(self.state()[:, None].expand(-1, 2, -1), 2).clone()

    def mask(self) -> Tensor:
        return torch.ones(len(self.at), 2, 2, dtype=torch.bool)

    def state(self) -> Tensor:
        return torch.eye(3)[self.at]

    @property
    def alive(self) -> Tensor:
        return ~self.over

    def step(self, actions: Tensor) -> None:
        self.answers = actions.clone()
        first, second = actions.unbind(1)
        self.paid = torch.where(self.at == 1, FIRST[first, second], 0.0)
        self.paid = torch.where(self.at == 2, SECOND[first, second], self.paid)
        self.over = self.at > 0
        self.at = torch.where(self.over, self.at, first + 1)

    def rewards(self, kind: str = "team") -> Tensor:
        return self.paid[:, None].expand(-1, 2)

    def reached(self) -> Tensor:
        return torch.ones(len(self.at), 2, dtype=torch.bool)

    def effective(self) -> Tensor:
        return self.answers

    def ends(self) -> tuple[Tensor, Tensor]:
        return self.over.clone(), torch.zeros_like(self.over)

    def renew(self) -> None:
        self.returns += self.paid[self.over].tolist()
        self.at = torch.where(self.over, 0, self.at)
        self.over = torch.zeros_like(self.over)

    def state_dict(self) -> dict[str, Any]:
        return {"at": self.at}

    def load_state_dict(self, content: dict[str, Any]) -> None:
        self.at = content["at"]


def greedy_return(network: nn.Module) -> float:
    """What the highest values or logits come to."""
    game = TwoSteps(1)
    with torch.no_grad():
        for _ in range(2):
            game.step(network(game.features()[0]).argmax(1)[None])
    return float(game.paid[0])
