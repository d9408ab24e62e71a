"""Which requests are an agent's decisions, what each of them earned, and until when: in arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Happened(NamedTuple):
    """What happened in E episodes of K agents, at the N rows of what was seen, one behind the
    other; at an episode's last row nothing did, and all is zero."""

    lengths: NDArray[np.int64]  # (E,) transitions; an episode has a row more
    terminated: NDArray[np.bool_]  # (E,)
    asked: NDArray[np.bool_]  # (E, K) whether the last request seen could reach the agent
    reached: NDArray[np.bool_]  # (N, K)
    action: NDArray[np.int64]  # (N, K) as it counted
    paid: NDArray[np.float64]  # (N, K), or (N, 1) where all are paid the same


class Table(NamedTuple):
    """The rows of `Decisions`, and where each was seen."""

    episode: NDArray[np.int32]  # (rows,) which of the data set's
    seen: NDArray[np.int64]  # (rows,) observation of the episode, those of a step's agents in turn
    agent: NDArray[np.int32]
    action: NDArray[np.int64]
    reward: NDArray[np.float64]
    interval: NDArray[np.int64]
    terminal: NDArray[np.bool_]
    closing: NDArray[np.bool_]


def decided(recorded: Happened, gamma: float) -> Table:
    """The decisions of each episode and agent, in this order, each trajectory with its last row.

    Where an episode is cut off at a request that cannot reach an agent, nothing teaches what that
    is worth to it: the agent's last decision closes its trajectory, and what it earned is left out.
    """
    lengths, clusters = recorded.lengths, recorded.reached.shape[1]
    begun = np.cumsum(lengths + 1) - lengths - 1
    last = np.zeros(len(recorded.reached), np.bool_)
    last[begun + lengths] = True
    chosen = recorded.reached.copy()
    known = recorded.asked | recorded.terminated[:, None]
    decisions = np.add.reduceat(recorded.reached, begun, dtype=np.int64)  # (E, K)
    chosen[last] = known & (decisions > 0)
    alone = ~known & (decisions == 1)  # it would be a trajectory without a decision
    chosen &= ~np.repeat(alone, lengths + 1, axis=0)
    rows = [np.flatnonzero(of_agent) for of_agent in chosen.T]
    paid = recorded.paid.T
    earned = [_earned(each, paid[k % len(paid)], gamma) for k, each in enumerate(rows) if each.size]
    row, reward = np.concatenate(rows), np.concatenate([np.zeros(0), *earned])
    agent = np.repeat(np.arange(clusters, dtype=np.int32), [each.size for each in rows])
    episode = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths + 1)[row]
    if clusters > 1:
        order = np.argsort(episode.astype(np.int64) * clusters + agent, kind="stable")
        agent, row, episode, reward = agent[order], row[order], episode[order], reward[order]
    closing = np.diff(episode.astype(np.int64) * clusters + agent, append=-1) != 0
    reward[closing] = 0.0
    interval = np.diff(row, append=0)
    interval[closing] = 0
    terminal = np.zeros(row.size, np.bool_)
    ends = np.flatnonzero(closing)
    terminal[ends - 1] = recorded.terminated[episode[ends]]
    return Table(
        episode=episode,
        seen=(row - begun[episode]) * clusters + agent,
        agent=agent,
        action=recorded.action[row, agent],
        reward=reward,
        interval=interval,
        terminal=terminal,
        closing=closing,
    )


def _earned(
    rows: NDArray[np.int64], paid: NDArray[np.float64], gamma: float
) -> NDArray[np.float64]:
    """Discounted sums from each of these rows up to the next one; `paid` is of all rows."""
    if rows.size == len(paid):
        return paid  # every row is one
    interval = np.diff(rows, append=len(paid))
    since = np.arange(rows[0], len(paid)) - np.repeat(rows, interval)
    powers = gamma ** np.arange(interval.max())
    earned: NDArray[np.float64] = np.add.reduceat(powers[since] * paid[rows[0] :], rows - rows[0])
    return earned
