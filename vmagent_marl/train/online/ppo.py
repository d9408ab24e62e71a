"""PPO with action masks, for one cluster or many: A2C, IPPO and MAPPO are its cases.

Proximal policy optimisation (Schulman, Wolski, Dhariwal, Radford & Klimov 2017, arXiv 1707.06347)
with generalised advantages (Schulman et al. 2016). `a2c` is its case of one epoch without clipping
(Huang et al. 2022, arXiv 2205.09123), `ippo` (de Witt et al. 2020, arXiv 2011.09533) shares one
network among clusters, and `mappo` (Yu et al., NeurIPS 2022, arXiv 2103.01955) gives the critic the
state of all.

Differences from the papers:
- illegal actions have probability 0 (Huang & Ontanon 2022, arXiv 2006.14171);
- answers that no request reached, and those that had no choice, are left out of the policy's loss;
  the critic learns from every request;
- an episode that is truncated is bootstrapped with the value of its genuine last observation;
- with `siblings` above 1 that many environments play the same requests, and the mean advantage of a
  request's other siblings is taken off each advantage: what the trace brings is the same for all of
  them (a baseline that knows the input: Mao et al., ICLR 2019, arXiv 1807.02264, by leave-one-out);
  who is the last one to play on learns nothing from it;
- the critic predicts returns divided by their running root mean square (see `critics`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vmagent_marl.errors import SettingError
from vmagent_marl.policies.new_networks import network_shape, new_network
from vmagent_marl.train.online.advantages import Segment, advantages_of, less_siblings
from vmagent_marl.train.online.critics import Critic, Judged
from vmagent_marl.train.online.learner import ActorSettings
from vmagent_marl.train.online.masked_categorical import MaskedCategorical
from vmagent_marl.train.online.stage import Stage
from vmagent_marl.train.optimizing import adam, anneal


@dataclass(frozen=True, kw_only=True)
class PPO(ActorSettings):
    """Proximal policy optimisation with action masks (Schulman et al. 2017, arXiv 1707.06347)."""

    batch: int = 256
    """Environments that are played at once."""
    segment: int = 64
    """Requests an environment plays between updates."""
    siblings: int = 1
    """Environments that play the same episodes, for a baseline that knows the trace."""
    critic: Judged = "own"
    """What values are judged by: each agent's observation, or the state of all."""
    epochs: int = 4
    """Passes over what was played."""
    minibatch: int | None = 4096
    """Answers an update; none: all that was played."""
    clip: float | None = 0.2
    """How far the ratio of probabilities counts; none: without bound."""
    gae_lambda: float = 0.95
    """1: whole returns; 0: one step and the critic."""
    entropy: float = 0.003
    """Weight of the entropy bonus."""
    value_weight: float = 0.5
    """Weight of the critic's loss."""
    max_norm: float = 0.5
    """Gradients are cut to this norm."""
    anneal: bool = True
    """Whether the learning rate falls to a twentieth in the end."""


class PPOLearner:
    """PPO at work."""

    def __init__(self, settings: PPO, stage: Stage) -> None:
        _check(settings)
        self.settings, self.stage, self.steps = settings, stage, 0
        device = stage.device
        shape = network_shape(stage.layout, hidden=settings.hidden, kind=settings.network)
        self.network = new_network(shape).to(device)
        self.critic = Critic(settings.critic, shape, stage)
        parameters = [*self.network.parameters(), *self.critic.network.parameters()]
        self.parameters = parameters
        self.optimizer = adam(parameters, settings.learning_rate, eps=1e-5)
        self.generator = torch.Generator(device=device).manual_seed(settings.seed)

    def advance(self) -> dict[str, float]:
        """Play a segment and learn from it."""
        if self.settings.anneal:
            gone = self.steps / self.settings.steps
            anneal(self.optimizer, self.settings.learning_rate, gone)
        critic, played = self.critic, self._play()
        advantages = advantages_of(played, self.settings.gamma, self.settings.gae_lambda)
        returns = advantages + played.value
        alive = played.alive[:, :, None].expand_as(returns)
        rms = returns[alive].square().mean().sqrt().clamp(min=1e-3).cpu()
        critic.rescale(rms if self.steps == 0 else 0.95 * critic.scale + 0.05 * rms)
        self.steps += int(played.alive.sum())
        if self.settings.siblings > 1:
            advantages = less_siblings(advantages, played.alive, self.settings.siblings)
        return self._learn(played, advantages, returns)

    def _play(self) -> Segment:
        stage, settings, critic = self.stage, self.settings, self.critic
        rows: list[tuple[Tensor, ...]] = []
        with torch.no_grad():
            for _ in range(settings.segment):
                features, mask, state = stage.features(), stage.mask(), critic.state()
                value, alive = critic.values(features, state), stage.alive
                policy = MaskedCategorical(self._logits(features), mask)
                action = policy.sample(self.generator)
                stage.step(action)
                terminated, truncated = stage.ends()
                after = torch.zeros_like(value)
                if (truncated & alive).any():
                    genuine = critic.values(stage.features(), critic.state())
                    after = torch.where(truncated[:, None], genuine, after)
                counts = stage.reached() & (mask.sum(2) > 1) & alive[:, None]
                rows.append(
                    (
                        features,
                        mask,
                        state,
                        action,
                        policy.log_prob(action),
                        value,
                        stage.rewards(settings.reward) / settings.reward_scale,
                        counts,
                        alive,
                        after,
                        ~(terminated | truncated),
                    )
                )
                stage.renew()
            played = Segment(*(torch.stack(column) for column in zip(*rows, strict=True)))
            last = critic.values(stage.features(), critic.state())
        following = torch.cat([played.value[1:], last[None]])
        after = torch.where(played.goes_on[:, :, None], following, played.after)
        return played._replace(after=after)

    def _learn(self, played: Segment, advantages: Tensor, returns: Tensor) -> dict[str, float]:
        settings = self.settings
        counted = advantages[played.counts]
        spread = counted.std().clamp(min=1e-8) if counted.numel() > 1 else 1.0
        mean = counted.mean() if counted.numel() and settings.siblings == 1 else 0.0
        clusters = played.action.shape[2]
        rows = played.alive[:, :, None].expand_as(played.action).flatten().nonzero().squeeze(1)
        flat = {
            "features": played.features.flatten(0, 2),
            "mask": played.mask.flatten(0, 2),
            "action": played.action.flatten(),
            "log_prob": played.log_prob.flatten(),
            "advantage": ((advantages - mean) / spread).flatten(),
            "return": (returns / self.critic.scale).flatten(),
            "counts": played.counts.flatten().float(),
        }
        state = played.state.flatten(0, 1)
        sums: dict[str, float] = {}
        updates = 0
        for _ in range(settings.epochs):
            order = torch.randperm(len(rows), generator=self.generator, device=rows.device)
            for chosen in torch.split(rows[order], settings.minibatch or max(len(rows), 1)):
                part = {name: values.index_select(0, chosen) for name, values in flat.items()}
                figures = self._update(part, state[chosen // clusters], chosen % clusters)
                updates += 1
                for name, figure in figures.items():
                    sums[name] = sums.get(name, 0.0) + figure
        return {name: total / max(updates, 1) for name, total in sums.items()}

    def _update(self, part: dict[str, Tensor], state: Tensor, agent: Tensor) -> dict[str, float]:
        settings = self.settings
        policy = MaskedCategorical(self.network(part["features"]), part["mask"])
        log_ratio = policy.log_prob(part["action"]) - part["log_prob"]
        ratio, advantage = log_ratio.exp(), part["advantage"]
        gain = ratio * advantage
        if settings.clip is not None:
            bounded = ratio.clamp(1 - settings.clip, 1 + settings.clip)
            gain = torch.minimum(gain, bounded * advantage)
        counts = part["counts"]
        number = counts.sum().clamp(min=1.0)
        policy_loss = -(gain * counts).sum() / number
        entropy = (policy.entropy() * counts).sum() / number
        judged = self.critic.scaled(part["features"], state, agent)
        value_loss = (judged - part["return"]).square().mean()
        loss = policy_loss - settings.entropy * entropy + settings.value_weight * value_loss
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own
        nn.utils.clip_grad_norm_(self.parameters, settings.max_norm)
        self.optimizer.step()
        kl = float(((ratio - 1 - log_ratio) * counts).sum().detach() / number)  # Schulman's k3
        return {
            "policy_loss": float(policy_loss.detach()),
            "value_loss": float(value_loss.detach()),
            "entropy": float(entropy.detach()),
            "kl": kl,
        }

    def _logits(self, features: Tensor) -> Tensor:
        """(B, K, A)"""
        logits: Tensor = self.network(features.flatten(0, 1))
        return logits.view(*features.shape[:2], -1)

    def modules(self) -> dict[str, nn.Module]:
        """See `Learner`."""
        return {"network": self.network, "critic": self.critic.network}

    def state_dict(self) -> dict[str, Any]:
        """See `Learner`."""
        return {
            "steps": self.steps,
            "modules": {name: module.state_dict() for name, module in self.modules().items()},
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "scale": self.critic.scale,
            "stage": self.stage.state_dict(),
        }

    def load_state_dict(self, content: dict[str, Any]) -> None:
        """See `Learner`."""
        self.steps, self.critic.scale = content["steps"], content["scale"]
        for name, module in self.modules().items():
            module.load_state_dict(content["modules"][name])
        self.optimizer.load_state_dict(content["optimizer"])
        self.generator.set_state(content["generator"])
        self.stage.load_state_dict(content["stage"])


def _check(settings: PPO) -> None:
    for name in ("segment", "epochs", "minibatch"):
        value = getattr(settings, name)
        if value is not None and value < 1:
            raise SettingError(f"{name}: {value} is too few: give 1 or more")
    if settings.clip is not None and not settings.clip > 0:
        raise SettingError(f"clip: {settings.clip} is not positive: give e.g. 0.2, or none")
    if not 0.0 <= settings.gae_lambda <= 1.0:
        raise SettingError(f"gae_lambda: {settings.gae_lambda} is no share: give 0 to 1")
