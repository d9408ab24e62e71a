"""An episode request by request, as films and pages show it: recorded while a policy plays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.envs.frames import Image, cells_of, taking
from vmagent_marl.episodes.recording.play import play
from vmagent_marl.errors import SettingError
from vmagent_marl.evaluation import score_of
from vmagent_marl.policies import Policy, make_policy
from vmagent_marl.scenario import Scenario, load_scenario
from vmagent_marl.sim import Episode, Metrics, Simulator
from vmagent_marl.sim.metrics import cluster_profit
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
    (whole,) = play(scenario, player, [episode], trace=rows)  # tells how long it is
    wanted = np.unique(np.linspace(0, whole.transitions, frames).round().astype(np.int64))
    profits = score_of(scenario) == "profit share"
    sim = scenario.simulator(batch=1, trace=rows)
    sim.reset({0: episode})
    chosen, total = set(wanted.tolist()), 0.0
    moments: list[_Moment] = []
    decisions: list[_Decision] = []
    for t in range(whole.transitions):
        if t in chosen:
            moments.append(_look(sim, t, _profit(sim) if profits else total))
        row, home = int(sim.state.clock[0, ROW]), int(sim.state.clock[0, HOME])
        sim.step(player.act(sim, sim.keys())[0])
        total += float(sim.state.own_reward[0].mean())
        if t in chosen:
            decisions.append(_decided(sim, row, home))
    moments.append(_look(sim, whole.transitions, _profit(sim) if profits else total))
    return Film(
        scenario=scenario,
        policy=player.name,
        trace=rows.name,
        episode=episode,
        metrics=whole.metrics,
        start_hour=int(sim.feed.start_hour),
        servers=tuple(sim.rules.most.tolist()),
        cells=np.stack([moment.cells for moment in moments]),
        used=np.array([moment.used for moment in moments]),
        gained=np.array([moment.gained for moment in moments]),
        number=_column([moment.number for moment in moments]),
        second=_column([moment.second for moment in moments]),
        running=_column([moment.running for moment in moments]),
        placed=_column([moment.placed for moment in moments]),
        turned_away=_column([moment.turned_away for moment in moments]),
        empty=_column([moment.empty for moment in moments]),
        request=_column([decision.request for decision in decisions]).reshape(-1, 3),
        home=_column([decision.home for decision in decisions]),
        taken=_column([decision.taken for decision in decisions]).reshape(-1, 2),
    )


class _Moment(NamedTuple):
    number: int
    second: int
    cells: Image
    used: tuple[float, float]
    running: int
    placed: int
    turned_away: int
    empty: int
    gained: float


class _Decision(NamedTuple):
    request: tuple[int, int, int]
    home: int
    taken: tuple[int, int]


def _look(sim: Simulator, number: int, gained: float) -> _Moment:
    state = sim.state
    clusters, servers = state.in_service.shape[1:]
    vms, takes = state.vms_on[0], taking(sim)
    here = takes | (vms > 0)
    free = sim.free[0].reshape(clusters, 2, servers, NODES).sum(axis=3, dtype=np.int64)
    size = NODES * sim.rules.node[:, :, None].astype(np.int64)
    room = (size * here[:, None]).sum(axis=(0, 2))
    taken = ((size - free) * here[:, None]).sum(axis=(0, 2))
    cpu, memory = np.divide(taken, room, out=np.zeros(2), where=room > 0).tolist()
    return _Moment(
        number=number,
        second=int(state.clock[0, NOW]),
        cells=cells_of(sim),
        used=(cpu, memory),
        running=int(vms.sum()),
        placed=int(state.counts[0, :, PLACED].sum()),
        turned_away=int(state.clock[0, TURNED_AWAY]),
        empty=int((takes & (vms == 0)).sum()),
        gained=gained,
    )


def _decided(sim: Simulator, row: int, home: int) -> _Decision:
    """What became of the request of a row of the trace."""
    cpu, memory = sim.feed.total[row].tolist()
    taker, slot = sim.state.outcome[0, [PLACED_IN, SLOT]].tolist()
    return _Decision(
        request=(cpu, memory, int(sim.feed.halved[row])),
        home=home,
        taken=(taker, NOBODY if taker == NOBODY else slot),
    )


def _profit(sim: Simulator) -> float:
    return float(cluster_profit(sim.rules, sim.state, 0).sum())


def _column(values: Sequence[object]) -> Ints:
    return np.array(values, np.int64)
