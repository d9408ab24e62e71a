"""The network of IQL, VDN and QMIX: what agents' answers are worth, alone or to their team."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vmagent_marl.policies.networks import Network, NetworkShape, masked
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
        team: Tensor = self.mixer(self._chosen(self._values(features, mask), action), state)
        return team

    def with_another(
        self, features: Tensor, mask: Tensor, action: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The team's value (N,), and what it is with one agent's answer in another's place.

        Those (N, M, A) hold at [n, m, a] the value of agent m's answering a while the others keep
        to `action`, and `ILLEGAL` where the mask says so.
        """
        values = self._values(features, mask)
        chosen = self._chosen(values, action)
        one = torch.eye(chosen.shape[1], dtype=torch.bool, device=chosen.device)[None, :, None]
        others = torch.where(one, values[..., None], chosen[:, None, None])  # (N, M, A, M)
        return self.mixer(chosen, state), masked(self.mixer(others, state), mask)

    def best(self, features: Tensor, mask: Tensor) -> Tensor:
        """(N, M) the legal action of each agent's highest value."""
        flat = features.flatten(0, 1), mask.flatten(0, 1)
        return self.each.best(*flat).view(mask.shape[:2])

    def goals(
        self,
        target: TeamValues,
        earned: Tensor,
        discount: Tensor,
        features: Tensor,
        mask: Tensor,
        state: Tensor,
    ) -> Tensor:
        """(N,) what was `earned` and, discounted, what the best answers to the next are worth.

        They are chosen by these values and judged by the target's (double Q-learning).
        """
        with torch.no_grad():
            later = target(features, mask, self.best(features, mask), state)
            goals: Tensor = earned + discount * later
        return goals

    def _values(self, features: Tensor, mask: Tensor) -> Tensor:
        """(N, M, A), of illegal actions too."""
        return self.each.unmasked(features.flatten(0, 1), mask.flatten(0, 1)).view(mask.shape)

    def _chosen(self, values: Tensor, action: Tensor) -> Tensor:
        """(N, M)."""
        return values.gather(2, action[:, :, None]).squeeze(2)
