"""Packing rules that keep room for the types of VM to come, as kernels.

They know the mix of the trace's most frequent types (`Feed.mix`), each with its share p of all its
requests, held-out rows included: as operators know what their customers order. Both ask what a
server is worth to the mix before and after the VM, and take the slot where it loses least; every
tie goes to the lowest. Amounts and shares are whole numbers, so that equal losses are equal.
"""

from __future__ import annotations

import numpy as np

from vmagent_marl.sim.fit import NONE
from vmagent_marl.sim.handle import Float64, Int32
from vmagent_marl.sim.jit import part, seldom
from vmagent_marl.sim.rules import CPU, HALVED, HALVED_WEIGHT, MEMORY, MIX, NODES, PLAIN_WEIGHT

FRAGMENTS, SLOTS = 0, 1  # what is lost
WORST = int(np.iinfo(np.int64).max)  # a loss above any


@seldom
def least_loss(
    request: Int32,
    free: Int32,
    vms_on: Int32,
    mix: Int32,
    inverse: Float64,
    measure: int,
    in_use: bool,
) -> int:
    """The slot where its server loses least, by FRAGMENTS or SLOTS, or NONE.

    `in_use`: of servers that are not empty. Empty ones are alike: only the first is looked at.
    """
    cpu, memory, halved = request[CPU], request[MEMORY], request[HALVED] == 1
    best, least, passed_empty = NONE, WORST, in_use
    for server in range(vms_on.size):
        if vms_on[server] == 0 and passed_empty:
            continue
        slot = NODES * server
        cpu_0, memory_0 = free[CPU, slot], free[MEMORY, slot]
        cpu_1, memory_1 = free[CPU, slot + 1], free[MEMORY, slot + 1]
        fits_0 = cpu_0 >= cpu and memory_0 >= memory
        fits_1 = cpu_1 >= cpu and memory_1 >= memory
        if not (fits_0 and fits_1) and (halved or not (fits_0 or fits_1)):
            continue
        passed_empty = passed_empty or vms_on[server] == 0
        before = _worth(cpu_0, memory_0, cpu_1, memory_1, mix, inverse, measure)
        for node in range(1 if halved else NODES):
            if (node == 0 and not fits_0) or (node == 1 and not fits_1):
                continue
            takes_0, takes_1 = halved or node == 0, halved or node == 1
            after = _worth(
                cpu_0 - takes_0 * cpu,
                memory_0 - takes_0 * memory,
                cpu_1 - takes_1 * cpu,
                memory_1 - takes_1 * memory,
                mix,
                inverse,
                measure,
            )
            if before - after < least:
                best, least = slot + node, before - after
    return best


@part
def _worth(
    cpu_0: int,
    memory_0: int,
    cpu_1: int,
    memory_1: int,
    mix: Int32,
    inverse: Float64,
    measure: int,
) -> int:
    """What a server with so much free on its two nodes is worth."""
    if measure == FRAGMENTS:
        return -_fragmentation(cpu_0, memory_0, cpu_1, memory_1, mix)
    return _slots(cpu_0, memory_0, cpu_1, memory_1, mix, inverse)


@seldom
def _fragmentation(cpu_0: int, memory_0: int, cpu_1: int, memory_1: int, mix: Int32) -> int:
    """Expected cpu that is free where a request does not fit, milli-vCPU in parts of the mix.

    F = sum over types of p x the cpu that is free on the nodes that are too full for the type; for
    a halved type, on both nodes where it does not fit both. The least F after - F before is
    fragmentation gradient descent, FGD (Weng et al., USENIX ATC 2023): their GPUs are our nodes,
    and of our two resources cpu, which is sold, stands in the place of theirs.
    """
    lost_0 = lost_1 = np.int32(0)
    for i in range(MIX):
        fits_0 = (mix[CPU, i] <= cpu_0) & (mix[MEMORY, i] <= memory_0)
        fits_1 = (mix[CPU, i] <= cpu_1) & (mix[MEMORY, i] <= memory_1)
        lost_both = np.int32(0) if fits_0 & fits_1 else mix[HALVED_WEIGHT, i]
        lost_0 += np.int32((np.int32(0) if fits_0 else mix[PLAIN_WEIGHT, i]) + lost_both)
        lost_1 += np.int32((np.int32(0) if fits_1 else mix[PLAIN_WEIGHT, i]) + lost_both)
    return int(cpu_0 * np.int64(lost_0) + cpu_1 * np.int64(lost_1))


@seldom
def _slots(
    cpu_0: int, memory_0: int, cpu_1: int, memory_1: int, mix: Int32, inverse: Float64
) -> int:
    """VMs that fit, if all were of one type, on average over the mix, in parts of the mix.

    N = sum over types of p x min(cpu // its cpu, memory // its memory), for a plain type summed
    over both nodes, for a halved one on the node where fewer fit. The slot with the least loss of N
    is a rule of our own: allocators of clouds rank servers by how well they keep room, of which we
    know no published formula (see Protean: Hadary et al., OSDI 2020).
    """
    # half a part more, so that a quotient by the inverse is rounded as the exact one would be
    above_0, above_1 = cpu_0 + 0.5, cpu_1 + 0.5
    over_0, over_1 = memory_0 + 0.5, memory_1 + 0.5
    slots = np.int64(0)
    for i in range(MIX):
        most_0 = min(np.int32(above_0 * inverse[CPU, i]), np.int32(over_0 * inverse[MEMORY, i]))
        most_1 = min(np.int32(above_1 * inverse[CPU, i]), np.int32(over_1 * inverse[MEMORY, i]))
        slots += (np.int64(most_0) + most_1) * mix[PLAIN_WEIGHT, i]
        slots += np.int64(min(most_0, most_1)) * mix[HALVED_WEIGHT, i]
    return int(slots)
