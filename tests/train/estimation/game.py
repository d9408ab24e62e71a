"""A small game of one or two agents whose every episode is enumerated.

State 0 or 1; actions 0, 1 and pass (2). In state s agent s is the home of two agents. An episode
has up to `horizon` requests, and action 0 in state 1 ends it. Probabilities of the behaviour are
multiples of 1/4 and the next state is either, so that a data set can hold every episode exactly as
often as the behaviour plays it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.train.estimation.trajectories import Trajectories

PASS = 2
BEHAVIOUR = np.array([[0.5, 0.25, 0.25], [0.25, 0.25, 0.5]])  # by state
TARGET = np.array([[0.1, 0.6, 0.3], [0.15, 0.75, 0.1]])


@dataclass(frozen=True)
class Step:
    state: int
    action: tuple[int, ...]  # as they counted
    reached: tuple[bool, ...]
    reward: float


@dataclass(frozen=True)
class Line:
    """One way an episode may go, and its probability by each of two policies."""

    steps: tuple[Step, ...]
    behaviour: float
    target: float


def place(state: int, clusters: int) -> list[int]:
    return [(k - state) % clusters for k in range(clusters)]


def answers(state: int, clusters: int) -> Iterator[tuple[tuple[int, ...], tuple[bool, ...]]]:
    """What may count, and who was reached."""
    first = state % clusters
    for action in range(3):
        if action != PASS or clusters == 1:
            yield (
                tuple(action if k == first else PASS for k in range(clusters)),
                tuple(k == first for k in range(clusters)),
            )
    for action in range(3) if clusters == 2 else ():
        yield tuple(PASS if k == first else action for k in range(clusters)), (True, True)


def chance(policy: NDArray[np.float64], state: int, step: Step) -> float:
    product = 1.0
    for action, reached in zip(step.action, step.reached, strict=True):
        product *= policy[state, action] if reached else 1.0
    return float(product)


def lines(clusters: int, horizon: int, state: int = 0, t: int = 0) -> Iterator[Line]:
    for action, reached in answers(state, clusters):
        reward = 1.0 + state - 0.7 * action[0] + 0.4 * t * (action[-1] == 1)
        step = Step(state, action, reached, reward)
        both = [chance(policy, state, step) for policy in (BEHAVIOUR, TARGET)]
        if t + 1 == horizon or (state == 1 and 0 in action):
            yield Line((step,), *both)
            continue
        for after in range(2):
            for rest in lines(clusters, horizon, after, t + 1):
                yield Line(
                    (step, *rest.steps), both[0] * rest.behaviour / 2, both[1] * rest.target / 2
                )


def true_return(clusters: int, horizon: int, gamma: float, of: str = "target") -> float:
    """By brute force: over all that may happen."""
    return sum(
        getattr(line, of) * sum(gamma**t * step.reward for t, step in enumerate(line.steps))
        for line in lines(clusters, horizon)
    )


def population(clusters: int, horizon: int) -> Trajectories:
    """Every episode exactly as often as the behaviour plays it."""
    most = (32 if clusters == 2 else 8) ** horizon
    episodes: list[Line] = []
    for line in lines(clusters, horizon):
        times = line.behaviour * most
        assert times == int(times)
        episodes += [line] * int(times)
    order = np.random.default_rng(3).permutation(len(episodes))
    return data_of([episodes[i].steps for i in order])


def data_of(episodes: list[tuple[Step, ...]], **fields: Any) -> Trajectories:
    clusters = len(episodes[0][0].action)
    seen = [state for steps in episodes for state in [*(each.state for each in steps), 0]]
    steps = [step for each in episodes for step in each]
    logp = [
        [float(np.log(BEHAVIOUR[step.state, action])) for action in step.action] for step in steps
    ]
    one_hot = np.eye(2, dtype=np.float32)[seen]
    settings: dict[str, Any] = {
        "observation": np.repeat(one_hot[:, None], clusters, axis=1),
        "mask": np.ones((len(seen), clusters, 3), np.int8),
        "place": np.array([place(state, clusters) for state in seen]),
        "lengths": np.array([len(each) for each in episodes]),
        "action": np.array([step.action for step in steps]),
        "reward": np.array([step.reward for step in steps]),
        "reached": np.array([step.reached for step in steps]),
        "behavior_logp": np.array(logp),
        "component": np.zeros(len(episodes), np.int64),
        "blocks": np.arange(len(episodes)) % 30,
        "tries": clusters,
    }
    return Trajectories(**{**settings, **fields})


@dataclass(frozen=True)
class Table:
    """A policy that is told by the state alone."""

    chosen: NDArray[np.float64]  # (states, actions)
    name: str = "table"

    def chances(
        self, observation: NDArray[np.float32], mask: NDArray[np.int8]
    ) -> NDArray[np.float64]:
        return self.chosen[observation.argmax(axis=2)]
