"""Statistics: against figures worked out by hand, and how often intervals hold the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vmagent_marl.episodes.collecting.intervals import Estimate, mean_interval
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


def test_stratified_interval_draws_runs_within_each_task() -> None:
    # Tasks differ and runs do not: there is nothing to be unsure about.
    same = np.tile([1.0, 2.0, 3.0, 4.0], (5, 1))
    assert st.stratified_interval(same) == Estimate(2.5, 2.5, 2.5)


def test_stratified_interval_of_a_single_task_is_that_of_its_runs() -> None:
    runs = np.array([3.0, 5.0, 4.0, 8.0, 1.0, 2.0])
    estimate = st.stratified_interval(runs, lambda x: x.mean(axis=-1))
    plain = mean_interval(runs)
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
