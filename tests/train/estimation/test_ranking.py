from __future__ import annotations

import math

import pytest

from vmagent_marl.train.estimation.ranking import ranks, regret_at_1, spearman


def test_equal_values_share_their_ranks() -> None:
    assert ranks([10, 20, 10, 5, 10]).tolist() == [3.0, 5.0, 3.0, 1.0, 3.0]


def test_spearman_by_published_figures() -> None:
    """IQ and hours of television of ten people, the textbook's example: -29/165."""
    iq = [106, 86, 100, 101, 99, 103, 97, 113, 112, 110]
    hours = [7, 0, 27, 50, 28, 29, 20, 12, 6, 17]
    assert spearman(iq, hours) == pytest.approx(-29 / 165)
    assert spearman([1, 2, 3], [10, 200, 3000]) == pytest.approx(1.0)
    assert spearman([1, 2, 2, 3], [1, 3, 2, 4]) == pytest.approx(0.9486832980505138)  # scipy's
    assert math.isnan(spearman([1, 1], [1, 2]))


def test_regret_is_what_the_choice_costs_of_what_there_is_to_gain() -> None:
    assert regret_at_1([0.2, 0.9, 0.5], [1.0, 3.0, 5.0]) == pytest.approx(0.5)
    assert regret_at_1([0.2, math.nan, 0.5], [1.0, 3.0, 5.0]) == 0.0
    assert regret_at_1([1.0, 2.0], [4.0, 4.0]) == 0.0
