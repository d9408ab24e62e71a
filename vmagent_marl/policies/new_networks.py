"""Networks by their shape, and shapes by the game."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from vmagent_marl.errors import PolicyError
from vmagent_marl.policies.constrained_network import ConstrainedNetwork
from vmagent_marl.policies.networks import FlatNetwork, Kind, Network, NetworkShape, flat_body
from vmagent_marl.policies.server_network import ServerCritic, ServerNetwork
from vmagent_marl.sim import ObservationLayout
from vmagent_marl.sim.rules import FULL


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


def new_network(shape: NetworkShape) -> Network:
    """A network of this shape, whose first parameters are drawn."""
    if shape.flexibility is not None:
        alone = replace(shape, flexibility=None)
        return ConstrainedNetwork(new_network(alone), new_network(alone), shape.flexibility)
    return ServerNetwork(shape) if shape.over_servers else FlatNetwork(shape)


def new_critic(shape: NetworkShape) -> nn.Module:
    """One value (N, 1) of features (N, inputs), in layers of the same kind and sizes."""
    if shape.over_servers:
        return ServerCritic(shape)
    return nn.Sequential(flat_body(shape.inputs, shape.hidden), nn.Linear(shape.hidden[-1], 1))
