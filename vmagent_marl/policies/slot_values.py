"""A linear network that counts the room which a placement leaves for each type of VM."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vmagent_marl.policies.networks import Network, NetworkShape
from vmagent_marl.policies.server_network import ROUNDING, SLOT, slot_features

VALUED = 4  # places of a type that are valued on a server: the first, the second ...
VALUED_OF_ALL = 8  # in the whole cluster
SUM, OWN = 3, 4  # features of a slot: its server's share, the node's
SHARES = 8  # where the shares of cpu and memory begin


class SlotValueNetwork(Network):
    """What a slot's features are worth, less what is lost of the room for each type of VM.

    A server has a place for a type for each VM of it that it would take, if all were of it. The
    first, second ... place on a server has a value, another for each type, and so has the first,
    second ... in the whole cluster; a placement is worth what of them it leaves. So the tables are
    values of the state after the placement, summed over parts of it, as those of n-tuple networks
    are (Szubert & Jaskowski, IEEE CIG 2014), and slot-preserving packing is the case that a
    server's places are worth their types' shares of the requests. Before anything is learned they
    are worth nothing, and the features as much as makes it server best fit, but for servers that
    are all but equally full.

    Exchanging servers exchanges their values, and any number of them can be played.
    """

    types: Tensor  # (T, 2) cpu and memory on a node
    halved: Tensor  # (T,)

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        self.shape = shape
        self.direct = nn.Linear(SLOT + shape.hints, 1, bias=False)
        self.server = nn.Parameter(torch.zeros(len(shape.types), VALUED))
        self.cluster = nn.Parameter(torch.zeros(len(shape.types), VALUED_OF_ALL))
        self.passing = nn.Parameter(torch.full((1,), -10.0))  # below all: what fits is placed
        with torch.no_grad():
            self.direct.weight.zero_()
            self.direct.weight[0, [SUM, OWN]] = torch.tensor([-1.0, 0.01])
        types = torch.tensor([each[:2] for each in shape.types], dtype=torch.float32)
        halved = torch.tensor([each[2] for each in shape.types])
        self.register_buffer("types", types, persistent=False)  # the shape holds them
        self.register_buffer("halved", halved, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Values (N, 2 S + 1), legal or not."""
        servers = (features.shape[1] - self._common) // (5 + self.shape.hints)
        own, _ = slot_features(features, servers, self.shape)
        free, other, left, left_there = torch.split(own[:, :, SHARES:SLOT], 2, dim=2)
        serving = own[:, :, :1]
        before, after = self._room(free, other) * serving, self._room(left, left_there) * serving
        of_all = before[:, ::2].sum(1, keepdim=True)
        values = self.direct(own).squeeze(2)
        values = values + _worth(self.server, after) - _worth(self.server, before)
        values = values + _worth(self.cluster, of_all - before + after)
        values = values - _worth(self.cluster, of_all)
        return torch.cat([values, self.passing.expand(len(values), 1)], 1)

    @property
    def _common(self) -> int:
        """Floats of an observation that are not a server's."""
        return self.shape.inputs - (5 + self.shape.hints) * (self.shape.actions - 1) // 2

    def _room(self, free: Tensor, other: Tensor) -> Tensor:
        """(N, 2 S, T) places for each type, of free shares (N, 2 S, 2) of a server's two nodes."""
        one, two = (
            ((node[:, :, None] + ROUNDING) / self.types).floor().amin(3).clamp(min=0.0)
            for node in (free, other)
        )
        return torch.where(self.halved, torch.minimum(one, two), one + two)


def _worth(table: Tensor, places: Tensor) -> Tensor:
    """(N, 2 S) what places (N, 2 S, T) are worth by a table (T, valued)."""
    summed = torch.cat([torch.zeros_like(table[:, :1]), table.cumsum(1)], 1)
    counted = places.long().clamp(max=table.shape[1])
    return summed.expand(*places.shape[:2], -1, -1).gather(3, counted[..., None]).sum((2, 3))
