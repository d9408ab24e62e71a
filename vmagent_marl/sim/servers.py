"""What happens on servers: placing, removing, entering service, and the levels that count them."""

from __future__ import annotations

from vmagent_marl.sim.hints import foretell
from vmagent_marl.sim.jit import part, seldom
from vmagent_marl.sim.layout import SERVER
from vmagent_marl.sim.rules import CPU, HALVED, LARGE_CPU, MEMORY, NODES, WHOLE_CPU, Feed, Rules
from vmagent_marl.sim.state import (
    ACTIVE,
    BLOCK,
    DIFFERENCE,
    DOWN,
    EMPTY,
    ENDED,
    FIRST,
    HELD,
    HOPS,
    KILLED,
    LOWER_BOUND,
    NOW,
    OF_NODE,
    OF_SERVER,
    PLACED,
    PLACED_LARGE,
    ROW,
    SERVING,
    START,
    STRANDED_CPU,
    STRANDED_MEMORY,
    TILT,
    UNSEEN,
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
def place(rules: Rules, feed: Feed, state: State, b: int, k: int, slot: int, position: int) -> None:
    """Start the request's VM on a slot; a halved one takes both nodes of the slot's server."""
    row = state.clock[b, ROW]
    _occupy(rules, feed, state, b, k, slot, position, row, 1)
    state.placed_at[b, row - state.clock[b, FIRST]] = place_code(position, k, slot)
    if rules.hints:
        foretell(state, b, k, slot)
    state.counts[b, k, PLACED] += 1
    state.counts[b, k, HOPS] += position
    if feed.request[row, WHOLE_CPU] >= LARGE_CPU:
        state.counts[b, k, PLACED_LARGE] += 1


@part
def remove(rules: Rules, feed: Feed, state: State, b: int, vm: int, reason: int) -> None:
    """End VM number `vm` of the episode, which runs; `reason` is GONE or ENDED."""
    code, row = state.placed_at[b, vm], state.clock[b, FIRST] + vm
    k, slot = cluster_of(code), slot_of(code)
    _occupy(rules, feed, state, b, k, slot, position_of(code), row, -1)
    state.placed_at[b, vm] = reason
    if rules.hints:
        state.review[b, k, slot // NODES] = 0


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
        give(rules, state, b, k, slot, rules.node[k, CPU], rules.node[k, MEMORY])
    change(state, b, k, SERVING, 1)
    count_servers(state, b, k)
    _count_stranded(feed, state, b, k, server, 0, 0)
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
    request, server = feed.request[row], slot // NODES
    tilt = _tilt(state, b, k, server)
    cpu, memory, nodes = -sign * request[CPU], -sign * request[MEMORY], 1
    give(rules, state, b, k, slot, cpu, memory)
    if request[HALVED]:
        give(rules, state, b, k, slot + 1, cpu, memory)
        nodes = NODES
    change(state, b, k, USED_CPU, -nodes * cpu)
    change(state, b, k, USED_MEMORY, -nodes * memory)
    change(state, b, k, TILT, _tilt(state, b, k, server) - tilt)
    _count_stranded(feed, state, b, k, server, nodes * cpu, nodes * memory)
    _count_vm(state, b, k, server, sign)
    _count_running(state, b, k, position, sign * request[WHOLE_CPU])
    _count_needed(rules, state, b, k)


@part
def give(rules: Rules, state: State, b: int, k: int, slot: int, cpu: int, memory: int) -> None:
    """That much more of a slot is free, or less where it is negative; agents see it at once."""
    free, most_free, block = state.free[b, k], state.most_free[b, k], slot // BLOCK
    free[CPU, slot] += cpu
    free[MEMORY, slot] += memory
    most_free[CPU, block] = max(most_free[CPU, block], free[CPU, slot])
    most_free[MEMORY, block] = max(most_free[MEMORY, block], free[MEMORY, slot])
    cpu_share = free[CPU, slot] / rules.node[k, CPU]
    memory_share = free[MEMORY, slot] / rules.node[k, MEMORY]
    share, other = state.share[b, k], slot ^ 1
    share[OF_NODE, slot] = min(cpu_share, memory_share)
    share[OF_SERVER, slot] = share[OF_SERVER, other] = share[OF_NODE, slot] + share[OF_NODE, other]
    difference = abs(share[OF_NODE, slot] - share[OF_NODE, other])
    share[DIFFERENCE, slot] = share[DIFFERENCE, other] = difference
    if state.counts[b, k, DOWN] == 0 and not state.clock[b, UNSEEN]:
        state.observation[b, k, 2 * slot + CPU] = cpu_share
        state.observation[b, k, 2 * slot + MEMORY] = memory_share


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
def _tilt(state: State, b: int, k: int, server: int) -> int:
    """How much more cpu one node of a server has free than the other."""
    free_cpu = state.free[b, k, CPU]
    return abs(free_cpu[NODES * server] - free_cpu[NODES * server + 1])


@part
def _count_stranded(
    feed: Feed, state: State, b: int, k: int, server: int, cpu: int, memory: int
) -> None:
    """A server of which that much more is free begins or ends to be of no use to common types."""
    was, now = state.stranded[b, k, server] == 1, _no_common_type_fits(feed, state, b, k, server)
    if was or now:
        free, one = state.free[b, k], NODES * server
        free_cpu = free[CPU, one] + free[CPU, one + 1]
        free_memory = free[MEMORY, one] + free[MEMORY, one + 1]
        state.stranded[b, k, server] = now
        before_cpu, before_memory = free_cpu - cpu, free_memory - memory
        change(state, b, k, STRANDED_CPU, now * free_cpu - was * before_cpu)
        change(state, b, k, STRANDED_MEMORY, now * free_memory - was * before_memory)


@part
def _no_common_type_fits(feed: Feed, state: State, b: int, k: int, server: int) -> bool:
    """Whether there are common types of VM, and none fits a node of the server."""
    free_cpu, free_memory, one = state.free[b, k, CPU], state.free[b, k, MEMORY], NODES * server
    for kind in range(feed.common.shape[0]):
        cpu, memory = feed.common[kind, CPU], feed.common[kind, MEMORY]
        if free_cpu[one] >= cpu and free_memory[one] >= memory:
            return False
        if free_cpu[one + 1] >= cpu and free_memory[one + 1] >= memory:
            return False
    return feed.common.shape[0] > 0


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
