"""What an episode came to, for people and tables."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.sim.rules import CPU, LARGE_CPU, MEMORY, NODES, WAIT, Feed, Rules
from vmagent_marl.sim.state import (
    ACTIVE,
    EMPTY,
    FIRST,
    HELD,
    HOPS,
    KILLED,
    LENGTH,
    LOWER_BOUND,
    NOW,
    OFFERED,
    PLACED,
    PLACED_LARGE,
    SERVING,
    START,
    STOP,
    STRANDED_CPU,
    STRANDED_MEMORY,
    TILT,
    TURNED_AWAY,
    UNPLACED,
    USED_CPU,
    USED_MEMORY,
    State,
)
from vmagent_marl.trace import NEVER
from vmagent_marl.trace.units import HOUR


@dataclass(frozen=True)
class Metrics:
    """One episode, from the arrival of its first request to its end; shares are means over time.

    Waits are those of the VMs that have started, and of those in the queue up to the episode's end:
    so letting a queue stand still hides nobody's wait. A queue that VMs without an end have stopped
    for good ends its episode, with its head turned away, when nothing is left that could happen.
    """

    start: int  # row of the trace of the first request
    requests: int  # offered, the one that ended the episode included
    placed: int  # VMs
    placed_cpu_s: float  # vCPU-seconds that they ran up to the episode's end
    placed_large: int  # those of 16 vCPU and more
    turned_away: int  # VMs
    turned_away_cpu_s: float  # their vCPU-seconds up to the episode's end
    turned_away_large: int  # those of 16 vCPU and more
    killed: int  # VMs ended by outages
    seconds: int  # simulated
    wait_s: float  # sum of the seconds from arrival to start, or to the end for those that wait
    wait_mean_s: float
    wait_p95_s: float
    used_cpu: float  # share of the cpu of all servers that have entered service, held or not
    used_memory: float  # the same of the memory
    stranded_cpu: float  # share of that cpu that is free where no common type fits
    stranded_memory: float
    empty_servers: float  # mean number of servers in service without a VM
    numa_imbalance: float  # sum over servers of |difference of free cpu| / that cpu
    active_server_hours: float  # servers that are not empty
    server_hours_bound: float  # servers that what ran needs at least, of each cluster
    capacity_hours: float  # servers in service
    hops: float  # mean position in the chain at which VMs were taken
    fairness: float  # Jain's index of the clusters' used cpu shares, 1 = equal
    profit: float  # revenue less power, in units of the price
    possible_revenue: float  # of every request offered, each clipped at the episode's end
    cluster_profit: tuple[float, ...]  # of each cluster

    @property
    def profit_share(self) -> float:
        """Profit as a share of the possible revenue."""
        return self.profit / self.possible_revenue if self.possible_revenue else 0.0

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return asdict(self)


def measure(rules: Rules, feed: Feed, state: State, b: int) -> Metrics:
    """Metrics of environment b's episode up to now."""
    clock, count = state.clock[b], state.counts[b]
    integral = integrals(state, b).astype(np.float64)
    offered, first = int(clock[OFFERED]), int(clock[FIRST])
    rows = slice(first, first + offered)
    turned_away = state.placed_at[b, :offered] == UNPLACED
    vcpu = feed.total[rows, CPU] / 1000.0
    possible = _clipped_seconds(feed, rows, int(clock[NOW])) * vcpu
    waits = _waits(feed, state, b) if rules.turned_away == WAIT else np.zeros(1)
    server = NODES * rules.node.astype(np.float64)  # (K, resource)
    room = integral[:, SERVING, None] * server
    profit = cluster_profit(rules, state, b)
    placed = int(count[:, PLACED].sum())
    return Metrics(
        start=first,
        requests=offered,
        placed=placed,
        placed_cpu_s=float(earned(state, b).sum() / 1000.0),
        placed_large=int(count[:, PLACED_LARGE].sum()),
        turned_away=int(clock[TURNED_AWAY]),
        turned_away_cpu_s=float(possible[turned_away].sum()),
        turned_away_large=int((turned_away & (feed.total[rows, CPU] >= LARGE_CPU)).sum()),
        killed=int(count[:, KILLED].sum()),
        seconds=int(clock[NOW] - clock[START]),
        wait_s=float(waits.sum()),
        wait_mean_s=float(waits.mean()),
        wait_p95_s=float(np.quantile(waits, 0.95)),
        used_cpu=_share(integral[:, USED_CPU].sum(), room[:, CPU].sum()),
        used_memory=_share(integral[:, USED_MEMORY].sum(), room[:, MEMORY].sum()),
        stranded_cpu=_share(integral[:, STRANDED_CPU].sum(), room[:, CPU].sum()),
        stranded_memory=_share(integral[:, STRANDED_MEMORY].sum(), room[:, MEMORY].sum()),
        empty_servers=_share(integral[:, EMPTY].sum(), float(clock[NOW] - clock[START])),
        numa_imbalance=_share(integral[:, TILT].sum(), room[:, CPU].sum()),
        active_server_hours=float(integral[:, ACTIVE].sum() / HOUR),
        server_hours_bound=float(integral[:, LOWER_BOUND].sum() / HOUR),
        capacity_hours=float((integral[:, SERVING] - integral[:, HELD]).sum() / HOUR),
        hops=_share(float(count[:, HOPS].sum()), placed),
        fairness=_jain(integral[:, USED_CPU], room[:, CPU]),
        profit=float(profit.sum()),
        possible_revenue=float(possible.sum() * rules.price / HOUR),
        cluster_profit=tuple(float(x) for x in profit),
    )


def integrals(state: State, b: int) -> NDArray[np.int64]:
    """(K, LEVELS) level x seconds since the episode began."""
    elapsed = state.clock[b, NOW] - state.clock[b, START]
    return state.level[b] * elapsed - state.moment[b]


def earned(state: State, b: int) -> NDArray[np.int64]:
    """(K, P) milli-vCPU x seconds since the episode began, by position in the chain."""
    elapsed = state.clock[b, NOW] - state.clock[b, START]
    return state.running[b] * elapsed - state.running_moment[b]


def cluster_profit(rules: Rules, state: State, b: int) -> NDArray[np.float64]:
    """(K,) revenue less power of each cluster since the episode began."""
    revenue = (earned(state, b) * rules.kept).sum(axis=1) * rules.price / (1000.0 * HOUR)
    server_cpu = NODES * rules.node[:, CPU].astype(np.float64) / 1000.0
    burned = integrals(state, b)[:, ACTIVE] / HOUR * server_cpu * rules.power
    profit: NDArray[np.float64] = revenue - burned
    return profit


def _waits(feed: Feed, state: State, b: int) -> NDArray[np.int64]:
    """s that VMs waited for their start, and those that are in the queue up to now; 0 for none."""
    clock = state.clock[b]
    first, offered, now = int(clock[FIRST]), int(clock[OFFERED]), int(clock[NOW])
    started = state.placed_at[b, :offered] != UNPLACED
    last = min(int(clock[STOP]), first + int(clock[LENGTH]))
    queue = feed.arrival[first + int(started.sum()) : last]  # first in, first out
    waits = np.concatenate([state.waited[b, :offered][started], now - queue[queue < now]])
    return waits if waits.size else np.zeros(1, np.int64)


def _clipped_seconds(feed: Feed, rows: slice, end: int) -> NDArray[np.float64]:
    """(requests,) how long each would run from its arrival, at most to the episode's end."""
    left = np.maximum(end - feed.arrival[rows], 0)
    lifetime = feed.lifetime[rows]
    return np.where(lifetime == NEVER, left, np.minimum(lifetime, left)).astype(np.float64)


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0


def _jain(used: NDArray[np.float64], room: NDArray[np.float64]) -> float:
    """Jain, Chiu & Hawe 1984: (sum x)^2 / (n sum x^2) over the clusters' used shares."""
    share = np.divide(used, room, out=np.zeros_like(used), where=room > 0)
    squares = float((share**2).sum())
    return float(share.sum() ** 2 / (len(share) * squares)) if squares else 1.0
