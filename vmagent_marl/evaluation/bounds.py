"""What no policy can better on the same episodes: bounds to hold scores against.

Each is a relaxation: it lets all servers of the region be one bin without fragments, so every
policy of the game, however clairvoyant, is at most as good. None of them need be reachable.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.evaluation import fluid
from vmagent_marl.evaluation.demand import Demand, Ints, demand_of
from vmagent_marl.scenario import Scenario
from vmagent_marl.sim import Episode
from vmagent_marl.trace import NEVER, Trace

Kind = Literal["volume", "pooled queue", "fluid"]


@dataclass(frozen=True)
class Bound:
    """A bound on the score of the same episodes: the sum of `part` / the sum of `whole`."""

    kind: Kind
    part: tuple[float, ...]  # of each episode
    whole: tuple[float, ...]  # of each episode: 1 where the score is a mean over episodes

    @property
    def name(self) -> str:
        """As tables have it."""
        return f"bound ({self.kind})"

    @property
    def value(self) -> float:
        """Over all episodes."""
        return sum(self.part) / sum(self.whole) if sum(self.whole) else 0.0

    @property
    def values(self) -> list[float]:
        """Of each episode."""
        pairs = zip(self.part, self.whole, strict=True)
        return [part / whole if whole else 0.0 for part, whole in pairs]


def bound_of(scenario: Scenario, trace: Trace, episodes: Sequence[Episode]) -> Bound | None:
    """The bound on the scenario's score over these episodes, or None where none is known.

    `volume`: the return of episodes that end at the first VM turned away, where the reward is
    `placed` or `cpu`. `pooled queue`: waits, where all VMs wait for their start. `fluid`: the
    profit share, where VMs that are turned away are counted and the episode goes on.
    """
    if not episodes:
        return None
    paid = {name: weight for name, weight in scenario.reward.items() if weight}
    demands = [demand_of(scenario, trace, episode) for episode in episodes]
    ones = (1.0,) * len(episodes)
    if set(paid) == {"profit"} and scenario.turned_away == "count":
        part, whole = zip(*map(fluid.profit, demands), strict=True)
        return Bound("fluid", part, whole)
    if _killing(scenario):
        return None
    of_waits = bool(paid) and set(paid) <= {"wait", "wait_hours"}
    if of_waits and scenario.turned_away == "wait" and not scenario.horizon_seconds:
        return Bound("pooled queue", tuple(float(pooled_waits(d).sum()) for d in demands), ones)
    counted = set(paid) <= {"placed", "cpu"} and min(paid.values(), default=0.0) > 0.0
    if counted and scenario.turned_away == "end":
        return Bound("volume", tuple(_return_of(scenario, d) for d in demands), ones)
    return None


def lost_bound_of(scenario: Scenario, trace: Trace, episodes: Sequence[Episode]) -> Bound | None:
    """The least share of the cpu-seconds asked for that any policy turns away, or None."""
    if not episodes or scenario.turned_away != "count" or _killing(scenario):
        return None
    demands = [demand_of(scenario, trace, episode) for episode in episodes]
    part, whole = zip(*map(fluid.rejected_cpu_seconds, demands), strict=True)
    return Bound("fluid", part, whole)


def volume_bound(demand: Demand) -> int:
    """VMs that any policy places at most before it turns the first one away.

    Until then everything was placed, so the same VMs run under every policy: at the first arrival
    at which they and the new one need more cpu or memory than all servers have, or which no empty
    server takes, it is turned away at the latest. One cluster's expansion depends on the used share
    alone, hence is the same for every policy too; several count with all that they may order.

    Source: the volume bound of bin packing, as in Martello & Toth 1990, chapter 8.
    """
    _, number, sign = demand.events()
    running = np.cumsum(sign[:, None] * demand.volume[number], axis=0)
    used = running[sign > 0]  # at each arrival, the VM included
    placed = _first_not(np.all(used <= demand.most_room, axis=1) & demand.fits)
    if demand.rules.expansion and len(demand.rules.servers) == 1:
        used = used[:placed]
        placed = _first_not(np.all(used <= serving_room(demand, used), axis=1))
    return placed


def pooled_waits(demand: Demand) -> Ints:
    """(n,) seconds that each request waits at least, under any policy that starts it.

    They are the waits of one queue, first in, first out, before one bin of all servers' cpu and
    memory, in which VMs run as long from their start. By induction no request starts later there
    than under a policy: when that starts request i, all before it have started in the pool too, no
    later and hence to leave no later, so what runs there needs no more room, and i fits. Requests
    that never start even there, as VMs without an end fill it up, are left out: n may be short.

    Not for outages, which end VMs sooner.
    """
    cpu, memory = demand.most_room.tolist()
    leaving: list[tuple[int, int, int]] = []  # heap of second, cpu, memory
    rows = slice(demand.first, demand.stop)
    arrival, lifetime = demand.feed.arrival[rows], demand.feed.lifetime[rows]
    waits: list[int] = []
    now = 0
    for comes, lives, (need_cpu, need_memory) in zip(
        arrival.tolist(), lifetime.tolist(), demand.volume.tolist(), strict=True
    ):
        now = max(now, comes)
        while leaving and (cpu < need_cpu or memory < need_memory):  # room that nobody needs stays
            second, back_cpu, back_memory = heapq.heappop(leaving)
            now = max(now, second)
            cpu, memory = cpu + back_cpu, memory + back_memory
        if cpu < need_cpu or memory < need_memory:
            break
        cpu, memory = cpu - need_cpu, memory - need_memory
        if lives != NEVER:
            heapq.heappush(leaving, (now + lives, need_cpu, need_memory))
        waits.append(now - comes)
    return np.array(waits, np.int64)


def _killing(scenario: Scenario) -> bool:
    """Whether outages end VMs, and so make room that is not accounted for."""
    return any(outage.kind == "outage" for outage in scenario.outages)


def _return_of(scenario: Scenario, demand: Demand) -> float:
    """The team's return of an episode that places as many VMs as its volume allows."""
    placed = volume_bound(demand)
    vcpu = float(demand.cpu[:placed].sum()) / fluid.MILLI
    reward = scenario.reward.get("placed", 0.0) * placed + scenario.reward.get("cpu", 0.0) * vcpu
    return reward / scenario.reward_scale / scenario.clusters


def _first_not(good: NDArray[np.bool_]) -> int:
    """Number of the first that is not; how many there are, where all are."""
    return len(good) if good.all() else int(np.argmin(good))


def serving_room(demand: Demand, used: Ints) -> Ints:
    """(n, resource) of one cluster's servers in service at each arrival, if everything is placed.

    After an arrival it orders servers where the used share is above the threshold, and looks again
    at the first arrival by which they have come: the rule of the simulator, in its arithmetic.
    """
    rules, server = demand.rules, demand.server[0]
    arrival = demand.feed.arrival[demand.first : demand.first + len(used)]
    serving = np.full(len(used), rules.servers[0])
    at = 0
    while at < len(used) and serving[at] < rules.most[0]:
        share = used[at:] / (serving[at] * server)
        full = np.flatnonzero(share.max(axis=1) > rules.threshold)
        if not full.size:
            break
        ordered = at + int(full[0])
        due = int(np.searchsorted(arrival, arrival[ordered] + rules.lead_time))
        more = min(serving[at] + rules.expansion, rules.most[0])
        at = max(ordered + 1, due)
        serving[at:] = more
    room: Ints = serving[:, None] * server
    return room
