"""Whole episodes of many networks inside one kernel: no Python between two requests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.policies.network_kernel import Weights, Workspace, answer, new_workspace
from vmagent_marl.sim import Simulator
from vmagent_marl.sim.handle import World, natural, pack, unpacker
from vmagent_marl.sim.jit import entry, part
from vmagent_marl.sim.layout import SERVER
from vmagent_marl.sim.request import show_request
from vmagent_marl.sim.rules import Feed, Rules
from vmagent_marl.sim.state import FIRST, ROW, RUNNING, STATUS, State
from vmagent_marl.sim.step import answered, begin_offers, in_ring, transit
from vmagent_marl.sim.threads import side_by_side


def play_out(
    simulator: Simulator, weights: Weights, member: NDArray[np.int64], *, threads: int = 1
) -> tuple[NDArray[np.float64], int]:
    """Play every environment to its end, b by network `member[b]`, as `NetworkPolicy` would.

    Returns the sums of the team's rewards (B,) and how many requests were decided. `threads` share
    the environments; what comes out is the same.
    """
    _check(simulator, weights, member)
    returns, decided = np.zeros(simulator.batch), 0

    def play(first: int, stop: int) -> int:
        work = new_workspace(weights, simulator.servers)
        networks = pack(weights, work)
        return int(_play_out(simulator.world, networks, member, returns, first, stop))

    while simulator.running.any():
        decided += sum(side_by_side(play, simulator.batch, max(1, min(threads, simulator.batch))))
        if not simulator.has_room():
            simulator.grow()
    return returns, decided


def _check(simulator: Simulator, weights: Weights, member: NDArray[np.int64]) -> None:
    """Kernels do not look where they read."""
    layout = simulator.layout
    common = layout.size + weights.identities - (SERVER + 1 + weights.hints) * layout.servers
    assert member.shape == (simulator.batch,)
    assert member.min() >= 0
    assert member.max() < len(weights.slot)
    assert (weights.whole.shape[1], weights.hints) == (common, layout.hints)


unpack = unpacker(Rules, Feed, State)
unpack_networks = unpacker(Weights, Workspace)


@entry
def _play_out(
    world: World,
    networks: World,
    member: NDArray[np.int64],
    returns: NDArray[np.float64],
    first: int,
    stop: int,
) -> int:
    """Environments first..stop-1 to their ends, as far as there is room for numbers of VMs."""
    rules, feed, state = unpack(world)
    weights, work = unpack_networks(networks)
    decided = 0
    for at in range(first, stop):
        b, p = natural(at), natural(member[at])
        clock = state.clock[b]
        while clock[STATUS] == RUNNING and clock[ROW] - clock[FIRST] < state.placed_at.shape[1]:
            _offer(rules, state, weights, p, work, b)
            transit(rules, feed, state, b)
            show_request(rules, feed, state, b)
            returns[b] += state.team_reward[b]
            decided += 1
    return decided


@part
def _offer(rules: Rules, state: State, weights: Weights, p: int, work: Workspace, b: int) -> None:
    """The request goes around; only clusters that it reaches are asked."""
    begin_offers(state, b)
    for position in range(rules.tries):
        k = in_ring(state, b, position)
        action = answer(weights, p, work, state.observation[b, k], state.mask[b, k], k)
        if answered(state, b, k, position, action):
            return
