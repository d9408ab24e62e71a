"""Episodes played out by a policy, many side by side."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vmagent_marl.policies import Policy, check_policy, make_policy
from vmagent_marl.policies.heuristics import Heuristic
from vmagent_marl.policies.rollout import Tape, blank_tape, roll
from vmagent_marl.progress import counter
from vmagent_marl.scenario import Scenario
from vmagent_marl.sim import Episode, Metrics, Simulator
from vmagent_marl.sim.threads import cpus
from vmagent_marl.trace import Trace
from vmagent_marl.windows import episode_of

BATCH = 64  # environments side by side; more gain little
LOOKED_AT = 8  # episodes, to tell how long one is


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
    `batch` nor on that order: all draws are keyed by the episode. Heuristics play on all CPUs that
    the process may use. `trace` stands in for the
    scenario's own. Raises `PolicyError` for a policy that does not go with the scenario.
    """
    check_policy(policy, scenario)
    if not episodes:
        return []
    sim = scenario.simulator(batch=max(1, min(batch, len(episodes))), trace=trace)
    to_play = deque(range(len(episodes)))
    plays = np.full(sim.batch, -1)  # number of the episode in each environment; -1: none
    tape, threads = blank_tape(sim.layout, sim.batch), cpus()
    results: dict[int, Played] = {}
    with counter(policy.name, len(episodes), unit="episodes", shown=progress) as count:
        while len(results) < len(episodes):
            begin: dict[int, Episode] = {}
            for b in np.flatnonzero(~sim.running).tolist():
                if plays[b] >= 0:
                    results[int(plays[b])] = _ended(sim, tape, b)
                    plays[b] = -1
                    count()
                if to_play:
                    plays[b] = to_play.popleft()
                    tape.returns[b], tape.decided[b] = 0.0, 0
                    begin[b] = episodes[plays[b]]
            if begin:
                sim.reset(begin)
                continue  # an episode may end before its first decision
            if isinstance(policy, Heuristic):
                roll(sim, policy, np.flatnonzero(sim.running), tape, threads=threads)
                continue
            tape.decided[:] += sim.running
            actions, _ = policy.act(sim, sim.keys())
            sim.step(actions)
            tape.returns[:] += sim.own_reward
    return [results[i] for i in range(len(episodes))]


def expected_length(scenario: Scenario, *, window: str, seed: int, trace: Trace) -> int:
    """Transitions of an episode: its horizon, else the longest of a few under first fit."""
    if isinstance(scenario.horizon, int):
        return scenario.horizon
    drawn = episodes_of(scenario, trace, window, seed, LOOKED_AT)
    played = play(scenario, make_policy("first-fit"), drawn, trace=trace)
    return max(1, *(each.transitions for each in played))


def episodes_of(
    scenario: Scenario, trace: Trace, window: str, seed: int, number: int
) -> list[Episode]:
    """The first of a seed."""
    return [episode_of(scenario, trace, window, seed=seed, number=i) for i in range(number)]


def _ended(sim: Simulator, tape: Tape, b: int) -> Played:
    """What environment b's episode came to."""
    own = tape.returns[b]
    return Played(sim.metrics(b), float(own.mean()), tuple(own.tolist()), int(tape.decided[b]))
