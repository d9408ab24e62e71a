from __future__ import annotations

import numpy as np
import pytest
import torch

from vmagent_marl.episodes.recording.play import episodes_of
from vmagent_marl.errors import PolicyError
from vmagent_marl.policies.checkpoint import NetworkPolicy, Training, network_shape, new_network
from vmagent_marl.policies.noisy_network import NoisyNetwork
from vmagent_marl.scenario import Scenario, load_scenario
from vmagent_marl.sim import Simulator
from vmagent_marl.sim.layout import layout_of


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_scenario("region-prices", servers=2, horizon=40)


@pytest.fixture(scope="module")
def network(scenario: Scenario) -> NetworkPolicy:
    layout = layout_of(scenario.rules())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        drawn = new_network(network_shape(layout, hidden=(8,)))
    training = Training(
        "drawn", scenario.as_dict(), layout.clusters, layout.servers, layout.summaries
    )
    return NetworkPolicy("net", drawn, training)


def begun(scenario: Scenario, batch: int) -> Simulator:
    sim = scenario.simulator(batch=batch)
    sim.reset(dict(enumerate(episodes_of(scenario, sim.trace, "train", 1, batch))))
    return sim


def test_it_answers_as_often_as_it_says(scenario: Scenario, network: NetworkPolicy) -> None:
    """On one state with many keys: every legal answer by its chance, and no other."""
    sim = begun(scenario, 2)
    noisy = NoisyNetwork(network, 0.4)
    chances = noisy.chances(sim.observation.copy(), sim.mask.copy())
    assert chances.sum(axis=2) == pytest.approx(np.ones((2, 3)))
    assert (chances[sim.mask == 0] == 0).all()
    counted = np.zeros_like(chances)
    draw = np.random.default_rng(0)
    for _ in range(2000):
        keys = draw.integers(2**64, size=(2, 3), dtype=np.uint64)
        actions, logp = noisy.act(sim, keys)
        np.put_along_axis(counted, actions[..., None], 1 + _at(counted, actions), axis=2)
        assert np.exp(logp) == pytest.approx(_at(chances, actions)[..., 0])
    assert np.abs(counted / 2000 - chances).max() < 0.05


def _at(table: np.ndarray, actions: np.ndarray) -> np.ndarray:
    return np.take_along_axis(table, actions[..., None], axis=2)


def test_without_noise_it_is_the_network_and_with_nothing_else_random(
    scenario: Scenario, network: NetworkPolicy
) -> None:
    sim = begun(scenario, 8)
    best, _ = network.act(sim, sim.keys())
    actions, logp = NoisyNetwork(network).act(sim, sim.keys())
    assert (actions == best).all()
    assert (logp == 0).all()
    assert NoisyNetwork(network).name == "net"
    wild = NoisyNetwork(network, 1.0)
    assert (wild.name, wild.needs) == ("net-epsilon-1", network.needs)
    actions, logp = wild.act(sim, sim.keys())
    assert (actions != best).any()
    assert np.exp(-logp) == pytest.approx(sim.mask.sum(axis=2))


def test_same_keys_same_answers_and_legal_to_the_end(
    scenario: Scenario, network: NetworkPolicy
) -> None:
    sim, noisy = begun(scenario, 4), NoisyNetwork(network, 0.5)
    while sim.running.any():
        keys = sim.keys()
        actions, _ = noisy.act(sim, keys)
        assert (actions == noisy.act(sim, keys)[0]).all()
        assert (_at(sim.mask, actions)[sim.running] == 1).all()
        sim.step(actions)


def test_what_is_no_probability_or_no_fitting_observation_is_refused(
    network: NetworkPolicy,
) -> None:
    with pytest.raises(PolicyError, match=r"epsilon: 1\.5 is no probability"):
        NoisyNetwork(network, 1.5)
    with pytest.raises(PolicyError, match=r"policy 'net' reads \d+ floats .*'region-prices'"):
        NoisyNetwork(network).chances(np.zeros((1, 3, 4), np.float32), np.ones((1, 3, 5), np.int8))
