"""Statistics: against figures worked out by hand, and how often intervals hold the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vmagent_marl.evaluation import statistics as st


def test_trimmed_mean_drops_a_tenth_off_each_end() -> None:
    assert st.trimmed_mean([100, 1, 2, 3, 4, 5, 6, 7, 8, -50]) == 36 / 8
    assert st.trimmed_mean([1, 2, 9]) == 4.0  # int(0.3) = 0 are dropped
    assert math.isnan(st.trimmed_mean([]))


def test_trimmed_mean_goes_along_the_last_axis() -> None:
    table = np.array([[100, 1, 2, 3], [0, 0, 4, 8]])
    assert st.trimmed_mean(table, 0.25).tolist() == [2.5, 2.0]


def test_interquartile_mean_is_the_middle_half() -> None:
    assert st.interquartile_mean([8, 1, 2, 3, 4, 5, 6, 1000]) == (3 + 4 + 5 + 6) / 4


def test_episodes_that_overlap_share_a_block() -> None:
    first = [100, 0, 5, 205, 104, 300]
    stop = [110, 10, 15, 206, 120, 301]
    assert st.blocks_of(first, stop).tolist() == [1, 0, 0, 2, 1, 3]


def test_a_chain_of_overlaps_is_as_many_blocks_as_fit_apart() -> None:
    first = np.arange(0, 100, 5)
    blocks = st.blocks_of(first, first + 10)
    assert blocks.max() + 1 == 10  # rows 0 to 105 hold ten episodes of ten rows apart
    assert np.bincount(blocks).tolist() == [2] * 10


def test_equal_starts_share_a_block_and_no_episodes_have_none() -> None:
    assert st.blocks_of([7, 7, 7], [8, 9, 8]).tolist() == [0, 0, 0]
    assert st.draw_blocks(st.blocks_of([], []), seed=0, resamples=5).shape == (5, 0)


def test_ratio_is_of_sums_and_weights_blocks_as_they_are_drawn() -> None:
    blocks = np.array([0, 0, 1])
    drawn = np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 2.0]])
    ratios = st.ratio_draws([1, 2, 6], [10, 10, 20], blocks, drawn)
    assert ratios.tolist() == pytest.approx([9 / 40, 3 / 20, 6 / 20])


def test_ratio_without_a_whole_is_unknown_and_so_is_its_interval() -> None:
    ratios = st.ratio_draws([1.0], [0.0], np.array([0]), np.array([[1.0]]))
    assert np.isnan(ratios).all()
    assert np.isnan(st.percentiles(ratios)).all()


def test_percentiles_cut_the_same_off_both_ends() -> None:
    assert st.percentiles(np.arange(1001.0)) == pytest.approx((25, 975))
    assert st.percentiles(np.arange(11.0), level=0.8) == pytest.approx((1, 9))


def test_every_draw_takes_as_many_blocks_as_there_are_and_the_seed_decides() -> None:
    blocks = np.array([0, 1, 1, 2])
    drawn = st.draw_blocks(blocks, seed=3, resamples=500)
    assert drawn.shape == (500, 3)
    assert (drawn.sum(axis=1) == 3).all()
    assert drawn.mean(axis=0) == pytest.approx([1, 1, 1], abs=0.15)
    assert (drawn == st.draw_blocks(blocks, seed=3, resamples=500)).all()
    assert (drawn != st.draw_blocks(blocks, seed=4, resamples=500)).any()


def test_interval_of_two_values_is_their_span() -> None:
    # Of both ends 1/4 of the draws consist, so 2.5 % off each end stay on them.
    assert st.mean_interval([2.0, 4.0]) == st.Estimate(3.0, 2.0, 4.0)


def test_one_block_tells_no_interval() -> None:
    for estimate in (
        st.mean_interval([5.0]),
        st.mean_interval([1.0, 9.0], blocks=np.array([0, 0])),
    ):
        assert estimate.value == 5.0
        assert math.isnan(estimate.low)
        assert math.isnan(estimate.high)
        assert estimate.holds_zero


@pytest.mark.parametrize(
    ("low", "high", "holds"), [(-1, 1, True), (0, 1, True), (0.1, 1, False), (-2, -1, False)]
)
def test_an_interval_holds_zero_or_not(low: float, high: float, holds: bool) -> None:
    assert st.Estimate(0.5, low, high).holds_zero is holds


def coverage(correlated: int, by_block: bool) -> float:
    """Share of 300 samples of 30 blocks whose interval holds the true mean of 0."""
    rng = np.random.default_rng(11)
    blocks = np.repeat(np.arange(30), correlated)
    holds = 0
    for seed in range(300):
        values = rng.normal(size=30)[blocks] + 0.3 * rng.normal(size=blocks.size)
        groups = blocks if by_block else np.arange(blocks.size)
        drawn = st.draw_blocks(groups, seed, 400)
        low, high = st.percentiles(st.ratio_draws(values, np.ones(blocks.size), groups, drawn))
        holds += low <= 0 <= high
    return holds / 300


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    assert coverage(correlated=1, by_block=True) == pytest.approx(0.94, abs=0.03)


def test_blocks_keep_intervals_honest_where_episodes_are_alike() -> None:
    assert coverage(correlated=4, by_block=True) == pytest.approx(0.94, abs=0.03)
    assert coverage(correlated=4, by_block=False) < 0.75


def test_stratified_interval_draws_runs_within_each_task() -> None:
    # Tasks differ and runs do not: there is nothing to be unsure about.
    same = np.tile([1.0, 2.0, 3.0, 4.0], (5, 1))
    assert st.stratified_interval(same) == st.Estimate(2.5, 2.5, 2.5)


def test_stratified_interval_of_a_single_task_is_that_of_its_runs() -> None:
    runs = np.array([3.0, 5.0, 4.0, 8.0, 1.0, 2.0])
    estimate = st.stratified_interval(runs, lambda x: x.mean(axis=-1))
    plain = st.mean_interval(runs)
    assert estimate.value == plain.value
    assert estimate.low == pytest.approx(plain.low, abs=0.1)
    assert estimate.high == pytest.approx(plain.high, abs=0.1)
    assert math.isnan(st.stratified_interval([4.0]).low)


def test_stratified_interval_covers() -> None:
    rng = np.random.default_rng(5)
    tasks = np.array([0.0, 1.0, 2.0, 3.0])
    holds = 0
    for seed in range(300):
        scores = tasks + rng.normal(size=(20, 4))
        estimate = st.stratified_interval(
            scores, lambda x: x.mean(axis=-1), seed=seed, resamples=400
        )
        holds += estimate.low <= tasks.mean() <= estimate.high
    assert holds / 300 == pytest.approx(0.94, abs=0.035)


def test_stratified_interval_does_not_depend_on_how_many_are_drawn_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scores = np.random.default_rng(0).normal(size=(6, 3))
    at_once = st.stratified_interval(scores, resamples=1000)
    monkeypatch.setattr(st, "_AT_ONCE", 18 * 128)
    assert st.stratified_interval(scores, resamples=1000) == at_once


def test_probability_of_improvement_counts_pairs_and_half_of_ties() -> None:
    # 3 beats 1 and 2; 2 beats 1 and ties 2: (2 + 1.5) / 4.
    assert st.probability_of_improvement([3, 2], [1, 2]) == 3.5 / 4
    assert st.probability_of_improvement([[3, 0], [2, 0]], [[1, 1], [2, 1]]) == 3.5 / 8
    assert st.probability_of_improvement([1, 2, 3], [4, 5]) == 0.0


def test_paired_improvement_compares_the_same_rows() -> None:
    assert st.paired_improvement([1, 5, 3, 7], [0, 9, 3, 6]).value == 2.5 / 4
