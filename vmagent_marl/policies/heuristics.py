"""Heuristics by name: a packing rule within a cluster, and a passing rule between clusters."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.errors import PolicyError
from vmagent_marl.policies import nilas, packing, passing
from vmagent_marl.policies.legal import count_legal, may_pass, random_legal
from vmagent_marl.policies.policy import Needs
from vmagent_marl.policies.preserving import FRAGMENTS, SLOTS, least_loss
from vmagent_marl.sim import Simulator
from vmagent_marl.sim.draws import mix, uniform
from vmagent_marl.sim.fit import NONE
from vmagent_marl.sim.handle import World, unpacker
from vmagent_marl.sim.jit import entry, part
from vmagent_marl.sim.rules import HALVED, NO_SUMMARIES, NODES, Feed, Rules
from vmagent_marl.sim.state import DOWN, OF_NODE, OF_SERVER, ROW, RUNNING, STATUS, State

FIRST_FIT, BEST_FIT, SERVER_BEST_FIT, WORST_FIT, BALANCE_FIT, FIRST_SERVER, RANDOM = range(7)
DOT_PRODUCT, FRAGMENTATION, SLOT_PRESERVING, NILAS, RELEASE_FIT = range(7, 12)
# With a packing rule: an empty server only where none in use fits. It changes nothing for the
# rules to which an empty server is the last choice anyway, server best fit and dot product.
USED_FIRST = 1 << 10
ACCEPT_ALWAYS, CHEAPEST_FIRST, PASS_UNLESS_CHEAPEST = range(3)
PASS_IF_OPENING, LEAST_LOADED, CENTRAL = range(3, 6)

PACKING = {
    "first-fit": FIRST_FIT,
    "best-fit": BEST_FIT,
    "server-best-fit": SERVER_BEST_FIT,
    "worst-fit": WORST_FIT,
    "balance-fit": BALANCE_FIT,
    "first-server-emptier-node": FIRST_SERVER,
    "nilas": NILAS,
    "release-fit": RELEASE_FIT,
    "dot-product": DOT_PRODUCT,
    "fragmentation-gradient": FRAGMENTATION,
    "slot-preserving": SLOT_PRESERVING,
    "first-fit-used-first": FIRST_FIT | USED_FIRST,
    "best-fit-used-first": BEST_FIT | USED_FIRST,
    "worst-fit-used-first": WORST_FIT | USED_FIRST,
    "fragmentation-gradient-used-first": FRAGMENTATION | USED_FIRST,
    "slot-preserving-used-first": SLOT_PRESERVING | USED_FIRST,
    "random": RANDOM,
}
PASSING = {
    "accept-always": ACCEPT_ALWAYS,
    "cheapest-first": CHEAPEST_FIRST,
    "pass-unless-cheapest-or-last": PASS_UNLESS_CHEAPEST,
    "pass-if-it-would-open-a-server": PASS_IF_OPENING,
    "least-loaded": LEAST_LOADED,
    "central": CENTRAL,
}
unpack = unpacker(Rules, Feed, State)
HINTED = (NILAS, RELEASE_FIT)
NEEDS: dict[int, Needs] = {
    CHEAPEST_FIRST: "summaries",
    LEAST_LOADED: "summaries",
    CENTRAL: "everything",
}


@dataclass(frozen=True)
class Heuristic:
    """A packing and a passing rule; with probability `epsilon` a random legal action instead.

    The probability of the action taken is (1 - epsilon) [it is the rule's] + epsilon / legal ones.
    """

    name: str
    packing: int
    passing: int = ACCEPT_ALWAYS
    epsilon: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a share of noise that is none."""
        if not 0.0 <= self.epsilon <= 1.0:
            raise PolicyError(f"epsilon: {self.epsilon} is no probability: give 0 to 1")

    @property
    def rule(self) -> tuple[int, int, float]:
        """What kernels know it by."""
        return self.packing, self.passing, float(self.epsilon)

    @property
    def needs(self) -> Needs:
        """What it reads besides its own servers and the request."""
        needs = NEEDS.get(self.passing, "own servers")
        if self.packing not in HINTED or needs == "everything":
            return needs
        return "summaries and lifetimes" if needs == "summaries" else "lifetimes"

    def check_hints(self, batch: Simulator) -> None:
        """Refuse to read lifetimes that nobody foretells: kernels do not look where they read."""
        if self.packing in HINTED and not batch.rules.hints:
            raise PolicyError(
                f"policy {self.name!r} reads lifetime hints and the game gives none: set `hints`"
            )

    def act(
        self, batch: Simulator, keys: NDArray[np.uint64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """See `Policy.act`."""
        if keys.shape != (batch.batch, batch.clusters) or keys.dtype != np.uint64:
            raise PolicyError(
                f"keys are {keys.dtype} {keys.shape}: give the batch's own, `batch.keys()`"
            )
        self.check_hints(batch)
        actions = np.empty((batch.batch, batch.clusters), np.int64)
        chances = np.empty((batch.batch, batch.clusters), np.float64)
        _act(batch.world, keys, self.rule, actions, chances)
        return actions, chances


@entry
def _act(
    world: World,
    keys: NDArray[np.uint64],
    heuristic: tuple[int, int, float],
    actions: NDArray[np.int64],
    chances: NDArray[np.float64],
) -> None:
    rules, feed, state = unpack(world)
    for b in range(actions.shape[0]):
        for k in range(actions.shape[1]):
            if state.clock[b, STATUS] == RUNNING:
                answer = choose(rules, feed, state, b, k, keys[b, k], heuristic)
                actions[b, k], chances[b, k] = answer
            else:  # its row may lie behind the trace's last
                actions[b, k], chances[b, k] = NODES * state.in_service.shape[2], 0.0


@part
def choose(
    rules: Rules,
    feed: Feed,
    state: State,
    b: int,
    k: int,
    bits: np.uint64,
    heuristic: tuple[int, int, float],
) -> tuple[int, float]:
    """Cluster k's answer and its log-probability, by 64 random bits."""
    packing_rule, passing_rule, epsilon = heuristic
    planned = plan(rules, feed, state, b, k, bits, packing_rule, passing_rule)
    if epsilon == 0.0 and packing_rule != RANDOM:
        return planned, 0.0
    legal = count_legal(rules, feed, state, b, k)
    noise = mix(bits)
    taken = planned
    if uniform(noise) < epsilon:
        taken = random_legal(rules, feed, state, b, k, mix(noise))
    chance = epsilon / legal
    if packing_rule == RANDOM:
        chance = 1.0 / legal
    elif taken == planned:
        chance += 1.0 - epsilon
    return taken, math.log(chance)


@part
def plan(
    rules: Rules,
    feed: Feed,
    state: State,
    b: int,
    k: int,
    bits: np.uint64,
    packing_rule: int,
    passing_rule: int,
) -> int:
    """What a heuristic answers for cluster k if the request reaches it."""
    pass_on = NODES * state.in_service.shape[2]
    if state.counts[b, k, DOWN] > 0:
        return pass_on
    if packing_rule == RANDOM:
        return random_legal(rules, feed, state, b, k, bits)
    slot = pack(rules, feed, state, b, k, packing_rule)
    if slot == NONE:
        return pass_on
    if may_pass(rules, state, b, k) and pass_over(rules, feed, state, b, k, slot, passing_rule):
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
    if rule == CENTRAL:
        return passing.better_elsewhere(rules, feed, state, b, k)
    return False


@part
def reads_fresh_summaries(rules: Rules, heuristic: tuple[int, int, float]) -> bool:
    """Whether a heuristic reads summaries, and they have to be of this very moment."""
    reads = heuristic[1] == CHEAPEST_FIRST or heuristic[1] == LEAST_LOADED
    return reads and rules.summaries != NO_SUMMARIES and rules.summary_every == 0
