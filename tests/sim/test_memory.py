"""Whose arrays a simulator writes: its own, a copy's, the caller's; and from several threads."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from oracle.tiny import tiny_rules, tiny_trace
from strategies import World, answers, worlds
from vmagent_marl import catalog
from vmagent_marl.errors import ActionError, SettingError
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim.simulator import FIRST_ROOM, Episode, Simulator
from vmagent_marl.sim.state import BUFFERS, State

SCENARIOS = catalog.names("scenarios")
COPIES = [copy.deepcopy, lambda simulator: pickle.loads(pickle.dumps(simulator))]
few = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)


def simulator_of(world: World, batch: int, **options: Any) -> Simulator:
    simulator = Simulator(
        world.rules,
        world.trace,
        batch=batch,
        length=world.length,
        seconds=world.seconds,
        **options,
    )
    rows = len(world.trace)
    simulator.reset({b: Episode(b % rows, number=b, seed=7) for b in range(batch)})
    return simulator


def assert_equal(one: State, other: State) -> None:
    for name, array in one._asdict().items():
        np.testing.assert_array_equal(array, getattr(other, name), err_msg=name, strict=True)


def any_plans(simulator: Simulator, step: int) -> NDArray[np.int64]:
    return answers([5, 2, 11 * step, 7, 3 * step], step, simulator.mask)


# ---- copies


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_copy_plays_on_by_itself(name: str, copied: Callable[[Simulator], Simulator]) -> None:
    fields = {"turned_away": "count"} if load_scenario(name).turned_away == "end" else {}
    simulator = load_scenario(name, **fields).simulator(batch=3)
    simulator.reset({b: Episode(11 * b) for b in range(3)})
    for step in range(20):
        simulator.step(any_plans(simulator, step))
    twin, before = copied(simulator), simulator.snapshot()
    assert_equal(twin.state, before)
    for ours, theirs in zip(simulator.state, twin.state, strict=True):
        assert not np.shares_memory(ours, theirs)
    for step in range(20, 30):
        simulator.step(any_plans(simulator, step))
    assert_equal(twin.state, before)
    after = simulator.snapshot()
    for step in range(20, 30):
        twin.step(any_plans(twin, step))
    assert_equal(twin.state, after)
    assert_equal(simulator.state, after)
    simulator.reset({0: Episode(1)})
    assert_equal(twin.state, after)
    assert twin.metrics(1) == simulator.metrics(1)


@pytest.mark.parametrize("copied", COPIES)
def test_a_copy_outlives_what_it_was_copied_from(
    copied: Callable[[Simulator], Simulator],
) -> None:
    """The table of addresses is its own: it neither reads nor writes memory that is gone."""
    simulator = load_scenario("recovering", turned_away="count").simulator(batch=2)
    simulator.reset({0: Episode(0), 1: Episode(50)})
    twin, wanted = copied(simulator), copied(simulator)
    del simulator
    litter = [np.full(2**14, 99, np.int64) for _ in range(20)]
    while twin.number(0) < FIRST_ROOM + 10:  # beyond the room that there is at first
        twin.step(twin.mask.argmax(axis=2))
        wanted.step(wanted.mask.argmax(axis=2))
    assert_equal(twin.state, wanted.state)
    assert all((array == 99).all() for array in litter)


# ---- threads


@given(worlds(), st.sampled_from([2, 3, 5]), st.integers(1, 9))
@few
def test_threads_change_nothing(world: World, threads: int, batch: int) -> None:
    one = simulator_of(world, batch)
    many = simulator_of(world, batch, threads=threads)
    step = 0
    while one.running.any():
        plans = answers(world.tape, step, one.mask)
        one.step(plans)
        many.step(plans)
        assert_equal(many.state, one.state)
        step += 1
    assert not many.running.any()


@pytest.mark.parametrize("name", SCENARIOS)
def test_threads_play_the_shelf_alike(name: str) -> None:
    scenario = load_scenario(name)
    played = []
    for threads in (1, 2):
        simulator = scenario.simulator(batch=6, threads=threads)
        simulator.reset({b: Episode(31 * b) for b in range(6)})
        for step in range(200):
            simulator.step(any_plans(simulator, step))
        played.append(simulator.snapshot())
    assert_equal(*played)


def test_a_thread_that_meets_a_wrong_action_stops_them_all() -> None:
    rows = tiny_trace((0, 9, 1, 1), (5, 9, 1, 1))
    simulator = Simulator(tiny_rules(), rows, batch=4, threads=2)
    simulator.reset({b: Episode(0) for b in range(4)})
    before = simulator.snapshot()
    with pytest.raises(ActionError, match=r"environment 3\) is outside of Discrete\(3\)"):
        simulator.step([[0], [0], [0], [9]])
    assert_equal(simulator.state, before)


# ---- callers' buffers


def buffers_for(simulator: Simulator) -> dict[str, NDArray[Any]]:
    """Arrays as the simulator's own, full of what nobody has written."""
    return {name: np.full_like(getattr(simulator, name), 77) for name in BUFFERS}


@given(worlds())
@few
def test_callers_arrays_are_written_in_place(world: World) -> None:
    own = simulator_of(world, 3)
    buffers = buffers_for(own)
    simulator = simulator_of(world, 3, buffers=buffers)
    step = 0
    while True:
        for name, buffer in buffers.items():
            assert getattr(simulator, name) is buffer
            np.testing.assert_array_equal(buffer, getattr(own, name), err_msg=name)
        if not own.running.any():
            break
        plans = answers(world.tape, step, own.mask)
        own.step(plans)
        simulator.step(plans)
        step += 1


def test_callers_arrays_stay_when_the_room_grows_and_when_a_snapshot_is_restored() -> None:
    scenario = load_scenario("recovering", turned_away="count")
    buffers = buffers_for(scenario.simulator(batch=2))
    simulator = scenario.simulator(batch=2, buffers=buffers)
    simulator.reset({0: Episode(0), 1: Episode(9)})
    began = simulator.snapshot()
    while simulator.number(0) <= FIRST_ROOM:
        simulator.step(simulator.mask.argmax(axis=2))
    simulator.step(simulator.mask.argmax(axis=2))
    assert simulator.observation is buffers["observation"]
    simulator.restore(began)
    np.testing.assert_array_equal(buffers["observation"], began.observation)
    twin = copy.deepcopy(simulator)
    twin.step(twin.mask.argmax(axis=2))
    np.testing.assert_array_equal(buffers["observation"], began.observation)


def wrong(array: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """What stands for a buffer and is none, by what is wrong with it."""
    frozen = array.copy()
    frozen.flags.writeable = False
    wide = np.empty((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    return {
        "another type": array.astype(np.float64 if array.dtype != np.float64 else np.float32),
        "another shape": array[:1].copy(),
        "one axis less": array.reshape(-1),
        "read-only": frozen,
        "with gaps": wide[..., ::2],
        "in another order": np.asfortranarray(array),
    }


@pytest.mark.parametrize("what", wrong(np.zeros((2, 3, 4))))
@pytest.mark.parametrize("name", BUFFERS)
def test_a_wrong_buffer_is_refused(name: str, what: str) -> None:
    scenario = load_scenario("region-prices")
    own = getattr(scenario.simulator(batch=2), name)
    with pytest.raises(SettingError, match=rf"buffers: {name} is .*: give {own.dtype} of shape"):
        scenario.simulator(batch=2, buffers={name: wrong(own)[what]})


def test_a_buffer_of_another_name_is_refused() -> None:
    own = load_scenario("tiny").simulator()
    with pytest.raises(SettingError, match="'masks' is unknown: did you mean 'mask'"):
        load_scenario("tiny").simulator(buffers={"masks": own.mask.copy()})
