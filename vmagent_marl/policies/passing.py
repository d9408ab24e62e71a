"""Who takes a VM in the offer chain and who lets it pass: the rules of many clusters, as kernels.

Each says whether cluster k passes the request on although it has room; it counts only where pass is
legal. `position` is the cluster's distance from the request's home.
"""

from __future__ import annotations

from vmagent_marl.sim.fit import NONE, first_fit, fits
from vmagent_marl.sim.jit import part, seldom
from vmagent_marl.sim.rules import CPU, MEMORY, NODES, Feed, Rules
from vmagent_marl.sim.state import EMPTY_SERVERS, HOME, NOBODY, ROW, State

# Free room is scattered over servers: a VM likely fits where, in one piece, this many would. Of 1,
# 2, 3, 4, 6 and 8 it does best on the training and validation windows of the real month together,
# in `region`, `region-prices`, `region-sizes` and `region-hotspot`.
LIKELY = 4


@part
def cheaper_with_room(rules: Rules, feed: Feed, state: State, b: int, k: int) -> bool:
    """Cheapest first: a later cluster of the chain has cheaper power and, it said, room."""
    for other in range(rules.power.size):
        comes = _comes_later(rules, state, b, k, other) and rules.power[other] < rules.power[k]
        if comes and _published_room(rules, feed, state, b, other, 1, False):
            return True
    return False


@part
def cheaper_comes(rules: Rules, feed: Feed, state: State, b: int, k: int) -> bool:
    """Pass unless cheapest or last: a later cluster of the chain has cheaper power, full or not."""
    for other in range(rules.power.size):
        if _comes_later(rules, state, b, k, other) and rules.power[other] < rules.power[k]:
            return True
    return False


@part
def opens_before_last(rules: Rules, state: State, b: int, k: int, slot: int) -> bool:
    """Pass if it would open a server: the packer's slot is on an empty one, and others come."""
    position = (k - state.clock[b, HOME]) % rules.power.size
    return state.vms_on[b, k, slot // NODES] == 0 and position < rules.tries - 1


@part
def emptier_comes(rules: Rules, state: State, b: int, k: int) -> bool:
    """Least loaded: a later cluster of the chain published a larger free share than k did.

    The free share is that of the scarcer resource; of both clusters as they published it last.
    """
    own = min(state.published[b, k, CPU], state.published[b, k, MEMORY])
    for other in range(rules.power.size):
        free = min(state.published[b, other, CPU], state.published[b, other, MEMORY])
        if free > own and _comes_later(rules, state, b, k, other):
            return True
    return False


@part
def likely_better_elsewhere(
    rules: Rules, feed: Feed, state: State, b: int, k: int, slot: int
) -> bool:
    """Central by summaries: a later cluster of the chain is likely to take the VM at less cost.

    It reads what the others published: the VM likely needs open no server where those in use have
    room for four of its size, and likely fits where all servers together have.
    """
    opens = state.vms_on[b, k, slot // NODES] == 0
    for other in range(rules.power.size):
        cheaper = rules.power[other] < rules.power[k]
        if _comes_later(rules, state, b, k, other) and (opens or cheaper):
            in_use = not (opens and cheaper)  # at less power it may open one, as k would
            if _published_room(rules, feed, state, b, other, LIKELY, in_use):
                return True
    return False


@seldom
def better_elsewhere(rules: Rules, feed: Feed, state: State, b: int, k: int) -> bool:
    """Central greedy: k is not the cluster of the chain at which the VM costs least now.

    It sees every server of every cluster. Of the clusters in which the VM fits it takes one that
    need not open an empty server; of several that with the cheapest power, then the nearest.
    """
    row, clusters = state.clock[b, ROW], rules.power.size
    best, best_opens = NOBODY, True
    for position in range(rules.tries):
        other = (state.clock[b, HOME] + position) % clusters
        slot = first_fit(feed, state, b, other, row)
        if slot == NONE:
            continue
        opens = not _fits_in_use(feed, state, b, other, row, slot)
        cheaper = best == NOBODY or rules.power[other] < rules.power[best]
        if (best_opens and not opens) or (best_opens == opens and cheaper):
            best, best_opens = other, opens
    return best != k


@part
def _fits_in_use(feed: Feed, state: State, b: int, k: int, row: int, lowest: int) -> bool:
    """Whether the VM fits a server that is not empty, the lowest slot that it fits being known."""
    for server in range(lowest // NODES, state.vms_on.shape[2]):
        if state.vms_on[b, k, server] > 0:
            if fits(feed, state, b, k, row, NODES * server):
                return True
            if fits(feed, state, b, k, row, NODES * server + 1):
                return True
    return False


@part
def _comes_later(rules: Rules, state: State, b: int, k: int, other: int) -> bool:
    """Whether the request will be offered to the other cluster if cluster k passes."""
    clusters, home = rules.power.size, state.clock[b, HOME]
    return (k - home) % clusters < (other - home) % clusters < rules.tries


@part
def _published_room(
    rules: Rules, feed: Feed, state: State, b: int, k: int, times: int, in_use: bool
) -> bool:
    """Whether k published room for this many VMs of the size, on servers in use or on all.

    Room is the published share of the servers it began with: of expansions nobody tells.
    """
    row = state.clock[b, ROW]
    empty = float(state.published[b, k, EMPTY_SERVERS]) if in_use else 0.0
    for resource in range(2):
        size = rules.servers[k] * NODES * rules.node[k, resource]
        free = float(state.published[b, k, resource]) - empty
        if free * size < times * feed.total[row, resource]:
            return False
    return True
