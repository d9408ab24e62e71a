"""What networks over servers answer, as a kernel: many networks of one shape, no Python in between.

The numbers are those of `server_network.ServerNetwork`, up to the rounding of float32.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.policies.server_network import SLOT, ServerNetwork
from vmagent_marl.sim.handle import Float32, Int8
from vmagent_marl.sim.jit import part, seldom
from vmagent_marl.sim.layout import SERVER
from vmagent_marl.sim.rules import NODES

ROUNDING = np.float32(1e-6)  # as in `server_network`
ZERO, ONE = np.float32(0.0), np.float32(1.0)


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
    ranked: bool  # whether slots are told their server's number
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


class Desk(NamedTuple):
    """Where T threads work an answer out: a row each, for kernels allocate nothing."""

    features: Annotated[Float32, "T", "A", "I"]
    slots: Annotated[Float32, "T", "A", "H"]  # their embeddings
    context: Annotated[Float32, "T", "2H"]  # mean and largest embedding of the slots in service
    common: Annotated[Float32, "T", "C"]
    base: Annotated[Float32, "T", "H"]  # what all embeddings begin with
    shared: Annotated[Float32, "T", "W"]  # what all slots' hidden layers begin with
    hidden: Annotated[Float32, "T", "W"]


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
        ranked=shape.kind == "ranked",
        hints=shape.hints,
        identities=shape.identities,
    )


def new_desk(weights: Weights, servers: int, threads: int) -> Desk:
    """Room for answers about this many servers."""
    _, features, width = weights.slot.shape
    common, last = weights.whole.shape[1], weights.hidden.shape[2]

    def rows(*shape: int) -> NDArray[np.float32]:
        return np.zeros((threads, *shape), np.float32)

    return Desk(
        features=rows(NODES * servers, features),
        slots=rows(NODES * servers, width),
        context=rows(2 * width),
        common=rows(common),
        base=rows(width),
        shared=rows(last),
        hidden=rows(last),
    )


@seldom
def answer(weights: Weights, p: int, desk: Desk, t: int, seen: Float32, legal: Int8, k: int) -> int:
    """Cluster k's legal action of the highest value, the lowest of equals, by network p.

    Of an observation and its mask, worked out in row t of the desk.
    """
    only = _only(legal)
    if only >= 0:
        return only
    pass_on = legal.size - 1
    _gather(desk.common[t], weights, seen, pass_on // NODES, k)
    _embed(weights, p, desk, t, seen, pass_on // NODES)
    _fill(desk.shared[t], weights.hidden_bias[p])
    _feed(desk.shared[t], desk.context[t], weights.context[p])
    best, highest = pass_on, -np.inf
    for slot in range(pass_on):
        if legal[slot]:
            value = _value(weights, p, desk, t, slot)
            if value > highest:
                best, highest = slot, value
    if legal[pass_on] and _value_of_passing(weights, p, desk, t) > highest:
        return pass_on
    return best


@part
def _only(legal: Int8) -> int:
    """The one legal action, or -1 where there is a choice."""
    only = -1
    for action in range(legal.size):
        if legal[action]:
            if only >= 0:
                return -1
            only = action
    return only


@part
def _gather(common: Float32, weights: Weights, seen: Float32, servers: int, k: int) -> None:
    """What all slots have in common: the request, the summaries ..., and who is asked."""
    begin, stop = (SERVER + 1) * servers, seen.size - weights.hints * servers
    for i in range(begin, stop):
        common[i - begin] = seen[i]
    for i in range(weights.identities):
        common[stop - begin + i] = ONE if i == k else ZERO


@part
def _embed(weights: Weights, p: int, desk: Desk, t: int, seen: Float32, servers: int) -> None:
    """Every slot's features and embedding, and what they come to together."""
    base, context, width = desk.base[t], desk.context[t], desk.base.shape[1]
    _fill(base, weights.slot_bias[p])
    _feed(base, desk.common[t], weights.whole[p])
    context[:] = ZERO
    serving_slots = ZERO
    for slot in range(NODES * servers):
        features, embedding = desk.features[t, slot], desk.slots[t, slot]
        _describe(features, weights, desk.common[t], seen, slot, servers)
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
def _describe(
    features: Float32, weights: Weights, common: Float32, seen: Float32, slot: int, servers: int
) -> None:
    """The features of a slot, in the order of `server_network.slot_features`."""
    server, first = slot // NODES, SERVER * (slot // NODES)
    node = first + SERVER // NODES * (slot % NODES)
    other = first + SERVER // NODES * (1 - slot % NODES)
    cpu, memory, halved = common[0], common[1], common[2]
    shares = features[8:16]
    shares[0], shares[1] = seen[node], seen[node + 1]
    shares[2], shares[3] = seen[other], seen[other + 1]
    shares[4], shares[5] = shares[0] - cpu, shares[1] - memory
    shares[6], shares[7] = shares[2] - cpu * halved, shares[3] - memory * halved
    for i in range(4):
        features[4 + i] = min(shares[2 * i], shares[2 * i + 1])
    serving, full = seen[SERVER * servers + server], ONE - ROUNDING
    fits = features[6] >= -ROUNDING and features[7] >= -ROUNDING and serving > ZERO
    features[0] = serving
    features[1] = ONE if fits else ZERO
    features[2] = ONE if features[4] >= full and features[5] >= full else ZERO
    features[3] = features[4] + features[5]
    if weights.ranked:
        features[SLOT] = np.float32(server) / np.float32(servers)
    if weights.hints:
        features[features.size - 1] = seen[seen.size - servers + server]


@part
def _value(weights: Weights, p: int, desk: Desk, t: int, slot: int) -> float:
    """Of placing on a slot."""
    hidden, features = desk.hidden[t], desk.features[t, slot]
    _fill(hidden, desk.shared[t])
    _feed(hidden, desk.slots[t, slot], weights.hidden[p])
    value = weights.value_bias[p, 0] + _read(hidden, weights.value[p])
    for i in range(features.size):
        value += features[i] * weights.direct[p, i, 0]
    return value


@part
def _value_of_passing(weights: Weights, p: int, desk: Desk, t: int) -> float:
    """By what all slots come to, and what they have in common."""
    hidden, context = desk.hidden[t], desk.context[t]
    _fill(hidden, weights.passing_bias[p])
    _feed(hidden, context, weights.passing[p, : context.size])
    _feed(hidden, desk.common[t], weights.passing[p, context.size :])
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
