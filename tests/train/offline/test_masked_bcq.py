"""Discrete BCQ among legal actions, beside calculations of its own rule in float64."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from train.offline.learners import bcq
from train.offline.test_masked import FEATURES, batch, make, random_masks
from train.recordings import small_region

from vmagent_marl.errors import SettingError
from vmagent_marl.policies.checkpoint import load_policy, save_policy
from vmagent_marl.policies.network_policy import Training
from vmagent_marl.policies.networks import ILLEGAL
from vmagent_marl.policies.new_networks import network_shape, new_network
from vmagent_marl.sim.layout import layout_of
from vmagent_marl.train.offline.on_d3rlpy.masked import network_of
from vmagent_marl.train.offline.on_d3rlpy.quiet_d3rlpy import DiscreteBCQImpl


def rule(
    values: NDArray[Any], logits: NDArray[Any], mask: NDArray[Any], flexibility: float
) -> list[int]:
    """The best by value of the legal actions that are likely, one row after the other."""
    chosen = []
    for value, logit, legal in zip(values, logits, mask, strict=True):
        among = [a for a in range(len(legal)) if legal[a]]
        chance = {a: np.exp(float(logit[a]) - max(float(logit[b]) for b in among)) for a in among}
        likely = [a for a in among if chance[a] >= flexibility]
        chosen.append(max(likely, key=lambda a: float(value[a])))
    return chosen


def seen(seed: int, rows: int = 64) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    draw = np.random.default_rng(seed)
    features = draw.normal(scale=3.0, size=(rows, FEATURES)).astype(np.float32)
    return features, random_masks(draw, rows)


@pytest.mark.parametrize("flexibility", [0.0, 0.3, 0.9, 1.0])
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), offset=st.sampled_from([-1e4, 0.0, 1e4]))
def test_it_takes_the_best_likely_and_legal_action(
    flexibility: float, seed: int, offset: float
) -> None:
    """Also among values far from 0, beside which a fill leaves float32 no digits to compare by."""
    learner = make("bcq", seed=seed, action_flexibility=flexibility)
    values = network_of(learner.impl.modules.q_funcs[0])
    imitator = network_of(learner.impl.modules.imitator)
    with torch.no_grad():
        values.head.bias += offset
        imitator.head.weight *= 5.0
    features, mask = seen(seed)
    with torch.no_grad():
        judged, liked = (each(torch.tensor(features)).numpy() for each in (values, imitator))
    expected = rule(judged, liked, mask, flexibility)
    np.testing.assert_array_equal(learner.predict([features, mask]), expected)
    acts = learner.acting_network.legal(torch.tensor(features), torch.tensor(mask))
    np.testing.assert_array_equal(acts.argmax(dim=1), expected)


def test_what_d3rlpy_does_with_a_fill_is_why_it_is_done_here() -> None:
    """Its lift by the least value rounds all legal values to the same."""
    learner = make("bcq", action_flexibility=0.0001)
    features, mask = seen(1)
    mask[:, 0] = 0
    x = [torch.tensor(features), torch.tensor(mask)]
    theirs = DiscreteBCQImpl.inner_predict_best_action(learner.impl, x).numpy()
    assert (theirs != learner.predict([features, mask])).mean() > 0.2


def test_the_bootstrap_is_worth_what_the_target_thinks_of_that_action() -> None:
    learner = make("bcq", action_flexibility=0.9)
    modules = learner.impl.modules
    with torch.no_grad():
        for parameter in modules.targ_q_funcs.parameters():
            parameter += 0.1 * torch.randn_like(parameter)  # for they begin alike
    features, mask = seen(2)
    x = [torch.tensor(features), torch.tensor(mask)]
    given = SimpleNamespace(next_observations=x)
    with torch.no_grad():
        judged, liked, worth = (
            network_of(each)(x[0]).numpy()
            for each in (modules.q_funcs[0], modules.imitator, modules.targ_q_funcs[0])
        )
    chosen = rule(judged, liked, mask, 0.9)
    assert (np.array(chosen) != rule(judged, liked, mask, 0.0)).any()
    target = learner.impl.compute_target(given)[:, 0]
    np.testing.assert_array_equal(target, worth[np.arange(64), chosen])


@pytest.mark.parametrize(("flexibility", "expected"), [(1.0, 1), (0.5, 1), (0.05, 3), (0.0, 2)])
def test_an_action_is_taken_that_pays_and_was_done_often_enough(
    flexibility: float, expected: int
) -> None:
    """Of 100 answers 80 are action 1, which pays 1; 19 action 3, paid 2; one action 2, paid 3."""
    learner = make("bcq", action_flexibility=flexibility, beta=0.0, learning_rate=0.03)
    mask = np.tile(np.array([0, 1, 1, 1, 0], np.float32), (100, 1))
    action = np.repeat([1, 3, 2], [80, 19, 1])
    pays = np.array([9.0, 1.0, 3.0, 2.0, 9.0])
    for _ in range(120):
        learner.update(batch(mask, action, pays[action]))
    features = np.ones((1, FEATURES), np.float32)
    assert learner.predict([features, mask[:1]]) == [expected]


def test_no_choice_is_no_share() -> None:
    for flexibility in (-0.1, 1.5):
        with pytest.raises(SettingError, match=f"^action_flexibility: {flexibility} is no share"):
            bcq(action_flexibility=flexibility)
    with pytest.raises(SettingError, match=r"^share_encoder"):
        bcq(share_encoder=True)


@pytest.mark.parametrize("kind", ["flat", "servers"])
def test_what_acts_is_stored_with_both_its_networks(kind: Any, tmp_path: Path) -> None:
    scenario = small_region()
    layout = layout_of(scenario.rules())
    shape = replace(network_shape(layout, hidden=(8, 8), kind=kind), flexibility=0.4)
    torch.manual_seed(1)
    network: Any = new_network(shape)
    with torch.no_grad():
        for parameter in network.imitator.parameters():
            parameter *= 4.0  # so that some actions are unlikely
    training = Training(
        "masked_bcq", scenario.as_dict(), layout.clusters, layout.servers, layout.summaries
    )
    save_policy(tmp_path / "policy.pt", network, training)
    policy = load_policy(tmp_path / "policy.pt")
    assert policy.network.shape == network.shape
    draw = np.random.default_rng(3)
    features = torch.tensor(draw.random((50, shape.inputs)).astype(np.float32))
    mask = torch.tensor(draw.integers(0, 2, (50, shape.actions)).astype(np.int8))
    mask[:, -1] = 1
    values = network.legal(features, mask)
    assert torch.equal(values, policy.network.legal(features, mask))
    assert (values[mask == 0] == ILLEGAL).all()
    assert (values > ILLEGAL).any(dim=1).all()
    assert (values[mask > 0] == ILLEGAL).any()  # what is legal and not likely
    assert torch.equal(network(features), network.legal(features, torch.ones_like(mask)))
