"""What is foretold of lifetimes, on worlds that are small enough to be reckoned by hand."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from oracle.tiny import changes, tiny_rules, tiny_trace
from vmagent_marl.policies.choosing import FIRST_FIT
from vmagent_marl.policies.heuristics import Heuristic
from vmagent_marl.policies.rollout import blank_tape, roll
from vmagent_marl.sim.layout import MOST_HINT
from vmagent_marl.sim.rules import HINTS, OUTAGE, WAIT, Rules
from vmagent_marl.sim.simulator import Episode, Simulator
from vmagent_marl.sim.state import HINT, NOW
from vmagent_marl.trace import Trace, synthetic_month

MONTH = 31 * 86_400


def begin(trace: Trace, *, seed: int = 0, first: int = 0, **rules: object) -> Simulator:
    simulator = Simulator(tiny_rules(hints=HINTS, **rules), trace)
    simulator.reset({0: Episode(first, seed=seed)})
    return simulator


def scaled(seconds: float) -> float:
    return math.log(1 + seconds / 3600) / math.log(1 + 744)


def seen(simulator: Simulator, name: str) -> list[float]:
    values: list[float] = simulator.observation[0, 0, simulator.layout.parts[name]].tolist()
    return values


def test_a_request_tells_its_lifetime_on_a_logarithmic_scale() -> None:
    trace = tiny_trace((0, 3600, 1, 1), (0, MONTH, 1, 1), (0, None, 1, 1), (0, 0, 1, 1))
    simulator = begin(trace)
    told = []
    for _ in range(4):
        told += seen(simulator, "lifetime")
        simulator.step([[0]])
    assert told == pytest.approx([math.log(2) / math.log(745), 1.0, 1.0, scaled(1)])
    assert seen(simulator, "lifetime") == [0.0]  # the episode is over


def test_a_server_is_released_when_its_last_vm_leaves() -> None:
    rows = [(0, 100, 1, 1), (0, 500, 1, 1), (10, 200, 1, 1), (50, 9, 1, 1), (110, 9, 1, 1)]
    simulator = begin(tiny_trace(*rows, (500, 9, 1, 1), (999, 9, 1, 1)), servers=2)
    assert seen(simulator, "release") == [0.0, 0.0]
    simulator.step([[0]])
    assert seen(simulator, "release") == pytest.approx([scaled(100), 0.0])
    simulator.step([[1]])
    assert seen(simulator, "release") == pytest.approx([scaled(490), 0.0])
    simulator.step([[2]])
    assert seen(simulator, "release") == pytest.approx([scaled(450), scaled(160)])
    simulator.step([[2]])
    assert seen(simulator, "release") == pytest.approx([scaled(390), scaled(100)])
    simulator.step([[4]])  # passes
    assert seen(simulator, "release") == [0.0, 0.0]


def test_an_outage_releases_servers_at_once() -> None:
    rules = {"changes": changes((5, 0, OUTAGE))}
    simulator = begin(tiny_trace((0, 100, 1, 1), (9, 9, 1, 1)), **rules)
    simulator.step([[0]])
    assert seen(simulator, "release") == [0.0]


def test_lifetimes_begin_at_the_start_where_vms_wait() -> None:
    rows = [(0, 100, 4, 8), (0, 50, 4, 8), (30, 1000, 4, 8), (31, 5, 1, 1)]
    simulator = begin(tiny_trace(*rows), turned_away=WAIT)
    simulator.step([[0]])
    simulator.step([[1]])
    assert simulator.state.clock[0, NOW] == 50
    simulator.step([[1]])  # at 50, to 1050
    assert simulator.state.clock[0, NOW] == 100
    assert seen(simulator, "release") == pytest.approx([scaled(950)])


def test_a_hint_that_was_too_short_is_doubled_until_it_lies_ahead() -> None:
    """The error of the draw is known, so the doublings are, too."""
    rows = [(0, 100_000, 1, 1), *((t, 1, 1, 1) for t in (1, 10_000, 40_000, 99_999))]
    seed = next(seed for seed in range(99) if 100 < hint_of_first(tiny_trace(*rows), seed) < 9000)
    simulator = begin(tiny_trace(*rows), seed=seed, hint_error=2.0)
    hint = int(simulator.state.clock[0, HINT])
    simulator.step([[0]])
    for second in (1, 10_000, 40_000, 99_999):
        ahead = next(hint * 2**j for j in range(40) if hint * 2**j > second)
        assert seen(simulator, "release") == pytest.approx([scaled(ahead - second)])
        simulator.step([[2]])


def hint_of_first(trace: Trace, seed: int) -> int:
    return int(begin(trace, seed=seed, hint_error=2.0).state.clock[0, HINT])


def test_errors_of_hints_are_log_normal_and_keyed_by_the_request() -> None:
    trace = tiny_trace(*[(t, 3600, 1, 1) for t in range(2000)])

    def hints(seed: int, slot: int) -> list[int]:
        simulator = begin(trace, seed=seed, hint_error=0.5, departures=True, servers=30)
        told = []
        while simulator.running[0]:
            told.append(int(simulator.state.clock[0, HINT]))
            simulator.step([[slot]])
        return told

    first = hints(1, 0)
    assert first == hints(1, 60)  # whatever is done with the VMs before
    assert first != hints(2, 0)
    told = [hint for seed in range(12) for hint in hints(seed, 0)]
    z = np.sort(np.log(np.array(told) / 3600) / 0.5)
    rank = (np.arange(z.size) + 0.5) / z.size
    distance = np.abs(rank - [NormalDist().cdf(value) for value in z]).max()
    assert distance < 1.36 / math.sqrt(z.size)  # Kolmogorov-Smirnov, at 5 %


def test_hints_are_at_least_a_second_and_at_most_a_month() -> None:
    trace = tiny_trace(*[(t, [0, 10, MONTH, None][t % 4], 1, 1) for t in range(400)])
    simulator = begin(trace, hint_error=5.0)
    told = []
    while simulator.running[0]:
        told.append(int(simulator.state.clock[0, HINT]))
        simulator.step([[2]])
    assert (min(told), max(told)) == (1, MOST_HINT) == (1, MONTH)
    assert len(set(told[3::4])) > 10  # also of VMs that never leave


@pytest.mark.parametrize("error", [0.0, 1.0])
def test_episodes_inside_the_kernel_see_the_same_hints(error: float) -> None:
    """Also where nobody looks in between, and where the room for VMs grows."""
    trace = synthetic_month(seed=0).rows(0, 3000)
    rules: Rules = tiny_rules(servers=40, clusters=2, hints=HINTS, hint_error=error)
    inside, stepped = (Simulator(rules, trace, batch=2) for _ in range(2))
    episodes = {0: Episode(0, 1500), 1: Episode(1000, 2900, seed=3)}
    for simulator in (inside, stepped):
        simulator.reset(episodes)
    policy = Heuristic("first-fit", FIRST_FIT)
    assert roll(inside, policy, np.arange(2), blank_tape(inside.layout, 2))
    while stepped.running.any():
        stepped.step(policy.act(stepped, stepped.keys())[0])
    for name in ("observation", "release", "review"):
        ours, theirs = getattr(inside.state, name), getattr(stepped.state, name)
        np.testing.assert_array_equal(ours, theirs, err_msg=name)
    assert (inside.state.release > 0).any()


def test_without_hints_nothing_is_kept() -> None:
    simulator = Simulator(tiny_rules(servers=3), tiny_trace((0, 1, 1, 1)))
    state = simulator.state
    assert state.release.size == state.foretold.size == state.below.size == 0
    assert simulator.layout.parts["release"].stop == simulator.layout.parts["time"].stop
