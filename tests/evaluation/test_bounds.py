"""No policy betters a bound: drawn games and answers, every answer there is, and the shelf."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from strategies import answers, cut_to_fit, traces
from vmagent_marl import catalog
from vmagent_marl.evaluation import ALL, evaluate
from vmagent_marl.evaluation.bounds import bound_of, lost_bound_of, serving_room, volume_bound
from vmagent_marl.evaluation.demand import demand_of
from vmagent_marl.scenario import OversizeWarning, Scenario, scenario_from
from vmagent_marl.sim import Episode, Metrics, Simulator
from vmagent_marl.sim.state import RUNNING, SERVING, STATUS
from vmagent_marl.trace import Trace

CLOSE = 1e-9  # relative, of sums in another order
REWARD = {"end": "placed", "wait": "wait", "count": "profit"}
fixed = settings(
    deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], max_examples=60
)


@dataclass(frozen=True)
class Game:
    """A scenario, its trace, one episode, and answers to give."""

    scenario: Scenario
    trace: Trace
    episode: Episode
    tape: list[int]

    def simulator(self) -> Simulator:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OversizeWarning)
            simulator = self.scenario.simulator(trace=self.trace)
        simulator.reset({0: self.episode})
        return simulator


@st.composite
def games(draw: st.DrawFn, rule: str, most: int = 25, clusters: int = 3, servers: int = 3) -> Game:
    """Small worlds in which VMs collide, fit exactly, or fit nowhere."""
    number = draw(st.integers(1, clusters))

    def of_each(values: list[Any]) -> list[Any]:
        return draw(st.lists(st.sampled_from(values), min_size=number, max_size=number))

    held = st.fixed_dictionaries(
        {
            "cluster": st.integers(0, number - 1),
            "at": st.sampled_from([0, 5, 60]),
            "seconds": st.sampled_from([1, 60, 5000]),
            "kind": st.sampled_from(["drain", "outage"] if rule == "count" else ["drain"]),
        }
    )
    growth = st.fixed_dictionaries(
        {
            "threshold": st.sampled_from([0.25, 0.5, 0.8]),
            "servers": st.integers(1, 2),
            "most": st.integers(servers, servers + 2),
            "lead_time": st.sampled_from([0, 1, 60, 700]),
        }
    )
    halve = {"resource": st.sampled_from(["cpu", "memory"]), "above": st.sampled_from([0, 2, 4])}
    horizon = st.none() | st.none() | st.integers(1, most)
    scenario = scenario_from(
        {
            "name": "drawn",
            "clusters": number,
            "servers": of_each([*range(1, servers + 1)]),
            "node_cpu": of_each([2, 4.001, 8, 8, 16]),
            "node_memory": of_each([2, 8, 8, 16.5, 32]),
            "power": of_each([0.0, 0.2, 0.5, 1.5]),
            "halve": draw(st.none() | st.fixed_dictionaries(halve)),
            "departures": draw(st.sampled_from([True, True, True, False])),
            "expansion": draw(st.none() | growth),
            "outages": draw(st.lists(held, max_size=2)),
            "turned_away": rule,
            "turned_away_cost": draw(st.sampled_from([0.0, 1.0])),
            "decline": draw(st.sampled_from(["never", "allowed"])),
            "tries": draw(st.none() | st.integers(1, number)),
            "home": draw(st.sampled_from(["round-robin", "random", "pinned"])),
            "horizon": draw(horizon),
            "horizon_seconds": None if rule == "wait" else draw(st.sampled_from([None, None, 900])),
            "reward": {REWARD[rule]: 1.0},
            "price": draw(st.sampled_from([0.0, 1.0, 0.3])),
            "hop_cost": draw(st.sampled_from([0.0, 0.1, 1.0])),
        }
    )
    trace = draw(traces(most, huge=False))
    if rule == "wait" or draw(st.booleans()):
        trace = cut_to_fit(trace, scenario.rules())
    first = draw(st.just(0) | st.integers(0, len(trace) - 1))
    stop = draw(st.none() | st.integers(first + 1, len(trace)))
    tape = draw(st.lists(st.integers(0, 2**16), min_size=1, max_size=20) | st.just([0]))
    return Game(scenario, trace, Episode(first, stop, seed=3), tape)


def assert_held(game: Game, metrics: Metrics) -> None:
    """What a policy came to is no better than any bound."""
    demand = demand_of(game.scenario, game.trace, game.episode)
    bound = bound_of(game.scenario, game.trace, [game.episode])
    assert bound is not None
    if bound.kind == "volume":
        assert metrics.placed <= volume_bound(demand)
        assert metrics.placed <= bound.value * game.scenario.clusters * (1 + CLOSE)
        return
    assert metrics.requests == demand.stop - demand.first or metrics.turned_away
    if bound.kind == "pooled queue":
        if not metrics.turned_away:  # the queue stood still for good: others never started
            assert metrics.wait_s >= bound.value
        return
    assert metrics.seconds == demand.end - int(demand.feed.arrival[demand.first])
    assert bound.whole[0] == pytest.approx(metrics.possible_revenue, rel=CLOSE)
    assert metrics.profit <= bound.part[0] + CLOSE * (1 + bound.whole[0])
    lost = lost_bound_of(game.scenario, game.trace, [game.episode])
    if lost is None:  # an outage may end VMs
        assert any(outage.kind == "outage" for outage in game.scenario.outages)
        return
    asked = metrics.placed_cpu_s + metrics.turned_away_cpu_s
    assert lost.whole[0] == pytest.approx(asked, rel=CLOSE)
    assert metrics.turned_away_cpu_s >= lost.part[0] - CLOSE * (1 + asked)


@pytest.mark.parametrize("rule", ["end", "wait", "count"])
def test_no_answers_better_a_bound(rule: Literal["end", "wait", "count"]) -> None:
    @given(games(rule))
    @fixed
    def hold(game: Game) -> None:
        for tape in (game.tape, [0]):  # [0]: every cluster takes what fits, first fit
            simulator, step = game.simulator(), 0
            while simulator.running[0]:
                simulator.step(answers(tape, step, simulator.mask))
                step += 1
            assert_held(game, simulator.metrics())

    hold()


@pytest.mark.parametrize("rule", ["end", "wait", "count"])
def test_nothing_that_can_be_answered_betters_a_bound(rule: str) -> None:
    @given(games(rule, most=4, clusters=2, servers=2))
    @settings(fixed, max_examples=20)
    def hold(game: Game) -> None:
        for metrics in every_outcome(game):
            assert_held(game, metrics)

    hold()


def every_outcome(game: Game) -> list[Metrics]:
    """Of every course that the episode can take."""
    simulator = game.simulator()
    found: list[Metrics] = []

    def go_on(left: int) -> None:
        if simulator.state.clock[0, STATUS] != RUNNING:
            found.append(simulator.metrics())
        elif left:  # in a queue, those who may decline can pass for longer than anyone looks
            before = simulator.snapshot()
            for plan in courses(simulator.mask[0]):
                simulator.step(plan[None])
                go_on(left - 1)
                simulator.restore(before)

    go_on(5)
    assert found
    return found


def courses(mask: NDArray[np.int8]) -> list[NDArray[np.int64]]:
    """Plans (K,) by which each slot of each cluster takes the request, or nobody does."""
    clusters, actions = mask.shape
    plans = [np.full(clusters, actions - 1)]
    for k, slot in zip(*np.nonzero(mask[:, :-1]), strict=True):
        plan = plans[0].copy()
        plan[k] = slot
        plans.append(plan)
    return plans


@given(games("end", clusters=1))
@fixed
def test_without_fragments_first_fit_reaches_the_volume(game: Game) -> None:
    """One server on which every VM takes half of each node is its own pool."""
    alone = game.scenario.replace(
        servers=1, halve={"resource": "cpu", "above": 0}, expansion=None, outages=[]
    )
    played = replace(game, scenario=alone, tape=[0]).simulator()
    while played.running[0]:
        played.step(played.mask.argmax(axis=2))
    assert played.metrics().placed == volume_bound(demand_of(alone, game.trace, game.episode))


@given(games("wait", clusters=1))
@fixed
def test_without_fragments_waits_are_those_of_the_pool(game: Game) -> None:
    alone = game.scenario.replace(
        servers=1, halve={"resource": "cpu", "above": 0}, expansion=None, outages=[]
    )
    bound = bound_of(alone, game.trace, [game.episode])
    played = replace(game, scenario=alone).simulator()
    while played.running[0]:
        played.step(played.mask.argmax(axis=2))
    assert bound is not None
    waited = played.metrics()
    if waited.turned_away == 0:
        assert waited.wait_s == bound.value
    else:  # who stands behind a queue that is stopped for good waits on, and starts in no pool
        assert waited.wait_s >= bound.value


@given(games("end", clusters=1))
@fixed
def test_expansion_is_that_of_the_simulator_while_all_are_placed(game: Game) -> None:
    simulator = game.simulator()
    demand = demand_of(game.scenario, game.trace, game.episode)
    _, number, sign = demand.events()
    used = np.cumsum(sign[:, None] * demand.volume[number], axis=0)[sign > 0]
    serving = serving_room(demand, used)[:, 0] // demand.server[0, 0]
    while simulator.running[0]:
        assert simulator.state.level[0, 0, SERVING] == serving[simulator.number(0)]
        simulator.step(simulator.mask.argmax(axis=2))


@pytest.mark.parametrize("name", catalog.names("scenarios"))
def test_no_heuristic_betters_a_bound_of_the_shelf(name: str) -> None:
    scores = evaluate(name, ALL, windows="validation", episodes=4)
    if scores.bound is None:  # of server-hours the bound stands in the metrics
        assert set(scores.scenario.reward) == {"server_hours"}
        for result in scores.results:
            hours = result.column("active_server_hours")
            assert (hours >= result.column("server_hours_bound")).all()
        return
    roomy = sum(scores.scenario.each("servers")) > 100  # nothing need be turned away
    for policy in scores.policies:
        gap = scores.gap(policy)
        assert gap is None or gap.value >= 0.0  # above 1 where more is burned than earned
        for value, bound in zip(scores.values(policy), scores.bound.values, strict=True):
            if gap is not None:
                assert value >= bound if scores.less_is_better else value <= bound
        if scores.lost_bound is not None:
            assert scores.lost_cpu(policy) >= scores.lost_bound.value >= 0.0
            assert roomy or scores.lost_bound.value > 0.0
