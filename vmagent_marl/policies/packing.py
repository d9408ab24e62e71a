"""Which slot of a cluster takes a VM: the packing heuristics, as kernels.

A node's share is min over cpu and memory of free / capacity, in float64 (float32 changes a third
of balance fit's choices). A halved VM takes both nodes of a server; then a server's share is the
sum of its nodes' and its even slot stands for it. Every tie goes to the lowest index. Each kernel
returns a slot of cluster k of environment b for the request that is to be decided, or NONE.

The mask says what fits, so that no kernel asks again.
"""

from __future__ import annotations

from vmagent_marl.sim.jit import part
from vmagent_marl.sim.rules import CPU, MEMORY, NODES, Feed, Rules
from vmagent_marl.sim.state import ROW, State

NONE = -1


@part
def first_fit(rules: Rules, feed: Feed, state: State, b: int, k: int) -> int:
    """The lowest slot that fits (Johnson 1973)."""
    mask = state.mask[b, k]
    for slot in range(mask.size - 1):
        if mask[slot]:
            return slot
    return NONE


@part
def best_fit(rules: Rules, feed: Feed, state: State, b: int, k: int) -> int:
    """The fitting slot with the least share (Johnson 1973, by the scarcer resource)."""
    return _extreme_fit(rules, feed, state, b, k, 1.0)


@part
def worst_fit(rules: Rules, feed: Feed, state: State, b: int, k: int) -> int:
    """The fitting slot with the largest share; what VMAgent calls best fit."""
    return _extreme_fit(rules, feed, state, b, k, -1.0)


@part
def _extreme_fit(rules: Rules, feed: Feed, state: State, b: int, k: int, sign: float) -> int:
    """The fitting slot with the least sign x share."""
    mask = state.mask[b, k]
    halved = feed.halved[state.clock[b, ROW]]
    best, least = NONE, 0.0
    for slot in range(mask.size - 1):
        if mask[slot]:
            share = node_share(rules, state, b, k, slot)
            if halved:
                share += node_share(rules, state, b, k, slot + 1)
            if best == NONE or sign * share < least:
                best, least = slot, sign * share
    return best


@part
def server_best_fit(rules: Rules, feed: Feed, state: State, b: int, k: int) -> int:
    """The server with the least sum of its nodes' shares, there the fitting node with more."""
    mask = state.mask[b, k]
    best, least = NONE, 0.0
    for server in range((mask.size - 1) // NODES):
        slot = NODES * server
        if mask[slot] or mask[slot + 1]:
            share = node_share(rules, state, b, k, slot) + node_share(rules, state, b, k, slot + 1)
            if best == NONE or share < least:
                best, least = server, share
    return emptier_node(rules, state, b, k, best)


@part
def first_server(rules: Rules, feed: Feed, state: State, b: int, k: int) -> int:
    """The lowest server that fits, there the fitting node with the larger share."""
    slot = first_fit(rules, feed, state, b, k)
    return emptier_node(rules, state, b, k, slot // NODES if slot != NONE else NONE)


@part
def balance_fit(rules: Rules, feed: Feed, state: State, b: int, k: int) -> int:
    """The server whose nodes' shares differ most, there the node with the larger if it fits.

    A halved VM takes first fit, and so does any where no server's nodes differ (arXiv 2504.14946).
    """
    mask = state.mask[b, k]
    if feed.halved[state.clock[b, ROW]]:
        return first_fit(rules, feed, state, b, k)
    best, most = NONE, 0.0
    for server in range((mask.size - 1) // NODES):
        slot = NODES * server
        if mask[slot] or mask[slot + 1]:
            share = node_share(rules, state, b, k, slot)
            difference = abs(share - node_share(rules, state, b, k, slot + 1))
            if difference > most:
                best, most = server, difference
    if best == NONE:
        return first_fit(rules, feed, state, b, k)
    return emptier_node(rules, state, b, k, best)


@part
def emptier_node(rules: Rules, state: State, b: int, k: int, server: int) -> int:
    """The fitting slot of a server on the node with the larger share; NONE for no server."""
    if server == NONE:
        return NONE
    mask, slot = state.mask[b, k], NODES * server
    if not mask[slot]:
        return slot + 1
    if not mask[slot + 1]:
        return slot
    share = node_share(rules, state, b, k, slot)
    return slot if share >= node_share(rules, state, b, k, slot + 1) else slot + 1


@part
def node_share(rules: Rules, state: State, b: int, k: int, slot: int) -> float:
    """Free share of a node by its scarcer resource."""
    cpu = state.free[b, k, CPU, slot] / rules.node[k, CPU]
    memory = state.free[b, k, MEMORY, slot] / rules.node[k, MEMORY]
    return min(cpu, memory)
