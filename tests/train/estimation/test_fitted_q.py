from __future__ import annotations

import numpy as np
import pytest
from train.estimation.game import (
    BEHAVIOUR,
    TARGET,
    Table,
    data_of,
    lines,
    population,
    true_return,
)

from vmagent_marl.errors import SettingError
from vmagent_marl.train.estimation.chances import counted
from vmagent_marl.train.estimation.fitted_q import Fit, fitted_values, halves
from vmagent_marl.train.estimation.weighing import started

FIT = Fit(steps=900, batch_size=64, learning_rate=5e-3, hidden=(32,), target_every=30)


@pytest.mark.parametrize(("clusters", "horizon"), [(1, 3), (2, 2)])
@pytest.mark.parametrize("policy", ["target", "behaviour"])
def test_the_values_are_those_of_the_game(clusters: int, horizon: int, policy: str) -> None:
    data = population(clusters, horizon)
    table = Table({"target": TARGET, "behaviour": BEHAVIOUR}[policy])
    counts = counted(table.chances(data.observation, data.mask), data.place, data.tries)
    values = fitted_values(data, counts, 0.9, FIT)
    true = true_return(clusters, horizon, 0.9, policy)
    assert started(values.v).value == pytest.approx(true, abs=0.06)
    ended = np.arange(data.horizon) >= data.lengths[:, None]
    assert ended.any() == (horizon == 3)
    assert (values.q[ended] == 0).all()
    assert (values.v[ended] == 0).all()
    last = data.padded(np.r_[data.step[1:] == 0, True].astype(float)) > 0
    error = (values.q - data.padded(data.reward))[last]
    assert np.sqrt(np.mean(error**2)) < 0.1  # at an episode's end there is nothing but the reward


def test_an_episode_is_valued_by_a_network_that_has_not_seen_it() -> None:
    episodes = [line.steps for line in lines(1, 2)][:6]
    data = data_of(episodes, blocks=np.array([0, 0, 1, 1, 2, 3]))
    assert halves(data.blocks).tolist() == [0, 0, 1, 1, 0, 1]
    counts = counted(Table(TARGET).chances(data.observation, data.mask), data.place, 1)
    fit = Fit(steps=20, batch_size=8, hidden=(8,))
    one = fitted_values(data, counts, 0.9, fit)
    of_first_half = np.isin(data.episode, [0, 1, 4])
    data.reward[of_first_half] += 7.0
    other = fitted_values(data, counts, 0.9, fit)
    for first, second in ((one.q, other.q), (one.v, other.v)):
        alike = first == second
        assert alike[[0, 1, 4]].all()
        assert not alike[[2, 3, 5]].any()


def test_equal_seeds_fit_equal_values_and_others_do_not() -> None:
    data = population(1, 2)
    counts = counted(Table(TARGET).chances(data.observation, data.mask), data.place, 1)
    fits = [fitted_values(data, counts, 0.9, Fit(steps=5, seed=seed)) for seed in (1, 1, 2)]
    assert np.array_equal(fits[0].v, fits[1].v)
    assert not np.array_equal(fits[0].v, fits[2].v)


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"learning_rate": 0.0}, {"hidden": ()}, {"target_every": 0}]
)
def test_what_fits_nothing_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingError, match=next(iter(wrong))):
        Fit(**wrong)  # type: ignore[arg-type]
