"""Decisions as d3rlpy has them: episodes, and a replay buffer whose batches cost no Python loop.

Nothing goes through d3rlpy's `get_minari`, which shifts observations by a row an episode, drops the
last transition of what was truncated and guesses the number of actions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.train.decisions import Decisions
from vmagent_marl.train.quiet_d3rlpy import (
    ActionSpace,
    BasicTransitionPicker,
    InfiniteBuffer,
    ReplayBuffer,
    TransitionMiniBatch,
)
from vmagent_marl.train.quiet_d3rlpy import Episode as D3Episode


@dataclass(frozen=True)
class Trajectory(D3Episode):  # type: ignore[misc]  # d3rlpy has no annotations
    """An episode of d3rlpy that knows how many requests lie between its decisions."""

    intervals: NDArray[np.int64]  # (rows,)


class TrajectoryPicker(BasicTransitionPicker):  # type: ignore[misc]  # as above
    """d3rlpy's transition at a row of a trajectory, with the interval that the trajectory knows."""

    def __call__(self, episode: Trajectory, index: int) -> Any:
        """Transition `index`."""
        return replace(super().__call__(episode, index), interval=int(episode.intervals[index]))


class DecisionBuffer(ReplayBuffer):  # type: ignore[misc]  # as above
    """A replay buffer of d3rlpy over decisions, whose batches are taken by one indexing each.

    d3rlpy's own sampling builds every transition in Python, 4 ms a batch of 256. `seed` and the
    order of the calls decide what is drawn.
    """

    def __init__(self, decisions: Decisions, *, seed: int = 0) -> None:
        super().__init__(
            InfiniteBuffer(),
            transition_picker=TrajectoryPicker(),
            episodes=trajectories(decisions),
            action_space=ActionSpace.DISCRETE,
            action_size=decisions.actions,
        )
        self.decisions = decisions
        self._rows = np.flatnonzero(~decisions.closing)
        self.reseed(seed)

    def reseed(self, *seed: int) -> None:
        """Draw from these numbers on."""
        self._generator = np.random.default_rng(seed)

    def sample_transition_batch(self, batch_size: int) -> Any:
        """A batch of transitions, drawn with replacement, each as likely."""
        return self.batch(self._generator.choice(self._rows, batch_size))

    def batch(self, rows: NDArray[np.int64]) -> Any:
        """The transitions at these rows of the decisions, none of them closing."""
        data, after = self.decisions, rows + 1

        def column(values: NDArray[Any]) -> NDArray[np.float32]:
            return values.astype(np.float32)[:, None]

        return TransitionMiniBatch(
            observations=[data.features[rows], data.mask[rows]],
            actions=column(data.action[rows]),
            rewards=column(data.reward[rows]),
            next_observations=[data.features[after], data.mask[after]],
            next_actions=column(data.action[after]),
            terminals=column(data.terminal[rows]),
            intervals=column(data.interval[rows]),
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
