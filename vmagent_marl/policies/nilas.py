"""Packing by lifetime hints: where a VM adds the least hours of a server, as kernels.

A VM that is foretold to leave at e adds max(0, e - r) to the time of a server that is foretold to
be released at r; of an empty one, r is now. Where several servers are equal, as all are that are
released later than the VM, another rule chooses among them; of the server, its emptier node.

NILAS (Ling et al., "LAVA: Lifetime-Aware VM Allocation with Learned Distributions and Adaptation to
Mispredictions", MLSys 2025) puts such a score before those of a scheduler that is there already.
Differences from the paper: the scheduler's own score is server best fit, seconds are compared as
they are and not by classes, and what is predicted anew, and how, is in `vmagent_marl.sim.hints`.

Each kernel returns a slot of cluster k of environment b for the request that is to be decided, or
NONE; every tie goes to the lowest server.
"""

from __future__ import annotations

from vmagent_marl.sim.fit import NONE, emptier_node, fits
from vmagent_marl.sim.jit import part, seldom
from vmagent_marl.sim.rules import NODES, Feed, Rules
from vmagent_marl.sim.state import HINT, NOW, OF_SERVER, ROW, State
from vmagent_marl.trace import NEVER


@seldom
def nilas(rules: Rules, feed: Feed, state: State, b: int, k: int) -> int:
    """The least time added, then the least sum of the nodes' shares (server best fit)."""
    return _least_added(feed, state, b, k, False)


@seldom
def release_fit(rules: Rules, feed: Feed, state: State, b: int, k: int) -> int:
    """The least time added, then the server that is released soonest, then server best fit.

    A VM goes where it ends last, or else where it leaves the shortest time before the server's
    end: lifetimes are aligned, as in Barbalho et al., "Virtual Machine Allocation with Lifetime
    Predictions", MLSys 2023.
    """
    return _least_added(feed, state, b, k, True)


@part
def _least_added(feed: Feed, state: State, b: int, k: int, align: bool) -> int:
    row, now = state.clock[b, ROW], state.clock[b, NOW]
    leaves = now + state.clock[b, HINT]
    best, least, soonest, fullest = NONE, NEVER, NEVER, 0.0
    for server in range(state.release.shape[2]):
        release = max(state.release[b, k, server], now)
        added = max(leaves - release, 0)
        if added > least:
            continue
        one, kept = NODES * server, release if align else 0
        share = state.share[b, k, OF_SERVER, one]
        if added == least and (kept > soonest or (kept == soonest and share >= fullest)):
            continue
        if fits(feed, state, b, k, row, one) or fits(feed, state, b, k, row, one + 1):
            best, least, soonest, fullest = one, added, kept, share
    return emptier_node(feed, state, b, k, best)
