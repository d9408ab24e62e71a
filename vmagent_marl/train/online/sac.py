"""SAC with action masks, for one cluster: a soft actor-critic over discrete actions.

Soft actor-critic (Haarnoja et al. 2018, arXiv 1812.05905: twin critics, a tuned temperature) for
discrete actions (Christodoulou 2019, arXiv 1910.07207: expectations over all actions in the place
of samples).

Differences from the papers:
- policy, soft values and entropies are over legal actions only;
- the entropy to be kept is a share of the logarithm of the number of legal actions, which changes
  with every request, and requests that leave no choice count neither for the policy nor for the
  temperature;
- the critics are duelling, and their loss is Huber's (see `action_values`);
- many environments play at once, and an update follows each request of all of them;
- an episode that is truncated is bootstrapped with the value of its genuine last observation;
- with `n_step` above 1 the rewards of n requests are summed, and the entropies between are not.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vmagent_marl.errors import SettingError
from vmagent_marl.policies.new_networks import new_network
from vmagent_marl.train.action_values import ActionValues, follow
from vmagent_marl.train.online.algorithms import check_clusters
from vmagent_marl.train.online.exploring import check_shares
from vmagent_marl.train.online.learner import ActorSettings
from vmagent_marl.train.online.masked_categorical import MaskedCategorical
from vmagent_marl.train.online.off_policy import OffPolicy, OffPolicyLearner
from vmagent_marl.train.online.replay import Drawn
from vmagent_marl.train.online.stage import Stage
from vmagent_marl.train.optimizing import adam


@dataclass(frozen=True, kw_only=True)
class SAC(OffPolicy, ActorSettings):
    """Discrete soft actor-critic: draws its answers, and is paid for drawing widely."""

    temperature: float = 0.01
    """Worth of a nat of entropy at first, in units of reward."""
    target_entropy: float = 0.1
    """Share of the largest entropy that the temperature is tuned to keep."""


class Temperature(nn.Module):
    """What a nat of entropy is worth, in units of reward; positive."""

    def __init__(self, first: float) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.tensor(math.log(first)))

    def forward(self) -> Tensor:
        """Without dimensions."""
        return self.log.exp()


class SACLearner(OffPolicyLearner):
    """SAC at work."""

    settings: SAC

    def __init__(self, settings: SAC, stage: Stage) -> None:
        check_clusters("sac", stage.scenario)
        _check(settings)
        super().__init__(settings, stage)
        device, rate = stage.device, settings.learning_rate
        self.network = new_network(self.shape).to(device)
        self.twins = [
            ActionValues(self.shape, duelling=True, gamma=settings.gamma).to(device)
            for _ in range(2)
        ]
        self.critics = nn.ModuleList(self.twins)
        self.targets = copy.deepcopy(self.critics).requires_grad_(False)
        self.temperature = Temperature(settings.temperature).to(device)
        self.policy_optimizer = adam(self.network.parameters(), rate)
        self.critics_optimizer = adam(self.critics.parameters(), rate)
        self.temperature_optimizer = adam(self.temperature.parameters(), rate)

    def _choose(self, features: Tensor, mask: Tensor) -> Tensor:
        return MaskedCategorical(self.network(features), mask).sample(self.generator)

    def _update(self, drawn: Drawn) -> dict[str, Tensor]:
        settings = self.settings
        worth, goal = self.temperature().detach(), self._goal(drawn)
        judged = [critic(drawn.features, drawn.mask) for critic in self.twins]
        action = drawn.action[:, None]
        taken = [values.gather(1, action).squeeze(1) for values in judged]
        losses = [
            critic.loss(value, goal).mean() for critic, value in zip(self.twins, taken, strict=True)
        ]
        critic_loss = losses[0] + losses[1]
        self._descend(self.critics_optimizer, self.critics, critic_loss)

        policy = MaskedCategorical(self.network(drawn.features), drawn.mask)
        legal = drawn.mask.sum(1)
        counts = (legal > 1).float()
        number = counts.sum().clamp(min=1.0)
        entropy = policy.entropy()
        least = torch.minimum(*judged).detach()
        gain = policy.expected(least) + worth * entropy
        policy_loss = -(gain * counts).sum() / number
        self._descend(self.policy_optimizer, self.network, policy_loss)

        surplus = entropy.detach() - settings.target_entropy * legal.log()
        temperature_loss = (self.temperature.log * surplus * counts).sum() / number
        self._descend(self.temperature_optimizer, self.temperature, temperature_loss)
        if (self.updates + 1) % settings.target_every == 0:
            follow(self.targets, self.critics, settings.tau)
        return {
            "critic_loss": critic_loss.detach(),
            "value": taken[0].detach().mean(),
            "entropy": (entropy.detach() * counts).sum() / number,
            "temperature": worth,
        }

    @torch.no_grad()
    def _goal(self, drawn: Drawn) -> Tensor:
        """(N,) what the critics' values of the actions that were taken are brought to."""
        policy = MaskedCategorical(self.network(drawn.after), drawn.after_mask)
        worth = [target(drawn.after, drawn.after_mask) for target in self.targets]
        soft = policy.expected(torch.minimum(*worth)) + self.temperature() * policy.entropy()
        goal: Tensor = drawn.reward + drawn.discount * soft
        return goal

    def _descend(self, optimizer: torch.optim.Optimizer, module: nn.Module, loss: Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own
        nn.utils.clip_grad_norm_(module.parameters(), self.settings.max_norm)
        optimizer.step()

    def modules(self) -> dict[str, nn.Module]:
        """See `Learner`."""
        return {
            "network": self.network,
            "critics": self.critics,
            "targets": self.targets,
            "temperature": self.temperature,
        }

    def _optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {
            "policy": self.policy_optimizer,
            "critics": self.critics_optimizer,
            "temperature": self.temperature_optimizer,
        }


def _check(settings: SAC) -> None:
    if not settings.temperature > 0:
        raise SettingError(f"temperature: {settings.temperature} is not positive: give e.g. 0.1")
    check_shares(settings, "target_entropy")
