"""The next request: when it is decided, which cluster is its home, and what every agent sees."""

from __future__ import annotations

from vmagent_marl.sim.clock import next_event, publish, run_until
from vmagent_marl.sim.draws import HOME as HOME_DRAW
from vmagent_marl.sim.draws import below, key
from vmagent_marl.sim.fit import NONE, first_fit
from vmagent_marl.sim.hints import show_hints, show_releases
from vmagent_marl.sim.jit import part, seldom
from vmagent_marl.sim.layout import CHAIN, REQUEST, SERVER, SUMMARY, TIME
from vmagent_marl.sim.rules import (
    CPU,
    FULL,
    HALVED,
    LEAST_LOADED,
    MEMORY,
    NO_SUMMARIES,
    NODES,
    PINNED,
    ROUND_ROBIN,
    WAIT,
    Feed,
    Rules,
)
from vmagent_marl.sim.servers import show_server
from vmagent_marl.sim.state import (
    DOWN,
    EPISODE,
    EVENT,
    FIRST,
    HOME,
    HOME_TURNED_AWAY,
    HOUR_ENDS,
    LENGTH,
    LOST_BY,
    NOW,
    OFFERED,
    ROW,
    RUNNING,
    SEED,
    STAMP,
    STATUS,
    STOP,
    TERMINATED,
    TRUNCATED,
    TURNED_AWAY,
    UNTIL,
    State,
)
from vmagent_marl.trace import NEVER

HOURS, DAYS, HOUR_SECONDS = 24, 7, 3600


@part
def await_request(rules: Rules, feed: Feed, state: State, b: int, passed: bool) -> None:
    """Let time pass until the request of the current row is to be decided, or the episode ends.

    Where VMs wait, the head of the queue is decided when it fits somewhere in its chain; one that
    all have `passed` waits for what happens next. If nothing will ever happen it would wait for
    ever: it counts as turned away and ends the episode.
    """
    clock = state.clock
    row = clock[b, ROW]
    if row >= clock[b, STOP]:
        run_until(rules, feed, state, b, clock[b, NOW])  # a VM without lifetime leaves even now
        clock[b, STATUS] = TERMINATED
        return
    second = max(clock[b, NOW], feed.arrival[row])
    while True:
        over = second >= clock[b, UNTIL] or clock[b, OFFERED] >= clock[b, LENGTH]
        run_until(rules, feed, state, b, min(second, clock[b, UNTIL]))
        if clock[b, STATUS] != RUNNING:
            return
        clock[b, HOME] = home_of(rules, feed, state, b, row)
        if over:
            clock[b, STATUS] = TRUNCATED
            return
        if rules.turned_away != WAIT:
            clock[b, EVENT] = feed.place_in_events[row] + 1
            return
        if not passed and fits_in_chain(rules, feed, state, b):
            return
        passed = False
        second = next_event(rules, feed, state, b)
        if second == NEVER:
            clock[b, OFFERED] += 1
            count_turned_away(state, b)
            clock[b, STATUS] = TERMINATED
            return


@part
def count_turned_away(state: State, b: int) -> None:
    """Nobody takes the request."""
    home = state.clock[b, HOME]
    state.clock[b, TURNED_AWAY] += 1
    state.counts[b, home, HOME_TURNED_AWAY] += 1
    state.outcome[b, LOST_BY] = home


@part
def fits_in_chain(rules: Rules, feed: Feed, state: State, b: int) -> bool:
    """Whether some cluster that the request will be offered to has room for it."""
    clusters = state.level.shape[1]
    for position in range(rules.tries):
        k = (state.clock[b, HOME] + position) % clusters
        if first_fit(feed, state, b, k, state.clock[b, ROW]) != NONE:
            return True
    return False


@part
def home_of(rules: Rules, feed: Feed, state: State, b: int, row: int) -> int:
    """The cluster that a request is offered to first."""
    clusters = state.level.shape[1]
    number = row - state.clock[b, FIRST]
    if clusters == 1:
        return 0
    if rules.home == ROUND_ROBIN:
        return number % clusters
    if rules.home == LEAST_LOADED:
        if rules.summary_every == 0:
            publish(rules, state, b)
        return _least_loaded(state, b)
    together = feed.burst[row] if rules.home == PINNED else number
    draw = key(state.clock[b, SEED], state.clock[b, EPISODE], together, HOME_DRAW)
    return below(draw, clusters)


@part
def _least_loaded(state: State, b: int) -> int:
    """The cluster whose published scarcer free share is the largest; the first of equals."""
    best, most = 0, -1.0
    for k in range(state.published.shape[1]):
        room = min(state.published[b, k, CPU], state.published[b, k, MEMORY])
        if room > most:
            best, most = k, room
    return best


@part
def show_request(rules: Rules, feed: Feed, state: State, b: int) -> None:
    """Write what every agent sees of the request, and its mask."""
    if rules.summaries != NO_SUMMARIES and rules.summary_every == 0:
        publish(rules, state, b)
        state.clock[b, STAMP] = state.clock[b, NOW]
    _show_hour(feed, state, b)
    clusters = state.level.shape[1]
    for k in range(clusters):
        distance = k - state.clock[b, HOME]
        if distance < 0:
            distance += clusters
        _show_vm(rules, feed, state, b, k, distance)
        if rules.summaries != NO_SUMMARIES:
            _show_summaries(rules, state, b, k)
        show_mask(rules, feed, state, b, k, distance)
    if rules.hints:
        show_hints(state, b)


@seldom
def show_all(rules: Rules, state: State, b: int) -> None:
    """Write every server, after nobody has looked for a while."""
    for k in range(state.in_service.shape[1]):
        for server in range(state.in_service.shape[2]):
            show_server(rules, state, b, k, server)
    if rules.hints:
        show_releases(state, b)


@part
def _show_hour(feed: Feed, state: State, b: int) -> None:
    """The time of day and week, when its hour has changed."""
    clock = state.clock[b]
    if clock[NOW] < clock[HOUR_ENDS]:
        return
    hour = clock[NOW] // HOUR_SECONDS
    clock[HOUR_ENDS] = (hour + 1) * HOUR_SECONDS
    hour += feed.start_hour
    at = (SERVER + 1) * state.in_service.shape[2] + REQUEST + CHAIN
    for k in range(state.observation.shape[1]):
        state.observation[b, k, at] = (hour % HOURS) / HOURS
        state.observation[b, k, at + 1] = (hour // HOURS % DAYS) / DAYS


@part
def show_mask(rules: Rules, feed: Feed, state: State, b: int, k: int, distance: int) -> None:
    """1 for the slots of cluster k that fit, and for pass unless it is the last and has room."""
    mask, row = state.mask[b, k], state.clock[b, ROW]
    slots = mask.size - 1
    if state.clock[b, STATUS] == TERMINATED or state.counts[b, k, DOWN] > 0:
        mask[:slots] = 0
        mask[slots] = 1
        return
    cpu, memory = feed.request[row, CPU], feed.request[row, MEMORY]
    free_cpu, free_memory = state.free[b, k, CPU], state.free[b, k, MEMORY]
    room = 0
    if feed.request[row, HALVED]:
        for slot in range(0, slots, NODES):
            fits = free_cpu[slot] >= cpu and free_memory[slot] >= memory
            fits_other = free_cpu[slot + 1] >= cpu and free_memory[slot + 1] >= memory
            mask[slot] = fits and fits_other
            mask[slot + 1] = 0
            room |= mask[slot]
    else:
        for slot in range(slots):
            fits = (free_cpu[slot] >= cpu) & (free_memory[slot] >= memory)
            mask[slot] = fits
            room |= fits
    last = distance == rules.tries - 1
    must_take = last and not rules.may_decline and room != 0
    mask[slots] = 0 if must_take else 1


@part
def _show_vm(rules: Rules, feed: Feed, state: State, b: int, k: int, distance: int) -> None:
    """The request, the cluster's place in its chain, and the time; zeros for no request."""
    seen = state.observation[b, k]
    clusters, at = state.level.shape[1], (SERVER + 1) * state.in_service.shape[2]
    if state.clock[b, STATUS] == TERMINATED:
        seen[at : at + REQUEST + CHAIN] = 0.0
        return
    row = state.clock[b, ROW]
    for resource in range(2):
        share = feed.request[row, resource] / rules.node[k, resource]
        seen[at + resource] = min(share, 1.0)
    seen[at + 2] = feed.request[row, HALVED]
    seen[at + REQUEST] = distance / max(clusters - 1, 1)
    seen[at + REQUEST + 1] = 1.0 if distance == rules.tries - 1 else 0.0
    seen[at + REQUEST + 2] = 1.0 if distance >= rules.tries else 0.0


@part
def _show_summaries(rules: Rules, state: State, b: int, k: int) -> None:
    """What the clusters published, from cluster k on around the ring."""
    seen = state.observation[b, k]
    clusters, servers = state.level.shape[1], state.in_service.shape[2]
    at = (SERVER + 1) * servers + REQUEST + CHAIN + TIME
    others = at + SUMMARY * clusters
    age = 0.0
    if rules.summary_every > 0:
        age = (state.clock[b, NOW] - state.clock[b, STAMP]) / rules.summary_every
    for step in range(clusters):
        other = (k + step) % clusters
        for i in range(SUMMARY - 2):
            seen[at + SUMMARY * step + i] = state.published[b, other, i]
        seen[at + SUMMARY * step + SUMMARY - 2] = rules.power_share[other]
        seen[at + SUMMARY * step + SUMMARY - 1] = age
        if rules.summaries == FULL and step > 0:
            start = others + (step - 1) * (SERVER + 1) * servers
            for i in range((SERVER + 1) * servers):
                seen[start + i] = state.published_servers[b, other, i]
