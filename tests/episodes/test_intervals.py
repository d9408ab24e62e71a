"""Bootstrap intervals: against figures worked out by hand, and how often they hold the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vmagent_marl.episodes.collecting import intervals


def test_episodes_that_overlap_share_a_block() -> None:
    first = [100, 0, 5, 205, 104, 300]
    stop = [110, 10, 15, 206, 120, 301]
    assert intervals.blocks_of(first, stop).tolist() == [1, 0, 0, 2, 1, 3]


def test_a_chain_of_overlaps_is_as_many_blocks_as_fit_apart() -> None:
    first = np.arange(0, 100, 5)
    blocks = intervals.blocks_of(first, first + 10)
    assert blocks.max() + 1 == 10  # rows 0 to 105 hold ten episodes of ten rows apart
    assert np.bincount(blocks).tolist() == [2] * 10


def test_equal_starts_share_a_block_and_no_episodes_have_none() -> None:
    assert intervals.blocks_of([7, 7, 7], [8, 9, 8]).tolist() == [0, 0, 0]
    assert intervals.draw_blocks(intervals.blocks_of([], []), seed=0, resamples=5).shape == (5, 0)


def test_ratio_is_of_sums_and_weights_blocks_as_they_are_drawn() -> None:
    blocks = np.array([0, 0, 1])
    drawn = np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 2.0]])
    ratios = intervals.ratio_draws([1, 2, 6], [10, 10, 20], blocks, drawn)
    assert ratios.tolist() == pytest.approx([9 / 40, 3 / 20, 6 / 20])


def test_ratio_without_a_whole_is_unknown_and_so_is_its_interval() -> None:
    ratios = intervals.ratio_draws([1.0], [0.0], np.array([0]), np.array([[1.0]]))
    assert np.isnan(ratios).all()
    assert np.isnan(intervals.percentiles(ratios)).all()


def test_percentiles_cut_the_same_off_both_ends() -> None:
    assert intervals.percentiles(np.arange(1001.0)) == pytest.approx((25, 975))
    assert intervals.percentiles(np.arange(11.0), level=0.8) == pytest.approx((1, 9))


def test_every_draw_takes_as_many_blocks_as_there_are_and_the_seed_decides() -> None:
    blocks = np.array([0, 1, 1, 2])
    drawn = intervals.draw_blocks(blocks, seed=3, resamples=500)
    assert drawn.shape == (500, 3)
    assert (drawn.sum(axis=1) == 3).all()
    assert drawn.mean(axis=0) == pytest.approx([1, 1, 1], abs=0.15)
    assert (drawn == intervals.draw_blocks(blocks, seed=3, resamples=500)).all()
    assert (drawn != intervals.draw_blocks(blocks, seed=4, resamples=500)).any()


def test_interval_of_two_values_is_their_span() -> None:
    # Of both ends 1/4 of the draws consist, so 2.5 % off each end stay on them.
    assert intervals.mean_interval([2.0, 4.0]) == intervals.Estimate(3.0, 2.0, 4.0)


def test_one_block_tells_no_interval() -> None:
    for estimate in (
        intervals.mean_interval([5.0]),
        intervals.mean_interval([1.0, 9.0], blocks=np.array([0, 0])),
    ):
        assert estimate.value == 5.0
        assert math.isnan(estimate.low)
        assert math.isnan(estimate.high)
        assert estimate.holds_zero


@pytest.mark.parametrize(
    ("low", "high", "holds"), [(-1, 1, True), (0, 1, True), (0.1, 1, False), (-2, -1, False)]
)
def test_an_interval_holds_zero_or_not(low: float, high: float, holds: bool) -> None:
    assert intervals.Estimate(0.5, low, high).holds_zero is holds


def coverage(correlated: int, by_block: bool) -> float:
    """Share of 300 samples of 30 blocks whose interval holds the true mean of 0."""
    rng = np.random.default_rng(11)
    blocks = np.repeat(np.arange(30), correlated)
    holds = 0
    for seed in range(300):
        values = rng.normal(size=30)[blocks] + 0.3 * rng.normal(size=blocks.size)
        groups = blocks if by_block else np.arange(blocks.size)
        drawn = intervals.draw_blocks(groups, seed, 400)
        means = intervals.ratio_draws(values, np.ones(blocks.size), groups, drawn)
        low, high = intervals.percentiles(means)
        holds += low <= 0 <= high
    return holds / 300


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    assert coverage(correlated=1, by_block=True) == pytest.approx(0.94, abs=0.03)


def test_blocks_keep_intervals_honest_where_episodes_are_alike() -> None:
    assert coverage(correlated=4, by_block=True) == pytest.approx(0.94, abs=0.03)
    assert coverage(correlated=4, by_block=False) < 0.75


def test_a_normalised_score_has_a_scale_or_is_undefined() -> None:
    told_apart = intervals.Estimate(4.0, 1.0, 7.0)
    assert intervals.normalised(5.0, 2.0, 6.0, told_apart) == 0.75
    assert intervals.normalised(2.0, 2.0, 6.0, told_apart) == 0.0
    assert intervals.normalised(5.0, 2.0, 6.0, intervals.Estimate(4.0, -0.1, 8.0)) is None
    assert intervals.normalised(5.0, 2.0, 6.0, intervals.Estimate(4.0, math.nan, math.nan)) is None
