"""What networks over servers answer, as a kernel: many networks of one shape, no Python in between.

The numbers are those of `server_network.ServerNetwork`, up to the rounding of float32.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.policies import server_network
from vmagent_marl.policies.server_network import SLOT, ServerNetwork
from vmagent_marl.sim.handle import Float32, Int8
from vmagent_marl.sim.jit import part, seldom
from vmagent_marl.sim.layout import SERVER
from vmagent_marl.sim.rules import NODES

ROUNDING = np.float32(server_network.ROUNDING)
ZERO, ONE = np.float32(0.0), np.float32(1.0)
SCARCE, SHARES = 4, 8  # where in a slot's features those of the scarcer resource begin, and all


class Weights(NamedTuple):
    """Parameters of P networks: I features of a slot, C that all have in common, widths H and W.

    Rows are inputs, so that each is added to what it feeds as one vector.
    """

    slot: Annotated[Float32, "P", "I", "H"]
    slot_bias: Annotated[Float32, "P", "H"]
    whole: Annotated[Float32, "P", "C", "H"]
    hidden: Annotated[Float32, "P", "H", "W"]
    hidden_bias: Annotated[Float32, "P", "W"]
    context: Annotated[Float32, "P", "2H", "W"]
    value: Annotated[Float32, "P", "W", 1]
    value_bias: Annotated[Float32, "P", 1]
    direct: Annotated[Float32, "P", "I", 1]
    passing: Annotated[Float32, "P", "2H+C", "W"]
    passing_bias: Annotated[Float32, "P", "W"]
    passing_value: Annotated[Float32, "P", "W", 1]
    passing_value_bias: Annotated[Float32, "P", 1]
    numbered: bool  # whether slots are told their server's number
    hints: int  # as in a layout
    identities: int  # agents that are told apart; 0: one


PLACES = {  # of each of `Weights` in the network
    "slot": "body.slot.weight",
    "slot_bias": "body.slot.bias",
    "whole": "body.whole.weight",
    "hidden": "slot.weight",
    "hidden_bias": "slot.bias",
    "context": "context.weight",
    "value": "value.weight",
    "value_bias": "value.bias",
    "direct": "direct.weight",
    "passing": "passing.0.weight",
    "passing_bias": "passing.0.bias",
    "passing_value": "passing.2.weight",
    "passing_value_bias": "passing.2.bias",
}


class Workspace(NamedTuple):
    """Where one thread works an answer out, for kernels allocate nothing."""

    features: Annotated[Float32, "2S", "I"]  # of each slot
    slots: Annotated[Float32, "2S", "H"]  # their embeddings
    context: Annotated[Float32, "2H"]  # mean and largest embedding of the slots in service
    common: Annotated[Float32, "C"]
    base: Annotated[Float32, "H"]  # what all embeddings begin with
    shared: Annotated[Float32, "W"]  # what all slots' hidden layers begin with
    hidden: Annotated[Float32, "W"]


def weights_of(network: ServerNetwork, vectors: NDArray[np.float32]) -> Weights:
    """Networks like this one, from vectors (P, parameters) in the order of its parameters."""
    found: dict[str, NDArray[np.float32]] = {}
    begin = 0
    for name, parameter in network.named_parameters():
        stop = begin + parameter.numel()
        values = vectors[:, begin:stop].reshape(-1, *parameter.shape)
        rows = values.transpose(0, 2, 1) if parameter.ndim == 2 else values
        found[name] = np.ascontiguousarray(rows, np.float32)
        begin = stop
    shape = network.shape
    return Weights(
        **{field: found[name] for field, name in PLACES.items()},
        numbered=shape.kind == "numbered",
        hints=shape.hints,
        identities=shape.identities,
    )


def new_workspace(weights: Weights, servers: int) -> Workspace:
    """Room for answers about this many servers."""
    _, features, width = weights.slot.shape
    common, last = weights.whole.shape[1], weights.hidden.shape[2]

    def blank(*shape: int) -> NDArray[np.float32]:
        return np.zeros(shape, np.float32)

    return Workspace(
        features=blank(NODES * servers, features),
        slots=blank(NODES * servers, width),
        context=blank(2 * width),
        common=blank(common),
        base=blank(width),
        shared=blank(last),
        hidden=blank(last),
    )


@seldom
def answer(weights: Weights, p: int, work: Workspace, seen: Float32, legal: Int8, k: int) -> int:
    """Cluster k's legal action of the highest value, the lowest of equals, by network p.

    Of an observation and its mask. Where no value is a number it is the lowest legal action.
    """
    first, second = first_legal(legal, 0), -1
    if first >= 0:
        second = first_legal(legal, first + 1)
    if second < 0:
        return first
    pass_on = legal.size - 1
    _gather(work.common, weights, seen, pass_on // NODES, k)
    _embed(weights, p, work, seen, pass_on // NODES)
    _fill(work.shared, weights.hidden_bias[p])
    _feed(work.shared, work.context, weights.context[p])
    best, highest = first, -np.inf
    for slot in range(first, pass_on):
        if legal[slot]:
            value = _value(weights, p, work, slot)
            if value > highest:
                best, highest = slot, value
    if legal[pass_on] and _value_of_passing(weights, p, work) > highest:
        return pass_on
    return best


@part
def first_legal(legal: Int8, begin: int) -> int:
    """The lowest legal action from this one on, or -1."""
    for action in range(begin, legal.size):
        if legal[action]:
            return action
    return -1


@part
def _gather(common: Float32, weights: Weights, seen: Float32, servers: int, k: int) -> None:
    """What all slots have in common: the request, the summaries ..., and who is asked."""
    begin, stop = (SERVER + 1) * servers, seen.size - weights.hints * servers
    for i in range(begin, stop):
        common[i - begin] = seen[i]
    for i in range(weights.identities):
        common[stop - begin + i] = ONE if i == k else ZERO


@part
def _embed(weights: Weights, p: int, work: Workspace, seen: Float32, servers: int) -> None:
    """Every slot's features and embedding, and what they come to together."""
    base, context, width = work.base, work.context, work.base.size
    _fill(base, weights.slot_bias[p])
    _feed(base, work.common, weights.whole[p])
    context[:] = ZERO
    serving_slots = ZERO
    for slot in range(NODES * servers):
        features, embedding = work.features[slot], work.slots[slot]
        describe(features, work.common, seen, slot, servers, weights.numbered, weights.hints)
        _fill(embedding, base)
        _feed(embedding, features, weights.slot[p])
        serving = features[0]
        serving_slots += serving
        for j in range(width):
            embedding[j] = max(embedding[j], ZERO)
            context[j] += embedding[j] * serving
            context[width + j] = max(context[width + j], embedding[j] * serving)
    for j in range(width):
        context[j] /= max(serving_slots, ONE)


@part
def describe(
    features: Float32,
    request: Float32,
    seen: Float32,
    slot: int,
    servers: int,
    numbered: bool,
    hints: int,
) -> None:
    """The features of a slot, in the order of `server_network.slot_features`."""
    server, first = slot // NODES, SERVER * (slot // NODES)
    node = first + SERVER // NODES * (slot % NODES)
    other = first + SERVER // NODES * (1 - slot % NODES)
    cpu, memory, halved = request[0], request[1], request[2]
    shares = features[SHARES:SLOT]
    shares[0], shares[1] = seen[node], seen[node + 1]
    shares[2], shares[3] = seen[other], seen[other + 1]
    shares[4], shares[5] = shares[0] - cpu, shares[1] - memory
    shares[6], shares[7] = shares[2] - cpu * halved, shares[3] - memory * halved
    for i in range(4):
        features[SCARCE + i] = min(shares[2 * i], shares[2 * i + 1])
    serving, full = seen[SERVER * servers + server], ONE - ROUNDING
    left, left_there = features[SCARCE + 2], features[SCARCE + 3]
    fits = left >= -ROUNDING and left_there >= -ROUNDING and serving > ZERO
    features[0] = serving
    features[1] = ONE if fits else ZERO
    node_share, other_share = features[SCARCE], features[SCARCE + 1]
    features[2] = ONE if node_share >= full and other_share >= full else ZERO
    features[3] = node_share + other_share
    if numbered:
        features[SLOT] = np.float32(server) / np.float32(servers)
    if hints:
        features[features.size - 1] = seen[seen.size - servers + server]


@part
def _value(weights: Weights, p: int, work: Workspace, slot: int) -> float:
    """Of placing on a slot."""
    hidden, features = work.hidden, work.features[slot]
    _fill(hidden, work.shared)
    _feed(hidden, work.slots[slot], weights.hidden[p])
    value = weights.value_bias[p, 0] + _read(hidden, weights.value[p])
    for i in range(features.size):
        value += features[i] * weights.direct[p, i, 0]
    return value


@part
def _value_of_passing(weights: Weights, p: int, work: Workspace) -> float:
    """By what all slots come to, and what they have in common."""
    hidden, context = work.hidden, work.context
    _fill(hidden, weights.passing_bias[p])
    _feed(hidden, context, weights.passing[p, : context.size])
    _feed(hidden, work.common, weights.passing[p, context.size :])
    return weights.passing_value_bias[p, 0] + _read(hidden, weights.passing_value[p])


@part
def _fill(layer: Float32, values: Float32) -> None:
    for j in range(layer.size):
        layer[j] = values[j]


@part
def _feed(layer: Float32, inputs: Float32, rows: Float32) -> None:
    """Add what inputs give to a layer; many are 0."""
    for i in range(inputs.size):
        if inputs[i] != ZERO:
            for j in range(layer.size):
                layer[j] += inputs[i] * rows[i, j]


@part
def _read(layer: Float32, column: Float32) -> float:
    """One number of a layer that is rectified."""
    read = 0.0
    for j in range(layer.size):
        read += max(layer[j], ZERO) * column[j, 0]
    return read
