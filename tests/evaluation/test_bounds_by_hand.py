"""Bounds that can be reckoned by hand, when there are none, and what tables and JSON tell."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from oracle.tiny import Row, tiny_trace
from vmagent_marl.evaluation import ALL, Scores, evaluate, fluid, print_scores, to_json
from vmagent_marl.evaluation.bounds import bound_of, lost_bound_of, pooled_waits, volume_bound
from vmagent_marl.evaluation.demand import Demand, demand_of
from vmagent_marl.policies import policy_names
from vmagent_marl.scenario import Scenario, load_scenario, scenario_from
from vmagent_marl.sim import Episode

HOUR = 3600
COUNTED = {"turned_away": "count", "reward": "profit"}


def scenario_of(**fields: Any) -> Scenario:
    """One server of two nodes of 4 vCPU and 8 GB."""
    small = {"name": "small", "servers": 1, "node_cpu": 4, "node_memory": 8}
    return scenario_from({**small, **fields})


def asked(rows: Sequence[Row], **fields: Any) -> Demand:
    return demand_of(scenario_of(**fields), tiny_trace(*rows), Episode(0))


def test_volume_counts_what_has_left() -> None:
    rows: list[Row] = [(0, 10, 4, 1), (0, None, 4, 1), (10, None, 3, 1), (11, None, 2, 1)]
    assert volume_bound(asked(rows, turned_away="end")) == 3
    assert volume_bound(asked(rows[:3], turned_away="end")) == 3
    assert volume_bound(asked(rows, turned_away="end", departures=False)) == 2
    assert volume_bound(asked(rows, turned_away="end", horizon=1)) == 1
    assert volume_bound(asked(rows, turned_away="end", horizon_seconds=10)) == 2


def test_volume_ends_at_what_fits_no_server() -> None:
    rows: list[Row] = [(0, None, 1, 1), (0, None, 5, 1), (0, None, 1, 1)]
    assert volume_bound(asked(rows, turned_away="end")) == 1
    halve = {"resource": "cpu", "above": 4}
    assert volume_bound(asked(rows, turned_away="end", halve=halve)) == 3


def test_volume_grows_when_ordered_servers_come() -> None:
    rows: list[Row] = [(0, None, 4, 1), (1, None, 4, 1), (7, None, 4, 1), (8, None, 4, 1)]
    growth = {"threshold": 0.75, "servers": 1, "most": 3, "lead_time": 6}
    # the second arrival fills the server: one more is there at 7, and full again at 8
    assert volume_bound(asked(rows, turned_away="end", expansion=growth)) == 4
    late = {**growth, "lead_time": 7}
    assert volume_bound(asked(rows, turned_away="end", expansion=late)) == 2


def test_a_queue_waits_for_the_pool_alone() -> None:
    # 8 vCPU in all: 3 and 3 leave 2 on unlike nodes, where the pool has 2 for the third
    rows: list[Row] = [(0, 100, 3, 1), (0, 50, 3, 1), (5, 10, 2, 1), (6, 10, 1, 1)]
    waits = pooled_waits(asked(rows, turned_away="wait", reward="wait"))
    assert waits.tolist() == [0, 0, 0, 9]
    assert pooled_waits(asked([(0, None, 4, 8)] * 3, turned_away="wait")).tolist() == [0, 0]


def test_what_must_be_turned_away() -> None:
    # cpu: 12 of 8 vCPU for 10 s, and 5 on no server at all for 20 s more than nobody asks after
    rows: list[Row] = [(0, 10, 4, 1), (0, 10, 4, 1), (0, 10, 4, 1), (10, None, 5, 1)]
    demand = asked([*rows, (30, None, 1, 1)], **COUNTED)
    assert fluid.rejected_cpu_seconds(demand) == pytest.approx((140.0, 220.0))
    # memory: 24 of 16 GB for 10 s; the cheapest to miss are 8 GB of the VM with 1 vCPU for 8 GB
    rows = [(0, 10, 1, 8), (0, 10, 4, 8), (0, 10, 2, 8), (10, None, 1, 1)]
    assert fluid.rejected_cpu_seconds(asked(rows, **COUNTED)) == pytest.approx((10.0, 70.0))


def test_the_cheapest_power_that_suffices() -> None:
    # 12 vCPU for an hour: a whole server of 8 at 0.25 an hour and half of one at 0.5
    two = {"clusters": 2, "servers": 1, "power": [0.5, 0.25], **COUNTED}
    rows: list[Row] = [(0, HOUR, 4, 1)] * 3
    demand = asked([*rows, (HOUR, None, 1, 1)], **two)
    assert fluid.profit(demand) == pytest.approx((12 - 8 * 0.25 - 4 * 0.5, 12.0))
    # at a power above the price nothing is worth its server
    dear = asked([*rows, (HOUR, None, 1, 1)], **{**two, "power": [2.0, 1.0]})
    assert fluid.profit(dear) == pytest.approx((0.0, 12.0))
    # where memory is scarce, a VM is worth what its share of the server costs: 2 vCPU hold 16 GB
    rows = [(0, HOUR, 1, 8), (0, HOUR, 1, 8), (HOUR, None, 1, 1)]
    held = asked(rows, **{**two, "power": [0.5, 0.2]})
    assert fluid.profit(held) == pytest.approx((2 - 8 * 0.2, 2.0))


@st.composite
def markets(draw: st.DrawFn) -> tuple[Demand, list[list[float]]]:
    """What is asked for at two prices of power, and prices that somebody might think of."""
    row = st.tuples(
        st.integers(0, 3), st.integers(1, 4), st.sampled_from([1, 2, 4]), st.sampled_from([1, 2, 7])
    )
    rows = [*sorted(draw(st.lists(row, min_size=1, max_size=8))), (9, 1, 1, 1)]
    power = draw(st.lists(st.sampled_from([0.0, 0.1, 0.3, 0.6, 1.2]), min_size=2, max_size=2))
    prices = draw(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 2)), min_size=5, max_size=5))
    scenario = scenario_of(clusters=2, power=power, node_memory=[8, 3], **COUNTED)
    demand = demand_of(scenario, tiny_trace(*rows), Episode(0))
    return demand, [[cpu / 3.6e6, memory / 3.6e6] for cpu, memory in prices]


@given(markets())
@settings(deadline=None, derandomize=True, max_examples=150)
def test_no_other_prices_make_the_bound_tighter(market: tuple[Demand, list[list[float]]]) -> None:
    demand, others = market
    bound, corners = fluid.profit(demand), fluid._corners
    with patch.object(fluid, "_corners", lambda *given: [*corners(*given), *np.array(others)]):
        assert fluid.profit(demand) == pytest.approx(bound, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    "fields",
    [
        {"turned_away": "end", "reward": "profit"},
        {"turned_away": "end", "reward": {"placed": -1.0}},
        {"turned_away": "count", "reward": "placed"},
        {"turned_away": "wait", "reward": "wait", "horizon_seconds": 10},
        {"turned_away": "end", "outages": [{"cluster": 0, "at": 0, "seconds": 5}]},
    ],
)
def test_no_bound_where_none_would_hold(fields: dict[str, Any]) -> None:
    scenario, trace = scenario_of(**fields), tiny_trace((0, None, 1, 1))
    assert bound_of(scenario, trace, [Episode(0)]) is None
    lost = lost_bound_of(scenario, trace, [Episode(0)])
    assert (lost is None) == (scenario.turned_away != "count")


def printed(scores: Scores) -> str:
    stream = io.StringIO()
    print_scores(scores, console=Console(file=stream, width=100))
    return stream.getvalue()


def test_the_bound_stands_above_the_best_and_each_has_its_gap() -> None:
    scores = evaluate("region-prices", ALL, windows="test", episodes=6)
    assert scores.policies == policy_names(scores.scenario)
    assert scores.bound is not None
    bound, best = scores.bound_estimate, scores.ranked[0]
    gap = scores.gap(best)
    assert bound is not None
    assert gap is not None
    assert gap.value == pytest.approx(1 - scores.estimate(best).value / bound.value)
    assert 0 < gap.low < gap.value < gap.high < 1
    text = printed(scores)
    assert text.index("bound (fluid)") < text.index(best)
    assert f"{bound.value:.3f}" in text
    assert f"{100 * gap.value:.1f} %" in text
    assert "lost cpu" in text
    document = to_json(scores)["results"][0]
    assert document["summary"]["bound"]["value"] == bound.value
    assert document["summary"]["bound"]["kind"] == "fluid"
    assert document["summary"]["gap"]["value"] == scores.gap(document["policy"]).value
    assert [each["bound"] for each in document["episodes"]] == scores.bound.values


def test_all_goes_with_others_and_keeps_its_place() -> None:
    scores = evaluate("tiny", ["worst-fit", ALL, "first-fit"], episodes=1)
    assert scores.policies[0] == "worst-fit"
    assert scores.policies[-1] == "first-fit"
    assert sorted(scores.policies) == sorted(policy_names(scores.scenario))


def test_a_queue_that_stands_still_for_good_has_no_gap() -> None:
    # the stayers on both nodes stop the VM of 3, whose wait and those behind it nobody counts
    trace = tiny_trace((0, None, 2, 1), (0, None, 2, 1), (1, 5, 3, 1), (2, 5, 4, 1))
    scenario = scenario_of(turned_away="wait", reward="wait")
    scores = evaluate(scenario, ["first-fit", "worst-fit"], starts=[0], trace=trace)
    assert scores.result("worst-fit").column("turned_away").tolist() == [1]
    assert scores.gap("worst-fit") is None
    gap = scores.gap("first-fit")
    assert gap is not None
    assert gap.value == 0.0
    assert re.search(r"^ worst-fit +- ", printed(scores), re.MULTILINE)


def test_hours_of_servers_are_told_over_their_bound() -> None:
    scenario = load_scenario("region-prices", reward="server_hours", horizon=300)
    scores = evaluate(scenario, ["first-fit", "worst-fit"], episodes=2)
    assert scores.bound is None
    text = printed(scores)
    assert "hours" in text
    for policy in scores.policies:
        result = scores.result(policy)
        hours = result.column("active_server_hours").sum()
        assert f"{hours / result.column('server_hours_bound').sum():.3f}" in text
