"""Episodes played out by a policy, many side by side."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vmagent_marl.policies import Policy, check_policy
from vmagent_marl.progress import counter
from vmagent_marl.scenario import Scenario
from vmagent_marl.sim import Episode, Metrics
from vmagent_marl.trace import Trace

BATCH = 64  # environments side by side; more gain little


@dataclass(frozen=True)
class Played:
    """What one episode came to."""

    metrics: Metrics
    team_return: float  # sum over the episode of the mean of the agents' rewards
    own_returns: tuple[float, ...]  # of each agent, before sharing
    transitions: int  # answers of each agent


def play(
    scenario: Scenario,
    policy: Policy,
    episodes: Sequence[Episode],
    *,
    batch: int = BATCH,
    trace: Trace | None = None,
    progress: bool = False,
) -> list[Played]:
    """Every episode to its end, in the order given.

    An environment that has ended takes the next episode at once. What comes out depends neither on
    `batch` nor on that order: all draws are keyed by the episode. `trace` stands in for the
    scenario's own. Raises `PolicyError` for a policy that does not go with the scenario.
    """
    check_policy(policy, scenario)
    if not episodes:
        return []
    sim = scenario.simulator(batch=max(1, min(batch, len(episodes))), trace=trace)
    to_play = deque(range(len(episodes)))
    plays = np.full(sim.batch, -1)  # number of the episode in each environment; -1: none
    own = np.zeros((sim.batch, sim.clusters))
    length = np.zeros(sim.batch, np.int64)
    results: dict[int, Played] = {}
    with counter(policy.name, len(episodes), unit="episodes", shown=progress) as count:
        while len(results) < len(episodes):
            begin: dict[int, Episode] = {}
            for b in np.flatnonzero(~sim.running).tolist():
                if plays[b] >= 0:
                    returns = tuple(own[b].tolist())
                    results[int(plays[b])] = Played(
                        sim.metrics(b), float(own[b].mean()), returns, int(length[b])
                    )
                    plays[b] = -1
                    count()
                if to_play:
                    plays[b] = to_play.popleft()
                    own[b], length[b] = 0.0, 0
                    begin[b] = episodes[plays[b]]
            if begin:
                sim.reset(begin)
                continue  # an episode may end before its first decision
            length += sim.running
            actions, _ = policy.act(sim, sim.keys())
            sim.step(actions)
            own += sim.own_reward
    return [results[i] for i in range(len(episodes))]
