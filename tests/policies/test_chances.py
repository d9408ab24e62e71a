"""Answers of networks that are drawn: how often, by what, and how likely they say they are."""

from __future__ import annotations

import dataclasses
from typing import Any

import numba
import numpy as np
import pytest
import torch

from vmagent_marl.errors import PolicyError
from vmagent_marl.policies import chances as drawing
from vmagent_marl.policies.chances import chances_of, draw, uniforms
from vmagent_marl.policies.network_policy import NetworkPolicy, Training
from vmagent_marl.policies.new_networks import network_shape, new_network
from vmagent_marl.scenario import Scenario, load_scenario
from vmagent_marl.sim import Episode, Simulator, draws

PRICES = load_scenario("region-prices", servers=2, horizon=40)
VALUES = np.array([[[1.0, 3.0, 2.0, 9.0]]], np.float32)
MASK = np.array([[[1, 1, 1, 0]]], np.int8)
KEYS = np.random.default_rng(0).integers(0, 2**64, (20_000, 1), np.uint64)


def network_policy(algorithm: str = "ppo", **how: Any) -> NetworkPolicy:
    layout = PRICES.simulator().layout
    torch.manual_seed(0)
    network = new_network(network_shape(layout, hidden=(8, 8), kind="servers"))
    training = Training(
        algorithm=algorithm,
        scenario=PRICES.as_dict(),
        clusters=layout.clusters,
        servers=layout.servers,
        summaries=layout.summaries,
    )
    return NetworkPolicy("it", network, training, **how)


def started(batch: int, scenario: Scenario = PRICES) -> Simulator:
    simulator = scenario.simulator(batch=batch)
    simulator.reset({b: Episode(first=100 + b, number=b) for b in range(batch)})
    return simulator


def test_numbers_of_keys_are_those_of_the_kernels() -> None:
    compiled: Any = numba.njit  # what kernels draw can only be called from kernels

    @compiled
    def alone(key: np.uint64) -> float:
        return draws.uniform(draws.mix(key))

    assert uniforms(KEYS)[:50, 0].tolist() == [alone(key) for key in KEYS[:50, 0]]


@pytest.mark.parametrize(
    ("sampled", "epsilon", "expected"),
    [
        (False, 0.0, [0, 1, 0, 0]),
        (False, 0.3, [0.1, 0.8, 0.1, 0]),
        (False, 1.0, [1 / 3, 1 / 3, 1 / 3, 0]),
        (True, 0.0, [0.09003057, 0.66524096, 0.24472847, 0]),
        (True, 0.6, [0.23601223, 0.46609638, 0.29789139, 0]),
    ],
)
def test_answers_come_as_often_as_their_probability_says(
    sampled: bool, epsilon: float, expected: list[float]
) -> None:
    chances = chances_of(VALUES, MASK, sampled=sampled, epsilon=epsilon)
    np.testing.assert_allclose(chances[0, 0], expected, atol=1e-7)
    many = np.broadcast_to(chances, (len(KEYS), 1, 4))
    actions, logp = draw(many, KEYS)
    often = np.bincount(actions[:, 0], minlength=4) / len(KEYS)
    spread = np.sqrt(chances[0, 0] * (1 - chances[0, 0]) / len(KEYS))
    assert (abs(often - chances[0, 0]) <= 4 * spread + 1e-12).all()
    np.testing.assert_allclose(np.exp(logp[:, 0]), chances[0, 0][actions[:, 0]], rtol=1e-12)


def test_the_largest_draw_is_a_legal_answer_and_so_is_that_of_nothing_legal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chances = np.array([[[0.1] * 3 + [0.7, 0.0, 0.0]]])
    monkeypatch.setattr(drawing, "uniforms", lambda keys: np.ones(keys.shape))
    actions, _ = draw(np.broadcast_to(chances, (len(KEYS), 1, 6)), KEYS)
    assert (actions == 3).all()
    none = chances_of(VALUES, np.zeros_like(MASK), sampled=True, epsilon=0.5)
    assert none[0, 0].tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("how", [{"epsilon": 0.3}, {"sampled": True}], ids=str)
def test_draws_hang_on_the_keys_alone_and_are_legal(how: dict[str, Any]) -> None:
    policy, large, small = network_policy(**how), started(6), started(2)
    seen = set()
    for _ in range(12):
        keys = large.keys()
        actions, logp = policy.act(large, keys)
        np.testing.assert_array_equal(policy.act(small, keys[:2])[0], actions[:2])
        again, _ = policy.act(large, keys + np.uint64(1))
        seen.add(bool((again != actions).any()))
        assert np.take_along_axis(large.mask, actions[..., None], axis=2).all()
        chances = policy.chances(large.observation, large.mask)
        np.testing.assert_allclose(chances.sum(axis=2), 1.0)
        taken = np.take_along_axis(chances, actions[..., None], axis=2)[..., 0]
        np.testing.assert_allclose(logp, np.log(taken), atol=1e-12)
        large.step(actions)
        small.step(actions[:2])
    assert True in seen


def test_without_noise_it_is_the_best_answer_whatever_the_keys() -> None:
    simulator, policy = started(3), network_policy()
    greedy = policy.act(simulator, simulator.keys())
    likeliest = dataclasses.replace(policy, sampled=True)
    likeliest = likeliest.chances(simulator.observation, simulator.mask).argmax(axis=2)
    np.testing.assert_array_equal(greedy[0], likeliest)
    assert (greedy[1] == 0).all()


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(PolicyError, match=r"epsilon: 1.5 is no probability"):
        network_policy(epsilon=1.5)
    with pytest.raises(PolicyError, match="dqn learned values, which are no probabilities"):
        network_policy("dqn", sampled=True)
    noisy = network_policy().with_noise(0.5)
    assert noisy.name == "it-epsilon-0.5"
    with pytest.raises(PolicyError, match=r"policy 'it-epsilon-0.5' reads \d+ floats"):
        noisy.chances(np.zeros((1, 3, 4), np.float32), np.ones((1, 3, 5), np.int8))


def test_observations_of_another_number_of_servers_are_read_by_a_network_over_servers() -> None:
    more = started(2, load_scenario("region-prices", servers=3, horizon=40))
    chances = network_policy(epsilon=0.2).chances(more.observation, more.mask)
    assert chances.shape == more.mask.shape
    assert (chances[more.mask == 0] == 0).all()
