"""The network of slot values: what it begins as, what it counts, and any number of servers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vmagent_marl.errors import PolicyError
from vmagent_marl.policies import make_policy
from vmagent_marl.policies.checkpoint import load_policy, save_policy
from vmagent_marl.policies.network_policy import NetworkPolicy, Training
from vmagent_marl.policies.networks import NetworkShape
from vmagent_marl.policies.new_networks import new_network, slot_value_shape
from vmagent_marl.policies.slot_values import SlotValueNetwork
from vmagent_marl.scenario import Scenario, load_scenario
from vmagent_marl.sim import Episode, Simulator

QUARTER, HALF, BOTH = (0.25, 0.25, False), (0.5, 0.25, False), (0.5, 0.5, True)
SHAPE = NetworkShape(
    observation=5 * 3 + 6, identities=0, actions=7, hidden=(), kind="slots", types=(QUARTER, BOTH)
)


def playing(servers: int = 5, **fields: Any) -> Simulator:
    simulator = load_scenario("waiting", servers=servers, **fields).simulator(batch=8)
    simulator.reset({b: Episode(first=700 * b, number=b) for b in range(8)})
    return simulator


def told(scenario: Scenario, simulator: Simulator) -> Training:
    layout = simulator.layout
    return Training("es", scenario.as_dict(), layout.clusters, layout.servers, layout.summaries)


def drawn(shape: NetworkShape, seed: int) -> SlotValueNetwork:
    network, draw = SlotValueNetwork(shape), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draw))
    return network


def test_it_begins_as_server_best_fit() -> None:
    """All but a few answers, where servers are all but equally full."""
    simulator, best_fit = playing(), make_policy("server-best-fit")
    network = new_network(slot_value_shape(simulator))
    scenario = load_scenario("waiting")
    policy = NetworkPolicy("new", network, told(scenario, simulator))
    same, asked = 0, 0
    while asked < 2000:
        actions, _ = policy.act(simulator, simulator.keys())
        wanted, _ = best_fit.act(simulator, simulator.keys())
        chosen = (simulator.mask[:, 0].sum(1) > 1) & simulator.running
        same += int((actions == wanted)[chosen].sum())
        asked += int(chosen.sum())
        simulator.step(wanted)
    assert same > 0.97 * asked


def seen(free: list[list[float]], request: tuple[float, float, float]) -> torch.Tensor:
    """Features of servers by the free cpu and memory of their nodes; those of zeros are out."""
    serving = [float(any(server)) for server in free]
    shares = [share for server in free for share in server]
    rest = [0.0] * (SHAPE.inputs - 5 * len(free) - 3)
    return torch.tensor([[*shares, *serving, *request, *rest]], dtype=torch.float32)


def test_what_placements_leave_is_what_they_are_worth() -> None:
    """Counted by hand: quarters of a node that fit a server, and halves on both its nodes."""
    network = SlotValueNetwork(SHAPE)
    with torch.no_grad():
        network.direct.weight.zero_()
        network.server[0] = torch.tensor([100.0, 10.0, 1.0, 0.0])  # the first, second, third
        network.cluster[1] = torch.tensor([7.0, 3.0, 0, 0, 0, 0, 0, 0])
    full, half = [0.0, 0.0, 0.25, 0.0], [0.5, 0.5, 0.5, 0.5]
    free = [half, [1.0, 1.0, 0.25, 0.25], [0.0] * 4]
    values = network(seen(free, (0.25, 0.25, 0.0)))[0].tolist()
    # half: 4 quarters before, 3 after: the fourth is worth nothing; of 1 place on both, 0 is left
    # the other: 5 before, 4 after on either node, and no place on both before or after
    assert values[:4] == [-7.0, -7.0, 0.0, 0.0]
    assert values[6] == network.passing.item()
    free[0] = full  # has no place for anything
    assert network(seen(free, (0.25, 0.25, 0.0)))[0, 2:4].tolist() == [0.0, 0.0]
    free[1] = [0.5, 0.5, 0.25, 0.25]  # three quarters, of which one is taken
    assert network(seen(free, (0.25, 0.25, 0.0)))[0, 2:4].tolist() == [-1.0, -1.0]


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(5)), st.integers(0, 2**32), st.booleans())
def test_exchanging_servers_and_nodes_exchanges_their_values(
    order: list[int], seed: int, halved: bool
) -> None:
    network = drawn(replace(SHAPE, observation=31, actions=11, types=(QUARTER, HALF, BOTH)), seed)
    draw = np.random.default_rng(seed)
    free = draw.integers(1, 9, (5, 4)) / 8
    request = (0.25, 0.125, float(halved))
    other = free[order].copy()
    other[0] = other[0][[2, 3, 0, 1]]  # its two nodes
    with torch.no_grad():
        before, after = (network(seen_of(each, request)) for each in (free, other))
    slots = before[0, :-1].view(5, 2)[order].clone()
    slots[0] = slots[0].flip(0)
    torch.testing.assert_close(after[0, :-1].view(5, 2), slots, atol=1e-4, rtol=1e-4)


def seen_of(free: np.ndarray[Any, Any], request: tuple[float, float, float]) -> torch.Tensor:
    row = [*free.ravel(), *[1.0] * len(free), *request, *[0.0] * (31 - 5 * len(free) - 3)]
    return torch.tensor([row], dtype=torch.float32)


@pytest.mark.parametrize("seed", range(3))
def test_servers_out_of_service_change_nothing(seed: int) -> None:
    network = drawn(SHAPE, seed)
    free = [[0.5, 0.75, 0.25, 0.5], [1.0, 1.0, 0.25, 0.25]]
    request = (0.25, 0.25, 0.0)
    with torch.no_grad():
        two = network(torch.cat([seen(free, request)[:, :-5]], 1))
        padded = network(seen([*free, [0.0] * 4], request))
    torch.testing.assert_close(padded[0, :4], two[0, :4])


def test_a_checkpoint_plays_other_numbers_of_servers(tmp_path: Path) -> None:
    scenario = load_scenario("waiting")
    network = drawn(slot_value_shape(scenario.simulator()), 1)
    save_policy(tmp_path / "policy.pt", network, told(scenario, scenario.simulator()))
    policy = load_policy(tmp_path / "policy.pt")
    assert policy.network.shape == network.shape
    for servers in (1, 2, 9):
        played = playing(servers)
        for _ in range(20):
            actions, _ = policy.act(played, played.keys())
            assert np.take_along_axis(played.mask, actions[..., None], 2)[played.running].all()
            played.step(actions)
    assert played.metrics(0).placed > 0


@pytest.mark.parametrize("types", [[[1.0]], "none", [["a", "b", True]]])
def test_a_checkpoint_with_other_types_is_refused(tmp_path: Path, types: Any) -> None:
    scenario = load_scenario("waiting")
    network = drawn(slot_value_shape(scenario.simulator()), 1)
    path = tmp_path / "policy.pt"
    save_policy(path, network, told(scenario, scenario.simulator()))
    content = torch.load(path, weights_only=True)
    content["network"]["types"] = types
    torch.save(content, path)
    with pytest.raises(PolicyError, match=r"policy\.pt"):
        load_policy(path)
