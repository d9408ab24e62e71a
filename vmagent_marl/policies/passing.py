"""Who takes a VM in the offer chain and who lets it pass: the rules of many clusters, as kernels.

Each says whether cluster k passes the request on although it has room; it counts only where pass is
legal. `position` is the cluster's distance from the request's home.
"""

from __future__ import annotations

from vmagent_marl.sim.jit import part
from vmagent_marl.sim.rules import NODES, Feed, Rules
from vmagent_marl.sim.state import HOME, ROW, State


@part
def cheaper_with_room(rules: Rules, feed: Feed, state: State, b: int, k: int) -> bool:
    """Cheapest first: a later cluster of the chain has cheaper power and, it said, room.

    Room is the published share of the servers it began with: of expansions nobody tells.
    """
    row = state.clock[b, ROW]
    for other in range(rules.power.size):
        if _comes_later(rules, state, b, k, other) and rules.power[other] < rules.power[k]:
            room = True
            for resource in range(2):
                size = rules.servers[other] * NODES * rules.node[other, resource]
                free = state.published[b, other, resource] * size
                room = room and free >= feed.total[row, resource]
            if room:
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
def _comes_later(rules: Rules, state: State, b: int, k: int, other: int) -> bool:
    """Whether the request will be offered to the other cluster if cluster k passes."""
    clusters, home = rules.power.size, state.clock[b, HOME]
    return (k - home) % clusters < (other - home) % clusters < rules.tries
