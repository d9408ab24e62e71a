"""Which slot of a cluster takes a VM: the packing heuristics, as kernels.

A node's share is min over cpu and memory of free / capacity, in float64 (float32 changes a third
of balance fit's choices). A halved VM takes both nodes of a server; then a server's share is the
sum of its nodes' and its even slot stands for it. Every tie goes to the lowest index. Each kernel
returns a slot of cluster k of environment b for the request that is to be decided, or NONE.
"""

from __future__ import annotations

import numpy as np

from vmagent_marl.sim.fit import NONE, emptier_node, lowest_slot
from vmagent_marl.sim.handle import Int32, Int64
from vmagent_marl.sim.jit import part, seldom
from vmagent_marl.sim.rules import CPU, HALVED, MEMORY, NODES, Feed, Rules
from vmagent_marl.sim.state import BLOCK, DIFFERENCE, OF_NODE, OF_SERVER, ROW, State

LEAST, LARGEST = 0, -1  # bits that a share's are crossed with: then the least score is the best
FIRST = 1  # no matter what the share is
NO_SCORE = int(np.iinfo(np.int64).max)


@part
def first_fit(rules: Rules, feed: Feed, state: State, b: int, k: int) -> int:
    """The lowest slot that fits (Johnson 1973)."""
    row = state.clock[b, ROW]
    return lowest_slot(feed.request[row], state.free[b, k], state.most_free[b, k])


@part
def best_fit(rules: Rules, feed: Feed, state: State, b: int, k: int) -> int:
    """The fitting slot with the least share (Johnson 1973, by the scarcer resource)."""
    halved = feed.request[state.clock[b, ROW], HALVED]
    return _extreme_slot(feed, state, b, k, OF_SERVER if halved else OF_NODE, LEAST)


@part
def worst_fit(rules: Rules, feed: Feed, state: State, b: int, k: int) -> int:
    """The fitting slot with the largest share; what VMAgent calls best fit."""
    halved = feed.request[state.clock[b, ROW], HALVED]
    return _extreme_slot(feed, state, b, k, OF_SERVER if halved else OF_NODE, LARGEST)


@part
def server_best_fit(rules: Rules, feed: Feed, state: State, b: int, k: int) -> int:
    """The server with the least sum of its nodes' shares, there the fitting node with more."""
    slot = _extreme_slot(feed, state, b, k, OF_SERVER, LEAST)
    return emptier_node(feed, state, b, k, slot)


@part
def first_server(rules: Rules, feed: Feed, state: State, b: int, k: int) -> int:
    """The lowest server that fits, there the fitting node with the larger share."""
    return emptier_node(feed, state, b, k, first_fit(rules, feed, state, b, k))


@part
def balance_fit(rules: Rules, feed: Feed, state: State, b: int, k: int) -> int:
    """The server whose nodes' shares differ most, there the node with the larger if it fits.

    A halved VM takes first fit, and so does any where no server's nodes differ (arXiv 2504.14946).
    """
    slot = _extreme_slot(feed, state, b, k, DIFFERENCE, LARGEST)
    halved = feed.request[state.clock[b, ROW], HALVED]
    if slot == NONE or halved or state.share[b, k, DIFFERENCE, slot] == 0.0:
        return first_fit(rules, feed, state, b, k)
    return emptier_node(feed, state, b, k, slot)


@part
def dot_product(rules: Rules, feed: Feed, state: State, b: int, k: int) -> int:
    """The server with the least dot product of demand and free room, there the emptier node.

    Sum over cpu and memory of demand / capacity x free on both nodes / capacity. Tetris (Grandl et
    al., SIGCOMM 2014) gives a machine with room the waiting task of the largest product; here one
    VM looks for its server, and the largest would be the emptiest. So the least is taken, as in the
    comparison of Weng et al. (USENIX ATC 2023).
    """
    request, free = feed.request[state.clock[b, ROW]], state.free[b, k]
    slot = _least_product(request, free, state.vms_on[b, k], rules.node[k])
    return emptier_node(feed, state, b, k, slot)


@seldom
def _least_product(request: Int32, free: Int32, vms_on: Int32, node: Int32) -> int:
    """A fitting slot of the server with the least dot product, or NONE.

    Empty servers are alike: only the first that fits is looked at.
    """
    cpu = request[CPU] / node[CPU] / node[CPU]
    memory = request[MEMORY] / node[MEMORY] / node[MEMORY]
    best, least, passed_empty = NONE, np.inf, False
    for server in range(vms_on.size):
        is_empty = vms_on[server] == 0
        if is_empty and passed_empty:
            continue
        one, other = NODES * server, NODES * server + 1
        product = cpu * (np.int64(free[CPU, one]) + free[CPU, other])
        product += memory * (np.int64(free[MEMORY, one]) + free[MEMORY, other])
        if product >= least:
            continue
        fits_one = free[CPU, one] >= request[CPU] and free[MEMORY, one] >= request[MEMORY]
        fits_other = free[CPU, other] >= request[CPU] and free[MEMORY, other] >= request[MEMORY]
        if (fits_one and fits_other) or (not request[HALVED] and (fits_one or fits_other)):
            best, least = one if fits_one else other, product
            passed_empty = passed_empty or is_empty
    return best


@part
def _extreme_slot(feed: Feed, state: State, b: int, k: int, kind: int, order: int) -> int:
    """The lowest of the fitting slots with the least, or the largest, share of a kind; or NONE.

    Shares are compared by their bits: those of numbers that are not negative count up with them,
    and machines compare eight whole numbers at once, but floats one by one.
    """
    request, free = feed.request[state.clock[b, ROW]], state.free[b, k]
    bits = state.share[b, k, kind].view(np.int64)
    begin, least = NONE, NO_SCORE
    for block in range(0, bits.size, BLOCK):
        stop = block + BLOCK
        score = _least_of_block(
            request, free[CPU, block:stop], free[MEMORY, block:stop], bits[block:stop], order
        )
        if score < least:
            begin, least = block, score
    if begin == NONE:
        return NONE
    stop = begin + BLOCK
    return begin + _first_with(
        request, free[CPU, begin:stop], free[MEMORY, begin:stop], bits[begin:stop], order, least
    )


@part
def _least_of_block(
    request: Int32, free_cpu: Int32, free_memory: Int32, bits: Int64, order: int
) -> int:
    """The least score of a block's slots that fit, or NO_SCORE."""
    cpu, memory, least = request[CPU], request[MEMORY], np.int64(NO_SCORE)
    if request[HALVED]:
        for i in range(0, BLOCK, NODES):
            fits_one = (free_cpu[i] >= cpu) & (free_memory[i] >= memory)
            if fits_one & (free_cpu[i + 1] >= cpu) & (free_memory[i + 1] >= memory):
                least = min(least, bits[i] ^ order)
    else:
        for i in range(BLOCK):
            score = np.int64(NO_SCORE)
            if (free_cpu[i] >= cpu) & (free_memory[i] >= memory):
                score = bits[i] ^ order
            least = min(least, score)
    return int(least)


@part
def _first_with(
    request: Int32, free_cpu: Int32, free_memory: Int32, bits: Int64, order: int, score: int
) -> int:
    """The first of a block's slots that fits with this score."""
    cpu, memory, halved = request[CPU], request[MEMORY], request[HALVED]
    for i in range(BLOCK):
        if bits[i] ^ order == score and free_cpu[i] >= cpu and free_memory[i] >= memory:
            if not halved:
                return i
            if i % NODES == 0 and free_cpu[i + 1] >= cpu and free_memory[i + 1] >= memory:
                return i
    return 0


@seldom
def best_in_use(request: Int32, free: Int32, bits: Int64, vms_on: Int32, order: int) -> int:
    """The slot with the least or largest share of the servers that are not empty, or NONE.

    FIRST: the lowest. `bits` are those of the shares; see `_extreme_slot`.
    """
    cpu, memory, best, least = request[CPU], request[MEMORY], NONE, NO_SCORE
    for server in range(vms_on.size):
        if vms_on[server] == 0:
            continue
        one, other = NODES * server, NODES * server + 1
        fits_one = free[CPU, one] >= cpu and free[MEMORY, one] >= memory
        fits_other = free[CPU, other] >= cpu and free[MEMORY, other] >= memory
        if request[HALVED]:
            fits_one, fits_other = fits_one and fits_other, False
        if order == FIRST and (fits_one or fits_other):
            return one if fits_one else other
        if fits_one and bits[one] ^ order < least:
            best, least = one, bits[one] ^ order
        if fits_other and bits[other] ^ order < least:
            best, least = other, bits[other] ^ order
    return best
