"""Whole episodes of many networks inside one kernel: no Python between two requests."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.policies.network_kernel import (
    Weights,
    Workspace,
    answer,
    new_workspace,
    weights_of,
)
from vmagent_marl.policies.networks import Network
from vmagent_marl.policies.server_network import ServerNetwork
from vmagent_marl.policies.slot_value_kernel import (
    Counts,
    SlotValues,
    answer_by_room,
    new_counts,
    slot_values_of,
)
from vmagent_marl.policies.slot_values import SlotValueNetwork
from vmagent_marl.sim import Simulator
from vmagent_marl.sim.handle import World, natural, pack, unpacker
from vmagent_marl.sim.jit import entry, part
from vmagent_marl.sim.layout import SERVER
from vmagent_marl.sim.request import show_request
from vmagent_marl.sim.rules import Feed, Rules
from vmagent_marl.sim.state import FIRST, ROW, RUNNING, STATUS, State
from vmagent_marl.sim.step import answered, begin_offers, in_ring, transit
from vmagent_marl.sim.threads import side_by_side


def members_of(network: Network, vectors: NDArray[np.float32]) -> Weights | SlotValues:
    """Networks like this one, from vectors (P, parameters) in the order of its parameters."""
    if isinstance(network, SlotValueNetwork):
        return slot_values_of(network, vectors)
    assert isinstance(network, ServerNetwork)
    return weights_of(network, vectors)


def play_out(
    simulator: Simulator,
    members: Weights | SlotValues,
    member: NDArray[np.int64],
    *,
    threads: int = 1,
) -> tuple[NDArray[np.float64], int]:
    """Play every environment to its end, b by network `member[b]`, as `NetworkPolicy` would.

    Returns the sums of the team's rewards (B,) and how many requests were decided. `threads` share
    the environments; what comes out is the same.
    """
    _check(simulator, members, member)
    returns, decided = np.zeros(simulator.batch), 0

    def play(first: int, stop: int) -> int:
        if isinstance(members, SlotValues):
            counts = new_counts(members, simulator.servers)  # held here: what is packed is not
            told = pack(members, counts)
            return int(_play_by_room(simulator.world, told, member, returns, first, stop))
        work = new_workspace(members, simulator.servers)
        told = pack(members, work)
        return int(_play(simulator.world, told, member, returns, first, stop))

    while simulator.running.any():
        decided += sum(side_by_side(play, simulator.batch, max(1, min(threads, simulator.batch))))
        if not simulator.has_room():
            simulator.grow()
    return returns, decided


def _check(simulator: Simulator, members: Weights | SlotValues, member: NDArray[np.int64]) -> None:
    """Kernels do not look where they read."""
    layout = simulator.layout
    assert member.shape == (simulator.batch,)
    assert member.min() >= 0
    assert member.max() < len(members.direct)
    assert members.hints == layout.hints
    if isinstance(members, Weights):
        common = layout.size + members.identities - (SERVER + 1 + members.hints) * layout.servers
        assert members.whole.shape[1] == common


unpack = unpacker(Rules, Feed, State)
unpack_networks = unpacker(Weights, Workspace)
unpack_slot_values = unpacker(SlotValues, Counts)


@entry
def _play(
    world: World,
    members: World,
    member: NDArray[np.int64],
    returns: NDArray[np.float64],
    first: int,
    stop: int,
) -> int:
    """Environments first..stop-1 by networks over servers."""
    networks, work = unpack_networks(members)
    return _to_the_end(world, answer, networks, work, member, returns, first, stop)


@entry
def _play_by_room(
    world: World,
    members: World,
    member: NDArray[np.int64],
    returns: NDArray[np.float64],
    first: int,
    stop: int,
) -> int:
    """Environments first..stop-1 by networks of slot values."""
    networks, work = unpack_slot_values(members)
    return _to_the_end(world, answer_by_room, networks, work, member, returns, first, stop)


@part
def _to_the_end(
    world: World,
    answers: Any,
    networks: Any,
    work: Any,
    member: NDArray[np.int64],
    returns: NDArray[np.float64],
    first: int,
    stop: int,
) -> int:
    """Environments first..stop-1 to their ends, as far as there is room for numbers of VMs."""
    rules, feed, state = unpack(world)
    decided = 0
    for at in range(first, stop):
        b, p = natural(at), natural(member[at])
        clock = state.clock[b]
        while clock[STATUS] == RUNNING and clock[ROW] - clock[FIRST] < state.placed_at.shape[1]:
            _offer(rules, state, answers, networks, p, work, b)
            transit(rules, feed, state, b)
            show_request(rules, feed, state, b)
            returns[b] += state.team_reward[b]
            decided += 1
    return decided


@part
def _offer(
    rules: Rules, state: State, answers: Any, networks: Any, p: int, work: Any, b: int
) -> None:
    """The request goes around; only clusters that it reaches are asked."""
    begin_offers(state, b)
    for position in range(rules.tries):
        k = in_ring(state, b, position)
        action = answers(networks, p, work, state.observation[b, k], state.mask[b, k], k)
        if answered(state, b, k, position, action):
            return
