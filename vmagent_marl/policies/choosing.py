"""What a heuristic answers, as kernels: its packing rule, its passing rule, and its noise."""

from __future__ import annotations

import math

import numpy as np

from vmagent_marl.policies import nilas, packing, passing
from vmagent_marl.policies.legal import count_legal, may_pass, random_legal
from vmagent_marl.policies.preserving import FRAGMENTS, SLOTS, least_loss
from vmagent_marl.sim.draws import mix, uniform
from vmagent_marl.sim.fit import NONE
from vmagent_marl.sim.jit import part
from vmagent_marl.sim.rules import HALVED, NO_SUMMARIES, NODES, Feed, Rules
from vmagent_marl.sim.state import DOWN, OF_NODE, OF_SERVER, ROW, State

FIRST_FIT, BEST_FIT, SERVER_BEST_FIT, WORST_FIT, BALANCE_FIT, FIRST_SERVER, RANDOM = range(7)
DOT_PRODUCT, FRAGMENTATION, SLOT_PRESERVING, NILAS, RELEASE_FIT = range(7, 12)
# With a packing rule: an empty server only where none in use fits. It changes nothing for the
# rules to which an empty server is the last choice anyway, server best fit and dot product.
USED_FIRST = 1 << 10
ACCEPT_ALWAYS, CHEAPEST_FIRST, PASS_UNLESS_CHEAPEST = range(3)
PASS_IF_OPENING, LEAST_LOADED, CENTRAL_BY_SUMMARIES, CENTRAL = range(3, 7)
Rule = tuple[int, int, float]  # what packs, what passes, and the share of random answers


@part
def choose(
    rules: Rules, feed: Feed, state: State, b: int, k: int, bits: np.uint64, rule: Rule
) -> tuple[int, float]:
    """Cluster k's answer and its log-probability, by 64 random bits."""
    packs, _, epsilon = rule
    planned = plan(rules, feed, state, b, k, bits, rule)
    if epsilon == 0.0 and packs != RANDOM:
        return planned, 0.0
    legal = count_legal(rules, feed, state, b, k)
    noise = mix(bits)
    taken = planned
    if uniform(noise) < epsilon:
        taken = random_legal(rules, feed, state, b, k, mix(noise))
    chance = epsilon / legal
    if packs == RANDOM:
        chance = 1.0 / legal
    elif taken == planned:
        chance += 1.0 - epsilon
    return taken, math.log(chance)


@part
def plan(
    rules: Rules, feed: Feed, state: State, b: int, k: int, bits: np.uint64, rule: Rule
) -> int:
    """What a heuristic answers for cluster k if the request reaches it."""
    packs, passes, _ = rule
    pass_on = NODES * state.in_service.shape[2]
    if state.counts[b, k, DOWN] > 0:
        return pass_on
    if packs == RANDOM:
        return random_legal(rules, feed, state, b, k, bits)
    slot = pack(rules, feed, state, b, k, packs)
    if slot == NONE:
        return pass_on
    if may_pass(rules, state, b, k) and pass_over(rules, feed, state, b, k, slot, passes):
        return pass_on
    return slot


@part
def pack(rules: Rules, feed: Feed, state: State, b: int, k: int, rule: int) -> int:
    """The slot that a packing rule chooses, or NONE."""
    slot = pack_by(rules, feed, state, b, k, rule & USED_FIRST - 1)
    if rule & USED_FIRST and slot != NONE and state.vms_on[b, k, slot // NODES] == 0:
        used = pack_in_use(feed, state, b, k, rule & USED_FIRST - 1)
        return slot if used == NONE else used
    return slot


@part
def pack_by(rules: Rules, feed: Feed, state: State, b: int, k: int, rule: int) -> int:
    """The slot that a packing rule chooses of all servers, or NONE."""
    if rule == FIRST_FIT:
        return packing.first_fit(rules, feed, state, b, k)
    if rule == BEST_FIT:
        return packing.best_fit(rules, feed, state, b, k)
    if rule == SERVER_BEST_FIT:
        return packing.server_best_fit(rules, feed, state, b, k)
    if rule == WORST_FIT:
        return packing.worst_fit(rules, feed, state, b, k)
    if rule == BALANCE_FIT:
        return packing.balance_fit(rules, feed, state, b, k)
    if rule == NILAS:
        return nilas.nilas(rules, feed, state, b, k)
    if rule == RELEASE_FIT:
        return nilas.release_fit(rules, feed, state, b, k)
    if rule == DOT_PRODUCT:
        return packing.dot_product(rules, feed, state, b, k)
    if rule in (FRAGMENTATION, SLOT_PRESERVING):
        return _pack_preserving(feed, state, b, k, rule, False)
    return packing.first_server(rules, feed, state, b, k)


@part
def pack_in_use(feed: Feed, state: State, b: int, k: int, rule: int) -> int:
    """The slot that a rule with a used-first form chooses of the servers in use, or NONE."""
    if rule in (FRAGMENTATION, SLOT_PRESERVING):
        return _pack_preserving(feed, state, b, k, rule, True)
    request = feed.request[state.clock[b, ROW]]
    share = state.share[b, k, OF_SERVER if request[HALVED] else OF_NODE].view(np.int64)
    order = packing.FIRST
    if rule != FIRST_FIT:
        order = packing.LEAST if rule == BEST_FIT else packing.LARGEST
    return packing.best_in_use(request, state.free[b, k], share, state.vms_on[b, k], order)


@part
def _pack_preserving(feed: Feed, state: State, b: int, k: int, rule: int, in_use: bool) -> int:
    request, free, vms_on = feed.request[state.clock[b, ROW]], state.free[b, k], state.vms_on[b, k]
    measure = FRAGMENTS if rule == FRAGMENTATION else SLOTS
    return least_loss(request, free, vms_on, feed.mix, feed.mix_inverse, measure, in_use)


@part
def pass_over(rules: Rules, feed: Feed, state: State, b: int, k: int, slot: int, rule: int) -> bool:
    """Whether a passing rule lets go what cluster k could place on this slot."""
    if rule == CHEAPEST_FIRST:
        return passing.cheaper_with_room(rules, feed, state, b, k)
    if rule == PASS_UNLESS_CHEAPEST:
        return passing.cheaper_comes(rules, feed, state, b, k)
    if rule == PASS_IF_OPENING:
        return passing.opens_before_last(rules, state, b, k, slot)
    if rule == LEAST_LOADED:
        return passing.emptier_comes(rules, state, b, k)
    if rule == CENTRAL_BY_SUMMARIES:
        return passing.likely_better_elsewhere(rules, feed, state, b, k, slot)
    if rule == CENTRAL:
        return passing.better_elsewhere(rules, feed, state, b, k)
    return False


@part
def reads_fresh_summaries(rules: Rules, rule: Rule) -> bool:
    """Whether a heuristic reads summaries, and they have to be of this very moment."""
    reads = rule[1] in (CHEAPEST_FIRST, LEAST_LOADED, CENTRAL_BY_SUMMARIES)
    return reads and rules.summaries != NO_SUMMARIES and rules.summary_every == 0
