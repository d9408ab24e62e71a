"""Implicit Q-learning, piece by piece beside calculations of its equations in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from train.offline.learners import iql

from vmagent_marl.errors import SettingError
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim.layout import layout_of
from vmagent_marl.train.offline.data.batches import Batches
from vmagent_marl.train.offline.data.decisions import Decisions
from vmagent_marl.train.offline.in_torch.implicit_q import (
    CLIP,
    ImplicitQ,
    ImplicitQLearner,
    expectile_loss,
    weights,
)

GAMMA = 0.9
floats = st.floats(-5, 5, width=32)


def bandit(action: NDArray[np.int64], reward: NDArray[np.float64], mask: list[int]) -> Decisions:
    """Episodes of one decision each, all in the same state of `tiny`."""
    scenario = load_scenario("tiny")
    layout = layout_of(scenario.rules())
    rows = 2 * len(action)

    def spread(values: Any, dtype: Any) -> Any:
        """At the decisions, and zeros at the closing rows."""
        return np.stack([np.asarray(values), np.zeros(len(action))], 1).reshape(-1).astype(dtype)

    closing = np.arange(rows) % 2 == 1
    return Decisions(
        features=np.ones((rows, layout.size), np.float32) * ~closing[:, None],
        mask=np.array(mask, np.int8) * ~closing[:, None],
        action=spread(action, np.int64),
        reward=spread(reward, np.float32),
        interval=spread(np.ones(len(action)), np.int64),
        terminal=~closing,
        trajectory=np.arange(rows) // 2,
        closing=closing,
        clusters=1,
        scenario=scenario.as_dict(),
        dataset=("bandit/one-v0",),
        gamma=GAMMA,
    )


def chain(seed: int, rows: int = 40) -> Decisions:
    """One trajectory of random decisions, with intervals, cut off at its end; then one ended."""
    draw = np.random.default_rng(seed)
    scenario = load_scenario("tiny")
    layout = layout_of(scenario.rules())
    mask = draw.integers(0, 2, (rows, layout.actions)).astype(np.int8)
    mask[:, -1] = 1
    closing = np.isin(np.arange(rows), [rows // 2, rows - 1])
    mask[-1] = 0
    legal = draw.random(mask.shape) * mask
    return Decisions(
        features=draw.random((rows, layout.size)).astype(np.float32),
        mask=mask,
        action=legal.argmax(axis=1),
        reward=draw.normal(size=rows).astype(np.float32),
        interval=draw.integers(1, 6, rows),
        terminal=np.arange(rows) == rows - 2,
        trajectory=(np.arange(rows) > rows // 2).astype(np.int64),
        closing=closing,
        clusters=1,
        scenario=scenario.as_dict(),
        dataset=("chain/two-v0",),
        gamma=GAMMA,
    )


@given(samples=st.lists(floats, min_size=1, max_size=20), share=st.floats(0.05, 0.95))
@settings(max_examples=50, deadline=None)
def test_the_loss_is_that_of_the_paper_and_least_at_the_expectile(
    samples: list[float], share: float
) -> None:
    def loss(at: float) -> float:
        return sum(abs(share - (x - at < 0)) * (x - at) ** 2 for x in samples) / len(samples)

    given = torch.tensor(samples, dtype=torch.float64)
    assert float(expectile_loss(given - 0.3, share)) == pytest.approx(loss(0.3), abs=1e-9)
    value = float(np.mean(samples))
    for _ in range(200):  # at the expectile, it is the mean weighted by the shares
        shares = [share if x > value else 1 - share for x in samples]
        value = float(np.average(samples, weights=shares))
    for step in (-1e-3, 1e-3):
        assert loss(value) <= loss(value + step) + 1e-12
    at = given.new_tensor(value, requires_grad=True)
    expectile_loss(given - at, share).backward()  # type: ignore[no-untyped-call]
    assert at.grad is not None
    assert abs(float(at.grad)) < 1e-6


@given(advantages=st.lists(floats, min_size=1, max_size=20), sharpness=st.floats(0, 10))
def test_a_decision_weighs_by_its_advantage_up_to_a_limit(
    advantages: list[float], sharpness: float
) -> None:
    expected = [min(math.exp(sharpness * x), CLIP) for x in advantages]
    found = weights(torch.tensor(advantages, dtype=torch.float64), sharpness)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("network", ["flat", "servers"])
def test_the_losses_are_those_of_the_paper(network: Any) -> None:
    data = chain(1)
    learner = ImplicitQLearner(
        ImplicitQ(hidden=(8, 8), network=network, expectile=0.8, sharpness=2.0), data, device="cpu"
    )
    with torch.no_grad():
        for parameter in learner.targets.parameters():
            parameter += 0.3 * torch.randn(
                parameter.shape, generator=torch.Generator().manual_seed(1)
            )
    rows = np.flatnonzero(~data.closing)
    found = learner.losses(Batches(data, size=1, device="cpu").at(torch.from_numpy(rows)))
    seen, after = torch.tensor(data.features[rows]), torch.tensor(data.features[rows + 1])
    with torch.no_grad():
        value, later = (learner.value(x)[:, 0].double().numpy() for x in (seen, after))
        critics = [each(seen).double().numpy() for each in learner.critics]
        targets = [each(seen).double().numpy() for each in learner.targets]
        logits = learner.policy(seen).double().numpy()
    expectile, values, policy = [], [], []
    for i, row in enumerate(rows.tolist()):
        action = int(data.action[row])
        advantage = min(target[i, action] for target in targets) - value[i]
        expectile.append((0.8 if advantage > 0 else 0.2) * advantage**2)
        goal = float(data.reward[row])
        if not data.terminal[row]:
            goal += GAMMA ** int(data.interval[row]) * later[i]
        values.append(sum((critic[i, action] - goal) ** 2 for critic in critics))
        among = np.flatnonzero(data.mask[row])
        surprise = math.log(sum(math.exp(logits[i, a]) for a in among)) - logits[i, action]
        policy.append(min(math.exp(2.0 * advantage), 100.0) * surprise)
    for name, each in {"value": expectile, "critics": values, "policy": policy}.items():
        assert found[name].item() == pytest.approx(np.mean(each), rel=1e-4), name


def test_where_one_state_is_all_there_is_its_solution_is_known() -> None:
    """Q is what an action paid, V their expectile (their mean at .5), and the policy the shares of
    what was done, each weighed by its advantage."""
    action = np.repeat([0, 2], [75, 25])
    reward = np.where(action == 0, 0.0, 1.0)
    data = bandit(action, reward, [1, 0, 1])
    for share, value in ((0.5, 0.25), (0.9, 0.75)):  # .9 x .25 (1 - .75) = .1 x .75 x .75
        learner = ImplicitQLearner(
            ImplicitQ(hidden=(16,), expectile=share, sharpness=1.0, tau=0.5, learning_rate=1e-2),
            data,
            device="cpu",
        )
        rows = torch.arange(0, 200, 2)
        whole = Batches(data, size=100, device="cpu").at(rows)
        learner._batches.draw = lambda whole=whole: whole  # type: ignore[method-assign]
        for _ in range(250):
            learner.update()
        one = torch.ones(1, data.inputs)
        mask = torch.tensor([[1, 0, 1]])
        with torch.no_grad():
            assert learner.value(one).item() == pytest.approx(value, abs=0.02)
            for critic in learner.critics:
                np.testing.assert_allclose(critic(one)[0, [0, 2]], [0.0, 1.0], atol=0.02)
            chances = learner.network.legal(one, mask).softmax(1)[0].numpy()
        odds = 75 * math.exp(0.0 - value), 25 * math.exp(1.0 - value)
        np.testing.assert_allclose(
            chances, [odds[0] / sum(odds), 0, odds[1] / sum(odds)], atol=0.02
        )


@pytest.mark.parametrize("network", ["flat", "servers"])
def test_gradients_reach_every_parameter_and_the_targets_follow(network: Any) -> None:
    learner = ImplicitQLearner(
        ImplicitQ(hidden=(16, 16), network=network, batch_size=64, tau=0.25), chain(2), device="cpu"
    )
    before = {
        name: [p.detach().clone() for p in module.parameters()]
        for name, module in learner._modules.items()
    }
    losses = learner.update()
    assert set(losses) == {"value_loss", "critics_loss", "policy_loss"}
    assert np.isfinite(list(losses.values())).all()
    for name in ("policy", "value", "critics"):
        for old, new in zip(before[name], learner._modules[name].parameters(), strict=True):
            assert new.grad is not None
            assert not torch.equal(old, new), name
    moved = zip(
        before["targets"], learner.critics.parameters(), learner.targets.parameters(), strict=True
    )
    for old, critic, target in moved:
        assert torch.allclose(target, 0.75 * old + 0.25 * critic)


def test_the_state_goes_on_to_the_bit() -> None:
    data = chain(3)
    whole, killed, resumed = (ImplicitQLearner(ImplicitQ(), data, device="cpu") for _ in range(3))
    for learner in (whole, killed):
        for _ in range(3):
            learner.update()
    resumed.load_state_dict(killed.state_dict())
    for learner in (whole, resumed):
        learner.reseed(7)
        for _ in range(3):
            learner.update()
    for name, state in whole.state_dict()["modules"].items():
        for key, value in state.items():
            assert torch.equal(value, resumed.state_dict()["modules"][name][key])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("expectile", 0.0),
        ("expectile", 1.0),
        ("sharpness", -1.0),
        ("tau", 0.0),
        ("batch_size", 0),
        ("learning_rate", 0.0),
        ("hidden", ()),
    ],
)
def test_what_learns_nothing_is_refused(field: str, value: Any) -> None:
    with pytest.raises(SettingError, match=rf"^{field}: "):
        ImplicitQLearner(iql(**{field: value}), chain(4), device="cpu")
