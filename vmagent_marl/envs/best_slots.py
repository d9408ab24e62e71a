"""The best slots of a cluster for the request that is to be decided, as kernels.

Servers that fit are ordered as server best fit orders them: by the sum of their nodes' shares of
what is free (of the scarcer resource, in float64), the fullest first, of equals the lowest. Each
gives one slot: of its nodes that fit the one with the larger share, of equals the lower; for a
halved VM, which takes both, the even one. So the first is server best fit's choice.
"""

from __future__ import annotations

import numpy as np

from vmagent_marl.envs.candidate_layout import CANDIDATE, OWN
from vmagent_marl.sim.fit import NONE, emptier_node
from vmagent_marl.sim.handle import Bool, Float32, Int8, Int32, Int64, World, natural, unpacker
from vmagent_marl.sim.jit import entry, part
from vmagent_marl.sim.rules import CPU, HALVED, MEMORY, NODES, Feed, Rules
from vmagent_marl.sim.state import (
    ACTIVE,
    BLOCK,
    DOWN,
    OF_SERVER,
    ROW,
    RUNNING,
    SERVING,
    STATUS,
    TERMINATED,
    USED_CPU,
    State,
)

NO_SCORE = np.iinfo(np.int64).max

unpack = unpacker(Rules, Feed, State)


@entry
def look(
    world: World,
    source: Int64,
    scores: Int64,
    taken: Int64,
    slots: Int64,
    observation: Float32,
    mask: Int8,
    effective: Int64,
) -> None:
    """Write what every agent sees and may do, and how its last choice counted.

    `source` is that of the layout, `scores` (k,) working memory, `taken` (B, K) the last choices;
    written are `slots` (B, K, k), NONE where there is no more, and the others as in `Candidates`.
    """
    rules, feed, state = unpack(world)
    pass_on = slots.shape[2]
    for at in range(slots.shape[0]):
        b = natural(at)
        for k in range(slots.shape[1]):
            placed = state.effective[b, k] != NODES * state.in_service.shape[2]
            effective[b, k] = taken[b, k] if placed else pass_on
            fitting = _choose(rules, feed, state, b, k, slots[b, k], scores)
            _show(rules, feed, state, b, k, slots[b, k], fitting, observation[b, k])
            shown = observation.shape[2] - source.size
            for i in range(source.size):
                observation[b, k, shown + i] = state.observation[b, k, source[i]]
            for i in range(pass_on):
                mask[b, k, i] = slots[b, k, i] != NONE
            mask[b, k, pass_on] = state.mask[b, k, state.mask.shape[2] - 1]


@entry
def plan(
    world: World,
    choices: Int64,
    slots: Int64,
    mask: Int8,
    taken: Int64,
    illegal: Bool,
    plans: Int64,
) -> int:
    """Write the slot actions `plans` (B, K) that these choices stand for.

    Returns -1, or the place in `choices` of one that is none: then nothing has been written.
    """
    _, _, state = unpack(world)
    for i in range(choices.size):
        if choices.flat[i] < 0 or choices.flat[i] >= mask.shape[2]:
            return i
    pass_on, pass_slot = mask.shape[2] - 1, state.mask.shape[2] - 1
    for at in range(choices.shape[0]):
        b = natural(at)
        for k in range(choices.shape[1]):
            plans[b, k] = pass_slot
            if state.clock[b, STATUS] != RUNNING:
                continue
            choice = choices[b, k]
            illegal[b, k] = mask[b, k, choice] == 0
            if illegal[b, k]:
                choice = pass_on if mask[b, k, pass_on] else 0
            taken[b, k] = choice
            if choice != pass_on:
                plans[b, k] = slots[b, k, choice]
    return -1


@part
def _choose(
    rules: Rules, feed: Feed, state: State, b: int, k: int, slots: Int64, scores: Int64
) -> int:
    """Write the best slots in their order; how many slots fit."""
    for i in range(slots.size):
        slots[i], scores[i] = NONE, NO_SCORE
    if state.clock[b, STATUS] == TERMINATED or state.counts[b, k, DOWN] > 0:
        return 0
    request, free = feed.request[state.clock[b, ROW]], state.free[b, k]
    most_free, bits = state.most_free[b, k], state.share[b, k, OF_SERVER].view(np.int64)
    fitting = 0
    for block in range(most_free.shape[1]):
        if most_free[CPU, block] < request[CPU] or most_free[MEMORY, block] < request[MEMORY]:
            continue
        begin = BLOCK * block
        stop = begin + BLOCK
        free_cpu, free_memory = free[CPU, begin:stop], free[MEMORY, begin:stop]
        room, least = _room_of_block(request, free_cpu, free_memory, bits[begin:stop])
        fitting += room
        if least < scores[scores.size - 1]:
            _rank_block(request, free_cpu, free_memory, bits[begin:stop], begin, slots, scores)
    for i in range(slots.size):
        if slots[i] != NONE:
            slots[i] = emptier_node(feed, state, b, k, natural(slots[i]))
    return fitting


@part
def _room_of_block(
    request: Int32, free_cpu: Int32, free_memory: Int32, bits: Int64
) -> tuple[int, int]:
    """How many slots of a block fit, and the least score of them, or NO_SCORE.

    Scores are the bits of shares: those of numbers that are not negative count up with them, and
    machines compare eight whole numbers at once, but floats one by one.
    """
    cpu, memory, room, least = request[CPU], request[MEMORY], np.int64(0), np.int64(NO_SCORE)
    if request[HALVED]:
        for i in range(0, BLOCK, NODES):
            fits_one = (free_cpu[i] >= cpu) & (free_memory[i] >= memory)
            if fits_one & (free_cpu[i + 1] >= cpu) & (free_memory[i + 1] >= memory):
                room += NODES
                least = min(least, bits[i])
    else:
        for i in range(BLOCK):
            score, one = np.int64(NO_SCORE), np.int64(0)
            if (free_cpu[i] >= cpu) & (free_memory[i] >= memory):
                score, one = bits[i], np.int64(1)
            room += one
            least = min(least, score)
    return int(room), int(least)


@part
def _rank_block(
    request: Int32,
    free_cpu: Int32,
    free_memory: Int32,
    bits: Int64,
    begin: int,
    slots: Int64,
    scores: Int64,
) -> None:
    """Put the servers of a block among the best ones; slots name them by their even one."""
    cpu, memory, halved = request[CPU], request[MEMORY], request[HALVED]
    for i in range(0, BLOCK, NODES):
        one = free_cpu[i] >= cpu and free_memory[i] >= memory
        other = free_cpu[i + 1] >= cpu and free_memory[i + 1] >= memory
        if (one and other) if halved else (one or other):
            place = scores.size - 1
            if bits[i] >= scores[place]:
                continue
            while place > 0 and scores[place - 1] > bits[i]:
                scores[place], slots[place] = scores[place - 1], slots[place - 1]
                place -= 1
            scores[place], slots[place] = bits[i], begin + i


@part
def _show(
    rules: Rules,
    feed: Feed,
    state: State,
    b: int,
    k: int,
    slots: Int64,
    fitting: int,
    seen: Float32,
) -> None:
    """The parts `candidates` and `own` of an observation."""
    row, free, node = state.clock[b, ROW], state.free[b, k], rules.node[k]
    for i in range(slots.size):
        at = CANDIDATE * i
        if slots[i] == NONE:
            seen[at : at + CANDIDATE] = 0.0
            continue
        slot = natural(slots[i])
        other = slot ^ 1
        for resource in range(2):
            seen[at + resource] = free[resource, slot] / node[resource]
            seen[at + 2 + resource] = free[resource, other] / node[resource]
        request, halved = feed.request[row], feed.request[row, HALVED]
        left = min(
            (free[CPU, slot] - request[CPU]) / node[CPU],
            (free[MEMORY, slot] - request[MEMORY]) / node[MEMORY],
        ) + min(
            (free[CPU, other] - halved * request[CPU]) / node[CPU],
            (free[MEMORY, other] - halved * request[MEMORY]) / node[MEMORY],
        )
        seen[at + 4] = left / NODES
        seen[at + 5] = 1.0 if state.vms_on[b, k, slot // NODES] == 0 else 0.0
    at, serving = CANDIDATE * slots.size, state.level[b, k, SERVING]
    if serving == 0 or state.counts[b, k, DOWN] > 0:
        seen[at : at + OWN] = 0.0
        return
    for resource in range(2):
        room = serving * NODES * node[resource]
        seen[at + resource] = (room - state.level[b, k, USED_CPU + resource]) / room
    seen[at + 2] = (serving - state.level[b, k, ACTIVE]) / serving
    seen[at + 3] = fitting / (serving * NODES)
