"""Torch modules that learners train and checkpoints act with."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

ILLEGAL = -1e9
"""Stands for the value or logit of an illegal action: far below any reachable return (a return of
-log waits can pass -1e4), and finite, since learners multiply it by (1 - terminal) and by zeros of
one-hot vectors, which turn an infinity into NaN."""


Kind = Literal["flat", "servers", "numbered", "slots"]
"""Plain layers; the same for every server, see `ServerNetwork`; that, and told its number; linear,
of the room that is left for each type of VM, see `SlotValueNetwork`."""

VMType = tuple[float, float, bool]
"""Shares of a node's cpu and memory that it takes on each node where it is, and whether that is
both nodes of a server."""


@dataclass(frozen=True)
class NetworkShape:
    """Kind and sizes of a network."""

    observation: int  # floats of an agent's observation
    identities: int  # one-hot places that tell agents with shared parameters apart; 0: one agent
    actions: int
    hidden: tuple[int, ...] = (64, 64)
    kind: Kind = "flat"
    hints: int = 0  # 1 where the layout tells when servers are foretold to be empty
    flexibility: float | None = None  # of a `ConstrainedNetwork`; None: any legal action may win
    types: tuple[VMType, ...] = ()  # whose room a `SlotValueNetwork` counts

    @property
    def over_servers(self) -> bool:
        """Whether it plays any number of servers."""
        return self.kind != "flat"

    @property
    def inputs(self) -> int:
        """Floats that the first layer reads: the observation, then the identity."""
        return self.observation + self.identities

    def as_dict(self) -> dict[str, Any]:
        """Plain values, from which `of` makes an equal shape."""
        plain = {
            **asdict(self),
            "hidden": list(self.hidden),
            "types": [list(each) for each in self.types],
        }
        if self.flexibility is None:  # as it was before there was one: equal networks, equal bytes
            plain.pop("flexibility")
        if not self.types:
            plain.pop("types")
        return plain

    @classmethod
    def of(cls, plain: dict[str, Any]) -> NetworkShape:
        """What `as_dict` made. Raises `TypeError` and `LookupError` for anything else."""
        types = tuple(map(tuple, plain.get("types", ())))
        return cls(**{**plain, "hidden": tuple(plain["hidden"]), "types": types})


class Network(nn.Module):
    """What acts: features (N, inputs) float32 to one value or logit an action (N, actions)."""

    shape: NetworkShape

    def legal(self, features: Tensor, mask: Tensor) -> Tensor:
        """The same (N, actions), and `ILLEGAL` where the mask (N, actions) is 0."""
        return masked(self(features), mask)


class FlatNetwork(Network):
    """Linear layers over all features alike."""

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        self.shape = shape
        self.body = flat_body(shape.inputs, shape.hidden)
        self.head = nn.Linear(shape.hidden[-1], shape.actions)

    def forward(self, features: Tensor) -> Tensor:
        """Values or logits, legal or not."""
        return cast(Tensor, self.head(self.body(features)))


def flat_body(inputs: int, hidden: tuple[int, ...]) -> nn.Sequential:
    """Linear layers, each followed by a ReLU."""
    sizes = [inputs, *hidden]
    layers = [
        layer
        for i in range(len(hidden))
        for layer in (nn.Linear(sizes[i], sizes[i + 1]), nn.ReLU())
    ]
    return nn.Sequential(*layers)


def masked(values: Tensor, mask: Tensor) -> Tensor:
    """The values (..., actions) of legal actions, and `ILLEGAL` for the others."""
    return torch.where(mask > 0, values, ILLEGAL)


def with_identity(observation: Tensor, identities: int) -> Tensor:
    """Observations (B, K, F) as features (B, K, F + identities): a one-hot place for each agent."""
    if identities == 0:
        return observation
    batch, clusters, _ = observation.shape
    one_hot = torch.eye(clusters, identities).expand(batch, clusters, identities)
    return torch.cat([observation, one_hot], dim=2)
