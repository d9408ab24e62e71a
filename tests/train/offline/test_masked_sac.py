"""Discrete SAC over legal actions, beside calculations of its own formulas in float64."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from train.offline.learners import sac
from train.offline.test_implicit_q import chain
from train.offline.test_masked import ACTIONS, FEATURES, batch, make, random_masks

from vmagent_marl.errors import SettingError
from vmagent_marl.train.offline.on_d3rlpy.d3rlpy_learner import D3rlpyLearner
from vmagent_marl.train.offline.on_d3rlpy.masked import network_of


def seen(seed: int, rows: int = 16) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    draw = np.random.default_rng(seed)
    return draw.normal(size=(rows, FEATURES)).astype(np.float32), random_masks(draw, rows)


def numbers(module: Any, features: NDArray[np.float32]) -> NDArray[np.float64]:
    with torch.no_grad():
        found: NDArray[np.float64] = network_of(module)(torch.tensor(features)).double().numpy()
        return found


def softened(
    logits: NDArray[np.float64], values: NDArray[np.float64], mask: Any, worth: float
) -> tuple[list[float], list[float]]:
    """Soft values and entropies of states, legal action by legal action."""
    soft, entropies = [], []
    for logit, value, legal in zip(logits, values, mask, strict=True):
        among = [a for a in range(len(legal)) if legal[a]]
        total = sum(math.exp(logit[a]) for a in among)
        chance = {a: math.exp(logit[a]) / total for a in among}
        entropies.append(-sum(p * math.log(p) for p in chance.values()))
        mean = sum(p * value[a] for a, p in chance.items())
        soft.append(mean + worth * entropies[-1])
    return soft, entropies


def disturbed(seed: int = 0, **fields: Any) -> Any:
    """A learner whose targets are not its critics."""
    learner = make("sac", seed=seed, initial_temperature=0.7, **fields)
    with torch.no_grad():
        for parameter in learner.impl.modules.targ_q_funcs.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return learner


def test_the_target_is_the_soft_value_over_legal_actions() -> None:
    learner = disturbed()
    modules = learner.impl.modules
    features, mask = seen(1)
    mask[0] = 0  # behind an end
    given = SimpleNamespace(next_observations=[torch.tensor(features), torch.tensor(mask)])
    target = learner.impl.compute_target(given)[:, 0]
    least = np.minimum(*(numbers(each, features) for each in modules.targ_q_funcs))
    expected, _ = softened(numbers(modules.policy, features), least, mask, 0.7)
    assert target[0] == 0.0 == expected[0]
    np.testing.assert_allclose(target, expected, rtol=1e-5, atol=1e-6)


def test_the_policys_loss_counts_the_states_that_leave_a_choice() -> None:
    learner = disturbed(temp_learning_rate=0.0)
    modules = learner.impl.modules
    features, mask = seen(2)
    mask[:3] = np.eye(ACTIONS)[1]
    given = SimpleNamespace(observations=[torch.tensor(features), torch.tensor(mask)])
    said = learner.impl.compute_actor_loss(given)
    least = np.minimum(*(numbers(each, features) for each in modules.q_funcs))
    soft, entropies = softened(numbers(modules.policy, features), least, mask, 0.7)
    leaves = mask.sum(axis=1) > 1
    assert 3 <= (~leaves).sum() < 16
    assert said["loss"].item() == pytest.approx(-np.mean(np.array(soft)[leaves]), rel=1e-5)
    assert said["entropy"].item() == pytest.approx(np.mean(np.array(entropies)[leaves]), rel=1e-5)


def test_states_without_a_choice_move_nothing_but_the_critics() -> None:
    learner = make("sac")
    before = [p.detach().clone() for p in learner.impl.modules.policy.parameters()]
    mask = np.tile(np.eye(ACTIONS, dtype=np.float32)[1], (8, 1))
    loss = learner.update(batch(mask, np.ones(8, np.int64), 2.0))
    assert np.isfinite(list(loss.values())).all()
    assert loss["temperature"] == pytest.approx(0.1)
    for old, new in zip(before, learner.impl.modules.policy.parameters(), strict=True):
        assert torch.equal(old, new)


@pytest.mark.parametrize(("goal", "moves"), [(0.2, -1), (0.98, 1)])
def test_the_temperature_keeps_a_share_of_the_entropy_that_each_state_can_have(
    goal: float, moves: int
) -> None:
    """Of two legal actions one has nine tenths: .325 nats, of .693 that two can have.

    Among all five .98 log 5 = 1.58 nats are out of reach, and .2 of them is .322.
    """
    learner = make("sac", target_entropy=goal)
    head = network_of(learner.impl.modules.policy).head
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.tensor([0.0, math.log(9), 5.0, 5.0, 5.0]))
    mask = np.tile(np.array([1, 1, 0, 0, 0], np.float32), (8, 1))
    loss = learner.update(batch(mask, np.ones(8, np.int64)))
    assert loss["entropy"] == pytest.approx(0.3251, abs=1e-4)
    assert math.copysign(1, loss["temperature"] - 0.1) == moves
    assert loss["temperature"] != 0.1


def test_a_temperature_may_stay_as_it_is() -> None:
    data = chain(3)
    fixed = D3rlpyLearner(sac(temp_learning_rate=0.0, gamma=data.gamma), data, device="cpu")
    before = fixed.learner.impl.modules.log_temp.state_dict()
    assert "temperature" not in fixed.update()
    for name, value in fixed.learner.impl.modules.log_temp.state_dict().items():
        assert torch.equal(value, before[name])
    with pytest.raises(SettingError, match=r"learning_rate: 0\.0 is not positive"):
        D3rlpyLearner(sac(actor_learning_rate=0.0, gamma=data.gamma), data, device="cpu")


def test_what_is_no_entropy_is_refused() -> None:
    for name, value in {"initial_temperature": 0.0, "target_entropy": 1.5}.items():
        with pytest.raises(SettingError, match=f"^{name}: {value} is "):
            sac(**{name: value})
