"""The network of IQL, VDN and QMIX: what agents' answers are worth, alone or to their team."""

from __future__ import annotations

from torch import Tensor, nn

from vmagent_marl.policies.networks import Network, NetworkShape
from vmagent_marl.train.action_values import ActionValues
from vmagent_marl.train.mixers import Mixer


class TeamValues(nn.Module):
    """Each agent's `ActionValues`, by one network, and what the mixer makes of the chosen ones."""

    def __init__(self, shape: NetworkShape, mixer: Mixer, *, duelling: bool, gamma: float) -> None:
        super().__init__()
        self.each, self.mixer = ActionValues(shape, duelling=duelling, gamma=gamma), mixer

    @property
    def network(self) -> Network:
        """What acts: the same action is highest."""
        return self.each.network

    def forward(self, features: Tensor, mask: Tensor, action: Tensor, state: Tensor) -> Tensor:
        """(N,) of features (N, M, inputs), masks (N, M, A), answers (N, M) and states (N, S).

        An answer may be illegal: the pass of an agent that no request reached (see `unreached`).
        """
        values = self.each.unmasked(features.flatten(0, 1), mask.flatten(0, 1)).view(mask.shape)
        team: Tensor = self.mixer(values.gather(2, action[:, :, None]).squeeze(2), state)
        return team

    def best(self, features: Tensor, mask: Tensor) -> Tensor:
        """(N, M) the legal action of each agent's highest value."""
        flat = features.flatten(0, 1), mask.flatten(0, 1)
        return self.each.best(*flat).view(mask.shape[:2])
