"""IQL, VDN and QMIX for many clusters, with action masks: values of each, and of all together.

Independent Q-learning (Tan, ICML 1993) takes each cluster by itself, value decomposition networks
(Sunehag et al., AAMAS 2018, arXiv 1706.05296) learn a team's value as the sum of its agents', and
QMIX (Rashid et al., ICML 2018, arXiv 1803.11485) as what a mixer makes of them (see `mixers`).

Differences from the papers:
- what is greedy, drawn and bootstrapped is so among legal actions;
- one network for all agents, which reads who is asked; it sees one request and remembers none;
- the greedy action by one network and its value by the target (van Hasselt, Guez & Silver, AAAI
  2016), and values may be duelling (Wang et al., ICML 2016), as in VDN;
- IQL: an answer that no request reached decided nothing and is left out; a decision lasts until the
  agent's next one (see `joint_replay`);
- VDN, QMIX: an agent takes part with its answer, also where no request reached it: the answer to
  "if it reaches me". `unreached: pass` puts the pass in its place that it amounts to, as recorded
  play has it; then taking is only ever seen beside the others' pass, is held against all of them
  passing, and agents learn to take whatever comes (a test shows it);
- many environments play at once, and updates follow each request of all of them;
- an episode that is truncated is bootstrapped with the value of its genuine last observation; IQL
  forgets the last decisions of agents that its request is not offered to.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from vmagent_marl.errors import SettingError
from vmagent_marl.policies.new_networks import network_shape
from vmagent_marl.train.mixers import Mixing, new_mixer
from vmagent_marl.train.online.algorithms import check_clusters
from vmagent_marl.train.online.exploring import Exploring, check_exploring, random_share
from vmagent_marl.train.online.joint_replay import JointReplay, Seen, Transitions
from vmagent_marl.train.online.masked_categorical import MaskedCategorical
from vmagent_marl.train.online.remembering import Remembering, check_remembering
from vmagent_marl.train.online.stage import Stage
from vmagent_marl.train.optimizing import adam
from vmagent_marl.train.team_values import TeamValues

ROWS = 16  # requests of the batch in one `advance`; how many does not change what is learned


@dataclass(frozen=True, kw_only=True)
class ValueDecomposition(Remembering, Exploring):
    """What IQL, VDN and QMIX are told; each is a case with its mixing, see `value_cases`."""

    scenario: str = "region-prices"
    """Name on the shelf, or the path of a YAML file."""
    mixing: ClassVar[Mixing]  # what the agent is, and no option: `none`, each learns by itself
    unreached: Literal["answer", "pass"] = "answer"
    """What an agent that no request reached did, as its team sees it."""
    batch: int = 16
    """Environments that are played at once; few, so that what is remembered holds whole episodes
    and not one hour of many."""
    learning_rate: float = 1e-4
    """Of Adam; what clusters earn between two requests varies much more than what an answer
    changes, and faster learning follows the noise."""
    gamma: float = 0.98
    """Discount a request."""
    replay: int = 100_000
    """Requests that are remembered, over all environments."""
    target_every: int = 1_000
    """Updates between copies to the target networks."""
    duelling: bool = True
    """Whether the value of what is seen and the actions' advantages are learned apart."""
    epsilon_end: float = 0.05
    """The same from `epsilon_decay` on."""
    mixer_width: int = 32
    """Width of QMIX's mixer."""


class ValueDecompositionLearner:
    """IQL, VDN or QMIX at work, as the settings' `mixing` says."""

    def __init__(self, settings: ValueDecomposition, stage: Stage) -> None:
        _check(settings, stage)
        self.settings, self.stage, self.steps, self.updates = settings, stage, 0, 0
        clusters = stage.layout.clusters
        mixer = new_mixer(
            settings.mixing,
            agents=clusters,
            state_size=stage.state_size,
            width=settings.mixer_width,
        )
        shape = network_shape(stage.layout, hidden=settings.hidden, kind=settings.network)
        values = TeamValues(shape, mixer, duelling=settings.duelling, gamma=settings.gamma)
        self.values = values.to(stage.device)
        self.network = self.values.network
        self.target = copy.deepcopy(self.values).requires_grad_(False)
        self.optimizer = adam(self.values.parameters(), settings.learning_rate)
        self.generator = torch.Generator(device=stage.device).manual_seed(settings.seed)
        self.replay = JointReplay(
            rows=settings.replay // settings.batch,
            seen=self._seen(),
            deciders=clusters if settings.mixing == "none" else 1,
            gamma=settings.gamma,
        )

    @property
    def epsilon(self) -> float:
        """Share of random actions now."""
        return random_share(self.settings, self.steps)

    def advance(self) -> dict[str, float]:
        """Play some requests of the batch, and learn after each."""
        loss = torch.zeros(())
        value = torch.zeros(())
        number = 0
        for _ in range(ROWS):
            self._play()
            if self.steps < self.settings.warmup:
                continue
            known = self.replay.known()
            for _ in range(self.settings.updates if len(known) else 0):
                draws = torch.randint(
                    len(known),
                    (self.settings.minibatch,),
                    generator=self.generator,
                    device=known.device,
                )
                now = self._update(self.replay.at(known[draws]))
                loss, value = loss + now[0].cpu(), value + now[1].cpu()
                number += 1
        if not number:
            return {}
        return {
            "loss": float(loss) / number,
            "value": float(value) / number,
            "epsilon": self.epsilon,
        }

    def _play(self) -> None:
        stage, settings = self.stage, self.settings
        seen, alive = self._seen(), stage.alive
        with torch.no_grad():
            anything = MaskedCategorical(
                torch.zeros_like(seen.mask, dtype=torch.float32), seen.mask
            )
            random = anything.sample(self.generator)
            draws = torch.rand(random.shape, generator=self.generator, device=random.device)
            best = self.values.best(seen.features, seen.mask)
            action = torch.where(draws < self.epsilon, random, best)
        stage.step(action)
        reached = stage.reached() & alive[:, None]
        rewards = stage.rewards(settings.reward) / settings.reward_scale
        if settings.mixing == "none":
            decided = reached
        else:
            decided, rewards = alive[:, None], rewards[:, :1]
            if settings.unreached == "pass":
                action = stage.effective()
        terminated, truncated = (ended & alive for ended in stage.ends())
        self.replay.add(seen, action, decided, rewards, terminated)
        if truncated.any():
            asked = stage.asked() if settings.mixing == "none" else truncated[:, None]
            self.replay.cut(self._seen(), truncated, asked)
        self.steps += int(alive.sum())
        stage.renew()

    def _seen(self) -> Seen:
        stage = self.stage
        mask = stage.mask()
        none = torch.zeros(len(mask), 0, device=mask.device)
        state = stage.state() if self.settings.mixing == "monotonic" else none
        return Seen(stage.features(), mask, state)

    def _update(self, drawn: Transitions) -> tuple[Tensor, Tensor]:
        if self.updates % self.settings.target_every == 0:
            self.target.load_state_dict(self.values.state_dict())
        self.updates += 1
        after = drawn.next_features, drawn.next_mask, drawn.next_state
        goals = self.values.goals(self.target, drawn.earned, drawn.discount, *after)
        values = self.values(drawn.features, drawn.mask, drawn.action, drawn.state)
        loss = (values - goals).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.values.parameters(), self.settings.max_norm)
        self.optimizer.step()
        return loss.detach(), goals.mean()

    def modules(self) -> dict[str, nn.Module]:
        """See `Learner`."""
        return {"values": self.values, "target": self.target}

    def state_dict(self) -> dict[str, Any]:
        """See `Learner`."""
        return {
            "steps": self.steps,
            "updates": self.updates,
            "modules": {name: module.state_dict() for name, module in self.modules().items()},
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "replay": self.replay.state_dict(),
            "stage": self.stage.state_dict(),
        }

    def load_state_dict(self, content: dict[str, Any]) -> None:
        """See `Learner`."""
        self.steps, self.updates = content["steps"], content["updates"]
        for name, module in self.modules().items():
            module.load_state_dict(content["modules"][name])
        self.optimizer.load_state_dict(content["optimizer"])
        self.generator.set_state(content["generator"])
        self.replay.load_state_dict(content["replay"])
        self.stage.load_state_dict(content["stage"])


def _check(settings: ValueDecomposition, stage: Stage) -> None:
    check_clusters(_name(settings), stage.scenario)
    if settings.mixing != "none" and settings.reward != "team":
        raise SettingError(
            f"reward: {_name(settings)} learns one value of the team: give team, or take iql, "
            "whose agents may be selfish"
        )
    if settings.mixer_width < 1:
        raise SettingError(f"mixer_width: {settings.mixer_width} is too few: give 1 or more")
    check_exploring(settings)
    check_remembering(settings, rows=3)  # between two a cut may lie


def _name(settings: ValueDecomposition) -> str:
    return {"none": "iql", "sum": "vdn", "monotonic": "qmix"}[settings.mixing]
