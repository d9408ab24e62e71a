"""What PPO holds returns against: a critic of each agent's observation, or of the state of all."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from vmagent_marl.policies.networks import NetworkShape, flat_body
from vmagent_marl.policies.new_networks import new_critic
from vmagent_marl.train.online.stage import Stage

Judged = Literal["own", "state"]


class Critic:
    """Values in units of a running scale, with which the last layer is scaled too.

    So that what is said in units of reward stays as it is (PopArt: van Hasselt et al., NeurIPS
    2016, arXiv 1602.07714).
    """

    def __init__(self, judged: Judged, shape: NetworkShape, stage: Stage) -> None:
        self.stage, self.by_state = stage, judged == "state"
        if self.by_state:
            self.network: nn.Module = nn.Sequential(
                flat_body(stage.state_size + stage.identities, (64, 64)), nn.Linear(64, 1)
            )
        else:
            self.network = new_critic(shape)
        self.network.to(stage.device)
        self.scale = torch.ones(())  # root mean square of returns, running

    def rescale(self, scale: Tensor) -> None:
        """Another scale of values; what the critic says in units of reward stays as it is."""
        *_, last = (module for module in self.network.modules() if isinstance(module, nn.Linear))
        with torch.no_grad():
            for parameter in last.parameters():
                parameter.mul_(self.scale / scale)
        self.scale = scale

    def state(self) -> Tensor:
        """(B, S) of the stage now, of no floats where it is not read."""
        if self.by_state:
            return self.stage.state()
        return torch.zeros(self.stage.simulator.batch, 0, device=self.stage.device)

    def values(self, features: Tensor, state: Tensor) -> Tensor:
        """(B, K) in units of reward, of features (B, K, F) and states (B, S)."""
        batch, clusters, _ = features.shape
        agents = torch.arange(clusters, device=features.device).repeat(batch)
        flat = features.flatten(0, 1), state.repeat_interleave(clusters, 0), agents
        return self.scaled(*flat).view(batch, clusters) * self.scale

    def scaled(self, features: Tensor, state: Tensor, agent: Tensor) -> Tensor:
        """(N,) in units of the scale, of features (N, F), states (N, S) and who is asked (N,)."""
        seen = features
        if self.by_state:
            seen = state
            if self.stage.identities:
                who = torch.eye(self.stage.identities, device=state.device)[agent]
                seen = torch.cat([state, who], 1)
        values: Tensor = self.network(seen)
        return values.squeeze(1)
