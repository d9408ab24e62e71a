from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from train.estimation.game import BEHAVIOUR, TARGET, Step, Table, data_of, population, true_return

from vmagent_marl.train.estimation import weighing
from vmagent_marl.train.estimation.chances import counted
from vmagent_marl.train.estimation.trajectories import Trajectories
from vmagent_marl.train.estimation.weights import Weights, weights_of

GAMES = pytest.mark.parametrize(("clusters", "horizon"), [(1, 3), (2, 2)])


def plans(data: Trajectories, policy: NDArray[np.float64]) -> NDArray[np.float64]:
    return Table(policy).chances(data.observation, data.mask)


def any_values(data: Trajectories) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Q that knows nothing, a sum over agents, and the V that goes with it."""
    of_action = np.random.default_rng(5).normal(size=(2, *data.mask.shape[1:]))  # (state, K, A)
    table = of_action[data.observation[:, 0].argmax(axis=1)]
    counts = counted(plans(data, TARGET), data.place, data.tries)
    q = np.take_along_axis(table[data.seen], data.action[..., None], axis=2).sum(axis=(1, 2))
    v = (table * counts).sum(axis=(1, 2))[data.seen]
    return data.padded(q), data.padded(v)


def every(data: Trajectories, policy: NDArray[np.float64], gamma: float) -> dict[str, float]:
    weights = weights_of(data, plans(data, policy))
    reward, (q, v) = data.padded(data.reward), any_values(data)
    return {
        "is": weighing.importance_sampled(reward, weights, gamma, blocks=data.blocks).value,
        "wis": weighing.weighted_importance_sampled(
            reward, weights, gamma, blocks=data.blocks
        ).value,
        "dr": weighing.doubly_robust(reward, weights, q, v, gamma, blocks=data.blocks).value,
        "wdr": weighing.weighted_doubly_robust(
            reward, weights, q, v, gamma, blocks=data.blocks
        ).value,
    }


@GAMES
@pytest.mark.parametrize("gamma", [1.0, 0.6])
def test_each_is_the_true_return_where_the_data_is_all_that_may_happen(
    clusters: int, horizon: int, gamma: float
) -> None:
    data = population(clusters, horizon)
    true = true_return(clusters, horizon, gamma)
    assert true != pytest.approx(true_return(clusters, horizon, gamma, "behaviour"), abs=0.05)
    for name, value in every(data, TARGET, gamma).items():
        assert value == pytest.approx(true, rel=1e-12), name


@GAMES
def test_the_behaviour_itself_returns_what_was_recorded(clusters: int, horizon: int) -> None:
    data = population(clusters, horizon)
    few = data_of([(Step(0, (1,) * clusters, (True,) * clusters, 2.0),)])
    for each in (data, few):
        weights = weights_of(each, plans(each, BEHAVIOUR))
        np.testing.assert_allclose(weights.log, 0.0, atol=1e-12)
        np.testing.assert_allclose(weights.effective, each.lengths.size)
        assert weights.mean_ratio == pytest.approx(1.0)
        reward = each.padded(each.reward)
        recorded = weighing.recorded_return(reward, 0.6, blocks=each.blocks)
        sampled = weighing.importance_sampled(reward, weights, 0.6, blocks=each.blocks)
        normal = weighing.weighted_importance_sampled(reward, weights, 0.6, blocks=each.blocks)
        assert sampled.value == pytest.approx(recorded.value, rel=1e-12)
        assert normal.value == pytest.approx(recorded.value, rel=1e-12)
    assert recorded.value == 2.0
    assert np.isnan(recorded.low)  # of a single episode


REWARD = np.array([[1.0, 2.0], [3.0, 0.0], [2.0, 5.0]])  # the second ended after one request
WEIGHTS = Weights(np.log([[0.5, 0.25], [2.0, 2.0], [1.0, 4.0]]), 1.0, 0.1)
Q = np.array([[1.0, 1.0], [2.0, 0.0], [0.5, 2.0]])
V = np.array([[0.5, 1.5], [0.5, 0.0], [0.5, 2.0]])
HALF = 0.5


def test_plain_estimates_by_hand() -> None:
    each = [0.5 * 1 + 0.5 * 0.25 * 2, 2.0 * 3, 1.0 * 2 + 0.5 * 4 * 5]
    value = weighing.importance_sampled(REWARD, WEIGHTS, HALF).value
    assert value == pytest.approx(sum(each) / 3)
    robust = [
        0.5 + 0.5 * (1 + 0.5 * 1.5 - 1) + 0.5 * 0.25 * (2 - 1),
        0.5 + 2 * (3 + 0.0 - 2),
        0.5 + 1 * (2 + 0.5 * 2 - 0.5) + 0.5 * 4 * (5 - 2),
    ]
    value = weighing.doubly_robust(REWARD, WEIGHTS, Q, V, HALF).value
    assert value == pytest.approx(sum(robust) / 3)
    assert weighing.started(V).value == pytest.approx(0.5)


def test_normalised_estimates_by_hand() -> None:
    first = (0.5 * 1 + 2 * 3 + 1 * 2) / 3.5
    second = (0.25 * 2 + 4 * 5) / 6.25  # with the weight of the one that has ended
    value = weighing.weighted_importance_sampled(REWARD, WEIGHTS, HALF).value
    assert value == pytest.approx(first + 0.5 * second)
    less = (0.5 * 1 + 2 * 2 + 1 * 0.5) / 3.5 + 0.5 * (0.25 * 1 + 4 * 2) / 6.25
    more = 0.5 + 0.5 * (0.5 * 1.5 + 1 * 2.0) / 3.5
    value = weighing.weighted_doubly_robust(REWARD, WEIGHTS, Q, V, HALF).value
    assert value == pytest.approx(first + 0.5 * second - less + more)


def test_values_of_nothing_leave_importance_sampling() -> None:
    none = np.zeros_like(REWARD)
    for plain, robust in (
        (weighing.importance_sampled, weighing.doubly_robust),
        (weighing.weighted_importance_sampled, weighing.weighted_doubly_robust),
    ):
        one = plain(REWARD, WEIGHTS, HALF, seed=3)
        other = robust(REWARD, WEIGHTS, none, none, HALF, seed=3)
        assert vars(one) == pytest.approx(vars(other))


def test_what_is_normalised_knows_no_scale_and_no_underflow() -> None:
    far = Weights(WEIGHTS.log - 5000.0, 1.0, 0.1)
    one = weighing.weighted_importance_sampled(REWARD, WEIGHTS, HALF)
    other = weighing.weighted_importance_sampled(REWARD, far, HALF)
    assert vars(one) == pytest.approx(vars(other))
    assert weighing.importance_sampled(REWARD, far, HALF).value == 0.0
    high = Weights(WEIGHTS.log + 5000.0, 1.0, 0.1)
    assert np.isnan(weighing.importance_sampled(REWARD, high, HALF).value)


def test_without_any_weight_nothing_is_told() -> None:
    none = Weights(np.full_like(REWARD, -np.inf), 0.0, 0.1)
    assert np.isnan(weighing.weighted_importance_sampled(REWARD, none, HALF).value)
    assert weighing.importance_sampled(REWARD, none, HALF).value == 0.0


def test_intervals_cover_the_true_return_and_are_wider_over_fewer_blocks() -> None:
    """Of 30 draws of 100 episodes most intervals hold the truth."""
    data = population(1, 3)
    true = true_return(1, 3, 1.0)
    weights = weights_of(data, plans(data, TARGET))
    reward = data.padded(data.reward)
    draw = np.random.default_rng(0)
    held = {"is": 0, "wis": 0}
    for _ in range(30):
        rows = draw.integers(len(reward), size=100)
        some = Weights(weights.log[rows], 1.0, 0.1)
        one = weighing.importance_sampled(reward[rows], some, 1.0)
        other = weighing.weighted_importance_sampled(reward[rows], some, 1.0)
        held["is"] += one.low <= true <= one.high
        held["wis"] += other.low <= true <= other.high
    assert min(held.values()) >= 25
    pairs = np.repeat(np.arange(50), 2)
    twice = np.repeat(rows[:50], 2)
    doubled = Weights(weights.log[twice], 1.0, 0.1)
    for estimate in (weighing.importance_sampled, weighing.weighted_importance_sampled):
        alone = estimate(reward[twice], doubled, 1.0)
        blocked = estimate(reward[twice], doubled, 1.0, blocks=pairs)
        assert blocked.value == pytest.approx(alone.value)
        assert blocked.high - blocked.low > 1.2 * (alone.high - alone.low)
