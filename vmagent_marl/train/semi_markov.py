"""Which requests are an agent's decisions, what each of them earned, and until when: in arrays."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Recorded(NamedTuple):
    """What happened in E episodes, one behind the other: N transitions of K agents."""

    lengths: NDArray[np.int64]  # (E,)
    terminated: NDArray[np.bool_]  # (E,)
    reached: NDArray[np.bool_]  # (N, K)
    action: NDArray[np.int64]  # (N, K) as it counted
    paid: NDArray[np.float64]  # (N, K), or (N, 1) where all are paid the same


class Table(NamedTuple):
    """The rows of `Decisions`, and where each was seen."""

    episode: NDArray[np.int64]  # (rows,) which of the data set's
    seen: NDArray[np.int64]  # (rows,) observation of the episode, those of a step's agents in turn
    agent: NDArray[np.int64]
    action: NDArray[np.int64]
    reward: NDArray[np.float64]
    interval: NDArray[np.int64]
    terminal: NDArray[np.bool_]
    closing: NDArray[np.bool_]


def decided(recorded: Recorded, gamma: float) -> Table:
    """The decisions of each episode and agent, in this order, each trajectory with its last row."""
    lengths, reached = recorded.lengths, recorded.reached
    clusters = reached.shape[1]
    stop = np.cumsum(lengths + 1)  # an episode has a row more than transitions
    last = np.zeros(stop[-1], np.bool_)
    last[stop - 1] = True
    chosen = _spread_out(reached, last)
    chosen[last] = np.logical_or.reduceat(reached, np.cumsum(lengths) - lengths)
    paid, action = _spread_out(recorded.paid, last), _spread_out(recorded.action, last)
    rows = [np.flatnonzero(of_agent) for of_agent in chosen.T]
    earned = [
        _earned(each, paid[:, k % paid.shape[1]], gamma) for k, each in enumerate(rows) if each.size
    ]
    row, reward = np.concatenate(rows), np.concatenate([np.zeros(0), *earned])
    agent = np.repeat(np.arange(clusters), [each.size for each in rows])
    episode = np.repeat(np.arange(len(stop)), lengths + 1)[row]
    if clusters > 1:
        order = np.argsort(episode * clusters + agent, kind="stable")
        agent, row, episode, reward = agent[order], row[order], episode[order], reward[order]
    closing = last[row]
    reward[closing] = 0.0
    interval = np.diff(row, append=0)
    interval[closing] = 0
    terminal = np.zeros(row.size, np.bool_)
    ends = np.flatnonzero(closing)
    terminal[ends - 1] = recorded.terminated[episode[ends]]
    begun = stop - lengths - 1
    return Table(
        episode=episode,
        seen=(row - begun[episode]) * clusters + agent,
        agent=agent,
        action=action[row, agent],
        reward=reward,
        interval=interval,
        terminal=terminal,
        closing=closing,
    )


def _spread_out(happened: NDArray[Any], last: NDArray[np.bool_]) -> NDArray[Any]:
    """What belongs to transitions at the rows of what was seen; zeros at each episode's last."""
    rows = np.zeros((len(last), happened.shape[1]), happened.dtype)
    rows[~last] = happened
    return rows


def _earned(
    rows: NDArray[np.int64], paid: NDArray[np.float64], gamma: float
) -> NDArray[np.float64]:
    """Discounted sums from each of these rows up to the next one; `paid` is of all rows."""
    interval = np.diff(rows, append=len(paid))
    since = np.arange(rows[0], len(paid)) - np.repeat(rows, interval)
    powers = gamma ** np.arange(interval.max())
    earned: NDArray[np.float64] = np.add.reduceat(powers[since] * paid[rows[0] :], rows - rows[0])
    return earned
