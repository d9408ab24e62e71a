"""The state of the whole game, for centralised critics and mixers; never a future arrival.

In order: every cluster's observation; fresh summaries of each cluster (free share of cpu, of
memory, empty servers' share); for each cluster hours until ordered servers enter service (0: none
are), and 1 where an outage or drain holds it; the home, one-hot; log(1 + VMs that wait). With
`privileged` also log(1 + hours until its last running VM leaves) of every server, and 1 where one
stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.sim.handle import World, unpacker
from vmagent_marl.sim.jit import entry
from vmagent_marl.sim.rules import NODES, WAIT, Feed, Rules
from vmagent_marl.sim.state import (
    ACTIVE,
    DOWN,
    DUE,
    FIRST,
    HOME,
    NOW,
    ROW,
    SERVING,
    STATUS,
    STOP,
    TERMINATED,
    USED_CPU,
    State,
    cluster_of,
    slot_of,
)
from vmagent_marl.trace import NEVER
from vmagent_marl.trace.units import HOUR

if TYPE_CHECKING:
    from vmagent_marl.sim.simulator import Simulator


unpack = unpacker(Rules, Feed, State)


def state_size(simulator: Simulator) -> int:
    """Floats in one environment's state."""
    clusters, servers = simulator.clusters, simulator.servers
    size = clusters * (simulator.layout.size + 3 + 2 + 1) + 1
    return size + 2 * clusters * servers if simulator.privileged else size


def global_state(simulator: Simulator) -> NDArray[np.float32]:
    """(B, state_size) float32."""
    state, rules = simulator.state, simulator.rules
    batch, clock = simulator.batch, state.clock
    down = state.counts[:, :, DOWN] > 0
    serving = state.level[:, :, SERVING]
    room = serving[:, :, None] * NODES * rules.node
    free = (room - state.level[:, :, USED_CPU : USED_CPU + 2]) / np.maximum(room, 1)
    empty = (serving - state.level[:, :, ACTIVE]) / np.maximum(serving, 1)
    summaries = np.concatenate([free, empty[:, :, None]], axis=2) * ~down[:, :, None]
    due = state.counts[:, :, DUE]
    ordered = np.where(due == NEVER, 0, due - clock[:, NOW, None]) / HOUR
    home = np.zeros((batch, simulator.clusters))
    home[np.arange(batch), clock[:, HOME]] = clock[:, STATUS] != TERMINATED
    parts = [
        state.observation.reshape(batch, -1),
        summaries.reshape(batch, -1),
        ordered,
        down,
        home,
        np.log1p(_waiting(simulator))[:, None],
    ]
    if simulator.privileged:
        last = np.zeros((batch, simulator.clusters, simulator.servers), np.int64)
        _last_departures(simulator.world, last)
        stays = last == NEVER
        left = np.where(stays, 0, np.maximum(last - clock[:, NOW, None, None], 0))
        parts += [np.log1p(left / HOUR).reshape(batch, -1), stays.reshape(batch, -1)]
    return np.concatenate(parts, axis=1, dtype=np.float32)


def _waiting(simulator: Simulator) -> NDArray[np.int64]:
    """(B,) VMs that have arrived and not started."""
    clock = simulator.state.clock
    if simulator.rules.turned_away != WAIT:
        return np.zeros(simulator.batch, np.int64)
    arrived = np.searchsorted(simulator.feed.arrival, clock[:, NOW], side="right")
    waiting = np.minimum(arrived, clock[:, STOP]) - clock[:, ROW]
    return np.where(clock[:, STATUS] != TERMINATED, np.maximum(waiting, 0), 0)


@entry
def _last_departures(world: World, last: NDArray[np.int64]) -> None:
    """Second at which the last VM of each server (B, K, S) leaves; 0 on empty ones."""
    rules, feed, state = unpack(world)
    for b in range(last.shape[0]):
        first = state.clock[b, FIRST]
        for vm in range(state.clock[b, ROW] - first):
            code = state.placed_at[b, vm]
            if code < 0:
                continue
            k, server = cluster_of(code), slot_of(code) // NODES
            departure = NEVER
            if feed.lifetime[first + vm] != NEVER:
                departure = feed.arrival[first + vm] + feed.lifetime[first + vm]
                if rules.turned_away == WAIT:
                    departure += state.waited[b, vm]
            last[b, k, server] = max(last[b, k, server], departure)
