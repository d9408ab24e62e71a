"""Implicit Q-learning over discrete actions, masked: what d3rlpy has for continuous ones alone.

A value network V is the upper expectile of the values of what was done, so that no value is asked
for of an action that nobody tried; Q-functions are brought to reward and V; a policy imitates what
was done, the more the better it was (Kostrikov, Nair & Levine, ICLR 2022, arXiv 2110.06169).
"""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vmagent_marl.errors import SettingError
from vmagent_marl.policies.networks import Kind, Network
from vmagent_marl.policies.new_networks import new_critic, new_network
from vmagent_marl.train.action_values import follow
from vmagent_marl.train.offline.data.batches import Batch, Batches
from vmagent_marl.train.offline.data.decisions import Decisions
from vmagent_marl.train.offline.learner import check_hidden, check_settings, shape_for
from vmagent_marl.train.running import drawing_from, find_device

CLIP = 100.0  # largest weight of a decision: that of the authors' code


@dataclass(frozen=True, kw_only=True)
class ImplicitQ:
    """How it learns. The discount is that with which the decisions were read."""

    hidden: tuple[int, ...] = (64, 64)
    """Sizes of the hidden layers, of all networks."""
    network: Kind = "flat"
    """Of all networks."""
    batch_size: int = 256
    """Decisions an update."""
    learning_rate: float = 3e-4
    """Of Adam, for all networks."""
    expectile: float = 0.7
    """Of the values of what was done: .5 is their mean, towards 1 their largest."""
    sharpness: float = 3.0
    """A decision weighs exp(sharpness x advantage): 0 imitates all alike."""
    tau: float = 0.005
    """Share of the Q-functions in the targets' next values."""


class ImplicitQLearner:
    """See `OfflineLearner`."""

    algorithm = "implicit_q"

    def __init__(
        self, settings: ImplicitQ, decisions: Decisions, *, seed: int = 0, device: str = "auto"
    ) -> None:
        _check(settings, seed)
        self.data, self.seed, self.how = decisions, seed, settings
        self.gamma: float | None = decisions.gamma
        self.settings: dict[str, Any] = {**decisions.settings, **asdict(settings)}
        self.device = find_device(device)
        shape = shape_for(decisions, hidden=settings.hidden, kind=settings.network)
        with drawing_from(seed):
            self.policy = new_network(shape)
            self.value = new_critic(shape)
            self.critics = nn.ModuleList(new_network(shape) for _ in range(2))
        self.targets = copy.deepcopy(self.critics).requires_grad_(False)
        for module in self._modules.values():
            module.to(self.device)
        self._optimizers = {
            name: torch.optim.Adam(module.parameters(), settings.learning_rate)
            for name, module in self._modules.items()
            if name != "targets"
        }
        self._batches = Batches(decisions, size=settings.batch_size, device=self.device)
        self.reseed(seed)

    def reseed(self, *seed: int) -> None:
        """See `OfflineLearner`."""
        self._batches.reseed(*seed)

    def update(self) -> dict[str, float]:
        """See `OfflineLearner`."""
        losses = self.losses(self._batches.draw())
        for name, loss in losses.items():
            self._optimizers[name].zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch's own
            self._optimizers[name].step()
        follow(self.targets, self.critics, self.how.tau)
        return {f"{name}_loss": float(loss.detach()) for name, loss in losses.items()}

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Of each network, all with what the others were before the update."""
        with torch.no_grad():
            judged = [target(batch.features).gather(1, batch.action) for target in self.targets]
            done = torch.minimum(*judged)
            after = (self.gamma or 0.0) ** batch.interval * (1 - batch.terminal)
            goal = batch.reward + after * self.value(batch.after)
        value = self.value(batch.features)
        advantage = done - value
        taken = [critic(batch.features).gather(1, batch.action) for critic in self.critics]
        logits = self.policy.legal(batch.features, batch.mask)
        imitation = functional.cross_entropy(logits, batch.action[:, 0], reduction="none")
        weight = weights(advantage.detach()[:, 0], self.how.sharpness)
        return {
            "value": expectile_loss(advantage, self.how.expectile),
            "critics": functional.mse_loss(torch.cat(taken, 1), goal.expand(-1, 2)) * 2,
            "policy": (weight * imitation).mean(),
        }

    @property
    def network(self) -> Network:
        """See `OfflineLearner`."""
        return copy.deepcopy(self.policy).cpu()

    @property
    def _modules(self) -> dict[str, nn.Module]:
        return {
            "policy": self.policy,
            "value": self.value,
            "critics": self.critics,
            "targets": self.targets,
        }

    def state_dict(self) -> dict[str, Any]:
        """See `OfflineLearner`."""
        return {
            "modules": {name: each.state_dict() for name, each in self._modules.items()},
            "optimizers": {name: each.state_dict() for name, each in self._optimizers.items()},
        }

    def load_state_dict(self, content: dict[str, Any]) -> None:
        """See `OfflineLearner`."""
        for name, module in self._modules.items():
            module.load_state_dict(content["modules"][name])
        for name, optimizer in self._optimizers.items():
            optimizer.load_state_dict(content["optimizers"][name])


def expectile_loss(above: Tensor, expectile: float) -> Tensor:
    """() mean of |expectile - 1(above < 0)| x above^2, equation 5; `above`: samples less the value.

    Its least is at the expectile of the samples: at .5 their mean.
    """
    share = (expectile - (above < 0).to(above.dtype)).abs()
    return (share * above**2).mean()


def weights(advantage: Tensor, sharpness: float) -> Tensor:
    """exp(sharpness x advantage), equation 7, at most `CLIP`."""
    return (sharpness * advantage).exp().clamp(max=CLIP)


def _check(settings: ImplicitQ, seed: int) -> None:
    check_settings(seed=seed, learning_rate=settings.learning_rate, batch_size=settings.batch_size)
    check_hidden(settings.hidden)
    if not 0.0 < settings.expectile < 1.0:
        raise SettingError(f"expectile: {settings.expectile} is none: give .5 to 1, e.g. 0.7")
    if not settings.sharpness >= 0.0:
        raise SettingError(f"sharpness: {settings.sharpness} is negative: give 0 or more")
    if not 0.0 < settings.tau <= 1.0:
        raise SettingError(f"tau: {settings.tau} is no share: give more than 0, up to 1")
