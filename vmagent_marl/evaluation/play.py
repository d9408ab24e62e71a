"""Episodes played out by a policy, many side by side."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vmagent_marl.policies import Policy, check_policy
from vmagent_marl.scenario import Scenario
from vmagent_marl.sim import Episode, Metrics
from vmagent_marl.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH = 64  # environments side by side; more gain little


@dataclass(frozen=True)
class Played:
    """What one episode came to."""

    metrics: Metrics
    team_return: float  # sum over the episode of the mean of the agents' rewards
    own_returns: tuple[float, ...]  # of each agent, before sharing


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
    results: dict[int, Played] = {}
    with _counter(policy.name, len(episodes), progress) as count:
        while len(results) < len(episodes):
            begin: dict[int, Episode] = {}
            for b in np.flatnonzero(~sim.running).tolist():
                if plays[b] >= 0:
                    returns = tuple(own[b].tolist())
                    results[int(plays[b])] = Played(sim.metrics(b), float(own[b].mean()), returns)
                    plays[b] = -1
                    count()
                if to_play:
                    plays[b] = to_play.popleft()
                    own[b] = 0.0
                    begin[b] = episodes[plays[b]]
            if begin:
                sim.reset(begin)
                continue  # an episode may end before its first decision
            actions, _ = policy.act(sim, sim.keys())
            sim.step(actions)
            own += sim.own_reward
    return [results[i] for i in range(len(episodes))]


@contextmanager
def _counter(label: str, total: int, shown: bool) -> Iterator[Callable[[], None]]:
    """A function to call after each episode; it moves a bar on the error stream where wanted."""
    if not shown:
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(label, total=total)
        yield lambda: bar.advance(task)
