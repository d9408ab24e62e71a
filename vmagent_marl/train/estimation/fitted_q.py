"""Fitted Q evaluation: what a target policy earns from here on, learned from recordings.

Source: Le, Voloshin & Yue, "Batch Policy Learning under Constraints", ICML 2019 (algorithm 3). In
turns, a network is fitted by squared errors to r + gamma V(next), where V is of its last copy and
takes the target's chances: V(s) = sum over a of pi(a | s) Q(s, a). Illegal actions have no chance.

Differences from the source, and from d3rlpy's `DiscreteFQE`:
- d3rlpy's asks an algorithm for one action a state, and a policy that draws has several: here the
  expectation is taken. Its loss is Huber's, which estimates no mean where errors are large.
- The team is valued as a whole, as a sum over agents of values of each one's observation and of
  its action as it counted, passing where it was not reached (the form of VDN, Sunehag et al. 2018).
  So an expectation needs no more than each agent's own chances, by `chances.counted`, and every
  request is a plain transition: no agent's decisions lie several requests apart.
- Returns end where recorded episodes do, as those of the other estimators: the end of the horizon
  is an end, and the share of the longest episode that has passed is an input.
- The first third of the updates fits the recorded returns, which are the behaviour's values: a
  short discount is then no hurry, and a target near the behaviour starts near its values.
- Half of the transitions are drawn alike, half in proportion to gamma^t, as much as they count for
  an episode's start: there long episodes have few rows.
- Values of an episode come of a network that has not seen it: blocks of the trace are dealt into
  two halves, each valued by the network of the other (cross-fitting).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vmagent_marl.errors import SettingError
from vmagent_marl.policies.network_policy import one_thread
from vmagent_marl.policies.networks import flat_body, with_identity
from vmagent_marl.train.estimation.trajectories import Trajectories
from vmagent_marl.train.optimizing import adam, anneal
from vmagent_marl.train.running import drawing_from

RECORDED = 1 / 3  # share of the updates that fit the recorded returns
CHUNK = 8192  # rows that are valued at once: it bounds the memory


@dataclass(frozen=True)
class Fit:
    """How values are fitted."""

    steps: int = 3000
    """Updates of each half's network."""
    batch_size: int = 256
    """Requests an update."""
    learning_rate: float = 1e-3
    """Of Adam; it falls in a line."""
    hidden: tuple[int, ...] = (64, 64)
    """Sizes of the hidden layers."""
    target_every: int = 50
    """Updates between copies of the network."""
    seed: int = 0
    """Of the first parameters and of the batches."""

    def __post_init__(self) -> None:
        """Refuse values that fit nothing."""
        for name in ("steps", "batch_size", "target_every"):
            if getattr(self, name) < 1:
                raise SettingError(f"{name}: {getattr(self, name)} is too few: give 1 or more")
        if not 0.0 < self.learning_rate < float("inf"):
            raise SettingError(f"learning_rate: {self.learning_rate} is not positive: give 1e-3")
        if not self.hidden or min(self.hidden) < 1:
            raise SettingError(f"hidden: {self.hidden} makes no network: give sizes, e.g. 64 64")


@dataclass(frozen=True, eq=False)
class Values:
    """Of a target policy: the team's discounted return to the episode's end."""

    q: NDArray[np.float64]  # (E, H) at what was answered, zero after the end
    v: NDArray[np.float64]  # (E, H) in expectation over what the target answers


def fitted_values(
    data: Trajectories, counts: NDArray[np.float64], gamma: float, fit: Fit
) -> Values:
    """Values of the target whose actions count with chances (N, K, A), see `chances.counted`."""
    half = halves(data.blocks)
    q, v = np.zeros(data.reward.size), np.zeros(data.reward.size)
    with one_thread():
        table = _Table(data, counts, gamma)
        for side in np.unique(half).tolist():
            valued = np.flatnonzero(half[data.episode] == side)
            others = np.flatnonzero(half[data.episode] != side)
            rows = others if others.size else valued  # of a single block there is no other half
            with drawing_from(fit.seed, side):
                network, scale = table.fit(rows, fit, np.random.default_rng((fit.seed, side)))
            q[valued], v[valued] = scale * table.value(network, valued)
    return Values(q=data.padded(q), v=data.padded(v))


def halves(blocks: NDArray[np.int64]) -> NDArray[np.int64]:
    """(E,) 0 or 1: neighbouring blocks of the trace to different halves."""
    return blocks % 2


class _Table:
    """Transitions as tensors: row i was answered on `seen[i]` and led to the row behind it."""

    def __init__(self, data: Trajectories, counts: NDArray[np.float64], gamma: float) -> None:
        agents, actions = counts.shape[1:]
        self.gamma, self.actions = gamma, actions
        self.identities = agents if agents > 1 else 0
        self.observation = torch.from_numpy(np.ascontiguousarray(data.observation, np.float32))
        self.counts = torch.from_numpy(counts.astype(np.float32))
        self.seen = torch.from_numpy(data.seen)
        self.action = torch.from_numpy(data.action)[..., None]
        elapsed = np.zeros(len(counts), np.float32)
        elapsed[data.seen], elapsed[data.seen + 1] = data.step, data.step + 1
        self.elapsed = torch.from_numpy(elapsed / data.horizon)
        self.step = data.step
        going_on = np.r_[data.step[1:] > 0, False]
        returns = _returns_to_go(data.padded(data.reward), gamma)[data.episode, data.step]
        self.reward = torch.from_numpy(data.reward.astype(np.float32))
        self.returns = torch.from_numpy(returns.astype(np.float32))
        self.going_on = torch.from_numpy(going_on.astype(np.float32))

    def fit(
        self, rows: NDArray[np.int64], fit: Fit, generator: np.random.Generator
    ) -> tuple[nn.Module, float]:
        """A network fitted to these transitions, and the scale by which its values are divided."""
        scale = float(self.returns[rows].square().mean().sqrt()) or 1.0
        inputs = self.observation.shape[2] + self.identities + 1
        body, head = flat_body(inputs, fit.hidden), nn.Linear(fit.hidden[-1], self.actions)
        network: nn.Module = nn.Sequential(body, head)
        copied = copy.deepcopy(network)
        optimizer = adam(network.parameters(), fit.learning_rate)
        of_returns = int(RECORDED * fit.steps)
        upto = np.cumsum(_chances(self.step[rows], self.gamma))
        for step in range(fit.steps):
            drawn = np.searchsorted(upto, generator.random(fit.batch_size), side="right")
            at = torch.from_numpy(rows[np.minimum(drawn, rows.size - 1)])
            if step < of_returns:
                goal = self.returns[at] / scale
            else:
                if (step - of_returns) % fit.target_every == 0:
                    copied.load_state_dict(network.state_dict())
                after = self.gamma * self.going_on[at] * self._v_after(copied, at)
                goal = self.reward[at] / scale + after
            anneal(optimizer, fit.learning_rate, step / fit.steps)
            loss = nn.functional.mse_loss(self._q(network, at), goal)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return network, scale

    @torch.inference_mode()
    def value(self, network: nn.Module, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """(2, rows): Q at what was answered, and V."""
        found = []
        for first in range(0, rows.size, CHUNK):
            at = torch.from_numpy(rows[first : first + CHUNK])
            values = self._all(network, self.seen[at])
            q = values.gather(2, self.action[at]).sum(dim=(1, 2))
            v = (values * self.counts[self.seen[at]]).sum(dim=(1, 2))
            found.append(torch.stack([q, v]))
        both: NDArray[np.float64] = torch.cat(found, dim=1).numpy().astype(np.float64)
        return both

    def _q(self, network: nn.Module, at: Tensor) -> Tensor:
        values = self._all(network, self.seen[at])
        return values.gather(2, self.action[at]).sum(dim=(1, 2))

    @torch.no_grad()
    def _v_after(self, network: nn.Module, at: Tensor) -> Tensor:
        after = self.seen[at] + 1
        return (self._all(network, after) * self.counts[after]).sum(dim=(1, 2))

    def _all(self, network: nn.Module, seen: Tensor) -> Tensor:
        """(n, K, A) of every agent's every action at these rows."""
        features = with_identity(self.observation[seen], self.identities)
        elapsed = self.elapsed[seen][:, None, None].expand(-1, features.shape[1], 1)
        values: Tensor = network(torch.cat([features, elapsed], dim=2))
        return values


def _chances(step: NDArray[np.int64], gamma: float) -> NDArray[np.float64]:
    """(rows,) with which transitions so far from their start are drawn."""
    counts = gamma**step
    chances: NDArray[np.float64] = 0.5 / step.size + 0.5 * counts / counts.sum()
    return chances


def _returns_to_go(reward: NDArray[np.float64], gamma: float) -> NDArray[np.float64]:
    """(E, H) discounted sums from each request to the end."""
    returns = reward.copy()
    for t in range(reward.shape[1] - 2, -1, -1):
        returns[:, t] += gamma * returns[:, t + 1]
    return returns
