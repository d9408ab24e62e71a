"""What happens on servers: fitting, placing, removing, entering and leaving service."""

from __future__ import annotations

from vmagent_marl.sim.jit import part
from vmagent_marl.sim.layout import SERVER
from vmagent_marl.sim.rules import CPU, LARGE_CPU, MEMORY, NODES, Feed, Rules
from vmagent_marl.sim.state import (
    ACTIVE,
    DOWN,
    EMPTY,
    ENDED,
    FIRST,
    HELD,
    HOPS,
    KILLED,
    LOWER_BOUND,
    PLACED,
    PLACED_LARGE,
    ROW,
    SERVING,
    STRANDED_CPU,
    STRANDED_MEMORY,
    TILT,
    USED_CPU,
    USED_MEMORY,
    State,
)


@part
def any_slot_fits(feed: Feed, state: State, b: int, k: int, row: int) -> bool:
    """Whether the request of this row has room in cluster k."""
    if state.counts[b, k, DOWN] > 0:
        return False
    cpu, memory = feed.demand[row, CPU], feed.demand[row, MEMORY]
    free_cpu, free_memory = state.free[b, k, CPU], state.free[b, k, MEMORY]
    if feed.halved[row]:
        for slot in range(0, free_cpu.size, NODES):
            fits_first = free_cpu[slot] >= cpu and free_memory[slot] >= memory
            if fits_first and free_cpu[slot + 1] >= cpu and free_memory[slot + 1] >= memory:
                return True
        return False
    for slot in range(free_cpu.size):
        if free_cpu[slot] >= cpu and free_memory[slot] >= memory:
            return True
    return False


@part
def place(rules: Rules, feed: Feed, state: State, b: int, k: int, slot: int, position: int) -> None:
    """Start the request's VM on a slot; a halved one takes both nodes of the slot's server."""
    row = state.clock[b, ROW]
    _occupy(rules, feed, state, b, k, slot, position, row, 1)
    slots, clusters = state.free.shape[3], state.free.shape[1]
    state.placed_at[b, row - state.clock[b, FIRST]] = (position * clusters + k) * slots + slot
    state.counts[b, k, PLACED] += 1
    state.counts[b, k, HOPS] += position
    if feed.total[row, CPU] >= LARGE_CPU:
        state.counts[b, k, PLACED_LARGE] += 1


@part
def remove(rules: Rules, feed: Feed, state: State, b: int, vm: int, reason: int) -> None:
    """End VM number `vm` of the episode, which runs; `reason` is GONE or ENDED."""
    slots, clusters = state.free.shape[3], state.free.shape[1]
    code = state.placed_at[b, vm]
    slot, offer = code % slots, code // slots
    _occupy(
        rules,
        feed,
        state,
        b,
        offer % clusters,
        slot,
        offer // clusters,
        state.clock[b, FIRST] + vm,
        -1,
    )
    state.placed_at[b, vm] = reason


@part
def end_all(rules: Rules, feed: Feed, state: State, b: int, k: int) -> None:
    """An outage ends every VM of cluster k."""
    slots, clusters = state.free.shape[3], state.free.shape[1]
    for vm in range(state.clock[b, ROW] - state.clock[b, FIRST]):
        code = state.placed_at[b, vm]
        if code >= 0 and code // slots % clusters == k:
            remove(rules, feed, state, b, vm, ENDED)
            state.counts[b, k, KILLED] += 1


@part
def enter_service(rules: Rules, feed: Feed, state: State, b: int, k: int, server: int) -> None:
    """An empty server begins to take VMs."""
    state.in_service[b, k, server] = 1
    for slot in range(NODES * server, NODES * server + NODES):
        state.free[b, k, CPU, slot] = rules.node[k, CPU]
        state.free[b, k, MEMORY, slot] = rules.node[k, MEMORY]
    state.level[b, k, SERVING] += 1
    count_servers(state, b, k)
    _tally(feed, state, b, k, server, 1)
    show_server(rules, state, b, k, server)


@part
def count_servers(state: State, b: int, k: int) -> None:
    """Levels of servers that are held out of service, and of those in service without a VM."""
    serving = state.level[b, k, SERVING]
    held = state.counts[b, k, DOWN] > 0
    state.level[b, k, HELD] = serving if held else 0
    state.level[b, k, EMPTY] = 0 if held else serving - state.level[b, k, ACTIVE]


@part
def _occupy(
    rules: Rules,
    feed: Feed,
    state: State,
    b: int,
    k: int,
    slot: int,
    position: int,
    row: int,
    sign: int,
) -> None:
    """Take the resources of a row's VM (sign 1) or give them back (sign -1)."""
    server = slot // NODES
    first, stop = slot, slot + 1
    if feed.halved[row]:
        first, stop = NODES * server, NODES * server + NODES
    _tally(feed, state, b, k, server, -1)
    for taken in range(first, stop):
        state.free[b, k, CPU, taken] -= sign * feed.demand[row, CPU]
        state.free[b, k, MEMORY, taken] -= sign * feed.demand[row, MEMORY]
        state.level[b, k, USED_CPU] += sign * feed.demand[row, CPU]
        state.level[b, k, USED_MEMORY] += sign * feed.demand[row, MEMORY]
    _tally(feed, state, b, k, server, 1)
    was_empty = state.vms_on[b, k, server] == 0
    state.vms_on[b, k, server] += sign
    if was_empty:
        state.level[b, k, ACTIVE] += 1
    elif state.vms_on[b, k, server] == 0:
        state.level[b, k, ACTIVE] -= 1
    count_servers(state, b, k)
    state.running[b, k, position] += sign * feed.total[row, CPU]
    state.level[b, k, LOWER_BOUND] = _servers_needed(rules, state, b, k)
    show_server(rules, state, b, k, server)


@part
def _servers_needed(rules: Rules, state: State, b: int, k: int) -> int:
    """Servers that what runs in cluster k fills at least, by the scarcer resource."""
    needed = 0
    for resource in range(2):
        size = NODES * rules.node[k, resource]
        needed = max(needed, (state.level[b, k, USED_CPU + resource] + size - 1) // size)
    return needed


@part
def _tally(feed: Feed, state: State, b: int, k: int, server: int, sign: int) -> None:
    """Add (sign 1) or take off (sign -1) a server's share of the cluster's levels."""
    one, other = NODES * server, NODES * server + 1
    cpu, cpu_other = state.free[b, k, CPU, one], state.free[b, k, CPU, other]
    memory, memory_other = state.free[b, k, MEMORY, one], state.free[b, k, MEMORY, other]
    state.level[b, k, TILT] += sign * abs(cpu - cpu_other)
    if feed.common.shape[0] == 0:
        return
    for kind in range(feed.common.shape[0]):
        need_cpu, need_memory = feed.common[kind, CPU], feed.common[kind, MEMORY]
        fits_one = cpu >= need_cpu and memory >= need_memory
        fits_other = cpu_other >= need_cpu and memory_other >= need_memory
        if fits_one or fits_other:
            return
    state.level[b, k, STRANDED_CPU] += sign * (cpu + cpu_other)
    state.level[b, k, STRANDED_MEMORY] += sign * (memory + memory_other)


@part
def show_server(rules: Rules, state: State, b: int, k: int, server: int) -> None:
    """Write a server's part of its cluster's observation."""
    takes = state.in_service[b, k, server] == 1 and state.counts[b, k, DOWN] == 0
    servers = state.in_service.shape[2]
    state.observation[b, k, SERVER * servers + server] = 1.0 if takes else 0.0
    for node in range(NODES):
        slot = NODES * server + node
        for resource in range(2):
            share = state.free[b, k, resource, slot] / rules.node[k, resource] if takes else 0.0
            state.observation[b, k, SERVER * server + NODES * node + resource] = share
