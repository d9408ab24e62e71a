from __future__ import annotations

import math

import numpy as np
import pytest

from vmagent_marl.episodes.collecting.intervals import Floats, mean_interval
from vmagent_marl.evaluation.over_seeds import Resampling, Runs
from vmagent_marl.evaluation.statistics import interquartile_mean, stratified_interval


def runs(values: object) -> Runs:
    part = np.atleast_2d(np.asarray(values, np.float64))
    return Runs(part, np.ones_like(part))


def drawn_by_hand(values: Floats, blocks: Floats, seed: int = 5, draws: int = 4000) -> Floats:
    """(draws,) interquartile means of runs and blocks drawn with replacement, the slow way."""
    rng, found = np.random.default_rng(seed), []
    names = np.unique(blocks)
    for _ in range(draws):
        picked = rng.integers(len(values), size=len(values))
        chosen = rng.choice(names, names.size)
        episodes = np.concatenate([np.flatnonzero(blocks == block) for block in chosen])
        found.append(float(interquartile_mean(values[picked][:, episodes].ravel())))
    return np.array(found)


def test_a_score_is_a_ratio_of_sums_and_never_a_mean_of_ratios() -> None:
    both = Runs(np.array([[1.0, 9.0], [3.0, 7.0]]), np.array([[10.0, 10.0], [10.0, 30.0]]))
    assert both.score == pytest.approx(20 / 60)
    np.testing.assert_allclose(both.scores, [10 / 20, 10 / 40])
    np.testing.assert_allclose(both.values, [[0.1, 0.9], [0.3, 7 / 30]])
    assert Runs(np.zeros((1, 2)), np.zeros((1, 2))).score == 0.0


def test_of_one_run_intervals_are_those_over_blocks() -> None:
    values = np.random.default_rng(0).normal(5, 2, 40)
    blocks = np.arange(40) // 2
    found = Resampling(blocks).score(runs(values))
    assert found == mean_interval(values, blocks=blocks)


def test_of_one_block_they_are_those_over_runs() -> None:
    values = np.random.default_rng(1).normal(5, 2, 9)
    found = Resampling(np.zeros(1, np.int64)).score(runs(values[:, None]))
    other = stratified_interval(values, lambda drawn: drawn.mean(axis=-1))
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((other.low, other.high), abs=0.1)


def test_of_one_run_on_one_block_nothing_is_known() -> None:
    alone = Resampling(np.zeros(3, np.int64))
    for estimate in (alone.score(runs([1, 2, 3])), alone.interquartile(runs([1, 2, 3]))):
        assert estimate.value == 2.0
        assert math.isnan(estimate.low)
        assert math.isnan(estimate.high)
        assert estimate.holds_zero


def test_the_interquartile_mean_and_its_interval_are_those_of_the_slow_way() -> None:
    rng = np.random.default_rng(2)
    values = rng.gamma(2, 10, (5, 13)) + rng.normal(0, 4, (5, 1))
    blocks = np.array([0, 0, 1, 2, 2, 2, 3, 4, 5, 5, 6, 7, 8])
    found = Resampling(blocks).interquartile(runs(values))
    assert found.value == float(interquartile_mean(values.ravel()))
    low, high = np.quantile(drawn_by_hand(values, blocks), [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high), rel=0.03)


def test_a_difference_knows_that_the_episodes_are_the_same() -> None:
    rows = np.random.default_rng(3).normal(0, 100, 60)  # some rows of the trace are far better
    new = runs(rows + np.array([[3.0], [2.0], [1.0]]))
    resampling = Resampling(np.arange(60))
    found = resampling.difference(new, runs(rows))
    assert found.value == pytest.approx(2.0)
    assert 1.0 <= found.low <= found.value <= found.high <= 3.0
    assert not found.holds_zero
    assert resampling.score(new).low < resampling.score(runs(rows)).value  # which alone tell less


def test_runs_of_two_learners_are_drawn_apart() -> None:
    several = runs([[0.0], [10.0]])
    found = Resampling(np.zeros(1, np.int64)).difference(several, several)
    assert (found.value, found.low, found.high) == (0.0, -10.0, 10.0)


def test_over_few_seeds_intervals_miss_as_often_as_tables_say() -> None:
    rng, missed = np.random.default_rng(6), dict.fromkeys((3, 5, 10), 0)
    for number in missed:
        for _ in range(300):
            each = rng.normal(0, 1, (number, 1))  # which is all that differs
            found = Resampling(np.zeros(1, np.int64)).score(runs(each))
            missed[number] += not found.holds_zero
    shares = [count / 300 for count in missed.values()]
    assert shares == pytest.approx([1 / 4, 1 / 6, 1 / 10], abs=0.06)


def test_normalised_is_0_at_random_play_and_1_at_the_reference() -> None:
    rng = np.random.default_rng(4)
    zero, one = rng.normal(10, 1, 50), rng.normal(20, 1, 50)
    resampling = Resampling(np.arange(50))
    half = resampling.normalised(runs([(zero + one) / 2] * 2), runs(zero), runs(one))
    assert half is not None
    assert (half.value, half.low, half.high) == pytest.approx((0.5, 0.5, 0.5))
    least = resampling.normalised(runs(zero), runs(zero), runs(one))
    assert least is not None
    assert (least.value, least.low, least.high) == pytest.approx((0.0, 0.0, 0.0))
    waits = resampling.normalised(runs(one), runs(one), runs(zero))  # where less is better
    assert waits is not None
    assert waits.value == 0.0


def test_normalised_is_undefined_where_random_play_is_not_surely_worse() -> None:
    rng = np.random.default_rng(6)
    same = [runs(rng.normal(10, 5, 20)) for _ in range(3)]
    assert Resampling(np.arange(20)).normalised(*same) is None


def test_the_same_seed_draws_the_same() -> None:
    values = runs(np.random.default_rng(7).normal(0, 1, (4, 30)))
    first, again = (Resampling(np.arange(30)).interquartile(values) for _ in range(2))
    assert first == again
