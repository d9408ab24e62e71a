"""One rule of the game a test, on worlds that are small enough to be reckoned by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from oracle.tiny import changes, tiny_rules, tiny_trace, weights
from vmagent_marl.sim.rules import COARSE, DRAIN, END, LEAST_LOADED, OUTAGE, RESTORE, WAIT, Rules
from vmagent_marl.sim.simulator import Episode, Simulator
from vmagent_marl.sim.state import HOME, NOW, PLACED_IN
from vmagent_marl.trace import Trace


def begin(rules: Rules, trace: Trace, **how: int | None) -> Simulator:
    simulator = Simulator(rules, trace, **how)  # type: ignore[arg-type]
    simulator.reset({0: Episode(0)})
    return simulator


def part(simulator: Simulator, name: str, k: int = 0) -> list[float]:
    values: list[float] = simulator.observation[0, k, simulator.layout.parts[name]].tolist()
    return values


def test_a_node_takes_what_fits_exactly_and_nothing_more() -> None:
    simulator = begin(tiny_rules(), tiny_trace((0, None, 4, 8), (0, None, 4, 8), (0, None, 1, 1)))
    assert simulator.mask[0, 0].tolist() == [1, 1, 0]
    simulator.step([[1]])
    assert simulator.mask[0, 0].tolist() == [1, 0, 0]
    simulator.step([[0]])
    assert simulator.mask[0, 0].tolist() == [0, 0, 1]


def test_a_halved_vm_takes_both_nodes_and_rounds_up() -> None:
    rules = tiny_rules(halve_above=4096)
    simulator = begin(rules, tiny_trace((0, None, 3, 5), (0, None, 1, 1)))
    assert simulator.mask[0, 0].tolist() == [1, 0, 0]
    simulator.step([[1]])
    assert not simulator.state.illegal[0, 0]
    assert simulator.state.effective[0, 0] == 0
    assert simulator.free[0, 0].tolist() == [[2500, 2500], [5632, 5632]]


def test_departures_come_before_the_arrival_of_their_second() -> None:
    trace = tiny_trace((0, 5, 4, 8), (0, 5, 4, 8), (5, None, 4, 8))
    simulator = begin(tiny_rules(turned_away=END), trace)
    simulator.step([[0]])
    simulator.step([[1]])
    assert simulator.mask[0, 0].tolist() == [1, 1, 0]


def test_a_vm_without_lifetime_leaves_before_the_next_request_of_its_second() -> None:
    simulator = begin(tiny_rules(), tiny_trace((3, 0, 4, 8), (3, 0, 4, 8)))
    simulator.step([[0]])
    assert simulator.mask[0, 0].tolist() == [1, 1, 0]


def test_the_last_vm_without_lifetime_leaves_as_well() -> None:
    simulator = begin(tiny_rules(weights=weights(balance=1.0)), tiny_trace((0, 0, 4, 8)))
    simulator.step([[0]])
    assert simulator.terminated[0]
    assert simulator.state.vms_on.sum() == 0
    assert simulator.reward[0, 0] == 0.0


def test_an_illegal_answer_is_pass_where_that_is_legal_else_the_lowest_slot() -> None:
    trace = tiny_trace((0, None, 4, 8), (0, None, 4, 8), (0, None, 4, 8))
    simulator = begin(tiny_rules(clusters=2), trace)
    simulator.step([[0, 2]])
    assert simulator.state.outcome[0, PLACED_IN] == 0
    # Request 1 has home 1; the answer of cluster 0, last in the chain, must not be pass.
    simulator.step([[0, 2]])
    assert simulator.state.illegal[0].tolist() == [1, 0]
    assert simulator.state.reached[0].tolist() == [1, 1]
    assert simulator.state.effective[0].tolist() == [1, 2]
    # Request 2 has home 0, which is full: its answer counts as pass.
    simulator.step([[0, 1]])
    assert simulator.state.illegal[0].tolist() == [1, 0]
    assert simulator.state.effective[0].tolist() == [2, 1]


def test_the_first_vm_turned_away_ends_the_episode_at_the_next_arrival() -> None:
    trace = tiny_trace((0, None, 5, 1), (7, None, 1, 1))
    simulator = begin(tiny_rules(turned_away=END, turned_away_cost=2.0), trace)
    simulator.step([[2]])
    assert simulator.terminated[0]
    assert simulator.reward[0, 0] == -2.0
    assert simulator.metrics().seconds == 7
    assert simulator.mask[0, 0].tolist() == [0, 0, 1]
    assert part(simulator, "request") + part(simulator, "chain") == [0.0] * 6


def test_waiting_vms_start_in_order_the_moment_there_is_room() -> None:
    trace = tiny_trace((0, 10, 4, 8), (0, 20, 4, 8), (1, 5, 4, 8), (2, 5, 1, 1), (50, 1, 1, 1))
    simulator = begin(tiny_rules(turned_away=WAIT, weights=weights(wait=1.0)), trace)
    for action in (0, 1):
        simulator.step([[action]])
    assert simulator.state.clock[0, NOW] == 10
    simulator.step([[0]])
    assert simulator.reward[0, 0] == pytest.approx(-math.log(10))
    assert simulator.state.clock[0, NOW] == 15  # started at 10, ran for 5 s
    simulator.step([[0]])
    simulator.step([[0]])
    assert simulator.metrics().wait_s == 9 + 13


def test_a_vm_that_can_never_start_ends_the_episode_and_costs_its_home() -> None:
    rules = tiny_rules(turned_away=WAIT, may_decline=True, turned_away_cost=2.0)
    simulator = begin(rules, tiny_trace((0, 5, 1, 1), (1, 5, 1, 1)))
    simulator.step([[2]])
    assert simulator.terminated[0]
    assert (simulator.metrics().requests, simulator.metrics().turned_away) == (1, 1)
    assert simulator.reward[0, 0] == -2.0


def test_departures_of_killed_vms_are_no_events() -> None:
    """Once the outage has ended the only VM, nothing is left that the second could wait for."""
    rules = tiny_rules(turned_away=WAIT, changes=changes((5, 0, OUTAGE)))
    simulator = begin(rules, tiny_trace((0, 1000, 1, 1), (6, 1, 1, 1)))
    simulator.step([[0]])
    assert simulator.terminated[0]
    assert simulator.metrics().killed == 1
    assert simulator.metrics().seconds == 6


@pytest.mark.parametrize("horizon", ["length", "seconds"])
def test_after_truncation_the_next_request_is_the_genuine_one(horizon: str) -> None:
    trace = tiny_trace((0, None, 1, 1), (3, None, 2, 2), (9, None, 1, 1))
    how = {"length": 1} if horizon == "length" else {"seconds": 3}
    simulator = begin(tiny_rules(clusters=2), trace, **how)
    simulator.step([[0, 0]])
    assert simulator.truncated[0]
    untruncated = begin(tiny_rules(clusters=2), trace)
    untruncated.step([[0, 0]])
    assert untruncated.state.clock[0, HOME] == 1
    np.testing.assert_array_equal(simulator.observation, untruncated.observation)
    np.testing.assert_array_equal(simulator.mask, untruncated.mask)


def test_a_drain_lets_vms_run_and_takes_nothing_new() -> None:
    drained = tiny_rules(servers=2, changes=changes((5, 0, DRAIN), (20, 0, RESTORE)))
    trace = tiny_trace((0, None, 1, 1), (5, None, 1, 1), (20, None, 1, 1))
    simulator = begin(drained, trace)
    simulator.step([[0]])
    assert simulator.mask[0, 0].tolist() == [0, 0, 0, 0, 1]
    assert part(simulator, "servers") == [0.0] * 8
    assert part(simulator, "in_service") == [0.0] * 2
    assert simulator.state.vms_on[0, 0].tolist() == [1, 0]
    simulator.step([[4]])
    assert simulator.mask[0, 0].tolist() == [1, 1, 1, 1, 0]


def test_a_restore_has_nothing_to_undo_where_nothing_is_down() -> None:
    twice = tiny_rules(changes=changes((0, 0, RESTORE), (5, 0, DRAIN)))
    simulator = begin(twice, tiny_trace((0, None, 1, 1), (5, None, 1, 1)))
    assert simulator.mask[0, 0].tolist() == [1, 1, 0]
    assert part(simulator, "in_service") == [1.0]
    simulator.step([[0]])
    assert simulator.mask[0, 0].tolist() == [0, 0, 1]


def test_an_outage_ends_vms_and_their_revenue() -> None:
    rules = tiny_rules(changes=changes((1800, 0, OUTAGE)), weights=weights(profit=1.0))
    simulator = begin(rules, tiny_trace((0, None, 2, 1), (3600, None, 1, 1)))
    simulator.step([[0]])
    assert simulator.reward[0, 0] == pytest.approx(1.0)  # 2 vCPU for half an hour
    assert simulator.metrics().killed == 1


def test_empty_servers_are_those_in_service_without_a_vm() -> None:
    """A drained server that still runs a VM must not offset an empty one elsewhere."""
    rules = tiny_rules(clusters=2, changes=changes((5, 0, DRAIN)))
    simulator = begin(rules, tiny_trace((0, None, 1, 1), (10, None, 1, 1)))
    simulator.step([[0, 0]])
    # 1 empty server (of cluster 1) all the time; cluster 0 is not in service from 5 on.
    assert simulator.metrics().empty_servers == 1.0


def test_summaries_at_the_start_know_the_changes_of_their_second() -> None:
    rules = tiny_rules(
        clusters=2, summaries=COARSE, summary_every=60, changes=changes((0, 1, DRAIN))
    )
    simulator = begin(rules, tiny_trace((60, None, 1, 1), (61, None, 1, 1)))
    assert part(simulator, "summaries") == [1, 1, 1, *[0] * 7]


def test_stale_summaries_are_those_of_the_last_multiple_before_its_placements() -> None:
    rules = tiny_rules(clusters=2, summaries=COARSE, summary_every=10, home=LEAST_LOADED)
    trace = tiny_trace((10, None, 4, 8), (14, None, 4, 8), (20, None, 4, 8), (20, None, 4, 8))
    simulator = begin(rules, trace)
    homes = []
    for _ in range(4):
        homes.append(int(simulator.state.clock[0, HOME]))
        simulator.step([[0 if simulator.mask[0, 0, 0] else 1] * 2])
    # At 14 cluster 0 still looks empty; from 20 on it is known to be full, its VMs of 20 are not.
    assert homes == [0, 0, 1, 1]


def test_expansion_brings_servers_after_the_lead_time_one_order_at_a_time() -> None:
    rules = tiny_rules(servers=1, most=np.array([3]), expansion=1, lead_time=10, threshold=0.4)
    rows = [(0, None, 4, 8), (2, None, 1, 1), (9, None, 1, 1), (10, None, 1, 1), (20, None, 1, 1)]
    simulator = begin(rules, tiny_trace(*rows))
    in_service = []
    for _ in rows:
        in_service.append(sum(part(simulator, "in_service")))
        simulator.step([[int(simulator.mask[0, 0].argmax())]])
    # 1/2 used orders at 0; at 10, with 6 of 16 vCPU and then 7 of 16, 7/16 orders again.
    assert in_service == [1, 1, 1, 2, 3]


def test_profit_is_revenue_less_power_and_hops_cost() -> None:
    rules = tiny_rules(
        clusters=2,
        price=0.5,
        kept=np.array([1.0, 0.75]),
        power=np.array([0.1, 0.2]),
        weights=weights(profit=1.0),
        share=0.5,
    )
    simulator = begin(rules, tiny_trace((0, 1800, 2, 1), (3600, None, 1, 1)))
    simulator.step([[2, 0]])
    # Cluster 1 takes it at position 1: half an hour of 2 vCPU at 0.5, of which 0.75 are kept,
    # less half an hour of 8 vCPU of capacity at 0.2.
    own = 0.5 * 2 * 0.5 * 0.75 - 0.5 * 8 * 0.2
    assert simulator.own_reward[0].tolist() == pytest.approx([0.0, own])
    assert simulator.reward[0].tolist() == pytest.approx([own / 4, own * 3 / 4])
    metrics = simulator.metrics()
    assert metrics.profit == pytest.approx(own)
    assert metrics.possible_revenue == pytest.approx(0.5 * 2 * 0.5)
    assert metrics.active_server_hours == pytest.approx(0.5)
    assert metrics.hops == 1.0


def test_waits_of_those_in_the_queue_count_up_to_the_end() -> None:
    """A VM without an end stops the queue: when the other has left, nothing can happen any more."""
    rows = [(0, None, 4, 8), (0, 100, 4, 8), (10, 9, 4, 8), (30, 9, 4, 8), (90, 9, 1, 1)]
    trace = tiny_trace(*rows, (5000, 9, 1, 1))
    simulator = begin(tiny_rules(turned_away=WAIT, may_decline=True), trace)
    simulator.step([[0]])
    assert simulator.metrics().wait_s == 0
    simulator.step([[1]])
    assert simulator.state.clock[0, NOW] == 100
    assert simulator.metrics().wait_s == 90 + 70 + 10
    simulator.step([[2]])  # the head's cluster lets it wait, for ever
    assert simulator.terminated[0]
    metrics = simulator.metrics()
    assert (metrics.wait_s, metrics.wait_mean_s) == (170, 34)
    assert (metrics.placed, metrics.turned_away) == (2, 1)


def test_waits_behind_the_horizon_do_not_count() -> None:
    trace = tiny_trace((0, 100, 4, 8), (0, 100, 4, 8), (10, 9, 4, 8), (20, 9, 4, 8))
    simulator = begin(tiny_rules(turned_away=WAIT), trace, length=2)
    simulator.step([[0]])
    simulator.step([[1]])
    assert simulator.truncated[0]
    assert simulator.metrics().wait_s == 0
    simulator = begin(tiny_rules(turned_away=WAIT), trace, seconds=50)
    simulator.step([[0]])
    simulator.step([[1]])
    assert simulator.truncated[0]
    assert simulator.metrics().wait_s == 40 + 30
