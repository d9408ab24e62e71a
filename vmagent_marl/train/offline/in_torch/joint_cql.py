"""VDN-CQL and QMIX-CQL: values of a team, learned from recordings, that distrust what nobody tried.

The team's value is the sum of its agents' (VDN; Sunehag et al., AAMAS 2018, arXiv 1706.05296) or
what a monotonic mixer makes of them and of the state (QMIX; Rashid et al., ICML 2018, arXiv
1803.11485), so that each agent acts by its own value alone. Learned by double Q-learning (van
Hasselt, Guez & Silver, AAAI 2016) plus alpha times a conservative loss (CQL(H); Kumar et al.,
NeurIPS 2020, arXiv 2006.04779).

A joint logsumexp would run over A^K answers. Ours is counterfactual, as in CFCQL (Shao et al.,
NeurIPS 2023, arXiv 2309.12696): one agent's answer is exchanged while the others keep to what was
recorded,

    logsumexp over a of Q(a, others' recorded) - Q(recorded),

over its legal answers, and the mean is taken over the agents that the request reached: what others
would have answered changes nothing, and there is nothing to distrust. Of a sum it is the same as
each agent's own CQL loss (as in Pan et al., ICML 2022, arXiv 2111.11188); of a mixer it is not, and
is counted in rewards, where an agent's own values have no unit.
"""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from vmagent_marl.errors import SettingError
from vmagent_marl.policies.networks import Kind, Network
from vmagent_marl.train.mixers import new_mixer
from vmagent_marl.train.offline.data.joint_decisions import JointDecisions
from vmagent_marl.train.offline.learner import check_hidden, check_settings, shape_for
from vmagent_marl.train.running import drawing_from, find_device
from vmagent_marl.train.team_values import TeamValues

MAX_NORM = 10.0  # to which gradients are cut, as in QMIX's own code


@dataclass(frozen=True, kw_only=True)
class JointCQL:
    """What the learner is told; shapes and rewards it takes from the data."""

    mixing: Literal["sum", "monotonic"]
    """VDN, or QMIX."""
    batch_size: int = 256
    """Requests an update."""
    learning_rate: float = 3e-4
    """Of Adam."""
    gamma: float = 0.9
    """Discount a request."""
    alpha: float = 0.3
    """Weight of the conservative loss; 0 is VDN or QMIX from recordings."""
    target_every: int = 500
    """Updates between copies to the target networks."""
    mixer_width: int = 32
    """Width of QMIX's mixer."""
    network: Kind = "flat"
    """Of the agents' network."""
    hidden: tuple[int, ...] = (64, 64)
    """Sizes of its hidden layers."""

    @property
    def algorithm(self) -> str:
        """Its name in checkpoints."""
        return {"sum": "vdn_cql", "monotonic": "qmix_cql"}[self.mixing]


class JointCQLLearner:
    """See `OfflineLearner`. Raises `SettingError` for values that train nothing."""

    def __init__(
        self, config: JointCQL, data: JointDecisions, *, seed: int = 0, device: str = "auto"
    ) -> None:
        _check(config, data, seed)
        self.config, self.data, self.seed, self.step = config, data, seed, 0
        self.algorithm: str = config.algorithm
        self.gamma: float | None = config.gamma
        self.settings = {**data.settings, **asdict(config)}
        self.device = find_device(device)
        shape = shape_for(data, hidden=config.hidden, kind=config.network)
        with drawing_from(seed):
            mixer = new_mixer(
                config.mixing,
                agents=data.clusters,
                state_size=data.state.shape[1],
                width=config.mixer_width,
            )
            # a mixer's last bias learns the value of what is seen; a sum has none
            duelling = config.mixing == "sum"
            values = TeamValues(shape, mixer, duelling=duelling, gamma=config.gamma)
        self.values = values.to(self.device)
        self.target = copy.deepcopy(self.values).requires_grad_(False)
        self.optimizer = torch.optim.Adam(self.values.parameters(), lr=config.learning_rate)
        self._rows = np.flatnonzero(~data.closing)
        self._tensors = _Tensors(data, self.device)
        self.reseed(seed)

    def reseed(self, *seed: int) -> None:
        """See `OfflineLearner`."""
        self._generator = np.random.default_rng(seed)

    def update(self) -> dict[str, float]:
        """See `OfflineLearner`."""
        config, data = self.config, self._tensors
        if self.step % config.target_every == 0:
            self.target.load_state_dict(self.values.state_dict())
        self.step += 1
        drawn = self._generator.choice(self._rows, config.batch_size)
        rows = torch.from_numpy(drawn).to(self.device)
        goals = self._goals(rows)
        features, mask, state = data.seen(rows)
        values, others = self.values.with_another(features, mask, data.action[rows], state)
        error = nn.functional.huber_loss(values, goals)  # as discrete CQL, and so alpha is alike
        distrust = others.logsumexp(2) - values[:, None]
        counted = data.reached[rows].to(values.dtype)
        conservative = (distrust * counted).sum() / counted.sum().clamp(min=1.0)
        loss = error + config.alpha * conservative
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own
        nn.utils.clip_grad_norm_(self.values.parameters(), MAX_NORM)
        self.optimizer.step()
        return {
            "loss": float(loss.detach()),
            "td_loss": float(error.detach()),
            "conservative_loss": float(conservative.detach()),
            "value": float(values.detach().mean()),
        }

    def _goals(self, rows: Tensor) -> Tensor:
        """(N,) for decisions: a cut off episode goes on from its genuine last observation."""
        data = self._tensors
        discount = self.config.gamma * data.goes_on[rows]
        return self.values.goals(self.target, data.reward[rows], discount, *data.seen(rows + 1))

    @property
    def network(self) -> Network:
        """See `OfflineLearner`."""
        return copy.deepcopy(self.values.network).cpu()

    def state_dict(self) -> dict[str, Any]:
        """See `OfflineLearner`."""
        return {
            "step": self.step,
            "values": self.values.state_dict(),
            "target": self.target.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, content: dict[str, Any]) -> None:
        """See `OfflineLearner`."""
        self.step = content["step"]
        self.values.load_state_dict(content["values"])
        self.target.load_state_dict(content["target"])
        self.optimizer.load_state_dict(content["optimizer"])


class _Tensors:
    """Joint decisions on a device; on the CPU the same memory."""

    def __init__(self, data: JointDecisions, device: str) -> None:
        self.features = torch.from_numpy(data.features).to(device)
        self.mask = torch.from_numpy(data.mask).to(device)
        self.state = torch.from_numpy(data.state).to(device)
        self.action = torch.from_numpy(data.action).to(device)
        self.reached = torch.from_numpy(data.reached).to(device)
        self.reward = torch.from_numpy(data.reward).to(device)
        self.goes_on = torch.from_numpy(~data.terminal).to(device)

    def seen(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features (N, K, F + K), masks (N, K, A) and states (N, S)."""
        return self.features[rows], self.mask[rows], self.state[rows]


def _check(config: JointCQL, data: JointDecisions, seed: int) -> None:
    check_settings(
        seed=seed,
        learning_rate=config.learning_rate,
        batch_size=config.batch_size,
        target_every=config.target_every,
        mixer_width=config.mixer_width,
    )
    if not 0.0 <= config.gamma <= 1.0:
        raise SettingError(f"gamma: {config.gamma} is no discount: give 0 to 1")
    if not config.alpha >= 0:
        raise SettingError(f"alpha: {config.alpha} is negative: give 0 or more")
    check_hidden(config.hidden)
    if config.mixing == "monotonic" and not data.state.shape[1]:
        raise SettingError(
            "mixing: monotonic reads the state of the game, which was not read: "
            "give read_joint_decisions state=True"
        )
