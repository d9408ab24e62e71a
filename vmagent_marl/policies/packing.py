"""Which slot of a cluster takes a VM: the packing heuristics, as kernels.

A node's share is min over cpu and memory of free / capacity, in float64 (float32 changes a third
of balance fit's choices). A halved VM takes both nodes of a server; then a server's share is the
sum of its nodes' and its even slot stands for it. Every tie goes to the lowest index. Each kernel
returns a slot of cluster k of environment b for the request that is to be decided, or NONE.
"""

from __future__ import annotations

from vmagent_marl.sim.fit import NONE, fits, lowest_slot
from vmagent_marl.sim.jit import part
from vmagent_marl.sim.rules import HALVED, NODES, Feed, Rules
from vmagent_marl.sim.state import ROW, State


@part
def first_fit(rules: Rules, feed: Feed, state: State, b: int, k: int) -> int:
    """The lowest slot that fits (Johnson 1973)."""
    row = state.clock[b, ROW]
    return lowest_slot(feed.request[row], state.free[b, k], state.most_free[b, k])


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
    row, share = state.clock[b, ROW], state.share[b, k]
    halved = feed.request[row, HALVED]
    best, least = NONE, 0.0
    for slot in range(share.size):
        if fits(feed, state, b, k, row, slot):
            value = share[slot]
            if halved:
                value += share[slot + 1]
            if best == NONE or sign * value < least:
                best, least = slot, sign * value
    return best


@part
def server_best_fit(rules: Rules, feed: Feed, state: State, b: int, k: int) -> int:
    """The server with the least sum of its nodes' shares, there the fitting node with more."""
    row, share = state.clock[b, ROW], state.share[b, k]
    best, least = NONE, 0.0
    for server in range(share.size // NODES):
        one, other = NODES * server, NODES * server + 1
        if fits(feed, state, b, k, row, one) or fits(feed, state, b, k, row, other):
            value = share[one] + share[other]
            if best == NONE or value < least:
                best, least = server, value
    return emptier_node(feed, state, b, k, best)


@part
def first_server(rules: Rules, feed: Feed, state: State, b: int, k: int) -> int:
    """The lowest server that fits, there the fitting node with the larger share."""
    slot = first_fit(rules, feed, state, b, k)
    return emptier_node(feed, state, b, k, slot // NODES if slot != NONE else NONE)


@part
def balance_fit(rules: Rules, feed: Feed, state: State, b: int, k: int) -> int:
    """The server whose nodes' shares differ most, there the node with the larger if it fits.

    A halved VM takes first fit, and so does any where no server's nodes differ (arXiv 2504.14946).
    """
    row, share = state.clock[b, ROW], state.share[b, k]
    best, largest = NONE, 0.0
    if not feed.request[row, HALVED]:
        for server in range(share.size // NODES):
            one, other = NODES * server, NODES * server + 1
            if fits(feed, state, b, k, row, one) or fits(feed, state, b, k, row, other):
                difference = abs(share[one] - share[other])
                if difference > largest:
                    best, largest = server, difference
    if best == NONE:
        return first_fit(rules, feed, state, b, k)
    return emptier_node(feed, state, b, k, best)


@part
def emptier_node(feed: Feed, state: State, b: int, k: int, server: int) -> int:
    """The fitting slot of a server on the node with the larger share; NONE for no server."""
    if server == NONE:
        return NONE
    row, share = state.clock[b, ROW], state.share[b, k]
    one, other = NODES * server, NODES * server + 1
    if not fits(feed, state, b, k, row, one):
        return other
    if not fits(feed, state, b, k, row, other):
        return one
    return one if share[one] >= share[other] else other
