"""How far first fit gets: the length of the waiting-queue benchmark's episodes."""

from __future__ import annotations

import numpy as np

from vmagent_marl.sim.fit import NONE, lowest_slot
from vmagent_marl.sim.handle import Int32, World, pack, unpacker
from vmagent_marl.sim.jit import entry, part
from vmagent_marl.sim.rules import HALVED, NODES, Feed, Rules
from vmagent_marl.sim.state import BLOCK


def first_fit_reach(rules: Rules, feed: Feed, first: int) -> int:
    """VMs that first fit places from this row on an empty cluster until the next one fits nowhere.

    The look at the next one is taken right after a placement, before the departures between the two
    arrivals: so the published protocol of arXiv 2504.14946 does, and its figures depend on it. It
    belongs to the length of an episode only.
    """
    slots = NODES * int(rules.servers[0])
    blocks = -(-slots // BLOCK)
    free = np.zeros((2, BLOCK * blocks), np.int32)
    free[:, :slots] = rules.node[0][:, None]
    most_free = np.repeat(rules.node[0][:, None], blocks, axis=1)
    slot_of = np.full(len(feed.arrival) - first, NONE, np.int32)
    return int(_reach(pack(feed), free, most_free, slot_of, first))


unpack = unpacker(Feed)


@entry
def _reach(table: World, free: Int32, most_free: Int32, slot_of: Int32, first: int) -> int:
    """`free`, `most_free` (see `lowest_slot`) and `slot_of` (row - first) are working memory."""
    (feed,) = unpack(table)
    rows = feed.arrival.size
    event = feed.place_in_events[first]
    for row in range(first, rows):
        slot = lowest_slot(feed.request[row], free, most_free)
        if slot == NONE:
            return row - first
        while feed.events[event] != row:
            left = ~feed.events[event]
            if left >= first and slot_of[left - first] != NONE:
                _give(feed.request[left], free, most_free, slot_of[left - first], 1)
            event += 1
        # departures before this arrival may have opened a lower slot than the look has found
        slot = lowest_slot(feed.request[row], free, most_free)
        _give(feed.request[row], free, most_free, slot, -1)
        slot_of[row - first] = slot
        event += 1
    return rows - first


@part
def _give(request: Int32, free: Int32, most_free: Int32, slot: int, sign: int) -> None:
    """Give a request's VM back to its slot (sign 1) or take it from there (sign -1)."""
    for taken in range(slot, slot + NODES if request[HALVED] else slot + 1):
        for resource in range(2):
            free[resource, taken] += sign * request[resource]
            block = taken // BLOCK
            most_free[resource, block] = max(most_free[resource, block], free[resource, taken])
