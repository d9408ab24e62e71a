"""How far first fit gets: the length of the waiting-queue benchmark's episodes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.sim.handle import World, pack, unpacker
from vmagent_marl.sim.jit import entry, part
from vmagent_marl.sim.rules import CPU, MEMORY, NODES, Feed, Rules


def first_fit_reach(rules: Rules, feed: Feed, first: int) -> int:
    """VMs that first fit places from this row on an empty cluster until the next one fits nowhere.

    The look at the next one is taken right after a placement, before the departures between the two
    arrivals: so the published protocol of arXiv 2504.14946 does, and its figures depend on it. It
    belongs to the length of an episode only.
    """
    free = np.repeat(rules.node[0][:, None], NODES * int(rules.servers[0]), axis=1)
    slot_of = np.full(len(feed.arrival) - first, -1, np.int32)
    return int(_reach(pack(feed), free, slot_of, first))


unpack = unpacker(Feed)


@entry
def _reach(table: World, free: NDArray[np.int32], slot_of: NDArray[np.int32], first: int) -> int:
    """`free` (resource, slot) and `slot_of` (rows from first) are its working memory."""
    (feed,) = unpack(table)
    rows = feed.arrival.size
    event = feed.place_in_events[first]
    for row in range(first, rows):
        slot = first_fit(feed, free, row)
        if slot < 0:
            return row - first
        while feed.events[event] != row:
            left = ~feed.events[event]
            if left >= first and slot_of[left - first] >= 0:
                _change(feed, free, left, slot_of[left - first], 1)
            event += 1
        # departures before this arrival may have opened a lower slot than the look has found
        slot = first_fit(feed, free, row)
        _change(feed, free, row, slot, -1)
        slot_of[row - first] = slot
        event += 1
    return rows - first


@part
def first_fit(feed: Feed, free: NDArray[np.int32], row: int) -> int:
    """The lowest slot that fits a row's VM (resource, slot), or -1."""
    cpu, memory = feed.demand[row, CPU], feed.demand[row, MEMORY]
    free_cpu, free_memory = free[CPU], free[MEMORY]
    if feed.halved[row]:
        for slot in range(0, free_cpu.size, NODES):
            fits = free_cpu[slot] >= cpu and free_memory[slot] >= memory
            if fits and free_cpu[slot + 1] >= cpu and free_memory[slot + 1] >= memory:
                return slot
        return -1
    for slot in range(free_cpu.size):
        if free_cpu[slot] >= cpu and free_memory[slot] >= memory:
            return slot
    return -1


@part
def _change(feed: Feed, free: NDArray[np.int32], row: int, slot: int, sign: int) -> None:
    """Give a row's VM back to its slot (sign 1) or take it from there (sign -1)."""
    first, stop = slot, slot + 1
    if feed.halved[row]:
        first, stop = slot - slot % NODES, slot - slot % NODES + NODES
    for taken in range(first, stop):
        free[CPU, taken] += sign * feed.demand[row, CPU]
        free[MEMORY, taken] += sign * feed.demand[row, MEMORY]
