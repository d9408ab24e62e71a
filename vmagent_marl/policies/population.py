"""Whole episodes of many networks inside one kernel: no Python between two requests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.policies.network_kernel import Desk, Weights, answer, new_desk
from vmagent_marl.sim import Simulator
from vmagent_marl.sim.handle import World, natural, pack, unpacker
from vmagent_marl.sim.jit import entry, part
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
    threads = max(1, min(threads, simulator.batch))
    networks, desk = pack(weights), new_desk(weights, simulator.servers, threads)
    table, returns = pack(desk), np.zeros(simulator.batch)
    decided = 0

    def play(first: int, stop: int) -> int:
        thread = -(-first * threads // simulator.batch)  # its number among them
        told = simulator.world, networks, table, member, returns
        return int(_play_out(*told, first, stop, thread))

    while simulator.running.any():
        decided += sum(side_by_side(play, simulator.batch, threads))
        if not simulator.has_room():
            simulator.grow()
    return returns, decided


unpack = unpacker(Rules, Feed, State)
unpack_weights = unpacker(Weights)
unpack_desk = unpacker(Desk)


@entry
def _play_out(
    world: World,
    networks: World,
    table: World,
    member: NDArray[np.int64],
    returns: NDArray[np.float64],
    first: int,
    stop: int,
    thread: int,
) -> int:
    """Environments first..stop-1 to their ends, as far as there is room for numbers of VMs."""
    rules, feed, state = unpack(world)
    (weights,) = unpack_weights(networks)
    (desk,) = unpack_desk(table)
    decided = 0
    for at in range(first, stop):
        b, p = natural(at), natural(member[at])
        clock = state.clock[b]
        while clock[STATUS] == RUNNING and clock[ROW] - clock[FIRST] < state.placed_at.shape[1]:
            _offer(rules, state, weights, desk, b, p, thread)
            transit(rules, feed, state, b)
            show_request(rules, feed, state, b)
            returns[b] += state.team_reward[b]
            decided += 1
    return decided


@part
def _offer(
    rules: Rules, state: State, weights: Weights, desk: Desk, b: int, p: int, thread: int
) -> None:
    """The request goes around; only clusters that it reaches are asked."""
    begin_offers(state, b)
    for position in range(rules.tries):
        k = in_ring(state, b, position)
        action = answer(weights, p, desk, thread, state.observation[b, k], state.mask[b, k], k)
        if answered(state, b, k, position, action):
            return
