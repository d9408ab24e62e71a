"""Networks that do not care how servers are numbered, nor how many there are."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from vmagent_marl.policies.networks import Network, NetworkShape

SLOT = 16  # features of a slot, see `slot_features`; one more if numbered, and one with hints
ROUNDING = 1e-6  # of float32 shares, when room is compared with a request


class Embedded(NamedTuple):
    """N observations as a `ServerBody` sees them."""

    own: Tensor  # (N, 2 S, I) features of each slot
    slots: Tensor  # (N, 2 S, H) their embeddings
    context: Tensor  # (N, 2 H) mean and largest embedding of the slots in service
    common: Tensor  # (N, C) what all slots have in common: the request, the summaries ...


class ServerBody(nn.Module):
    """Embeds every slot by itself, and pools (Zaheer et al., Deep Sets, NeurIPS 2017)."""

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        self.shape = shape
        servers = (shape.actions - 1) // 2
        self.common = shape.inputs - (5 + shape.hints) * servers
        self.slot = nn.Linear(slot_size(shape), shape.hidden[0])
        self.whole = nn.Linear(self.common, shape.hidden[0], bias=False)

    def forward(self, features: Tensor) -> Embedded:
        """Of features (N, inputs), of any number of servers."""
        servers = (features.shape[1] - self.common) // (5 + self.shape.hints)
        own, common = slot_features(features, servers, self.shape)
        slots = torch.relu(self.slot(own) + self.whole(common)[:, None])
        serving = own[:, :, :1]
        shown = slots * serving
        count = serving.sum(1).clamp(min=1.0)
        return Embedded(own, slots, torch.cat([shown.sum(1) / count, shown.amax(1)], 1), common)


class ServerNetwork(Network):
    """One value a slot by its embedding and the context, and of passing by the context alone.

    Exchanging the nodes of a server exchanges their values and changes none, and so does exchanging
    servers, unless the shape is `numbered`; any number of servers can be played. `hidden`: width of
    the embedding, then of the layer behind it.
    """

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        self.shape = shape
        embedding, width = shape.hidden[0], shape.hidden[-1]
        self.body = ServerBody(shape)
        self.slot = nn.Linear(embedding, width)
        self.context = nn.Linear(2 * embedding, width, bias=False)
        self.value = nn.Linear(width, 1)
        self.direct = nn.Linear(slot_size(shape), 1, bias=False)  # rules are sharp and linear
        self.passing = pooled_head(2 * embedding + self.body.common, width)

    def forward(self, features: Tensor) -> Tensor:
        """Values or logits (N, 2 S + 1), legal or not."""
        own, slots, context, common = self.body(features)
        hidden = torch.relu(self.slot(slots) + self.context(context)[:, None])
        values = (self.value(hidden) + self.direct(own)).squeeze(2)
        return torch.cat([values, self.passing(torch.cat([context, common], 1))], 1)


class ServerCritic(nn.Module):
    """One value of the whole (N, 1), whatever the number of servers."""

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        self.body = ServerBody(shape)
        self.head = pooled_head(2 * shape.hidden[0] + self.body.common, shape.hidden[-1])

    def forward(self, features: Tensor) -> Tensor:
        """Values."""
        seen = self.body(features)
        return cast(Tensor, self.head(torch.cat([seen.context, seen.common], 1)))


def pooled_head(inputs: int, width: int) -> nn.Sequential:
    """Two layers to one value."""
    return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, 1))


def slot_size(shape: NetworkShape) -> int:
    """Features of a slot."""
    return SLOT + (shape.kind == "numbered") + shape.hints


def slot_features(features: Tensor, servers: int, shape: NetworkShape) -> tuple[Tensor, Tensor]:
    """Observations with identities (N, inputs) as slots' own (N, 2 S, I), and common (N, C).

    A slot's own, in order: whether it is in service, fits, is on an empty server; the server's free
    share by the scarcer resource of each node, summed; free shares of the node and of the other one
    and what would be left of them, by the scarcer resource (4), then by cpu and memory (8); if
    numbered the server's number / S, by which first fit and its kind choose, S as padded to the
    largest cluster; with hints when the server is foretold to be empty.
    """
    batch, stop, hints = features.shape[0], 5 * servers, shape.hints
    end = features.shape[1] - shape.identities
    free = features[:, : 4 * servers].view(batch, servers, 2, 2)
    serving = features[:, 4 * servers : stop].view(batch, servers, 1, 1).expand(-1, -1, 2, -1)
    common = torch.cat([features[:, stop : end - hints * servers], features[:, end:]], 1)
    need, halved = common[:, None, None, :2], common[:, 2].view(batch, 1, 1, 1)
    other = free.flip(2)
    shares = torch.cat([free, other, free - need, other - need * halved], 3)
    scarce = shares.view(batch, servers, 2, 4, 2).amin(4)
    fits = (scarce[..., 2:] >= -ROUNDING).all(3, keepdim=True) & (serving > 0)
    empty = (free >= 1 - ROUNDING).all(3, keepdim=True).all(2, keepdim=True).expand(-1, -1, 2, -1)
    pieces = [serving, fits, empty, scarce[..., :2].sum(3, keepdim=True), scarce, shares]
    if shape.kind == "numbered":
        number = torch.arange(servers, device=features.device) / servers
        pieces.append(number.view(1, servers, 1, 1).expand(batch, -1, 2, -1))
    if hints:
        release = features[:, end - servers : end].view(batch, servers, 1, 1)
        pieces.append(release.expand(-1, -1, 2, -1))
    own = torch.cat([piece.to(features.dtype) for piece in pieces], 3)
    return own.flatten(1, 2), common
