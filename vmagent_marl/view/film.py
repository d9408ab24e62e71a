"""An episode request by request, as films and pages show it: some moments of a replay."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.envs.frames import Image, cells_from
from vmagent_marl.errors import SettingError
from vmagent_marl.evaluation import score_of
from vmagent_marl.policies import Policy, make_policy
from vmagent_marl.scenario import Scenario, load_scenario
from vmagent_marl.sim import Episode, Metrics
from vmagent_marl.sim.rules import NODES
from vmagent_marl.sim.state import (
    HOME,
    NOBODY,
    NOW,
    PLACED,
    PLACED_IN,
    ROW,
    SLOT,
    TURNED_AWAY,
)
from vmagent_marl.view.replay import Replay, played
from vmagent_marl.windows import episode_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Film:
    """T moments of an episode: each as a request arrives, the last one as it has ended.

    What became of the request is told beside it: nothing is placed yet in the servers it is shown
    with. In scenarios where VMs wait, a moment is one at which the queue's head is placed.
    """

    scenario: Scenario
    policy: str
    trace: str  # its name
    episode: Episode
    metrics: Metrics  # of the whole episode
    start_hour: int  # of the day, at the trace's second 0
    servers: tuple[int, ...]  # of each cluster after every expansion; the rest of S is padding
    number: Ints  # (T,) requests decided before
    second: Ints  # (T,) of the trace
    cells: Image  # (T, K, resource, S, node) as `cells_of` has them
    request: Ints  # (T - 1, 3) milli-vCPU, MiB, 1 where it is halved
    home: Ints  # (T - 1,) cluster
    taken: Ints  # (T - 1, 2) cluster and slot, NOBODY where all passed
    used: Floats  # (T, resource) share of the servers that take VMs or run some
    running: Ints  # (T,) VMs
    placed: Ints  # (T,) VMs so far
    turned_away: Ints  # (T,) VMs so far
    empty: Ints  # (T,) servers in service without a VM
    gained: Floats  # (T,) so far: profit, or the agents' mean return

    @property
    def gained_name(self) -> str:
        """What `gained` counts."""
        return "profit" if score_of(self.scenario) == "profit share" else "return"

    @property
    def title(self) -> str:
        """What is played, by whom, and from where."""
        first = f"from row {self.episode.first:,} of {self.trace}"
        return f"{self.scenario.name}: {self.policy}, {first}"

    @cached_property
    def elapsed(self) -> Ints:
        """(T,) s since the first request."""
        elapsed: Ints = self.second - self.second[0]
        return elapsed


def record_film(
    scenario: Scenario | str | Path,
    policy: Policy | str,
    *,
    seed: int = 0,
    number: int = 0,
    window: str = "validation",
    start: int | None = None,
    frames: int = 400,
) -> Film:
    """Play episode `number` of a seed and keep up to `frames` moments of it, evenly over requests.

    `start`: a row of the trace at which to begin instead, up to the trace's end. Raises
    `PolicyError` for a policy that does not go with the scenario.
    """
    if frames < 2:
        raise SettingError(f"frames: {frames} are too few for a film: give 2 or more")
    scenario = scenario if isinstance(scenario, Scenario) else load_scenario(scenario)
    player = make_policy(policy) if isinstance(policy, str) else policy
    rows = scenario.load_trace()
    if start is None:
        episode = episode_of(scenario, rows, window, seed=seed, number=number)
    else:
        episode = Episode(start, len(rows), number, seed)
    return film_of(played(scenario, player, episode, rows), frames)


def film_of(replay: Replay, frames: int) -> Film:
    """Up to `frames` moments of a replay, evenly over its requests, the first and last included."""
    recording, rules, feed = replay.recording, replay.rules, replay.feed
    kept = np.unique(np.linspace(0, len(replay), frames).round().astype(np.int64))
    clock, decided = replay.clock[kept], kept[:-1]
    row, outcome = clock[:-1, ROW], replay.outcome[decided]
    taker = outcome[:, PLACED_IN]
    takes = np.array([replay.taking(t) for t in kept])  # (T, K, S)
    vms = np.array([replay.vms_on(t) for t in kept])
    profits = score_of(recording.scenario) == "profit share"
    gained = replay.profit.sum(axis=1) if profits else np.append(0.0, replay.reward.cumsum())
    return Film(
        scenario=recording.scenario,
        policy=recording.policy,
        trace=recording.trace.name,
        episode=recording.played,
        metrics=replay.metrics,
        start_hour=int(feed.start_hour),
        servers=tuple(rules.most.tolist()),
        number=kept,
        second=clock[:, NOW],
        cells=np.stack([cells_from(replay.used_where_in_service(t)) for t in kept]),
        request=np.column_stack([feed.total[row], feed.halved[row]]).astype(np.int64),
        home=clock[:-1, HOME],
        taken=np.column_stack([taker, np.where(taker == NOBODY, NOBODY, outcome[:, SLOT])]),
        used=np.stack([_used_of_all(replay, t) for t in kept]),
        running=vms.sum(axis=(1, 2), dtype=np.int64),
        placed=replay.counts[kept, :, PLACED].sum(axis=1),
        turned_away=clock[:, TURNED_AWAY],
        empty=(takes & (vms == 0)).sum(axis=(1, 2)),
        gained=gained[kept],
    )


def _used_of_all(replay: Replay, t: int) -> Floats:
    """(resource,) used share of all servers together that take VMs or run some."""
    node = replay.rules.node[:, :, None, None].astype(np.int64)
    here = (replay.taking(t) | (replay.vms_on(t) > 0))[:, None, :, None]
    room = (NODES * node * here).sum(axis=(0, 2, 3))
    taken = ((node - replay.free_on(t)) * here).sum(axis=(0, 2, 3))
    shares: Floats = np.divide(taken, room, out=np.zeros(2), where=room > 0)
    return shares
