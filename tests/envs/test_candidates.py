"""Candidates: the best slots of each cluster, judged by a sort in plain Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from oracle.tiny import tiny_rules, tiny_trace
from strategies import World, answers, worlds
from vmagent_marl.envs.candidate_layout import (
    CANDIDATE,
    MOST_CANDIDATES,
    CandidateLayout,
    candidates_in,
)
from vmagent_marl.envs.candidates import Candidates
from vmagent_marl.errors import ActionError, SettingError
from vmagent_marl.policies import make_policy
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim import Episode, ObservationLayout, Simulator
from vmagent_marl.sim.rules import CPU, FULL, HALVED, MEMORY, NODES
from vmagent_marl.sim.state import (
    ACTIVE,
    DOWN,
    PLACED_IN,
    ROW,
    SERVING,
    SLOT,
    STATUS,
    TERMINATED,
    USED_CPU,
)

JIT = not numba.config.DISABLE_JIT
some = settings(
    max_examples=80 if JIT else 12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)


def simulator_of(world: World) -> Simulator:
    return Simulator(
        world.rules,
        world.trace,
        batch=len(world.episodes),
        length=world.length,
        seconds=world.seconds,
    )


def ranked(simulator: Simulator, b: int, k: int) -> list[int]:
    """Every candidate of a cluster in order, from the integer amounts alone."""
    row = int(simulator.state.clock[b, ROW])
    if simulator.state.clock[b, STATUS] == TERMINATED or simulator.state.counts[b, k, DOWN]:
        return []
    cpu, memory, _, halved = simulator.feed.request[row].tolist()
    free, node = simulator.free[b, k].tolist(), simulator.rules.node[k].tolist()

    def share(slot: int) -> float:
        return float(min(free[CPU][slot] / node[CPU], free[MEMORY][slot] / node[MEMORY]))

    found = []
    for server in range(simulator.servers):
        both = [NODES * server, NODES * server + 1]
        fit = [s for s in both if free[CPU][s] >= cpu and free[MEMORY][s] >= memory]
        if not fit or (halved and len(fit) < NODES):
            continue
        slot = both[0] if halved else max(fit, key=lambda s: (share(s), -s))
        found.append((share(both[0]) + share(both[1]), server, slot))
    return [slot for _, _, slot in sorted(found)]


def seen_of(simulator: Simulator, b: int, k: int, slots: list[int], count: int) -> list[float]:
    """The parts `candidates` and `own`, from their definitions."""
    free, node = simulator.free[b, k].tolist(), simulator.rules.node[k].tolist()
    seen: list[float] = []
    for slot in slots[:count]:
        need = simulator.feed.request[simulator.state.clock[b, ROW]].tolist()
        other = slot + 1 if slot % 2 == 0 else slot - 1
        on_node = [free[r][slot] / node[r] for r in (CPU, MEMORY)]
        beside = [free[r][other] / node[r] for r in (CPU, MEMORY)]
        taken = need[:2] if need[HALVED] else [0, 0]
        left = min((free[r][slot] - need[r]) / node[r] for r in (CPU, MEMORY))
        left += min((free[r][other] - taken[r]) / node[r] for r in (CPU, MEMORY))
        empty = float(simulator.state.vms_on[b, k, slot // 2] == 0)
        seen += [*on_node, *beside, left / 2, empty]
    seen += [0.0] * (CANDIDATE * count - len(seen))
    serving = int(simulator.state.in_service[b, k].sum())
    if simulator.state.counts[b, k, DOWN] or serving == 0:
        return [*seen, 0.0, 0.0, 0.0, 0.0]
    own = [sum(free[r]) / (serving * 2 * node[r]) for r in (CPU, MEMORY)]
    vms = simulator.state.vms_on[b, k] > 0
    fitting = 0
    if simulator.state.clock[b, STATUS] != TERMINATED:
        fitting = int(simulator.mask[b, k, :-1].sum())
        fitting *= 2 if simulator.feed.request[simulator.state.clock[b, ROW], HALVED] else 1
    return [*seen, *own, (serving - vms.sum()) / serving, fitting / (2 * serving)]


def assert_shown(view: Candidates) -> None:
    """Slots, masks and observations are what they are said to be."""
    simulator, count = view.simulator, view.layout.candidates
    flat, parts = simulator.layout.parts, view.layout.parts
    for b, k in np.ndindex(simulator.batch, simulator.clusters):
        best = ranked(simulator, b, k)
        wanted = (best + [-1] * count)[:count]
        assert view.slots[b, k].tolist() == wanted
        exists = [int(slot >= 0) for slot in wanted]
        assert view.mask[b, k].tolist() == [*exists, simulator.mask[b, k, -1]]
        seen = view.observation[b, k]
        np.testing.assert_array_equal(
            seen[: parts["own"].stop], np.array(seen_of(simulator, b, k, best, count), np.float32)
        )
        for name in view.layout.kept:
            np.testing.assert_array_equal(
                seen[parts[name]], simulator.observation[b, k, flat[name]], err_msg=name
            )
    assert (view.mask.sum(axis=2) > 0).all()
    assert (view.observation >= 0).all()
    assert (view.observation <= 1).all()


@given(worlds(), st.sampled_from([1, 2, 3, 8, 70]))
@some
def test_candidates_are_the_best_slots_in_order_whatever_the_world(
    world: World, count: int
) -> None:
    """And a simulator that is told their slots plays the very same game."""
    view, beside = Candidates(simulator_of(world), count), simulator_of(world)
    begin = dict(enumerate(world.episodes))
    view.reset(begin)
    beside.reset(begin)
    step = 0
    while True:
        assert_shown(view)
        if not view.simulator.running.any():
            break
        choices = answers(world.tape, step, view.mask)
        mask, slots, running = view.mask.copy(), view.slots.copy(), view.simulator.running
        counted, wrong = view.effective.copy(), view.illegal.copy()
        taken = np.full(choices.shape, -1)
        for b, k in np.ndindex(choices.shape):
            if running[b]:
                taken[b, k] = view.answer(b, k, int(choices[b, k]))
        plans = np.full(choices.shape, beside.actions - 1)
        for b, k in np.argwhere(taken >= 0):
            if taken[b, k] < count:
                plans[b, k] = slots[b, k, taken[b, k]]
        view.step(choices)
        beside.step(plans)
        for name, array in view.simulator.state._asdict().items():
            np.testing.assert_array_equal(array, getattr(beside.state, name), err_msg=name)
        np.testing.assert_array_equal(view.effective[~running], counted[~running])
        np.testing.assert_array_equal(view.illegal[~running], wrong[~running])
        for b in np.flatnonzero(running):
            for k in range(beside.clusters):
                assert view.illegal[b, k] == (mask[b, k, choices[b, k]] == 0)
                kept = beside.state.effective[b, k] != beside.actions - 1
                assert view.effective[b, k] == (taken[b, k] if kept else count)
        step += 1


@pytest.mark.parametrize("name", ["recovering", "region-prices", "waiting", "expanding"])
@pytest.mark.parametrize("servers", [5, 70])
def test_the_first_choice_is_that_of_server_best_fit(name: str, servers: int) -> None:
    policy = make_policy("server-best-fit")
    view = Candidates(load_scenario(name, servers=servers).simulator(batch=3), 4)
    view.reset({b: Episode(1000 * b) for b in range(3)})
    for _ in range(300):
        wanted, _ = policy.act(view.simulator, view.simulator.keys())
        running = view.simulator.running
        choices = np.where(view.mask[..., 0] == 1, 0, 4)
        np.testing.assert_array_equal(view.plans(choices)[running], wanted[running])
        view.advance(choices)


def test_a_layout_tells_its_parts_and_does_not_grow_with_the_servers() -> None:
    few, many = (CandidateLayout(ObservationLayout(3, servers, FULL), 8) for servers in (5, 1000))
    assert few.parts == many.parts
    assert {"request", "chain", "time", "summaries"} <= set(many.kept)
    assert not {"servers", "in_service", "others"} & set(many.kept)
    assert few.size == many.size == 8 * 6 + 4 + 3 + 3 + 2 + 5 * 3
    end = 0
    for part in many.parts.values():
        assert part.start == end
        end = part.stop
    assert (end, many.actions) == (many.size, 9)


def test_where_more_candidates_are_wanted_than_there_are_servers_the_rest_is_not_there() -> None:
    view = Candidates(Simulator(tiny_rules(servers=2), tiny_trace((0, 9, 1, 1))), 4)
    view.reset({0: Episode(0)})
    assert view.mask[0, 0].tolist() == [1, 1, 0, 0, 0]
    assert view.slots[0, 0].tolist() == [0, 2, -1, -1]


def test_an_absent_candidate_is_pass_and_where_that_is_illegal_the_first() -> None:
    for clusters, counted in ((2, 3), (1, 0)):  # with one cluster, it is the last of the chain
        rows = tiny_trace((0, 9, 1, 1), (0, 9, 1, 1))
        view = Candidates(Simulator(tiny_rules(clusters=clusters), rows), 3)
        view.reset({0: Episode(0)})
        view.step([[2] + [0] * (clusters - 1)])
        assert view.illegal[0].tolist() == [True] + [False] * (clusters - 1)
        assert view.effective[0, 0] == counted
        assert view.simulator.state.outcome[0, [PLACED_IN, SLOT]].tolist() == [clusters - 1, 0]


def test_a_reset_forgets_how_the_last_choices_counted() -> None:
    view = Candidates(Simulator(tiny_rules(), tiny_trace((0, 9, 1, 1)), batch=2), 3)
    view.reset({0: Episode(0), 1: Episode(0)})
    view.step([[2], [2]])
    view.reset({1: Episode(0)})
    assert view.illegal[:, 0].tolist() == [True, False]
    assert view.effective[:, 0].tolist() == [0, 3]


def test_a_snapshot_brings_everything_back() -> None:
    view = Candidates(load_scenario("region-prices").simulator(batch=2), 5)
    view.reset({0: Episode(0), 1: Episode(500)})

    def play(steps: int) -> list[bytes]:
        course = []
        for t in range(steps):
            view.step(answers([3, 5, 7 * t, 11], t, view.mask))
            arrays = view.observation, view.mask, view.slots, view.effective, view.illegal
            course.append(b"".join(array.tobytes() for array in arrays))
        return course

    play(50)
    snapshot, before = view.snapshot(), (view.effective.copy(), view.illegal.copy())
    future = play(30)
    view.restore(snapshot)
    np.testing.assert_array_equal(view.effective, before[0])
    np.testing.assert_array_equal(view.illegal, before[1])
    assert play(30) == future


@pytest.mark.parametrize(
    "actions",
    ["top", "top-0", "top-x", f"top-{MOST_CANDIDATES + 1}", "slot", "top-99999"],
)
def test_another_way_to_act_is_refused(actions: str) -> None:
    with pytest.raises(SettingError, match=r"actions: .* is unknown: give 'slots', or 'top-8'"):
        candidates_in(actions)
    assert (candidates_in("slots"), candidates_in("top-12")) == (None, 12)


def bad_choices() -> list[NDArray[np.generic] | list[int]]:
    return [[0], np.zeros((1, 3)), np.zeros((2, 1), np.int64)]


@pytest.mark.parametrize("number", range(len(bad_choices())))
def test_choices_of_another_shape_or_type_are_an_error(number: int) -> None:
    view = Candidates(Simulator(tiny_rules(), tiny_trace((0, 9, 1, 1))), 3)
    view.reset({0: Episode(0)})
    with pytest.raises(ActionError, match=r"give whole numbers of shape \(1, 1\)"):
        view.step(bad_choices()[number])


@pytest.mark.parametrize("choice", [-1, 4, 2**40])
def test_a_choice_outside_of_the_space_is_an_error_and_nothing_has_happened(choice: int) -> None:
    view = Candidates(Simulator(tiny_rules(clusters=2), tiny_trace((0, 9, 1, 1))), 3)
    with pytest.raises(ActionError, match="has ended or not begun"):
        view.answer(0, 0, 0)
    view.reset({0: Episode(0)})
    before = view.snapshot()
    with pytest.raises(ActionError, match=r"cluster_1 .*Discrete\(4\): give 0 to 3"):
        view.step([[2, choice]])
    with pytest.raises(ActionError, match=r"cluster_1 .*Discrete\(4\)"):
        view.answer(0, 1, choice)
    after = view.snapshot()
    pairs = zip((*after[0], *after[1:]), (*before[0], *before[1:]), strict=True)
    for ours, theirs in pairs:
        np.testing.assert_array_equal(ours, theirs)


def test_equal_servers_are_offered_from_the_lowest() -> None:
    state = load_scenario("recovering", servers=40).simulator()
    view = Candidates(state, 6)
    view.reset({0: Episode(0)})
    assert view.slots[0, 0].tolist() == [0, 2, 4, 6, 8, 10]
    assert (state.state.level[0, 0, [ACTIVE, USED_CPU]] == 0).all()
    assert state.state.level[0, 0, SERVING] == 40


@pytest.mark.skipif(not JIT, reason="is what runs it")
def test_the_kernels_hold_without_the_jit() -> None:
    """As plain Python, where an index out of bounds raises instead of reading memory."""
    here = Path(__file__)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    # uint64 arithmetic wraps, which numpy's scalars warn of and compiled code does not.
    command += ["-W", "ignore::RuntimeWarning", "-k", "best_slots or absent", str(here)]
    paths = os.pathsep.join([*sys.path, str(here.parents[1])])
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": paths}
    environment.pop("PYTEST_ADDOPTS", None)
    run = subprocess.run(
        command, cwd=here.parents[2], env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
