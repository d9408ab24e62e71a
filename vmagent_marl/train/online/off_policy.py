"""What learners for one cluster that learn from remembered play have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vmagent_marl.errors import SettingError
from vmagent_marl.policies.networks import Network, NetworkShape
from vmagent_marl.policies.new_networks import network_shape
from vmagent_marl.train.online.remembering import Remembering, check_remembering
from vmagent_marl.train.online.replay import Drawn, Replay, Row
from vmagent_marl.train.online.stage import Stage
from vmagent_marl.train.optimizing import anneal

ROWS = 16  # requests of the batch in one `advance`: enough that counting them costs nothing


@dataclass(frozen=True, kw_only=True)
class OffPolicy(Remembering):
    """What learners for one cluster are told besides."""

    n_step: int = 10
    """Requests whose rewards are summed before a value stands for the rest."""
    tau: float = 0.01
    """How far such a step goes; 1: a copy."""
    anneal: bool = True
    """Whether the learning rate falls to a twentieth in the end."""


class OffPolicyLearner:
    """Plays and remembers; `_choose` says how to play, `_update` how to learn.

    An environment that has ended stays for a row, which shows its genuine last observation, and
    begins anew at the next one.
    """

    network: Network

    def __init__(self, settings: OffPolicy, stage: Stage, alpha: float = 0.0) -> None:
        _check(settings)
        self.settings, self.stage, self.steps, self.updates = settings, stage, 0, 0
        self.generator = torch.Generator(device=stage.device).manual_seed(settings.seed)
        self.shape: NetworkShape = network_shape(
            stage.layout, hidden=settings.hidden, kind=settings.network
        )
        self.replay = Replay(
            rows=settings.replay // settings.batch,
            batch=settings.batch,
            features=self.shape.inputs,
            actions=self.shape.actions,
            n_step=settings.n_step,
            gamma=settings.gamma,
            alpha=alpha,
            device=stage.device,
        )

    def advance(self) -> dict[str, float]:
        """Play some requests of the batch, and learn after each."""
        if self.settings.anneal:
            gone = self.steps / self.settings.steps
            for optimizer in self._optimizers().values():
                anneal(optimizer, self.settings.learning_rate, gone)
        sums: dict[str, Tensor] = {}
        number = 0
        for _ in range(ROWS):
            self._play()
            if self.steps < self.settings.warmup or not self.replay.ready:
                continue
            for _ in range(self.settings.updates):
                drawn = self.replay.draw(self.settings.minibatch, self.generator, self._beta())
                figures = self._update(drawn)
                self.updates += 1
                number += 1
                for name, figure in figures.items():
                    sums[name] = sums[name] + figure if name in sums else figure
        return {name: float(total) / number for name, total in sums.items()}

    def _play(self) -> None:
        stage, settings = self.stage, self.settings
        features, mask, alive = stage.features()[:, 0], stage.mask()[:, 0], stage.alive
        with torch.no_grad():
            action = self._choose(features, mask)
        stage.step(action[:, None])
        reward = stage.rewards(settings.reward)[:, 0] / settings.reward_scale
        self.replay.add(Row(features, mask, action, reward, alive, *stage.ends()))
        self.steps += int(alive.sum())
        stage.renew(among=~alive)

    def _choose(self, features: Tensor, mask: Tensor) -> Tensor:
        """(B,) legal actions."""
        raise NotImplementedError

    def _update(self, drawn: Drawn) -> dict[str, Tensor]:
        """Learn from these; figures for the curve."""
        raise NotImplementedError

    def _beta(self) -> float:
        """How far weights make up for priorities."""
        return 1.0

    def modules(self) -> dict[str, nn.Module]:
        """See `Learner`."""
        raise NotImplementedError

    def _optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """By name."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """See `Learner`."""
        optimizers = self._optimizers().items()
        return {
            "steps": self.steps,
            "updates": self.updates,
            "modules": {name: module.state_dict() for name, module in self.modules().items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in optimizers},
            "generator": self.generator.get_state(),
            "replay": self.replay.state_dict(),
            "stage": self.stage.state_dict(),
        }

    def load_state_dict(self, content: dict[str, Any]) -> None:
        """See `Learner`."""
        self.steps, self.updates = content["steps"], content["updates"]
        for name, module in self.modules().items():
            module.load_state_dict(content["modules"][name])
        for name, optimizer in self._optimizers().items():
            optimizer.load_state_dict(content["optimizers"][name])
        self.generator.set_state(content["generator"])
        self.replay.load_state_dict(content["replay"])
        self.stage.load_state_dict(content["stage"])


def _check(settings: OffPolicy) -> None:
    if settings.n_step < 1:
        raise SettingError(f"n_step: {settings.n_step} is too few: give 1 or more")
    check_remembering(settings, rows=settings.n_step + 1, n_step=settings.n_step)
    if not 0.0 < settings.tau <= 1.0:
        raise SettingError(f"tau: {settings.tau} is no share: give above 0, to 1 for copies")
