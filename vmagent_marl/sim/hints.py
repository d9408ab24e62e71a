"""Lifetime hints: how long VMs are foretold to live, and when servers are foretold to be empty.

A request's hint is its lifetime x exp(error x z), z a standard normal number that depends on the
seed, the episode and the request alone: 1 s at least and `MOST_HINT` at most, which also stands for
the lifetime of VMs that never leave. A VM is foretold to leave its hint after its start. If it
still runs then, its hint was too short and is doubled, as often as it takes: so a VM whose age has
reached its hint is expected to become twice as old as that hint. A server is released when the last
of its VMs is foretold to leave.

Sources: Barbalho et al., "Virtual Machine Allocation with Lifetime Predictions", MLSys 2023, place
by one prediction at the start; Ling et al., "LAVA: Lifetime-Aware VM Allocation with Learned
Distributions and Adaptation to Mispredictions", MLSys 2025, predict again while a VM runs, from the
distribution of the lifetimes that are longer than its age. Doubling is that prediction where such
lifetimes have a Pareto tail of exponent 2; here no distribution is learned.

Each server's VMs are a list, the latest first, from which those that have left are taken when it is
gone through: where a VM has come or gone, or a prediction has come to its end.
"""

from __future__ import annotations

import math

import numpy as np

from vmagent_marl.sim.draws import LIFETIME, key, normal
from vmagent_marl.sim.jit import part, seldom
from vmagent_marl.sim.layout import MOST_HINT
from vmagent_marl.sim.rules import NODES, WAIT, Feed, Rules
from vmagent_marl.sim.state import (
    EPISODE,
    FIRST,
    HINT,
    NOBODY,
    NOW,
    ROW,
    SEED,
    SHOWN,
    STATUS,
    TERMINATED,
    UNSEEN,
    State,
)
from vmagent_marl.trace import NEVER
from vmagent_marl.trace.units import HOUR

WHOLE = math.log1p(MOST_HINT / HOUR)  # shown as 1


@part
def hint_of(rules: Rules, feed: Feed, state: State, b: int, row: int) -> int:
    """s that the VM of a row is foretold to live."""
    clock, lifetime = state.clock[b], min(feed.lifetime[row], MOST_HINT)
    if rules.hint_error > 0.0:
        draw = normal(key(clock[SEED], clock[EPISODE], row - clock[FIRST], LIFETIME))
        wrong = lifetime * math.exp(rules.hint_error * draw)
        lifetime = np.int64(min(wrong, float(MOST_HINT)) + 0.5)
    return max(lifetime, 1)


@seldom
def foretell(state: State, b: int, k: int, slot: int) -> None:
    """The request's VM has been placed on a slot, and will leave its hint from now."""
    clock, server = state.clock[b], slot // NODES
    vm = clock[ROW] - clock[FIRST]
    state.foretold[b, vm] = clock[NOW] + clock[HINT]
    state.below[b, vm] = state.latest[b, k, server]
    state.latest[b, k, server] = vm
    state.review[b, k, server] = 0


@seldom
def foresee(rules: Rules, feed: Feed, state: State, b: int) -> None:
    """After time has passed: the hint of the request to be decided, and every server's release."""
    clock = state.clock[b]
    clock[HINT] = 0
    if clock[STATUS] != TERMINATED:
        clock[HINT] = hint_of(rules, feed, state, b, clock[ROW])
    for k in range(state.review.shape[1]):
        for server in range(state.review.shape[2]):
            if state.review[b, k, server] <= clock[NOW]:
                _review(rules, feed, state, b, k, server)


@part
def _review(rules: Rules, feed: Feed, state: State, b: int, k: int, server: int) -> None:
    """Go through a server's VMs: drop those that have left, double hints that were too short."""
    now, first = state.clock[b, NOW], state.clock[b, FIRST]
    release, review = 0, NEVER
    above, vm = NOBODY, state.latest[b, k, server]
    while vm != NOBODY:
        next_vm = state.below[b, vm]
        if state.placed_at[b, vm] < 0:
            if above == NOBODY:
                state.latest[b, k, server] = next_vm
            else:
                state.below[b, above] = next_vm
        else:
            leaves = state.foretold[b, vm]
            if leaves <= now:
                start = feed.arrival[first + vm]
                if rules.turned_away == WAIT:
                    start += state.waited[b, vm]
                while leaves <= now:
                    leaves = start + 2 * (leaves - start)
                state.foretold[b, vm] = leaves
            release, review = max(release, leaves), min(review, leaves)
            above = vm
        vm = next_vm
    state.release[b, k, server], state.review[b, k, server] = release, review
    if not state.clock[b, UNSEEN]:
        _show_release(state, b, k, server)


@seldom
def show_hints(state: State, b: int) -> None:
    """Write the request's hint, and what time has changed of the servers' releases."""
    servers, later = state.release.shape[2], state.clock[b, SHOWN] != state.clock[b, NOW]
    for k in range(state.release.shape[1]):
        seen = state.observation[b, k]
        seen[seen.size - servers - 1] = _scaled(state.clock[b, HINT])
        if later:
            for server in range(servers):
                if state.release[b, k, server] > 0:
                    _show_release(state, b, k, server)
    state.clock[b, SHOWN] = state.clock[b, NOW]


@seldom
def show_releases(state: State, b: int) -> None:
    """Write every server's release, after nobody has looked for a while."""
    for k in range(state.release.shape[1]):
        for server in range(state.release.shape[2]):
            _show_release(state, b, k, server)


@part
def _show_release(state: State, b: int, k: int, server: int) -> None:
    """Write how long it is until a server is released."""
    seen, servers = state.observation[b, k], state.release.shape[2]
    left = max(state.release[b, k, server] - state.clock[b, NOW], 0)
    seen[seen.size - servers + server] = _scaled(left)


@part
def _scaled(seconds: int) -> float:
    """A time as observations have it."""
    return min(math.log1p(seconds / HOUR) / WHOLE, 1.0)
