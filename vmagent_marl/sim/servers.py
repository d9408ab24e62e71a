"""What happens on servers: fitting, placing, removing, entering and leaving service."""

from __future__ import annotations

from vmagent_marl.sim.jit import part, seldom
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
    NOW,
    PLACED,
    PLACED_LARGE,
    ROW,
    SERVING,
    START,
    STRANDED_CPU,
    STRANDED_MEMORY,
    TILT,
    USED_CPU,
    USED_MEMORY,
    State,
    change,
    cluster_of,
    place_code,
    position_of,
    slot_of,
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
    state.placed_at[b, row - state.clock[b, FIRST]] = place_code(position, k, slot)
    state.counts[b, k, PLACED] += 1
    state.counts[b, k, HOPS] += position
    if feed.total[row, CPU] >= LARGE_CPU:
        state.counts[b, k, PLACED_LARGE] += 1


@part
def remove(rules: Rules, feed: Feed, state: State, b: int, vm: int, reason: int) -> None:
    """End VM number `vm` of the episode, which runs; `reason` is GONE or ENDED."""
    code, row = state.placed_at[b, vm], state.clock[b, FIRST] + vm
    k, slot = cluster_of(code), slot_of(code)
    _occupy(rules, feed, state, b, k, slot, position_of(code), row, -1)
    state.placed_at[b, vm] = reason


@seldom
def end_all(rules: Rules, feed: Feed, state: State, b: int, k: int) -> None:
    """An outage ends every VM of cluster k."""
    for vm in range(state.clock[b, ROW] - state.clock[b, FIRST]):
        code = state.placed_at[b, vm]
        if code >= 0 and cluster_of(code) == k:
            remove(rules, feed, state, b, vm, ENDED)
            state.counts[b, k, KILLED] += 1


@seldom
def enter_service(rules: Rules, feed: Feed, state: State, b: int, k: int, server: int) -> None:
    """An empty server begins to take VMs."""
    state.in_service[b, k, server] = 1
    for slot in range(NODES * server, NODES * server + NODES):
        state.free[b, k, CPU, slot] = rules.node[k, CPU]
        state.free[b, k, MEMORY, slot] = rules.node[k, MEMORY]
    change(state, b, k, SERVING, 1)
    count_servers(state, b, k)
    tilt, stranded_cpu, stranded_memory = _imbalance(feed, state, b, k, server)
    change(state, b, k, TILT, tilt)
    change(state, b, k, STRANDED_CPU, stranded_cpu)
    change(state, b, k, STRANDED_MEMORY, stranded_memory)
    show_server(rules, state, b, k, server)


@seldom
def count_servers(state: State, b: int, k: int) -> None:
    """Levels of servers that are held out of service, and of those in service without a VM."""
    serving = state.level[b, k, SERVING]
    held = serving if state.counts[b, k, DOWN] > 0 else 0
    empty = serving - held
    if held == 0:
        empty -= state.level[b, k, ACTIVE]
    change(state, b, k, HELD, held - state.level[b, k, HELD])
    change(state, b, k, EMPTY, empty - state.level[b, k, EMPTY])


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
    tilt, stranded_cpu, stranded_memory = _imbalance(feed, state, b, k, server)
    cpu, memory = sign * feed.demand[row, CPU], sign * feed.demand[row, MEMORY]
    for taken in range(first, stop):
        state.free[b, k, CPU, taken] -= cpu
        state.free[b, k, MEMORY, taken] -= memory
    nodes = stop - first
    change(state, b, k, USED_CPU, nodes * cpu)
    change(state, b, k, USED_MEMORY, nodes * memory)
    new_tilt, new_stranded_cpu, new_stranded_memory = _imbalance(feed, state, b, k, server)
    change(state, b, k, TILT, new_tilt - tilt)
    if stranded_cpu != new_stranded_cpu or stranded_memory != new_stranded_memory:
        change(state, b, k, STRANDED_CPU, new_stranded_cpu - stranded_cpu)
        change(state, b, k, STRANDED_MEMORY, new_stranded_memory - stranded_memory)
    _count_vm(state, b, k, server, sign)
    _count_running(state, b, k, position, sign * feed.total[row, CPU])
    _count_needed(rules, state, b, k)
    show_server(rules, state, b, k, server)


@part
def _count_vm(state: State, b: int, k: int, server: int, sign: int) -> None:
    """A VM more or less on a server, which may end or begin its emptiness."""
    before = state.vms_on[b, k, server]
    state.vms_on[b, k, server] = before + sign
    if before == 0 or before + sign == 0:
        change(state, b, k, ACTIVE, sign)
        count_servers(state, b, k)


@part
def _count_running(state: State, b: int, k: int, position: int, cpu: int) -> None:
    """milli-vCPU that began to run, or ended."""
    elapsed = state.clock[b, NOW] - state.clock[b, START]
    state.running[b, k, position] += cpu
    state.running_moment[b, k, position] += cpu * elapsed


@part
def _count_needed(rules: Rules, state: State, b: int, k: int) -> None:
    """Servers that what runs in cluster k fills at least, by the scarcer resource."""
    cpu, memory = NODES * rules.node[k, CPU], NODES * rules.node[k, MEMORY]
    used_cpu, used_memory = state.level[b, k, USED_CPU], state.level[b, k, USED_MEMORY]
    before = needed = state.level[b, k, LOWER_BOUND]
    while needed * cpu < used_cpu or needed * memory < used_memory:
        needed += 1
    while (needed - 1) * cpu >= used_cpu and (needed - 1) * memory >= used_memory:
        needed -= 1
    if needed != before:
        change(state, b, k, LOWER_BOUND, needed - before)


@part
def _imbalance(feed: Feed, state: State, b: int, k: int, server: int) -> tuple[int, int, int]:
    """What a server adds to TILT, STRANDED_CPU and STRANDED_MEMORY."""
    one, other = NODES * server, NODES * server + 1
    cpu, cpu_other = state.free[b, k, CPU, one], state.free[b, k, CPU, other]
    memory, memory_other = state.free[b, k, MEMORY, one], state.free[b, k, MEMORY, other]
    stranded = feed.common.shape[0] > 0
    for kind in range(feed.common.shape[0]):
        need_cpu, need_memory = feed.common[kind, CPU], feed.common[kind, MEMORY]
        fits_one = cpu >= need_cpu and memory >= need_memory
        fits_other = cpu_other >= need_cpu and memory_other >= need_memory
        if fits_one or fits_other:
            stranded = False
    if stranded:
        return abs(cpu - cpu_other), cpu + cpu_other, memory + memory_other
    return abs(cpu - cpu_other), 0, 0


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
