"""The network over servers: it knows no order of servers or nodes, and any number of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vmagent_marl.errors import PolicyError
from vmagent_marl.policies.checkpoint import load_policy, save_policy
from vmagent_marl.policies.network_policy import Training
from vmagent_marl.policies.networks import Kind
from vmagent_marl.policies.new_networks import network_shape, new_network
from vmagent_marl.policies.server_network import ServerCritic, ServerNetwork
from vmagent_marl.scenario import Scenario, load_scenario
from vmagent_marl.sim import Episode, ObservationLayout

SMALL = settings(max_examples=25, deadline=None)
CLUSTERS, SUMMARIES = 3, 1


def layout_of(servers: int, hints: int) -> ObservationLayout:
    return ObservationLayout(CLUSTERS, servers, SUMMARIES, hints)


def networks(hints: int, kind: Kind = "servers") -> tuple[ServerNetwork, ServerCritic]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        shape = network_shape(layout_of(4, hints), hidden=(8, 8), kind=kind)
        network = new_network(shape)
        assert isinstance(network, ServerNetwork)
        return network, ServerCritic(shape)


def observed(servers: int, hints: int, seed: int, rows: int = 3) -> Tensor:
    """Features as agents see them: shares, some servers empty, some out of service."""
    draw = np.random.default_rng(seed)
    layout = layout_of(servers, hints)
    features = draw.random((rows, layout.size + CLUSTERS), np.float32)
    parts = layout.parts
    free = features[:, parts["servers"]].reshape(rows, servers, 4)
    free[draw.random((rows, servers)) < 0.3] = 1.0
    serving = draw.random((rows, servers)) < 0.8
    free[~serving] = 0.0
    features[:, parts["servers"]] = free.reshape(rows, -1)
    features[:, parts["in_service"]] = serving
    features[:, parts["request"]] *= 0.5
    features[:, parts["request"].stop - 1] = draw.random(rows) < 0.5
    return torch.from_numpy(features)


def moved(features: Tensor, layout: ObservationLayout, order: list[int]) -> Tensor:
    """The same observations with the servers in this order."""
    parts, servers = layout.parts, layout.servers
    made = features.clone()
    for name, floats in (("servers", 4), ("in_service", 1), ("release", 1)):
        if parts[name].stop > parts[name].start:
            old = features[:, parts[name]].view(-1, servers, floats)
            made[:, parts[name]] = old[:, order].flatten(1)
    return made


@SMALL
@given(st.permutations(range(5)), st.sampled_from([0, 1]), st.integers(0, 2**32))
def test_exchanging_servers_exchanges_their_values(order: list[int], hints: int, seed: int) -> None:
    network, critic = networks(hints)
    features = observed(5, hints, seed)
    other = moved(features, layout_of(5, hints), order)
    with torch.no_grad():
        before, after = network(features), network(other)
        torch.testing.assert_close(critic(other), critic(features), atol=1e-5, rtol=1e-5)
    slots = before[:, :-1].view(-1, 5, 2)[:, order].flatten(1)
    torch.testing.assert_close(after[:, :-1], slots, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(after[:, -1], before[:, -1], atol=1e-5, rtol=1e-5)


def test_who_is_told_servers_numbers_tells_equal_servers_apart() -> None:
    features = observed(5, 0, 3)
    features[:, : 5 * 5] = 1.0  # all empty, all in service
    for kind, apart in (("servers", 0.0), ("numbered", 1e-3)):
        network, _ = networks(0, kind)
        with torch.no_grad():
            values = network(features)[:, :-1].view(-1, 5, 2)
        torch.testing.assert_close(values[:, :, 0], values[:, :, 1])
        between = values[:, :, 0].diff(dim=1).abs().amin()
        assert (between > apart) if apart else (between < 1e-6)


@SMALL
@given(
    st.integers(0, 4),
    st.sampled_from([0, 1]),
    st.integers(0, 2**32),
    st.sampled_from(["servers", "numbered"]),
)
def test_exchanging_a_servers_nodes_exchanges_their_values(
    server: int, hints: int, seed: int, kind: Kind
) -> None:
    network, critic = networks(hints, kind)
    features = observed(5, hints, seed)
    other = features.clone()
    nodes = features[:, : 4 * 5].view(-1, 5, 2, 2)
    other[:, : 4 * 5].view(-1, 5, 2, 2)[:, server] = nodes[:, server].flip(1)
    with torch.no_grad():
        before, after = network(features), network(other)
        torch.testing.assert_close(critic(other), critic(features), atol=1e-5, rtol=1e-5)
    expected = before.clone()
    expected[:, [2 * server, 2 * server + 1]] = before[:, [2 * server + 1, 2 * server]]
    torch.testing.assert_close(after, expected, atol=1e-5, rtol=1e-5)


@SMALL
@given(st.integers(1, 9), st.integers(1, 5), st.sampled_from([0, 1]), st.integers(0, 2**32))
def test_servers_out_of_service_change_nothing(
    servers: int, more: int, hints: int, seed: int
) -> None:
    """So that heterogeneous clusters can be padded, and another number of servers be played."""
    network, critic = networks(hints)
    features = observed(servers, hints, seed)
    layout, wide = layout_of(servers, hints), layout_of(servers + more, hints)
    padded = torch.zeros(len(features), wide.size + CLUSTERS)
    for name, place in layout.parts.items():
        start = wide.parts[name].start
        padded[:, start : start + place.stop - place.start] = features[:, place]
    padded[:, wide.size :] = features[:, layout.size :]
    with torch.no_grad():
        before, after = network(features), network(padded)
        torch.testing.assert_close(critic(padded), critic(features), atol=1e-5, rtol=1e-5)
    assert after.shape == (len(features), 2 * (servers + more) + 1)
    torch.testing.assert_close(after[:, : 2 * servers], before[:, :-1], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(after[:, -1], before[:, -1], atol=1e-5, rtol=1e-5)


def region(servers: int, **fields: object) -> Scenario:
    trace = {"requests": [[i, 50, 1 + i % 3, 1 + i % 2] for i in range(40)]}
    return load_scenario("region-prices", trace=trace, servers=servers, horizon=30, **fields)


@pytest.mark.parametrize("kind", ["servers", "numbered"])
@pytest.mark.parametrize("hints", ["none", "exact"])
def test_a_checkpoint_plays_other_numbers_of_servers(
    hints: str, kind: Kind, tmp_path: Path
) -> None:
    scenario = region(3, hints=hints)
    simulator = scenario.simulator(batch=1)
    layout = simulator.layout
    network = new_network(network_shape(layout, hidden=(8, 8), kind=kind))
    training = Training(
        algorithm="test",
        scenario=scenario.as_dict(),
        clusters=layout.clusters,
        servers=layout.servers,
        summaries=layout.summaries,
        hints=layout.hints,
    )
    save_policy(tmp_path / "policy.pt", network, training)
    policy = load_policy(tmp_path / "policy.pt")
    for servers in (1, 3, 7):
        played = region(servers, hints=hints).simulator(batch=2)
        played.reset({0: Episode(0), 1: Episode(3)})
        for _ in range(5):
            actions, _ = policy.act(played, played.keys())
            assert (np.take_along_axis(played.mask, actions[..., None], 2) == 1).all()
            played.step(actions)
    unlike = region(3, hints="exact" if hints == "none" else "none").simulator(batch=1)
    unlike.reset({0: Episode(0)})
    with pytest.raises(PolicyError, match="was trained for 3 clusters"):
        policy.act(unlike, unlike.keys())


def test_full_summaries_are_refused() -> None:
    with pytest.raises(PolicyError, match="full summaries"):
        network_shape(ObservationLayout(3, 4, 2, 0), kind="servers")
