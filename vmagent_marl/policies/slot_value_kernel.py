"""What networks of slot values answer, as a kernel: many of one shape, no Python in between.

The numbers are those of `slot_values.SlotValueNetwork`, up to the rounding of float32.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.policies.network_kernel import ROUNDING, ZERO, describe, first_legal
from vmagent_marl.policies.server_network import SLOT
from vmagent_marl.policies.slot_values import SHARES, SlotValueNetwork
from vmagent_marl.sim.handle import Float32, Int8, Int64
from vmagent_marl.sim.jit import part, seldom
from vmagent_marl.sim.layout import REQUEST, SERVER
from vmagent_marl.sim.rules import CPU, MEMORY, NODES


class SlotValues(NamedTuple):
    """Parameters of P networks over T types of VM."""

    direct: Annotated[Float32, "P", "I"]
    server: Annotated[Float32, "P", "T", "L"]
    cluster: Annotated[Float32, "P", "T", "M"]
    passing: Annotated[Float32, "P", 1]
    types: Annotated[Float32, "T", 2]  # cpu and memory on a node, the same for all networks
    halved: Annotated[Int8, "T"]
    hints: int  # as in a layout


class Counts(NamedTuple):
    """Where one thread works an answer out, for kernels allocate nothing."""

    features: Annotated[Float32, "I"]  # of a slot
    room: Annotated[Int64, "S", "T"]  # places of each server
    of_all: Annotated[Int64, "T"]


def slot_values_of(network: SlotValueNetwork, vectors: NDArray[np.float32]) -> SlotValues:
    """Networks like this one, from vectors (P, parameters) in the order of its parameters."""
    found, begin = {}, 0
    for name, parameter in network.named_parameters():
        stop = begin + parameter.numel()
        found[name] = vectors[:, begin:stop].reshape(-1, *parameter.shape)
        begin = stop
    return SlotValues(
        direct=np.ascontiguousarray(found["direct.weight"][:, 0]),
        server=np.ascontiguousarray(found["server"]),
        cluster=np.ascontiguousarray(found["cluster"]),
        passing=np.ascontiguousarray(found["passing"]),
        types=network.types.numpy(),
        halved=network.halved.numpy().astype(np.int8),
        hints=network.shape.hints,
    )


def new_counts(values: SlotValues, servers: int) -> Counts:
    """Room for answers about this many servers."""
    types = len(values.types)
    return Counts(
        features=np.zeros(values.direct.shape[1], np.float32),
        room=np.zeros((servers, types), np.int64),
        of_all=np.zeros(types, np.int64),
    )


@seldom
def answer_by_room(
    values: SlotValues, p: int, work: Counts, seen: Float32, legal: Int8, k: int
) -> int:
    """The legal action of the highest value, the lowest of equals, by network p: see `answer`."""
    first, second = first_legal(legal, 0), -1
    if first >= 0:
        second = first_legal(legal, first + 1)
    if second < 0:
        return first
    pass_on = legal.size - 1
    _count(values, work, seen, pass_on // NODES)
    best, highest = first, -np.inf
    for slot in range(first, pass_on):
        if legal[slot]:
            value = _value(values, p, work, seen, slot, pass_on // NODES)
            if value > highest:
                best, highest = slot, value
    if legal[pass_on] and values.passing[p, 0] > highest:
        return pass_on
    return best


@part
def _count(values: SlotValues, work: Counts, seen: Float32, servers: int) -> None:
    """The places of each server, none out of service, and of all."""
    for t in range(work.of_all.size):
        work.of_all[t] = 0
    for server in range(servers):
        at = SERVER * server
        for t in range(work.of_all.size):
            room = 0
            if seen[SERVER * servers + server] > ZERO:
                room = _room(values, t, seen[at], seen[at + 1], seen[at + 2], seen[at + 3])
            work.room[server, t] = room
            work.of_all[t] += room


@part
def _value(
    values: SlotValues, p: int, work: Counts, seen: Float32, slot: int, servers: int
) -> float:
    """Of placing on a slot."""
    features, begin = work.features, (SERVER + 1) * servers
    describe(features, seen[begin : begin + REQUEST], seen, slot, servers, False, values.hints)
    value = 0.0
    for i in range(features.size):
        value += features[i] * values.direct[p, i]
    left = features[SHARES + 4 : SLOT]
    for t in range(work.of_all.size):
        before, of_all = work.room[slot // NODES, t], work.of_all[t]
        after = _room(values, t, left[0], left[1], left[2], left[3])
        for place in range(after, min(before, values.server.shape[2])):
            value -= values.server[p, t, place]
        for place in range(of_all - before + after, min(of_all, values.cluster.shape[2])):
            value -= values.cluster[p, t, place]
    return value


@part
def _room(
    values: SlotValues, t: int, cpu_0: float, memory_0: float, cpu_1: float, memory_1: float
) -> int:
    """Places for type t where so much is free on a server's two nodes."""
    one, two = _on_node(values, t, cpu_0, memory_0), _on_node(values, t, cpu_1, memory_1)
    return min(one, two) if values.halved[t] else one + two


@part
def _on_node(values: SlotValues, t: int, cpu: float, memory: float) -> int:
    """VMs of type t, or halves of them, that fit a node; none where more is taken than there is."""
    by_cpu = (cpu + ROUNDING) / values.types[t, CPU]
    by_memory = (memory + ROUNDING) / values.types[t, MEMORY]
    return max(int(min(by_cpu, by_memory)), 0)
