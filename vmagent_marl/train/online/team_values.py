"""The network of IQL, VDN and QMIX: what agents' answers are worth, alone or to their team."""

from __future__ import annotations

from torch import Tensor, nn

from vmagent_marl.policies.checkpoint import new_network
from vmagent_marl.policies.networks import NetworkShape, flat_body, masked
from vmagent_marl.policies.server_network import ServerCritic
from vmagent_marl.train.online.mixers import Mixer


class TeamValues(nn.Module):
    """Values of agents' actions, legal or not, and what the mixer makes of the chosen ones.

    Duelling: the value of what an agent sees, in units of what a reward of 1 a request comes to for
    ever (a network learns the large number fast and the small differences apart), and each action's
    advantage less the mean of the legal ones'. What acts is the plain network of the advantages:
    the same action is highest.
    """

    def __init__(self, shape: NetworkShape, mixer: Mixer, *, duelling: bool, gamma: float) -> None:
        super().__init__()
        self.network, self.mixer = new_network(shape), mixer
        self.horizon = 1.0 / max(1.0 - gamma, 1e-3)
        self.seen: nn.Module | None = None
        if duelling and shape.kind == "servers":
            self.seen = ServerCritic(shape)
        elif duelling:
            body = flat_body(shape.inputs, shape.hidden)
            self.seen = nn.Sequential(body, nn.Linear(shape.hidden[-1], 1))

    def forward(self, features: Tensor, mask: Tensor, action: Tensor, state: Tensor) -> Tensor:
        """(N,) of features (N, M, inputs), masks (N, M, A), answers (N, M) and states (N, S)."""
        flat = features.flatten(0, 1)
        values = self.network(flat).view(mask.shape)
        chosen = values.gather(2, action[:, :, None]).squeeze(2)
        if self.seen is not None:
            mean = (values * mask).sum(2) / mask.sum(2)
            chosen = self.horizon * self.seen(flat).view(chosen.shape) + chosen - mean
        team: Tensor = self.mixer(chosen, state)
        return team

    def best(self, features: Tensor, mask: Tensor) -> Tensor:
        """(N, M) the legal action of each agent's highest value."""
        values = self.network(features.flatten(0, 1)).view(mask.shape)
        return masked(values, mask).argmax(2)
