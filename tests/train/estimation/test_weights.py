from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from train.estimation.game import BEHAVIOUR, TARGET, Step, Table, data_of, population

from vmagent_marl.errors import DatasetError
from vmagent_marl.train.estimation.weights import Weights, weights_of

PASSED = Step(0, (2, 1), (True, True), 1.0)
TAKEN = Step(0, (0, 2), (True, False), 1.0)
AGAIN = Step(1, (2, 1), (False, True), 1.0)


def weights(data: Any, policy: Any = TARGET) -> Weights:
    return weights_of(data, Table(policy).chances(data.observation, data.mask))


def test_ratios_are_of_reached_agents_alone_and_stay_where_an_episode_has_ended() -> None:
    found = weights(data_of([(PASSED, AGAIN), (TAKEN,)]))
    first = (0.3 / 0.25) * (0.6 / 0.25)
    assert np.exp(found.log) == pytest.approx(
        np.array([[first, first * 0.75 / 0.25], [0.1 / 0.5, 0.1 / 0.5]])
    )
    ratios = np.array([first, 3.0, 0.2])
    assert found.mean_ratio == pytest.approx(ratios.mean())
    assert found.mean_ratio_error == pytest.approx(np.sqrt(((ratios - 1) ** 2).sum()) / 3)


def test_what_the_target_never_does_weighs_nothing() -> None:
    found = weights(data_of([(PASSED,), (TAKEN,)]), np.array([[0.0, 0.5, 0.5], [0.0, 0.0, 1.0]]))
    assert found.log[1, 0] == -np.inf
    assert found.effective == pytest.approx([1.0])


def test_effective_sample_size_by_hand() -> None:
    found = Weights(np.log([[1.0, 3.0], [1.0, 1.0], [1.0, 0.5]]) - 4000.0, 1.0, 0.1)
    assert found.effective == pytest.approx([3.0, 4.5**2 / (9 + 1 + 0.25)])
    assert found.effective_mean(0.5) == pytest.approx((3.0 + 0.5 * 4.5**2 / 10.25) / 1.5)
    assert found.until == 0
    long = Weights(np.vstack([np.zeros((12, 3)), [[0.0, 9.0, 9.0]]]), 1.0, 0.1)
    assert long.until == 1
    assert long.told(0.5) == pytest.approx(1 / 1.75)


def test_equal_weights_are_worth_their_number() -> None:
    found = Weights(np.full((3, 2), -7.0), 1.0, 0.0)
    assert found.effective == pytest.approx([3.0, 3.0])
    assert not found.biased


def test_a_mean_ratio_far_from_1_is_told() -> None:
    assert not weights(population(1, 3)).biased
    off = np.array([[0.1, 0.6, 0.3], [0.15, 0.75, 0.1]])
    lacking = [(Step(0, (0,), (True,), 1.0),)] * 200  # the one answer of ten
    assert weights(data_of(lacking), off).biased


def test_unknown_probabilities_are_refused_where_an_agent_was_reached() -> None:
    unreached = data_of([(TAKEN,)])
    unreached.behavior_logp[0, 1] = np.nan
    assert np.isfinite(weights(unreached).log).all()
    unreached.behavior_logp[0, 0] = np.nan
    with pytest.raises(DatasetError, match=r"unknown probability \(episode 0, request 0, clus"):
        weights(unreached)


def test_certain_answers_are_refused_unless_the_target_is_as_certain() -> None:
    data = data_of([(PASSED, AGAIN), (TAKEN,)], components=("first-fit",), dataset=("a/b-v0",))
    data.behavior_logp[2, 0] = 0.0
    with pytest.raises(DatasetError, match=r"^data set 'a/b-v0': first-fit is certain .*\(epis"):
        weights(data)
    alike = BEHAVIOUR.copy()
    alike[0] = [1.0, 0.0, 0.0]
    assert np.isfinite(weights(data, alike).log[1]).all()


def test_components_known_to_have_no_noise_are_refused() -> None:
    """Two rules by chance: no answer is certain, and others are never given."""
    episodes = [(PASSED,), (TAKEN,)]
    named: dict[str, Any] = {"components": ("random", "a or b"), "component": np.array([0, 1])}
    assert np.isfinite(weights(data_of(episodes, **named)).log).all()
    with pytest.raises(DatasetError, match=r"a or b plays without noise.*\(episode 1, request 0"):
        weights(data_of(episodes, bare=frozenset({1}), **named))
