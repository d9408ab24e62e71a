"""Equal servers may change places and the ring may be turned: so do the results, and nothing else.

And a cluster that keeps to itself among others plays what it plays alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from strategies import World, answers, worlds
from vmagent_marl.sim.rules import COUNT, END, NO_SUMMARIES, NODES, ROUND_ROBIN, Rules
from vmagent_marl.sim.simulator import Episode, Simulator
from vmagent_marl.sim.state import (
    HOME,
    LOST_BY,
    NOBODY,
    NOW,
    PLACED_IN,
    POSITION,
    SECONDS,
    SLOT,
    STRANDED_CPU,
    STRANDED_MEMORY,
    WAITED,
)
from vmagent_marl.trace import Trace

SHOWN = ("servers", "in_service", "request", "chain", "time", "summaries", "others")
COMMON = [STRANDED_CPU, STRANDED_MEMORY]
some = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def simulator_of(world: World, rules: Rules, trace: Trace, length: int | None) -> Simulator:
    return Simulator(rules, trace, batch=len(world.episodes), length=length, seconds=world.seconds)


def legal_plans(world: World, step: int, mask: NDArray[np.int8]) -> NDArray[np.int64]:
    """`answers`, of which those that would count as the lowest legal slot are made that slot."""
    plans = answers(world.tape, step, mask)
    env, k = np.indices(plans.shape)
    wrong = (mask[env, k, plans] == 0) & (mask[..., -1] == 0)
    return np.where(wrong, mask.argmax(axis=2), plans)


def by_server(array: NDArray[Any], width: int, order: NDArray[np.intp]) -> NDArray[Any]:
    """(B, K, S * width) with the servers of each cluster in another order (K, S)."""
    shaped = array.reshape(*array.shape[:2], order.shape[1], width)
    moved = np.take_along_axis(shaped, order[None, :, :, None], axis=2)
    return moved.reshape(array.shape)


@given(worlds(), st.integers(0, 2**32 - 1))
@some
def test_equal_servers_may_change_places(world: World, seed: int) -> None:
    """Those that enter service later keep theirs, since they come in the order of their numbers."""
    rules, clusters = world.rules, len(world.rules.servers)
    one, other = (simulator_of(world, rules, world.trace, world.length) for _ in range(2))
    tape = np.random.default_rng(seed)
    place = np.tile(np.arange(one.servers), (clusters, 1))  # where a server of `one` is in `other`
    for k, servers in enumerate(rules.servers):
        place[k, :servers] = tape.permutation(servers)
    order = place.argsort(axis=1)  # which server of `one` is at a place of `other`
    slot_place = np.repeat(NODES * place, NODES, axis=1) + np.tile([0, 1], one.servers)
    action_place = np.concatenate([slot_place, np.full((clusters, 1), one.actions - 1)], axis=1)
    parts = one.layout.parts
    for simulator in (one, other):
        simulator.reset(dict(enumerate(world.episodes)))
    step = 0
    while True:
        for name in ("clock", "level", "moment", "counts", "reached", "illegal", "published"):
            np.testing.assert_array_equal(
                getattr(other.state, name), getattr(one.state, name), err_msg=name
            )
        for name in ("reward", "own_reward", "team_reward", "running_moment", "waited"):
            np.testing.assert_array_equal(
                getattr(other.state, name), getattr(one.state, name), err_msg=name
            )
        for name in ("vms_on", "in_service", "stranded"):
            ours = by_server(getattr(one.state, name), 1, order)
            np.testing.assert_array_equal(getattr(other.state, name), ours, err_msg=name)
        ours = by_server(np.moveaxis(one.free, 2, 3).reshape(*one.mask.shape[:2], -1), 4, order)
        theirs = np.moveaxis(other.free, 2, 3).reshape(ours.shape)
        np.testing.assert_array_equal(theirs, ours)
        np.testing.assert_array_equal(other.mask[..., -1], one.mask[..., -1])
        slots = by_server(one.mask[..., :-1], NODES, order)
        np.testing.assert_array_equal(other.mask[..., :-1], slots)
        seen = one.observation.copy()
        seen[..., parts["servers"]] = by_server(seen[..., parts["servers"]], 4, order)
        seen[..., parts["in_service"]] = by_server(seen[..., parts["in_service"]], 1, order)
        shown = parts["others"].start  # in which the others' servers would have to move too
        np.testing.assert_array_equal(other.observation[..., :shown], seen[..., :shown])
        moved = one.state.outcome.copy()
        placed = moved[:, PLACED_IN] != NOBODY
        moved[placed, SLOT] = action_place[moved[placed, PLACED_IN], moved[placed, SLOT]]
        np.testing.assert_array_equal(other.state.outcome, moved)
        if not one.running.any():
            break
        plans = legal_plans(world, step, one.mask)
        one.step(plans)
        other.step(action_place[np.arange(clusters), plans])
        step += 1


def turned(rules: Rules, by: int) -> Rules:
    """The same clusters, each `by` places further on in the ring."""
    each = ("node", "servers", "most", "power", "power_share")
    moved = {name: np.roll(getattr(rules, name), by, axis=0) for name in each}
    changes = rules.changes.copy()
    changes[:, 1] = (changes[:, 1] + by) % len(rules.servers)
    return rules._replace(**moved, changes=changes)


def with_passers_by(trace: Trace, number: int) -> Trace:
    """A trace that begins with small requests that leave in the second of the first one."""
    first = trace.arrival[0]
    return Trace(
        name="preceded",
        vm=np.arange(len(trace) + number),
        arrival=np.concatenate([np.full(number, first), trace.arrival]),
        departure=np.concatenate([np.full(number, first), trace.departure]),
        cpu=np.concatenate([np.full(number, 1), trace.cpu]),
        memory=np.concatenate([np.full(number, 1), trace.memory]),
        start_hour=trace.start_hour,
    )


@given(worlds(), st.integers(1, 3))
@some
def test_the_ring_may_be_turned(world: World, by: int) -> None:
    """With every home: round robin begins that much later, behind passers-by that leave nothing."""
    clusters = len(world.rules.servers)
    turned_away = COUNT if world.rules.turned_away == END else world.rules.turned_away
    rules = world.rules._replace(
        home=ROUND_ROBIN,
        turned_away=turned_away,
        departures=True,
        threshold=max(world.rules.threshold, 0.25),  # so that nothing is ordered for passers-by
    )
    one = simulator_of(world, rules, world.trace, world.length)
    length = None if world.length is None else world.length + by
    other = simulator_of(world, turned(rules, by), with_passers_by(world.trace, by), length)
    one.reset({b: Episode(0) for b in range(one.batch)})
    other.reset({b: Episode(0) for b in range(one.batch)})
    for _ in range(by):
        assume(other.running.all())
        other.step(other.mask.argmax(axis=2))
    # a cluster that is out of service for now may have let one of them wait
    assume((other.state.clock[:, NOW] == one.state.clock[:, NOW]).all())
    step, parts = 0, one.layout.parts
    shown = np.concatenate([np.arange(one.layout.size)[parts[name]] for name in SHOWN])
    names = ["observation", "mask", "free", "level", "vms_on", "in_service", "published"]
    while True:
        if step == 1:
            names += ["reward", "own_reward", "reached", "effective", "illegal"]
        for name in names:
            ours = np.roll(getattr(one.state, name), by, axis=1)
            theirs = getattr(other.state, name)
            if name == "observation":
                ours, theirs = ours[..., shown], theirs[..., shown]
            if name == "level":  # passers-by change which types are common
                ours, theirs = np.delete(ours, COMMON, axis=2), np.delete(theirs, COMMON, axis=2)
            if name in ("reward", "own_reward"):  # sums over the ring begin elsewhere
                np.testing.assert_allclose(theirs, ours, rtol=1e-12, atol=1e-12, err_msg=name)
            else:
                np.testing.assert_array_equal(theirs, ours, err_msg=name)
        home = (one.state.clock[:, HOME] + by) % clusters
        np.testing.assert_array_equal(other.state.clock[:, HOME], home)
        np.testing.assert_array_equal(other.running, one.running)
        if step > 0:
            columns = [SLOT, POSITION, SECONDS, WAITED]
            ours, theirs = one.state.outcome, other.state.outcome
            np.testing.assert_array_equal(theirs[:, columns], ours[:, columns])
            for column in (PLACED_IN, LOST_BY):
                some_one = ours[:, column] != NOBODY
                wanted = np.where(some_one, (ours[:, column] + by) % clusters, NOBODY)
                np.testing.assert_array_equal(theirs[:, column], wanted)
        if not one.running.any():
            break
        plans = answers(world.tape, step, one.mask)
        one.step(plans)
        other.step(np.roll(plans, by, axis=1))
        step += 1


@given(worlds(), st.data())
@some
def test_a_cluster_that_keeps_to_itself_plays_what_it_plays_alone(
    world: World, data: st.DataObject
) -> None:
    """With one try and no queue: its own requests, rewards added up from one to its next.

    Servers are ordered at every arrival, and a queue is one for all: without either.
    """
    clusters = len(world.rules.servers)
    k = data.draw(st.integers(0, clusters - 1))
    rules = world.rules._replace(
        home=ROUND_ROBIN,
        turned_away=COUNT,
        tries=1,
        kept=np.ones(1),
        expansion=0,
        most=world.rules.servers.copy(),
        changes=np.empty((0, 3), np.int64),
        summaries=NO_SUMMARIES,
        share=0.0,
    )
    rows = np.arange(k, len(world.trace), clusters)
    assume(len(rows) > 1)
    mine = {
        name: getattr(rules, name)[k : k + 1]
        for name in ("node", "servers", "most", "power", "power_share")
    }
    trace = world.trace
    own = Trace(
        name="own",
        vm=np.arange(len(rows)),
        arrival=trace.arrival[rows],
        departure=trace.departure[rows],
        cpu=trace.cpu[rows],
        memory=trace.memory[rows],
        start_hour=trace.start_hour,
    )
    among, alone = Simulator(rules, trace), Simulator(rules._replace(**mine), own)
    among.reset({0: Episode(0)})
    alone.reset({0: Episode(0)})
    for number in range(k):
        among.step(answers(world.tape, number, among.mask))
    slots, earned, step = NODES * int(rules.servers[k]), 0.0, k
    for turn in range(len(rows)):
        np.testing.assert_array_equal(among.free[0, k, :, :slots], alone.free[0, 0])
        np.testing.assert_array_equal(among.mask[0, k, :slots], alone.mask[0, 0, :-1])
        assert among.mask[0, k, -1] == alone.mask[0, 0, -1]
        np.testing.assert_array_equal(
            among.state.vms_on[0, k, : slots // 2], alone.state.vms_on[0, 0]
        )
        there, here = among.layout.parts, alone.layout.parts
        for name in ("request", "chain", "time"):
            np.testing.assert_array_equal(
                among.observation[0, k, there[name]], alone.observation[0, 0, here[name]]
            )
        np.testing.assert_array_equal(
            among.observation[0, k, : 2 * slots], alone.observation[0, 0, : 2 * slots]
        )
        if turn > 0:
            np.testing.assert_allclose(earned, alone.reward[0, 0], rtol=1e-9, atol=1e-9)
        if turn == len(rows) - 1:
            break
        plans = answers(world.tape, step, among.mask)
        action = int(plans[0, k])
        wanted = action if action < slots else alone.actions - 1
        if slots <= action < among.actions - 1:  # a server that the cluster has not
            plans[0, k] = among.actions - 1
        earned = 0.0
        for _ in range(clusters):
            among.step(plans)
            earned += float(among.own_reward[0, k])
            step += 1
            plans = answers(world.tape, step, among.mask)
        alone.step([[wanted]])
