from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from vmagent_marl.train.estimation.chances import counted


@pytest.mark.parametrize("tries", [1, 2, 3])
def test_actions_count_as_often_as_by_all_joint_plans(tries: int) -> None:
    """Three agents in every order, by brute force over what each would answer."""
    draw = np.random.default_rng(tries)
    plans = draw.dirichlet(np.ones(3), size=(6, 3))
    place = np.array([[(k - home) % 3 for k in range(3)] for home in range(3)] * 2)
    expected = np.zeros_like(plans)
    for row, planned in enumerate(plans):
        for joint in product(range(3), repeat=3):
            chance = np.prod([planned[k, action] for k, action in enumerate(joint)])
            taken = False
            for agent in np.argsort(place[row])[:tries]:
                if not taken and joint[agent] != 2:
                    expected[row, agent, joint[agent]] += chance
                    taken = True
        expected[row, :, 2] = 1.0 - expected[row, :, :2].sum(axis=1)
    np.testing.assert_allclose(counted(plans, place, tries), expected, atol=1e-12)


def test_one_agents_own_chances_count() -> None:
    plans = np.random.default_rng(0).dirichlet(np.ones(4), size=(5, 1))
    np.testing.assert_allclose(counted(plans, np.zeros((5, 1), np.int64), 1), plans)
