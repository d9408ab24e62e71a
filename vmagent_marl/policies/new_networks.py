"""Networks by their shape, and shapes by the game."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from vmagent_marl.errors import PolicyError
from vmagent_marl.policies.constrained_network import ConstrainedNetwork
from vmagent_marl.policies.networks import (
    FlatNetwork,
    Kind,
    Network,
    NetworkShape,
    VMType,
    flat_body,
)
from vmagent_marl.policies.server_network import ServerCritic, ServerNetwork
from vmagent_marl.policies.slot_values import SlotValueNetwork
from vmagent_marl.sim import ObservationLayout, Simulator
from vmagent_marl.sim.rules import CPU, FULL, HALVED_WEIGHT, MEMORY, PLAIN_WEIGHT


def network_shape(
    layout: ObservationLayout, *, hidden: tuple[int, ...] = (64, 64), kind: Kind = "flat"
) -> NetworkShape:
    """The shape of a network that plays a layout."""
    if kind != "flat" and layout.summaries == FULL:
        raise PolicyError("a network over servers reads no full summaries: take the flat one")
    return NetworkShape(
        observation=layout.size,
        identities=layout.clusters if layout.clusters > 1 else 0,
        actions=layout.actions,
        hidden=hidden,
        kind=kind,
        hints=layout.hints,
    )


def slot_value_shape(simulator: Simulator) -> NetworkShape:
    """Of a `SlotValueNetwork` for the trace's most frequent types, packing one cluster."""
    shape = network_shape(simulator.layout, hidden=(), kind="slots")
    return replace(shape, types=vm_types(simulator))


def vm_types(simulator: Simulator) -> tuple[VMType, ...]:
    """The most frequent types of the trace's VMs, by the nodes of the first cluster."""
    mix = simulator.feed.mix
    weighs = mix[PLAIN_WEIGHT] + mix[HALVED_WEIGHT] > 0
    shares = mix[[CPU, MEMORY]][:, weighs] / simulator.rules.node[0][:, None]
    halved = mix[HALVED_WEIGHT, weighs] > 0
    return tuple(zip(*shares.tolist(), halved.tolist(), strict=True))


def new_network(shape: NetworkShape) -> Network:
    """A network of this shape, whose first parameters are drawn."""
    if shape.flexibility is not None:
        alone = replace(shape, flexibility=None)
        return ConstrainedNetwork(new_network(alone), new_network(alone), shape.flexibility)
    if shape.kind == "slots":
        return SlotValueNetwork(shape)
    return ServerNetwork(shape) if shape.over_servers else FlatNetwork(shape)


def new_critic(shape: NetworkShape) -> nn.Module:
    """One value (N, 1) of features (N, inputs), in layers of the same kind and sizes."""
    if shape.over_servers:
        return ServerCritic(shape)
    return nn.Sequential(flat_body(shape.inputs, shape.hidden), nn.Linear(shape.hidden[-1], 1))
