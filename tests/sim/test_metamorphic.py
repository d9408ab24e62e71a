"""Worlds that differ in what must not matter are played alike."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from oracle.tiny import Row, tiny_rules, tiny_trace
from strategies import World, answers, worlds
from vmagent_marl.sim.rules import NODES, Rules
from vmagent_marl.sim.simulator import Episode, Simulator
from vmagent_marl.sim.state import PLACED_IN, SLOT
from vmagent_marl.trace import NEVER, Trace

WEEK = 7 * 86_400  # s; a multiple of every `summary_every` that is drawn

some = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)


def begun(world: World, rules: Rules, trace: Trace) -> Simulator:
    simulator = Simulator(
        rules, trace, batch=len(world.episodes), length=world.length, seconds=world.seconds
    )
    simulator.reset(dict(enumerate(world.episodes)))
    return simulator


def assert_played_alike(
    one: Simulator, other: Simulator, world: World, fields: tuple[str, ...]
) -> None:
    step = 0
    while True:
        for name in fields:
            wanted, array = getattr(one.state, name), getattr(other.state, name)
            np.testing.assert_array_equal(array, wanted, err_msg=name)
        if not one.running.any():
            break
        plans = answers(world.tape, step, one.mask)
        one.step(plans)
        other.step(plans)
        step += 1
    assert not other.running.any()


def changed(trace: Trace, shift: int = 0, scale: int = 1) -> Trace:
    return Trace(
        name=trace.name,
        vm=trace.vm,
        arrival=trace.arrival + shift,
        departure=np.where(trace.departure == NEVER, NEVER, trace.departure + shift),
        cpu=trace.cpu * np.int32(scale),
        memory=trace.memory * np.int32(scale),
        start_hour=trace.start_hour,
    )


@given(worlds(), st.integers(1, 60))
@some
def test_weeks_later_everything_is_the_same(world: World, weeks: int) -> None:
    one = begun(world, world.rules, world.trace)
    other = begun(world, world.rules, changed(world.trace, shift=weeks * WEEK))
    fields = (
        "observation",
        "mask",
        "reward",
        "own_reward",
        "outcome",
        "effective",
        "reached",
        "illegal",
        "free",
        "vms_on",
        "placed_at",
        "level",
        "moment",
        "running_moment",
        "waited",
    )
    assert_played_alike(one, other, world, fields)
    for b in range(one.batch):
        assert asdict(one.metrics(b)) == asdict(other.metrics(b))


@given(worlds(huge=False), st.integers(2, 9))
@some
def test_in_other_units_everything_is_placed_the_same(world: World, scale: int) -> None:
    """Even numbers of units throughout, since half a unit is rounded up."""

    def scaled(rules: Rules, by: int) -> Rules:
        above = NEVER if rules.halve_above == NEVER else rules.halve_above * by
        return rules._replace(node=(rules.node * by).astype(np.int32), halve_above=above)

    one = begun(world, scaled(world.rules, 2), changed(world.trace, scale=2))
    by = 2 * scale
    other = begun(world, scaled(world.rules, by), changed(world.trace, scale=by))
    fields = (
        "observation",
        "mask",
        "outcome",
        "effective",
        "reached",
        "illegal",
        "vms_on",
        "in_service",
        "placed_at",
        "clock",
    )
    assert_played_alike(one, other, world, fields)


ROW = st.tuples(
    st.sampled_from([0, 0, 1, 5, 40]),
    st.sampled_from([None, 0, 1, 6, 30, 200]),
    st.integers(1, 4),
    st.integers(1, 8),
)


@given(st.lists(ROW, min_size=1, max_size=25), st.data())
@some
def test_a_vm_that_never_fits_leaves_the_others_alone(rows: list[Row], data: st.DataObject) -> None:
    at, ordered = 0, list[Row]()
    for gap, lifetime, vcpu, gib in rows:
        at += gap
        ordered.append((at, lifetime, vcpu, gib))
    giant = data.draw(st.integers(0, len(rows)))
    moment = ordered[giant][0] if giant < len(ordered) else at
    with_giant: list[Row] = [*ordered[:giant], (moment, 50, 9, 1), *ordered[giant:]]
    plan = [data.draw(st.integers(0, 2 * NODES)) for _ in rows]
    without = outcomes(ordered, plan)
    with_it = outcomes(with_giant, [*plan[:giant], 0, *plan[giant:]])
    assert with_it.pop(giant)[0] == [-1, -1]
    assert len(with_it) == len(without)
    for (placed, free), (wanted, wanted_free) in zip(with_it, without, strict=True):
        assert placed == wanted
        np.testing.assert_array_equal(free, wanted_free)


def outcomes(rows: list[Row], plan: list[int]) -> list[tuple[list[int], NDArray[np.int32]]]:
    """Of each request: where it was placed, and what was free when it was decided."""
    simulator = Simulator(tiny_rules(servers=2), tiny_trace(*rows))
    simulator.reset({0: Episode(0)})
    seen = []
    for action in plan:
        free = simulator.free.copy()
        simulator.step([[action]])
        seen.append((simulator.state.outcome[0, [PLACED_IN, SLOT]].tolist(), free))
    assert simulator.terminated[0]
    return seen
