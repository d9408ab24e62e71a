"""The simulator as a machine: snapshots, batches, room, errors, and what its arrays promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings

from oracle.tiny import tiny_rules, tiny_trace
from strategies import World, answers, worlds
from vmagent_marl.errors import ActionError, ScenarioError
from vmagent_marl.sim.rules import COUNT, END, NODES, WAIT
from vmagent_marl.sim.simulator import FIRST_ROOM, Episode, Simulator
from vmagent_marl.sim.state import USED_CPU, State
from vmagent_marl.trace import NEVER, Trace

few = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def simulator_of(world: World, batch: int | None = None) -> Simulator:
    return Simulator(
        world.rules,
        world.trace,
        batch=len(world.episodes) if batch is None else batch,
        length=world.length,
        seconds=world.seconds,
    )


def begun(world: World) -> Simulator:
    simulator = simulator_of(world)
    simulator.reset(dict(enumerate(world.episodes)))
    return simulator


def assert_equal_states(one: State, other: State) -> None:
    """All of it, but for how much room there is for VMs that nobody has numbered yet."""
    for name in State._fields:
        array, wanted = getattr(one, name), getattr(other, name)
        if name in ("placed_at", "waited", "heap"):
            vms = min(array.shape[1], wanted.shape[1])
            array, wanted = array[:, :vms], wanted[:, :vms]
        np.testing.assert_array_equal(array, wanted, err_msg=name, strict=True)


def play(simulator: Simulator, world: World, step: int = 0) -> list[State]:
    """Every state to the end of all episodes."""
    states = [simulator.snapshot()]
    while simulator.running.any():
        simulator.step(answers(world.tape, step, simulator.mask))
        states.append(simulator.snapshot())
        step += 1
    return states


@given(worlds())
@few
def test_the_same_seed_plays_the_same_whole_episode(world: World) -> None:
    once, again = play(begun(world), world), play(begun(world), world)
    assert len(once) == len(again)
    for one, other in zip(once, again, strict=True):
        assert_equal_states(one, other)


@given(worlds())
@few
def test_a_restored_snapshot_has_the_same_future(world: World) -> None:
    simulator = begun(world)
    past = play(simulator, world)
    middle = len(past) // 2
    for other in (simulator, simulator_of(world)):
        other.restore(past[middle])
        for one, wanted in zip(play(other, world, middle), past[middle:], strict=True):
            assert_equal_states(one, wanted)


@given(worlds())
@few
def test_an_environment_does_not_know_its_neighbours(world: World) -> None:
    together = begun(world)
    alone = [simulator_of(world, batch=1) for _ in world.episodes]
    for simulator, episode in zip(alone, world.episodes, strict=True):
        simulator.reset({0: episode})
    step = 0
    while together.running.any():
        plans = answers(world.tape, step, together.mask)
        together.step(plans)
        for b, simulator in enumerate(alone):
            simulator.step(plans[b : b + 1])
            row = State._make(array[b : b + 1] for array in together.state)
            assert_equal_states(row, simulator.state)
        step += 1


@given(worlds())
@few
def test_a_reset_leaves_nothing_of_the_episode_before(world: World) -> None:
    used = begun(world)
    play(used, world)
    used.reset(dict(enumerate(world.again)))
    fresh = simulator_of(world)
    fresh.reset(dict(enumerate(world.again)))
    while True:
        for name in ("observation", "mask", "reward", "level", "moment", "counts", "outcome"):
            one, other = getattr(used.state, name), getattr(fresh.state, name)
            np.testing.assert_array_equal(one, other, err_msg=name)
        if not fresh.running.any():
            break
        for simulator in (used, fresh):
            simulator.step(answers(world.tape, 0, fresh.mask.copy()))
    assert used.metrics() == fresh.metrics()


@given(worlds())
@few
def test_resources_are_conserved(world: World) -> None:
    simulator = begun(world)
    step = 0
    while True:
        state = simulator.state
        assert (simulator.free >= 0).all()
        used = state.level[..., USED_CPU : USED_CPU + 2]
        capacity = state.in_service.sum(axis=2)[..., None] * NODES * world.rules.node.astype(int)
        np.testing.assert_array_equal(simulator.free.sum(axis=3) + used, capacity)
        if not simulator.running.any():
            break
        simulator.step(answers(world.tape, step, simulator.mask))
        step += 1


@given(worlds())
@few
def test_all_is_empty_after_the_last_departure(world: World) -> None:
    trace, rules = world.trace, world.rules
    assume(rules.turned_away != END)
    departure = np.where(trace.departure == NEVER, trace.arrival + 5, trace.departure)
    # With room for all of them, waiting adds up to no more than all lifetimes together.
    late = int(departure.max() + (departure - trace.arrival).sum() + 1)
    with_a_late_row = Trace(
        name="late",
        vm=np.arange(len(trace) + 1),
        arrival=np.append(trace.arrival, late),
        departure=np.append(departure, NEVER),
        cpu=np.append(np.minimum(trace.cpu, 1000), 1),
        memory=np.append(np.minimum(trace.memory, 512), 1),
    )
    no_changes = np.empty((0, 3), np.int64)
    simulator = Simulator(rules._replace(departures=True, changes=no_changes), with_a_late_row)
    simulator.reset({0: Episode(0)})
    while simulator.number(0) < len(trace):
        # First fit: an agent that may decline could leave the queue waiting for nothing.
        simulator.step(simulator.mask.argmax(axis=2))
    state = simulator.state
    assert simulator.running[0]
    assert (state.vms_on == 0).all()
    assert (state.running == 0).all()
    capacity = rules.node[None, :, :, None] * np.repeat(state.in_service, NODES, axis=2)[:, :, None]
    np.testing.assert_array_equal(simulator.free, capacity)


def test_an_episode_may_be_longer_than_the_room_it_starts_with() -> None:
    requests = 3 * FIRST_ROOM
    rows = [(at, 1 + at % 7, 1 + at % 2, 1) for at in range(requests)]
    for turned_away in (COUNT, WAIT):
        rules = tiny_rules(servers=2, turned_away=turned_away)
        played = []
        for length in (None, requests):  # room that grows, and room from the start
            simulator = Simulator(rules, tiny_trace(*rows), length=length)
            simulator.reset({0: Episode(0)})
            while simulator.running[0]:
                simulator.step(simulator.mask.argmax(axis=2))
            played.append(simulator.metrics())
        assert played[0] == played[1]
        assert played[0].requests == requests


def test_an_environment_that_has_ended_stays_as_it_is() -> None:
    simulator = Simulator(tiny_rules(), tiny_trace((0, 9, 1, 1), (5, 9, 1, 1)))
    simulator.reset({0: Episode(0)})
    for _ in range(2):
        simulator.step([[0]])
    ended, metrics = simulator.snapshot(), simulator.metrics()
    simulator.step([[1]])
    assert not simulator.reward.any()
    for name in ("clock", "free", "observation", "mask", "moment", "effective", "reached"):
        np.testing.assert_array_equal(getattr(simulator.state, name), getattr(ended, name))
    assert simulator.metrics() == metrics


@pytest.mark.parametrize("action", [-1, 3, 2**40])
def test_an_action_outside_of_the_space_is_an_error(action: int) -> None:
    simulator = Simulator(tiny_rules(), tiny_trace((0, 9, 1, 1)))
    simulator.reset({0: Episode(0)})
    before = simulator.snapshot()
    with pytest.raises(ActionError, match=r"cluster_0.*Discrete\(3\)"):
        simulator.step([[action]])
    assert_equal_states(simulator.state, before)


def test_actions_of_another_shape_are_an_error() -> None:
    simulator = Simulator(tiny_rules(clusters=2), tiny_trace((0, 9, 1, 1)))
    simulator.reset({0: Episode(0)})
    with pytest.raises(ActionError, match=r"\(1, 2\)"):
        simulator.step([0, 0])


@pytest.mark.parametrize(("first", "stop"), [(-1, 1), (0, 0), (1, None), (0, 2), (5, 9)])
def test_an_episode_outside_of_the_trace_is_an_error(first: int, stop: int | None) -> None:
    simulator = Simulator(tiny_rules(), tiny_trace((0, 9, 1, 1)))
    with pytest.raises(ScenarioError, match="row"):
        simulator.reset({0: Episode(first, stop)})


def test_arrays_are_live_and_snapshots_are_not() -> None:
    """Whoever keeps an observation copies it; the environments above do."""
    simulator = Simulator(tiny_rules(), tiny_trace((0, 9, 4, 8), (1, 9, 1, 1), (2, 9, 1, 1)))
    simulator.reset({0: Episode(0)})
    live, copy = simulator.observation, simulator.observation.copy()
    snapshot = simulator.snapshot()
    simulator.step([[0]])
    assert live is simulator.observation
    assert (live != copy).any()
    np.testing.assert_array_equal(snapshot.observation, copy)
    simulator.restore(snapshot)
    simulator.step([[1]])
    np.testing.assert_array_equal(snapshot.observation, copy)


def test_what_is_out_of_range_is_refused_before_a_kernel_sees_it() -> None:
    simulator = Simulator(tiny_rules(), tiny_trace((0, 9, 1, 1), (5, 9, 1, 1)), batch=2)
    with pytest.raises(ScenarioError, match="no environment 3"):
        simulator.reset({3: Episode(0)})
    with pytest.raises(ActionError, match="has ended or not begun"):
        simulator.answer(0, 0, 0)
    simulator.reset({0: Episode(0), 1: Episode(0)})
    for b, k, action in ((2, 0, 0), (-1, 0, 0), (0, 1, 0), (0, 0, 99), (0, 0, -1)):
        with pytest.raises((ScenarioError, ActionError)):
            simulator.answer(b, k, action)
    with pytest.raises(ActionError, match="give whole numbers"):
        simulator.step([[0.7], [0.0]])
    other = Simulator(tiny_rules(), tiny_trace((0, 9, 1, 1)), batch=1)
    with pytest.raises(ScenarioError, match="of another simulator"):
        simulator.restore(other.snapshot())
