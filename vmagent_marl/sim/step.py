"""The kernels that Python calls: an episode begins, and every environment of a batch steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.sim.clock import order_servers, publish
from vmagent_marl.sim.draws import key
from vmagent_marl.sim.handle import World, natural, unpacker
from vmagent_marl.sim.hints import foresee
from vmagent_marl.sim.jit import entry, part
from vmagent_marl.sim.queue import push_departure
from vmagent_marl.sim.request import await_request, count_turned_away, show_request
from vmagent_marl.sim.rewards import begin_transition, own_reward
from vmagent_marl.sim.rules import END, HALVED, NO_SUMMARIES, NODES, WAIT, WHOLE_CPU, Feed, Rules
from vmagent_marl.sim.servers import enter_service, place, show_server
from vmagent_marl.sim.state import (
    DUE,
    EPISODE,
    EVENT,
    FIRST,
    HOME,
    LENGTH,
    LOST_BY,
    NOBODY,
    NOW,
    OFFERED,
    PLACED_IN,
    POSITION,
    ROW,
    RUNNING,
    SECONDS,
    SEED,
    SLOT,
    STAMP,
    START,
    STATUS,
    STOP,
    TERMINATED,
    UNPLACED,
    UNTIL,
    WAITED,
    State,
)
from vmagent_marl.trace import NEVER

unpack = unpacker(Rules, Feed, State)


@entry
def begin(world: World, which: NDArray[np.int64], episodes: NDArray[np.int64]) -> None:
    """Begin an episode in each environment of `which`, up to its first request.

    `episodes` (n, 6), one row for each: row of the first request, row before which it ends,
    requests and seconds after which it is truncated (or NEVER), seed, episode's number.
    """
    rules, feed, state = unpack(world)
    for i in range(which.size):
        b = natural(which[i])
        _begin(rules, feed, state, b, episodes[i])
        await_request(rules, feed, state, b, False)
        if rules.hints:
            foresee(rules, feed, state, b)
        show_request(rules, feed, state, b)


@entry
def step(world: World, actions: NDArray[np.int64], first: int, stop: int) -> int:
    """Step environments first..stop-1, those that run: actions (B, K) decide their requests.

    Returns the largest number of a VM to be decided next, for whoever keeps room for them; or,
    where an action is outside of the space, -1 - its place in `actions`: nothing has happened.
    """
    rules, feed, state = unpack(world)
    for i in range(actions.size):
        if actions.flat[i] < 0 or actions.flat[i] >= state.mask.shape[2]:
            return -1 - i
    highest = 0
    for at in range(first, stop):
        b = natural(at)
        if state.clock[b, STATUS] == RUNNING:
            offer(rules, feed, state, b, actions[b])
            transit(rules, feed, state, b)
            show_request(rules, feed, state, b)
            highest = max(highest, state.clock[b, ROW] - state.clock[b, FIRST])
        else:
            _stay(state, b)
    return highest


@part
def transit(rules: Rules, feed: Feed, state: State, b: int) -> None:
    """From a decided request to the next: its VM starts, time passes, everyone is paid."""
    begin_transition(rules, state, b)
    decided_at, row = state.clock[b, NOW], state.clock[b, ROW]
    _settle(rules, feed, state, b)
    queued = _leave(rules, state, b)
    await_request(rules, feed, state, b, queued)
    if rules.hints:
        foresee(rules, feed, state, b)
    state.outcome[b, SECONDS] = state.clock[b, NOW] - decided_at
    _pay(rules, feed, state, b, row)


@part
def _settle(rules: Rules, feed: Feed, state: State, b: int) -> None:
    """The VM starts where the chain put it, or is turned away."""
    if state.outcome[b, PLACED_IN] != NOBODY:
        _start(rules, feed, state, b)
    elif rules.turned_away != WAIT:
        count_turned_away(state, b)
        if rules.turned_away == END:
            state.clock[b, STATUS] = TERMINATED
    order_servers(rules, feed, state, b)


@part
def _leave(rules: Rules, state: State, b: int) -> bool:
    """Turn to the next request; whether this one stays at the head of the queue instead."""
    if rules.turned_away == WAIT and state.outcome[b, PLACED_IN] == NOBODY:
        return True
    state.clock[b, OFFERED] += 1
    state.clock[b, ROW] += 1
    return False


@part
def _stay(state: State, b: int) -> None:
    """An environment that has ended stays as it is, without reward."""
    state.own_reward[b, :] = 0.0
    state.reward[b, :] = 0.0
    state.team_reward[b] = 0.0
    state.outcome[b, SECONDS] = 0


@part
def offer(rules: Rules, feed: Feed, state: State, b: int, actions: NDArray[np.int64]) -> None:
    """Home first, then around the ring, at most `tries` offers: the first to place it keeps it."""
    begin_offers(state, b)
    clusters, pass_on = state.mask.shape[1], state.mask.shape[2] - 1
    for k in range(clusters):
        meant = _even(feed, state, b, actions[k], pass_on)
        state.illegal[b, k] = state.mask[b, k, meant] == 0
    for position in range(rules.tries):
        k = in_ring(state, b, position)
        if answered(state, b, k, position, legal_answer(feed, state, b, k, actions[k])):
            return


@part
def begin_offers(state: State, b: int) -> None:
    """Nobody has answered."""
    outcome, clusters = state.outcome[b], state.reached.shape[1]
    for k in range(clusters):
        state.reached[b, k] = False
        state.illegal[b, k] = False
        state.effective[b, k] = state.mask.shape[2] - 1
    outcome[PLACED_IN] = outcome[SLOT] = outcome[POSITION] = outcome[LOST_BY] = NOBODY
    outcome[WAITED] = 0


@part
def in_ring(state: State, b: int, position: int) -> int:
    """The cluster at a position of the request's chain."""
    clusters, k = state.reached.shape[1], state.clock[b, HOME] + position
    return k - clusters if k >= clusters else k


@part
def answered(state: State, b: int, k: int, position: int, answer: int) -> bool:
    """Cluster k, which was reached, has answered: whether it takes the request."""
    state.reached[b, k] = True
    state.effective[b, k] = answer
    if answer == state.mask.shape[2] - 1:
        return False
    state.outcome[b, PLACED_IN] = k
    state.outcome[b, SLOT] = answer
    state.outcome[b, POSITION] = position
    return True


@part
def legal_answer(feed: Feed, state: State, b: int, k: int, action: int) -> int:
    """The action as it counts: an illegal one is pass where pass is legal, else the lowest slot."""
    mask = state.mask[b, k]
    pass_on = mask.size - 1
    action = _even(feed, state, b, action, pass_on)
    if mask[action]:
        return action
    if mask[pass_on]:
        return pass_on
    for slot in range(pass_on):
        if mask[slot]:
            return slot
    return pass_on


@part
def _even(feed: Feed, state: State, b: int, action: int, pass_on: int) -> int:
    """For a halved VM both actions of a server mean the same placement, named by the even one."""
    if action < pass_on and feed.request[state.clock[b, ROW], HALVED]:
        return action - action % NODES
    return action


@part
def _start(rules: Rules, feed: Feed, state: State, b: int) -> None:
    """The VM starts where the chain put it."""
    now, row, outcome = state.clock[b, NOW], state.clock[b, ROW], state.outcome[b]
    place(rules, feed, state, b, outcome[PLACED_IN], outcome[SLOT], outcome[POSITION])
    outcome[WAITED] = now - feed.arrival[row]
    if rules.turned_away == WAIT:
        vm = row - state.clock[b, FIRST]
        state.waited[b, vm] = outcome[WAITED]
        if feed.lifetime[row] != NEVER:
            push_departure(state, b, now + feed.lifetime[row], vm)


@part
def _pay(rules: Rules, feed: Feed, state: State, b: int, row: int) -> None:
    """Every agent's reward for the transition, shared with the team as the scenario says."""
    clusters = state.own_reward.shape[1]
    team = 0.0
    for k in range(clusters):
        placed = 1 if state.outcome[b, PLACED_IN] == k else 0
        waited = state.outcome[b, WAITED]
        own = own_reward(rules, state, b, k, placed, feed.request[row, WHOLE_CPU], waited)
        if state.outcome[b, LOST_BY] == k:
            own -= rules.turned_away_cost
        state.own_reward[b, k] = own
        team += own
    state.team_reward[b] = team / clusters
    for k in range(clusters):
        own = state.own_reward[b, k]
        state.reward[b, k] = rules.share * team / clusters + (1.0 - rules.share) * own


@part
def _begin(rules: Rules, feed: Feed, state: State, b: int, episode: NDArray[np.int64]) -> None:
    """An empty cluster at the arrival of the episode's first request."""
    numbered = min(state.clock[b, ROW] - state.clock[b, FIRST] + 1, state.placed_at.shape[1])
    state.placed_at[b, :numbered] = UNPLACED
    first = episode[0]
    now = feed.arrival[first]
    clock = state.clock[b]
    clock[:] = 0
    clock[NOW] = clock[START] = now
    clock[FIRST] = clock[ROW] = first
    clock[STOP] = episode[1]
    clock[LENGTH] = episode[2]
    clock[UNTIL] = NEVER if episode[3] == NEVER else now + episode[3]
    clock[SEED], clock[EPISODE] = episode[4], episode[5]
    clock[EVENT] = feed.place_in_events[first] + 1
    clock[STAMP] = now
    if rules.summary_every > 0 and rules.summaries != NO_SUMMARIES:
        # one second back, so that a publication due now sees what changes now
        clock[STAMP] = (now - 1) // rules.summary_every * rules.summary_every
    clock[STATUS] = RUNNING
    state.level[b] = 0
    state.moment[b] = 0
    state.counts[b] = 0
    state.free[b] = 0
    state.most_free[b] = 0
    state.share[b] = 0.0
    state.stranded[b] = 0
    state.in_service[b] = 0
    state.vms_on[b] = 0
    state.latest[b] = NOBODY
    state.release[b] = 0
    state.review[b] = 0
    state.running[b] = 0
    state.running_moment[b] = 0
    state.outcome[b] = 0
    state.outcome[b, PLACED_IN] = NOBODY
    state.outcome[b, LOST_BY] = NOBODY
    state.reached[b] = False
    state.illegal[b] = False
    state.effective[b] = state.mask.shape[2] - 1
    state.own_reward[b] = 0.0
    state.reward[b] = 0.0
    state.team_reward[b] = 0.0
    for k in range(state.free.shape[1]):
        state.counts[b, k, DUE] = NEVER
        for server in range(rules.servers[k]):
            enter_service(rules, feed, state, b, k, server)
        for server in range(rules.servers[k], state.in_service.shape[2]):
            show_server(rules, state, b, k, server)
    publish(rules, state, b)


@entry
def answer_of(world: World, b: int, k: int, action: int) -> int:
    """`legal_answer`, for Python."""
    _, feed, state = unpack(world)
    return legal_answer(feed, state, b, k, action)


@entry
def draw_keys(world: World, keys: NDArray[np.uint64]) -> None:
    """64 random bits (B, K) for each agent's answer to the request that is to be decided."""
    _, _, state = unpack(world)
    for b in range(keys.shape[0]):
        clock = state.clock[b]
        number = clock[ROW] - clock[FIRST]
        for k in range(keys.shape[1]):
            keys[b, k] = key(clock[SEED], clock[EPISODE], number, k)
