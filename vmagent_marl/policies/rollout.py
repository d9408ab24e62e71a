"""Whole episodes of a heuristic inside one kernel: no Python between two requests."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.policies.choosing import Rule, choose, reads_fresh_summaries
from vmagent_marl.policies.heuristics import Heuristic
from vmagent_marl.sim import ObservationLayout, Simulator
from vmagent_marl.sim.clock import publish
from vmagent_marl.sim.draws import key
from vmagent_marl.sim.handle import (
    Bool,
    Float32,
    Float64,
    Int8,
    Int64,
    World,
    natural,
    pack,
    unpacker,
)
from vmagent_marl.sim.jit import entry, part
from vmagent_marl.sim.request import show_all, show_request
from vmagent_marl.sim.rules import FULL, Feed, Rules
from vmagent_marl.sim.state import (
    EPISODE,
    FIRST,
    ROW,
    RUNNING,
    SECONDS,
    SEED,
    STATUS,
    UNSEEN,
    State,
)
from vmagent_marl.sim.step import answered, begin_offers, in_ring, transit
from vmagent_marl.sim.threads import side_by_side


class Tape(NamedTuple):
    """What environments did, in arrays with room for T rows: transition t of environment b.

    Row t of observations and masks is what transition t was decided on.
    """

    decided: Annotated[Int64, "B"]  # transitions so far
    returns: Annotated[Float64, "B", "K"]  # sum of rewards before sharing
    observations: Annotated[Float32, "B", "T", "K", "F"]
    masks: Annotated[Int8, "B", "T", "K", "A"]
    actions: Annotated[Int64, "B", "T", "K"]  # every cluster's plan, reached or not
    behavior_logp: Annotated[Float64, "B", "T", "K"]
    rewards: Annotated[Float64, "B", "T"]  # the team's mean
    agent_rewards: Annotated[Float64, "B", "T", "K"]  # before sharing
    reached: Annotated[Bool, "B", "T", "K"]
    effective_action: Annotated[Int64, "B", "T", "K"]
    seconds: Annotated[Int64, "B", "T"]


def blank_tape(layout: ObservationLayout, batch: int, room: int = 0) -> Tape:
    """A tape for `room` rows an environment; without any it counts and adds up alone."""
    clusters = layout.clusters
    return Tape(
        decided=np.zeros(batch, np.int64),
        returns=np.zeros((batch, clusters)),
        observations=np.empty((batch, room, clusters, layout.size), np.float32),
        masks=np.empty((batch, room, clusters, layout.actions), np.int8),
        actions=np.empty((batch, room, clusters), np.int64),
        behavior_logp=np.empty((batch, room, clusters)),
        rewards=np.empty((batch, room)),
        agent_rewards=np.empty((batch, room, clusters)),
        reached=np.empty((batch, room, clusters), np.bool_),
        effective_action=np.empty((batch, room, clusters), np.int64),
        seconds=np.empty((batch, room), np.int64),
    )


def longer(tape: Tape) -> Tape:
    """The same with twice the rows."""
    counts, rows = tape[:2], tape[2:]
    return Tape(*counts, *(np.concatenate([array, np.empty_like(array)], axis=1) for array in rows))


def roll(
    simulator: Simulator,
    heuristic: Heuristic,
    which: NDArray[np.int64],
    tape: Tape,
    *,
    threads: int = 1,
) -> bool:
    """Play environments `which` on, to what `step` after `step` would come to.

    `threads` share them; what comes out is the same. Returns whether all of them have ended; if
    not, the tape is full.
    """
    heuristic.check_hints(simulator)
    table, rule = pack(tape), heuristic.rule
    threads = max(1, min(threads, which.size))

    def ended(first: int, stop: int) -> bool:
        return bool(_roll(simulator.world, table, which[first:stop], rule))

    while not all(side_by_side(ended, which.size, threads)):
        if simulator.has_room():
            return False
        simulator.grow()
    if not simulator.has_room():  # a queue that stands for good has numbered one VM more
        simulator.grow()
    return True


unpack = unpacker(Rules, Feed, State)
unpack_tape = unpacker(Tape)


@entry
def _roll(world: World, table: World, which: NDArray[np.int64], heuristic: Rule) -> bool:
    """Up to each episode's end, as far as there is room on the tape and for numbers of VMs."""
    rules, feed, state = unpack(world)
    (tape,) = unpack_tape(table)
    fresh = tape.actions.shape[1] == 0 and reads_fresh_summaries(rules, heuristic)
    ended = True
    for i in range(which.size):
        b = natural(which[i])
        clock, room = state.clock[b], tape.actions.shape[1]
        # summaries that are full publish what is seen
        clock[UNSEEN] = room == 0 and rules.summaries != FULL
        while clock[STATUS] == RUNNING and clock[ROW] - clock[FIRST] < state.placed_at.shape[1]:
            t = natural(tape.decided[b])
            if room > 0 and t + 1 >= room:
                break
            if fresh:
                publish(rules, state, b)
            _offer(rules, feed, state, tape, b, t, heuristic)
            transit(rules, feed, state, b)
            if room > 0:
                show_request(rules, feed, state, b)
                _write(state, tape, b, t)
            tape.decided[b] += 1
            for k in range(tape.returns.shape[1]):
                tape.returns[b, k] += state.own_reward[b, k]
        if room == 0:
            clock[UNSEEN] = 0
            show_all(rules, state, b)
            show_request(rules, feed, state, b)
        ended = ended and clock[STATUS] != RUNNING
    return ended


@part
def _offer(
    rules: Rules,
    feed: Feed,
    state: State,
    tape: Tape,
    b: int,
    t: int,
    heuristic: Rule,
) -> None:
    """The request goes around; only clusters that it reaches are asked, if no tape wants more."""
    clock, writes = state.clock[b], tape.actions.shape[1] > 0
    begin_offers(state, b)
    offered = True
    for position in range(tape.returns.shape[1]):
        offered = offered and position < rules.tries
        if not offered and not writes:
            return
        k = in_ring(state, b, position)
        bits = key(clock[SEED], clock[EPISODE], clock[ROW] - clock[FIRST], k)
        answer, logp = choose(rules, feed, state, b, k, bits, heuristic)
        if writes:
            tape.actions[b, t, k], tape.behavior_logp[b, t, k] = answer, logp
        if offered:
            offered = not answered(state, b, k, position, answer)


@part
def _write(state: State, tape: Tape, b: int, t: int) -> None:
    """What the transition came to, and what the next one is decided on."""
    for k in range(tape.returns.shape[1]):
        tape.agent_rewards[b, t, k] = state.own_reward[b, k]
        tape.reached[b, t, k] = state.reached[b, k]
        tape.effective_action[b, t, k] = state.effective[b, k]
        seen, legal = tape.observations[b, t + 1, k], tape.masks[b, t + 1, k]
        for i in range(seen.size):
            seen[i] = state.observation[b, k, i]
        for action in range(legal.size):
            legal[action] = state.mask[b, k, action]
    tape.rewards[b, t] = state.team_reward[b]
    tape.seconds[b, t] = state.outcome[b, SECONDS]
