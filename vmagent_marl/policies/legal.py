"""The legal actions of a cluster, as kernels: how many there are, and a random one."""

from __future__ import annotations

import numpy as np

from vmagent_marl.sim.draws import below
from vmagent_marl.sim.fit import fits
from vmagent_marl.sim.jit import part
from vmagent_marl.sim.rules import NODES, Feed, Rules
from vmagent_marl.sim.state import DOWN, HOME, ROW, State


@part
def may_pass(rules: Rules, state: State, b: int, k: int) -> bool:
    """Whether cluster k may pass a request that fits its servers: see `show_mask`."""
    distance = (k - state.clock[b, HOME]) % rules.servers.size
    return rules.may_decline or distance != rules.tries - 1


@part
def count_legal(rules: Rules, feed: Feed, state: State, b: int, k: int) -> int:
    """Legal actions of cluster k, pass included."""
    row, slots, room = state.clock[b, ROW], NODES * state.in_service.shape[2], 0
    if state.counts[b, k, DOWN] == 0:
        for slot in range(slots):
            room += fits(feed, state, b, k, row, slot)
    return room + (room == 0 or may_pass(rules, state, b, k))


@part
def random_legal(rules: Rules, feed: Feed, state: State, b: int, k: int, bits: np.uint64) -> int:
    """A legal action of cluster k, each as likely; passing is the last of them."""
    row, slots = state.clock[b, ROW], NODES * state.in_service.shape[2]
    left = below(bits, count_legal(rules, feed, state, b, k))
    if state.counts[b, k, DOWN] == 0:
        for slot in range(slots):
            if fits(feed, state, b, k, row, slot):
                if left == 0:
                    return slot
                left -= 1
    return slots
