"""DQN with action masks, for one cluster: double, duelling, n-step, prioritised where so set.

Deep Q-networks (Mnih et al., Nature 518, 2015), the greedy action by one network and its value by
the other (van Hasselt, Guez & Silver, AAAI 2016, arXiv 1509.06461), duelling (Wang et al., ICML
2016, arXiv 1511.06581, see `action_values`), n-step returns (as in Hessel et al., AAAI 2018, arXiv
1710.02298), prioritised replay (Schaul et al., ICLR 2016, arXiv 1511.05952, see `replay`).

Differences from the papers:
- what is greedy, drawn and bootstrapped is so among legal actions;
- many environments play at once, and an update follows each request of all of them;
- errors count squared up to the size of a whole return, and not of a reward;
- Adam, and a target network that follows in small steps; `target_every` 500 and `tau` 1 copy it;
- an episode that is truncated is bootstrapped with the value of its genuine last observation.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vmagent_marl.train.action_values import ActionValues, follow
from vmagent_marl.train.online.algorithms import check_clusters
from vmagent_marl.train.online.exploring import (
    Exploring,
    check_exploring,
    check_shares,
    random_share,
)
from vmagent_marl.train.online.off_policy import OffPolicy, OffPolicyLearner
from vmagent_marl.train.online.replay import Drawn
from vmagent_marl.train.online.stage import Stage
from vmagent_marl.train.optimizing import adam


@dataclass(frozen=True, kw_only=True)
class DQN(OffPolicy, Exploring):
    """Deep Q-learning of one cluster: double, duelling, with returns of n steps."""

    double: bool = True
    """Whether the target's greedy action is that of the network that learns."""
    duelling: bool = True
    """Whether the state's value and the actions' advantages are learned apart."""
    priority_alpha: float = 0.0
    """How much more often large errors are replayed; 0: all alike, 0.6 is usual."""
    priority_beta: float = 0.4
    """How far weights make up for it at first; wholly in the end."""


class DQNLearner(OffPolicyLearner):
    """DQN at work."""

    settings: DQN

    def __init__(self, settings: DQN, stage: Stage) -> None:
        check_clusters("dqn", stage.scenario)
        check_exploring(settings)
        check_shares(settings, "priority_alpha", "priority_beta")
        super().__init__(settings, stage, settings.priority_alpha)
        values = ActionValues(self.shape, duelling=settings.duelling, gamma=settings.gamma)
        self.values = values.to(stage.device)
        self.network = self.values.network
        self.target = copy.deepcopy(self.values).requires_grad_(False)
        self.optimizer = adam(self.values.parameters(), settings.learning_rate)

    @property
    def epsilon(self) -> float:
        """Share of random actions now."""
        return random_share(self.settings, self.steps)

    def _beta(self) -> float:
        gone = min(self.steps / self.settings.steps, 1.0)
        return self.settings.priority_beta + gone * (1.0 - self.settings.priority_beta)

    def _choose(self, features: Tensor, mask: Tensor) -> Tensor:
        draws = torch.rand(
            len(mask), mask.shape[1] + 1, generator=self.generator, device=mask.device
        )
        anything = (draws[:, 1:] + mask).argmax(1)  # of legal actions, each as likely
        explores = draws[:, 0] < self.epsilon
        return torch.where(explores, anything, self.values.best(features, mask))

    def _update(self, drawn: Drawn) -> dict[str, Tensor]:
        if self.updates == 0:  # what was drawn first may have been replaced by a checkpoint's
            follow(self.target, self.values, 1.0)
        goal = self._goal(drawn)
        values = self.values(drawn.features, drawn.mask)
        value = values.gather(1, drawn.action[:, None]).squeeze(1)
        loss = (self.values.loss(value, goal) * drawn.weight).mean()
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own
        nn.utils.clip_grad_norm_(self.values.parameters(), self.settings.max_norm)
        self.optimizer.step()
        self.replay.weigh(drawn.place, goal - value)
        if (self.updates + 1) % self.settings.target_every == 0:
            follow(self.target, self.values, self.settings.tau)
        epsilon = torch.tensor(self.epsilon)
        return {"loss": loss.detach(), "value": value.detach().mean(), "epsilon": epsilon}

    @torch.no_grad()
    def _goal(self, drawn: Drawn) -> Tensor:
        """(N,) what the values of the actions that were taken are brought to."""
        worth = self.target(drawn.after, drawn.after_mask)
        if self.settings.double:
            best = self.values.best(drawn.after, drawn.after_mask)
        else:
            best = worth.argmax(1)
        goal: Tensor = drawn.reward + drawn.discount * worth.gather(1, best[:, None]).squeeze(1)
        return goal

    def modules(self) -> dict[str, nn.Module]:
        """See `Learner`."""
        return {"values": self.values, "target": self.target}

    def _optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"values": self.optimizer}
