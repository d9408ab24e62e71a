"""Decisions as d3rlpy has them: episodes, and a replay buffer whose batches cost no Python loop.

Nothing goes through d3rlpy's `get_minari`, which shifts observations by a row an episode, drops the
last transition of what was truncated and guesses the number of actions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vmagent_marl.errors import DatasetError
from vmagent_marl.train.offline.data.batches import Batches
from vmagent_marl.train.offline.data.decisions import Decisions
from vmagent_marl.train.offline.on_d3rlpy.quiet_d3rlpy import (
    ActionSpace,
    BasicTransitionPicker,
    InfiniteBuffer,
    ReplayBuffer,
    TransitionMiniBatch,
)
from vmagent_marl.train.offline.on_d3rlpy.quiet_d3rlpy import Episode as D3Episode


@dataclass(frozen=True)
class Trajectory(D3Episode):  # type: ignore[misc]  # d3rlpy has no annotations
    """An episode of d3rlpy that knows how many requests lie between its decisions."""

    intervals: NDArray[np.int64]  # (rows,)


class TrajectoryPicker(BasicTransitionPicker):  # type: ignore[misc]  # as above
    """d3rlpy's transition at a row of a trajectory, with the interval that the trajectory knows."""

    def __call__(self, episode: Trajectory, index: int) -> Any:
        """Transition `index`."""
        return replace(super().__call__(episode, index), interval=int(episode.intervals[index]))


class DecisionRows(InfiniteBuffer):  # type: ignore[misc]  # as above
    """The store under a replay buffer of d3rlpy, which finds a transition where d3rlpy lists all.

    It is full from the start and takes no more.
    """

    def __init__(self, decisions: Decisions) -> None:
        self._episodes = trajectories(decisions)
        self._stops = np.cumsum([each.transition_count for each in self._episodes])

    @property
    def transition_count(self) -> int:
        """Of all trajectories."""
        return int(self._stops[-1])

    def append(self, episode: Trajectory, index: int) -> None:
        """Not for recorded decisions: read those of several data sets together instead."""
        raise DatasetError("recorded decisions take no more: read several data sets together")

    def __len__(self) -> int:
        return self.transition_count

    def __getitem__(self, index: int) -> tuple[Trajectory, int]:
        number = range(len(self))[index]
        which = int(np.searchsorted(self._stops, number, side="right"))
        episode = self._episodes[which]
        return episode, number - int(self._stops[which]) + episode.transition_count


class DecisionBuffer(ReplayBuffer):  # type: ignore[misc]  # as above
    """A replay buffer of d3rlpy over decisions, whose batches are taken by one indexing each.

    d3rlpy's own sampling builds every transition in Python, 4 ms a batch of 256. `seed` and the
    order of the calls decide what is drawn.
    """

    def __init__(self, decisions: Decisions, *, seed: int = 0) -> None:
        rows = DecisionRows(decisions)
        first = rows.episodes[0]
        super().__init__(
            rows,
            transition_picker=TrajectoryPicker(),
            observation_signature=first.observation_signature,
            action_signature=first.action_signature,
            reward_signature=first.reward_signature,
            action_space=ActionSpace.DISCRETE,
            action_size=decisions.actions,
        )
        self.decisions = decisions
        self._rows = np.flatnonzero(~decisions.closing)
        self._batches = Batches(decisions, size=1, device="cpu")  # rows are drawn here
        self.reseed(seed)

    def reseed(self, *seed: int) -> None:
        """Draw from these numbers on."""
        self._generator = np.random.default_rng(seed)

    def sample_transition_batch(self, batch_size: int) -> Any:
        """A batch of transitions, drawn with replacement, each as likely."""
        return self.batch(self._generator.choice(self._rows, batch_size))

    def batch(self, rows: NDArray[np.int64]) -> Any:
        """The transitions at these rows of the decisions, none of them closing."""
        found = self._batches.at(torch.from_numpy(rows))

        def floats(values: Tensor) -> NDArray[np.float32]:
            return values.float().numpy()

        return TransitionMiniBatch(
            observations=[floats(found.features), floats(found.mask)],
            actions=floats(found.action),
            rewards=floats(found.reward),
            next_observations=[floats(found.after), floats(found.after_mask)],
            next_actions=floats(found.after_action),
            terminals=floats(found.terminal),
            intervals=floats(found.interval),
            transitions=[],  # d3rlpy reads them for returns-to-go alone, which no learner here uses
        )


def trajectories(decisions: Decisions) -> list[Trajectory]:
    """The decisions as episodes of d3rlpy: views, one dummy row after what was truncated."""
    starts = np.flatnonzero(np.r_[True, decisions.closing[:-1]])
    stops = np.flatnonzero(decisions.closing) + 1
    found = []
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        terminated = bool(decisions.terminal[stop - 2])
        rows = slice(start, stop - terminated)
        found.append(
            Trajectory(
                observations=(decisions.features[rows], decisions.mask[rows]),
                actions=decisions.action[rows, None],
                rewards=decisions.reward[rows, None],
                terminated=terminated,
                intervals=decisions.interval[rows],
            )
        )
    return found
