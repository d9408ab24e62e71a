"""Heuristics by name: a packing rule within a cluster, and a passing rule between clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.errors import PolicyError
from vmagent_marl.policies.choosing import (
    ACCEPT_ALWAYS,
    BALANCE_FIT,
    BEST_FIT,
    CENTRAL,
    CENTRAL_BY_SUMMARIES,
    CHEAPEST_FIRST,
    DOT_PRODUCT,
    FIRST_FIT,
    FIRST_SERVER,
    FRAGMENTATION,
    LEAST_LOADED,
    NILAS,
    PASS_IF_OPENING,
    PASS_UNLESS_CHEAPEST,
    RANDOM,
    RELEASE_FIT,
    SERVER_BEST_FIT,
    SLOT_PRESERVING,
    USED_FIRST,
    WORST_FIT,
    Rule,
    choose,
)
from vmagent_marl.policies.policy import Needs
from vmagent_marl.sim import Simulator
from vmagent_marl.sim.handle import World, unpacker
from vmagent_marl.sim.jit import entry
from vmagent_marl.sim.rules import NODES, Feed, Rules
from vmagent_marl.sim.state import RUNNING, STATUS, State

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
    "central-by-summaries": CENTRAL_BY_SUMMARIES,
    "central": CENTRAL,
}
unpack = unpacker(Rules, Feed, State)
HINTED = (NILAS, RELEASE_FIT)
NEEDS: dict[int, Needs] = {
    CHEAPEST_FIRST: "summaries",
    LEAST_LOADED: "summaries",
    CENTRAL_BY_SUMMARIES: "summaries",
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
    def rule(self) -> Rule:
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
    rule: Rule,
    actions: NDArray[np.int64],
    chances: NDArray[np.float64],
) -> None:
    rules, feed, state = unpack(world)
    for b in range(actions.shape[0]):
        for k in range(actions.shape[1]):
            if state.clock[b, STATUS] == RUNNING:
                answer = choose(rules, feed, state, b, k, keys[b, k], rule)
                actions[b, k], chances[b, k] = answer
            else:  # its row may lie behind the trace's last
                actions[b, k], chances[b, k] = NODES * state.in_service.shape[2], 0.0
