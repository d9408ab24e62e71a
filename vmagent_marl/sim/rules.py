"""What the kernels compute with: a scenario's `Rules` and a trace's `Feed`."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.sim.handle import Float64, Int32, Int64
from vmagent_marl.trace import NEVER, Trace

CPU, MEMORY = 0, 1  # resources, in milli-vCPU and MiB
WHOLE_CPU, HALVED = 2, 3  # further columns of a feed's `request`
NODES = 2  # NUMA nodes of a server; slot = NODES * server + node

END, COUNT, WAIT = 0, 1, 2  # what being turned away means
ROUND_ROBIN, RANDOM, PINNED, LEAST_LOADED = 0, 1, 2, 3  # how a request gets its home
NO_SUMMARIES, COARSE, FULL = 0, 1, 2  # what clusters publish
RESTORE, DRAIN, OUTAGE = 0, 1, 2  # what happens to a cluster
NO_HINTS, HINTS = 0, 1  # whether lifetimes are foretold

LARGE_CPU = 16_000  # milli-vCPU from which a VM counts as large in the metrics
BURST_GAP = 10  # s between VMs of one type up to which they are of one burst
COMMON_SHARE = 0.05  # share of the requests from which a type of VM is common
MIX = 16  # most frequent types of VM that the mix holds; the month of Huawei Cloud has 15
WHOLE_MIX = 1 << 16  # parts in which their shares of the requests are told
PLAIN_WEIGHT, HALVED_WEIGHT = 2, 3  # rows of `mix` behind CPU and MEMORY


class Rules(NamedTuple):
    """A scenario in the units of the kernels. K clusters, padded to S servers each."""

    node: Annotated[Int32, "K", 2]  # capacity of one NUMA node, milli-vCPU and MiB
    servers: Annotated[Int64, "K"]  # in service at the start
    most: Annotated[Int64, "K"]  # in service after every expansion
    power: Annotated[Float64, "K"]  # price per vCPU of a server that is not empty, and hour
    power_share: Annotated[Float64, "K"]  # power over the highest of the clusters
    price: float  # revenue per running vCPU and hour
    kept: Annotated[Float64, "P"]  # share of the revenue that is kept, by position in chain
    halve_resource: int  # CPU or MEMORY
    halve_above: int  # amount of it above which a VM is halved; NEVER: none is
    departures: bool  # whether VMs leave
    turned_away: int  # END, COUNT or WAIT
    turned_away_cost: float  # taken from the home's reward for each VM turned away
    may_decline: bool  # whether the last in the chain may pass what fits its servers
    tries: int  # offers a request gets, at most
    home: int  # ROUND_ROBIN, RANDOM, PINNED or LEAST_LOADED
    threshold: float  # used share that orders servers
    expansion: int  # servers an order brings; 0: none is ever placed
    lead_time: int  # s from an order to its servers' service
    changes: Annotated[Int64, "changes", 3]  # second of the episode, cluster, what happens
    summaries: int  # NO_SUMMARIES, COARSE or FULL
    summary_every: int  # s; 0: always fresh
    weights: Annotated[Float64, "rewards"]  # over the scenario's constant, in the order of rewards
    share: float  # of the team's mean in an agent's reward
    hints: int  # NO_HINTS or HINTS
    hint_error: float  # standard deviation of the log of a hint over the lifetime; 0: exact


class Feed(NamedTuple):
    """A trace as the kernels read it. n requests."""

    arrival: Annotated[Int64, "n"]  # s
    lifetime: Annotated[Int64, "n"]  # s, NEVER: stays
    request: Annotated[Int32, "n", 4]  # CPU and MEMORY of each node it takes, WHOLE_CPU, HALVED
    total: Annotated[Int32, "n", 2]  # of the VM, milli-vCPU and MiB
    burst: Annotated[Int32, "n"]  # number of the burst
    events: Annotated[Int32, "m"]  # arrivals (row) and departures (~row) in order of time
    second: Annotated[Int64, "m"]  # s, of each event
    place_in_events: Annotated[Int32, "n"]  # where a row's arrival is
    common: Annotated[Int32, "types", 2]  # the smallest common types, none above another
    start_hour: int  # hour of the day at second 0
    # The most frequent types of VM: CPU and MEMORY on each node they take, and their share of the
    # requests, in the row for plain or for halved VMs. A place without a type asks for more than
    # there is and weighs nothing.
    mix: Annotated[Int32, 4, MIX]
    mix_inverse: Annotated[Float64, 2, MIX]  # 1 / CPU and 1 / MEMORY

    @property
    def demand(self) -> NDArray[np.int32]:
        """(n, resource) on each node it takes, milli-vCPU and MiB."""
        return self.request[:, :WHOLE_CPU]

    @property
    def halved(self) -> NDArray[np.bool_]:
        """(n,) whether it takes both nodes of a server."""
        return self.request[:, HALVED] == 1


def feed(trace: Trace, rules: Rules) -> Feed:
    """The trace under the scenario's rules of halving and departing."""
    return _feed(trace, rules.halve_resource, rules.halve_above, rules.departures)


@lru_cache(maxsize=4)  # a month takes 0.15 s, and every simulator of one scenario reads the same
def _feed(trace: Trace, halve_resource: int, halve_above: int, departures: bool) -> Feed:
    total = np.stack([trace.cpu, trace.memory], axis=1).astype(np.int32)
    halved = total[:, halve_resource] > halve_above
    demand = np.where(halved[:, None], total - total // 2, total)
    stays = trace.departure == NEVER
    if not departures:
        stays = np.ones(len(trace), dtype=bool)
    lifetime = np.where(stays, NEVER, trace.departure - trace.arrival)
    events, second = _events(trace, np.flatnonzero(~stays))
    place = np.empty(len(trace), dtype=np.int32)
    is_arrival = events >= 0
    mix = _type_mix(demand, halved)
    place[events[is_arrival]] = np.flatnonzero(is_arrival)
    return Feed(
        arrival=trace.arrival,
        lifetime=lifetime,
        request=np.column_stack([demand, total[:, CPU], halved]).astype(np.int32),
        total=total,
        burst=_bursts(trace),
        events=events,
        second=second,
        place_in_events=place,
        common=_common_types(total, halved),
        start_hour=trace.start_hour,
        mix=mix,
        mix_inverse=1.0 / mix[: MEMORY + 1],
    )


def _events(
    trace: Trace, leaving: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Arrivals and departures in the order of time, departures first within a second, and seconds.

    A VM that leaves in the second of its own arrival does so right after it.
    """
    rows = np.arange(len(trace), dtype=np.int32)
    instant = trace.departure[leaving] == trace.arrival[leaving]
    time = np.concatenate([trace.arrival, trace.departure[leaving]])
    kind = np.concatenate([np.ones(len(trace), np.int8), instant.astype(np.int8)])
    row = np.concatenate([rows, rows[leaving]])
    leaves = np.concatenate([np.zeros(len(trace), np.int8), np.ones(len(leaving), np.int8)])
    order = np.lexsort((leaves, row, kind, time))
    return np.where(leaves == 1, ~row, row)[order].astype(np.int32), time[order]


def _bursts(trace: Trace) -> NDArray[np.int32]:
    """Number of the burst of each row: one type, at most `BURST_GAP` seconds apart."""
    _, kind = np.unique(np.stack([trace.cpu, trace.memory]), axis=1, return_inverse=True)
    kind = kind.reshape(-1)
    order = np.lexsort((np.arange(len(trace)), kind))
    starts = np.ones(len(trace), dtype=bool)
    same_kind = kind[order][1:] == kind[order][:-1]
    close = np.diff(trace.arrival[order]) <= BURST_GAP
    starts[1:] = ~(same_kind & close)
    burst = np.empty(len(trace), dtype=np.int32)
    burst[order] = np.cumsum(starts) - 1
    return burst


def _common_types(total: NDArray[np.int32], halved: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The common types of VM that fit one node, without those that need more than another."""
    if len(total) == 0:
        return np.empty((0, 2), dtype=np.int32)
    types, count = np.unique(total[~halved], axis=0, return_counts=True)
    types = types[count >= COMMON_SHARE * len(total)]
    at_least = np.all(types[:, None] >= types[None], axis=2)
    above = at_least & np.any(types[:, None] > types[None], axis=2)
    return np.ascontiguousarray(types[~np.any(above, axis=1)], dtype=np.int32)


def _type_mix(demand: NDArray[np.int32], halved: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The most frequent types of VM, the first in order of size of equals, for `Feed.mix`."""
    mix = np.zeros((4, MIX), np.int32)
    mix[[CPU, MEMORY]] = np.iinfo(np.int32).max
    if len(demand) == 0:
        return mix
    cpu, memory = demand.astype(np.int64).T  # in one number, which sorts ten times faster
    _, row, count = np.unique(
        cpu << 32 | memory << 1 | halved, return_index=True, return_counts=True
    )
    most = np.argsort(-count, kind="stable")[:MIX]
    places, rows = np.arange(len(most)), row[most]
    mix[[CPU, MEMORY], : len(most)] = demand[rows].T
    weight_of = np.where(halved[rows], HALVED_WEIGHT, PLAIN_WEIGHT)
    mix[weight_of, places] = np.rint(WHOLE_MIX * count[most] / len(demand))
    return mix
