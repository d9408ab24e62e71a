"""Where a VM fits: the test of a slot, and the lowest slot, by whole blocks of comparisons."""

from __future__ import annotations

import numpy as np

from vmagent_marl.sim.handle import Int32
from vmagent_marl.sim.jit import part
from vmagent_marl.sim.rules import CPU, HALVED, MEMORY, NODES, Feed
from vmagent_marl.sim.state import BLOCK, DOWN, OF_NODE, ROW, State

NONE = -1


@part
def fits(feed: Feed, state: State, b: int, k: int, row: int, slot: int) -> bool:
    """Whether the VM of a row fits a slot, or for a halved one, which an even slot names, both."""
    cpu, memory = feed.request[row, CPU], feed.request[row, MEMORY]
    free = state.free[b, k]
    if feed.request[row, HALVED]:
        if free[CPU, slot ^ 1] < cpu or free[MEMORY, slot ^ 1] < memory or slot % NODES != 0:
            return False
    return free[CPU, slot] >= cpu and free[MEMORY, slot] >= memory


@part
def emptier_node(feed: Feed, state: State, b: int, k: int, slot: int) -> int:
    """Of a slot's server, the fitting slot on the node with the larger share; NONE for NONE."""
    if slot == NONE:
        return NONE
    row, share = state.clock[b, ROW], state.share[b, k, OF_NODE]
    one = slot - slot % NODES
    other = one + 1
    if not fits(feed, state, b, k, row, one):
        return other
    if not fits(feed, state, b, k, row, other):
        return one
    return one if share[one] >= share[other] else other


@part
def first_fit(feed: Feed, state: State, b: int, k: int, row: int) -> int:
    """The lowest slot of cluster k that fits the VM of a row (Johnson 1973), or NONE."""
    if state.counts[b, k, DOWN] > 0:
        return NONE
    return lowest_slot(feed.request[row], state.free[b, k], state.most_free[b, k])


@part
def lowest_slot(request: Int32, free: Int32, most_free: Int32) -> int:
    """The lowest slot that fits a request, or NONE.

    `free` (resource, slot) has whole blocks; a block of which `most_free` (resource, block) says
    that it has too little is passed over, many at once, and what it says of one that has been
    searched in vain is made exact: so a search costs few blocks, and n / BLOCK^2 for n slots.
    """
    cpu, memory, blocks, block = request[CPU], request[MEMORY], most_free.shape[1], 0
    while block < blocks:
        if block + BLOCK <= blocks:
            most_cpu_of = most_free[CPU, block : block + BLOCK]
            most_memory_of = most_free[MEMORY, block : block + BLOCK]
            ahead, _, _ = first_place(most_cpu_of, most_memory_of, cpu, memory)
            if ahead == BLOCK:  # foreseen by the machine, which goes on without waiting for it
                block += BLOCK
                continue
            block += ahead
        if most_free[CPU, block] >= cpu and most_free[MEMORY, block] >= memory:
            begin = BLOCK * block
            free_cpu = free[CPU, begin : begin + BLOCK]
            free_memory = free[MEMORY, begin : begin + BLOCK]
            place, most_cpu, most_memory = first_place(free_cpu, free_memory, cpu, memory)
            if place < BLOCK and request[HALVED]:
                place = first_pair(free_cpu, free_memory, cpu, memory)
            if place < BLOCK:
                return begin + place
            most_free[CPU, block], most_free[MEMORY, block] = most_cpu, most_memory
        block += 1
    return NONE


@part
def first_place(free_cpu: Int32, free_memory: Int32, cpu: int, memory: int) -> tuple[int, int, int]:
    """The first slot of a block, counted from its begin, that fits; BLOCK where none does.

    And the most of both resources that any has free. It has no branch, so that a machine compares
    sixteen slots at once.
    """
    first = np.int32(BLOCK)
    most_cpu = most_memory = np.int32(0)
    for i in range(BLOCK):
        place = np.int32(BLOCK)
        if (free_cpu[i] >= cpu) & (free_memory[i] >= memory):
            place = np.int32(i)
        first = min(first, place)
        most_cpu = max(most_cpu, free_cpu[i])
        most_memory = max(most_memory, free_memory[i])
    return int(first), int(most_cpu), int(most_memory)


@part
def first_pair(free_cpu: Int32, free_memory: Int32, cpu: int, memory: int) -> int:
    """`first_place` for a halved VM: the first even slot that fits together with its odd one."""
    for i in range(0, BLOCK, NODES):
        fits_one = free_cpu[i] >= cpu and free_memory[i] >= memory
        if fits_one and free_cpu[i + 1] >= cpu and free_memory[i + 1] >= memory:
            return i
    return BLOCK
