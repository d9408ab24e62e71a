"""How time passes: departures, servers that enter service, outages, and summaries."""

from __future__ import annotations

from vmagent_marl.sim.jit import part, seldom
from vmagent_marl.sim.layout import SERVER
from vmagent_marl.sim.queue import pop_departure
from vmagent_marl.sim.rules import (
    CPU,
    FULL,
    MEMORY,
    NO_SUMMARIES,
    NODES,
    OUTAGE,
    RESTORE,
    WAIT,
    Feed,
    Rules,
)
from vmagent_marl.sim.servers import count_servers, end_all, enter_service, remove, show_server
from vmagent_marl.sim.state import (
    ACTIVE,
    CHANGE,
    DOWN,
    DUE,
    EMPTY_SERVERS,
    EVENT,
    FIRST,
    GONE,
    HEAPED,
    NOW,
    SERVING,
    STAMP,
    START,
    USED_CPU,
    USED_MEMORY,
    State,
)
from vmagent_marl.trace import NEVER


@part
def run_until(rules: Rules, feed: Feed, state: State, b: int, second: int) -> None:
    """Everything that happens up to and including `second`, in the order of time."""
    while True:
        departure = next_departure(rules, feed, state, b)
        other = next_other(rules, state, b)
        if min(departure, other) > second:
            break
        if departure <= other:
            pass_time(rules, state, b, departure)
            depart(rules, feed, state, b)
        else:
            pass_time(rules, state, b, other)
            happen(rules, feed, state, b)
    pass_time(rules, state, b, second)
    if rules.summary_every > 0:
        publish_if_due(rules, state, b, second)


@part
def next_event(rules: Rules, feed: Feed, state: State, b: int) -> int:
    """Second of whatever happens next besides an arrival, or NEVER."""
    return min(next_departure(rules, feed, state, b), next_other(rules, state, b))


@part
def next_departure(rules: Rules, feed: Feed, state: State, b: int) -> int:
    """Second of the next departure before the next arrival, or NEVER.

    Where VMs start when they arrive, departures stand in the feed's events; those of VMs that do
    not run are passed over. Where VMs wait, departures depend on the starts and stand in a heap.
    """
    if rules.turned_away == WAIT:
        while state.clock[b, HEAPED] > 0:
            if state.placed_at[b, state.heap[b, 0, 1]] >= 0:
                return state.heap[b, 0, 0]
            pop_departure(state, b)
        return NEVER
    while state.clock[b, EVENT] < feed.events.size:
        event = feed.events[state.clock[b, EVENT]]
        if event >= 0:
            return NEVER
        vm = ~event - state.clock[b, FIRST]
        if vm >= 0 and state.placed_at[b, vm] >= 0:
            return feed.second[state.clock[b, EVENT]]
        state.clock[b, EVENT] += 1
    return NEVER


@part
def depart(rules: Rules, feed: Feed, state: State, b: int) -> None:
    """The VM of `next_departure` leaves."""
    if rules.turned_away == WAIT:
        vm = pop_departure(state, b)
    else:
        vm = ~feed.events[state.clock[b, EVENT]] - state.clock[b, FIRST]
        state.clock[b, EVENT] += 1
    remove(rules, feed, state, b, vm, GONE)


@part
def next_other(rules: Rules, state: State, b: int) -> int:
    """Second of the next outage, drain, restoration or entry into service, or NEVER."""
    second = NEVER
    if state.clock[b, CHANGE] < rules.changes.shape[0]:
        second = state.clock[b, START] + rules.changes[state.clock[b, CHANGE], 0]
    if rules.expansion > 0:
        for k in range(rules.servers.size):
            second = min(second, state.counts[b, k, DUE])
    return second


@seldom
def happen(rules: Rules, feed: Feed, state: State, b: int) -> None:
    """What is due now: ordered servers, and a cluster's outage, drain or restoration."""
    now = state.clock[b, NOW]
    for k in range(rules.servers.size):
        if state.counts[b, k, DUE] == now:
            expand(rules, feed, state, b, k)
    change = state.clock[b, CHANGE]
    if change < rules.changes.shape[0] and state.clock[b, START] + rules.changes[change, 0] == now:
        k, kind = rules.changes[change, 1], rules.changes[change, 2]
        state.clock[b, CHANGE] += 1
        if kind != RESTORE:
            state.counts[b, k, DOWN] += 1
        elif state.counts[b, k, DOWN] > 0:
            state.counts[b, k, DOWN] -= 1
        if kind == OUTAGE:
            end_all(rules, feed, state, b, k)
        count_servers(state, b, k)
        for server in range(state.in_service.shape[2]):
            show_server(rules, state, b, k, server)


@seldom
def expand(rules: Rules, feed: Feed, state: State, b: int, k: int) -> None:
    """Ordered servers enter service."""
    state.counts[b, k, DUE] = NEVER
    serving = state.level[b, k, SERVING]
    for server in range(serving, min(serving + rules.expansion, rules.most[k])):
        enter_service(rules, feed, state, b, k, server)


@part
def order_servers(rules: Rules, feed: Feed, state: State, b: int) -> None:
    """After an arrival: clusters that are too full order servers, one order at a time."""
    if rules.expansion == 0:
        return
    for k in range(rules.servers.size):
        serving = state.level[b, k, SERVING]
        if state.counts[b, k, DUE] != NEVER or serving >= rules.most[k]:
            continue
        used_cpu = state.level[b, k, USED_CPU] / (serving * NODES * rules.node[k, CPU])
        used_memory = state.level[b, k, USED_MEMORY] / (serving * NODES * rules.node[k, MEMORY])
        if max(used_cpu, used_memory) > rules.threshold:
            state.counts[b, k, DUE] = state.clock[b, NOW] + rules.lead_time
            if rules.lead_time == 0:
                expand(rules, feed, state, b, k)


@part
def pass_time(rules: Rules, state: State, b: int, until: int) -> None:
    """Nothing happens until then."""
    if until <= state.clock[b, NOW]:
        return
    if rules.summary_every > 0:
        publish_if_due(rules, state, b, until - 1)
    state.clock[b, NOW] = until


@part
def publish_if_due(rules: Rules, state: State, b: int, second: int) -> None:
    """Publish as of the last multiple of `summary_every` up to `second`, once."""
    if rules.summaries == NO_SUMMARIES:
        return
    due = second // rules.summary_every * rules.summary_every
    if due > state.clock[b, STAMP]:
        publish(rules, state, b)
        state.clock[b, STAMP] = due


@seldom
def publish(rules: Rules, state: State, b: int) -> None:
    """Every cluster tells its free shares and its empty servers as they are now."""
    for k in range(state.level.shape[1]):
        takes = state.counts[b, k, DOWN] == 0
        serving = state.level[b, k, SERVING]
        for resource in range(2):
            room = serving * NODES * rules.node[k, resource]
            free = room - state.level[b, k, USED_CPU + resource]
            state.published[b, k, resource] = free / room if takes and room > 0 else 0.0
        empty = serving - state.level[b, k, ACTIVE]
        state.published[b, k, EMPTY_SERVERS] = empty / serving if takes and serving > 0 else 0.0
        if rules.summaries == FULL:
            for i in range((SERVER + 1) * state.in_service.shape[2]):
                state.published_servers[b, k, i] = state.observation[b, k, i]
