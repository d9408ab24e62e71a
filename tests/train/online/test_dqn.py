from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from train.online.off_policy_runs import drawn_by, learner, train

from vmagent_marl.errors import SettingError
from vmagent_marl.policies.networks import ILLEGAL, NetworkShape
from vmagent_marl.train.action_values import ActionValues

SHAPE = NetworkShape(observation=33, identities=0, actions=11, hidden=(8, 8), kind="flat")


@pytest.mark.parametrize("duelling", [True, False])
def test_illegal_actions_have_no_part_in_the_values_of_others(duelling: bool) -> None:
    values = ActionValues(SHAPE, duelling=duelling, gamma=0.9)
    features, mask = torch.rand(50, 33), torch.rand(50, 11) < 0.5
    mask[:, 0] = True
    mask[:, 3] = False
    before = values(features, mask)
    with torch.no_grad():
        values.network.head.bias[3] += 1e6  # type: ignore[union-attr,operator]
    after = values(features, mask)
    assert torch.allclose(before, after, atol=1e-5)
    assert torch.all(after[~mask] == ILLEGAL)
    assert torch.equal(values.best(features, mask), after.argmax(1))


@pytest.mark.parametrize("kind", ["flat", "servers"])
def test_advantages_of_legal_actions_have_mean_zero_around_the_states_value(kind: Any) -> None:
    stage = learner("dqn", network=kind).stage
    shape = learner("dqn", network=kind).shape
    values = ActionValues(shape, duelling=True, gamma=0.9)
    features, mask = stage.features()[:, 0], stage.mask()[:, 0]
    mask[0, [0, 3]] = False
    assert values.value is not None
    with torch.no_grad():
        found, own = values(features, mask), values.network(features)
        worth = 10 * values.value(features)
    for i in range(len(mask)):
        assert float(found[i][mask[i]].mean()) == pytest.approx(float(worth[i]), abs=1e-4)
        difference = (found[i] - own[i])[mask[i]]
        assert float(difference.max()) == pytest.approx(float(difference.min()), abs=1e-4)


@pytest.mark.parametrize("duelling", [True, False])
@pytest.mark.parametrize("double", [True, False])
def test_goals_are_those_of_a_loop_over_legal_actions(double: bool, duelling: bool) -> None:
    learns = learner("dqn", double=double, duelling=duelling, network="flat")
    for parameter in learns.target.parameters():
        parameter.data += torch.randn_like(parameter) * 0.5
    drawn = drawn_by(learns)
    drawn = drawn._replace(after_mask=torch.rand(64, 11) < 0.5)
    drawn.after_mask[:, 2] = True
    goal = learns._goal(drawn)
    with torch.no_grad():
        own = learns.values(drawn.after, drawn.after_mask).numpy()
        other = learns.target(drawn.after, drawn.after_mask).numpy()
    differs = 0
    for i in range(len(goal)):
        legal = np.flatnonzero(drawn.after_mask[i].numpy())
        judge = own[i] if double else other[i]
        best = max(legal, key=lambda a: judge[a])
        differs += best != max(legal, key=lambda a: other[i][a])
        wanted = float(drawn.reward[i]) + float(drawn.discount[i]) * other[i][best]
        assert float(goal[i]) == pytest.approx(wanted, rel=1e-4, abs=1e-4)
    assert (differs > 0) == double


def test_the_loss_is_hubers_of_the_actions_taken_times_the_weights() -> None:
    """Errors count squared up to what a reward of 1 comes to for ever: here 10."""
    learns = learner("dqn", network="flat", gamma=0.9)
    drawn = drawn_by(learns)
    drawn = drawn._replace(reward=drawn.reward * 10)
    learns._update(drawn)
    learns.updates = 1
    goal = learns._goal(drawn)
    with torch.no_grad():
        values = learns.values(drawn.features, drawn.mask)
    figures = learns._update(drawn)
    losses, large = [], 0
    for i, action in enumerate(drawn.action.tolist()):
        error = abs(float(values[i, action]) - float(goal[i])) / 10
        huber = 0.5 * error**2 if error < 1 else error - 0.5
        large += error > 1
        losses.append(huber * float(drawn.weight[i]))
    assert 0 < large < len(losses)
    assert float(figures["loss"]) == pytest.approx(float(np.mean(losses)), rel=1e-4)


def test_random_answers_are_legal_each_as_often_and_get_fewer() -> None:
    learns = learner("dqn", network="flat", steps=1000, epsilon_decay=0.5, epsilon_end=0.1)
    features, mask = learns.stage.features()[:1, 0], torch.zeros(1, 11, dtype=torch.bool)
    mask[0, [1, 4, 5, 10]] = True
    many = learns._choose(features.expand(20_000, -1), mask.expand(20_000, -1))
    counts = torch.bincount(many, minlength=11)
    assert counts[~mask[0]].sum() == 0
    assert ((counts[mask[0]] - 5000).abs() < 250).all()
    told = []
    for steps in (0, 250, 500, 900):
        learns.steps = steps
        told.append(learns.epsilon)
    assert told == pytest.approx([1.0, 0.55, 0.1, 0.1])
    greedy = int(learns.values.best(features, mask))
    share = learns._choose(features.expand(20_000, -1), mask.expand(20_000, -1)) == greedy
    assert float(share.float().mean()) == pytest.approx(0.9 + 0.1 / 4, abs=0.01)


def test_the_target_is_a_copy_every_so_often() -> None:
    learns = learner("dqn", target_every=3, tau=1.0)
    drawn = drawn_by(learns)
    same = []
    for _ in range(6):
        learns._update(drawn)
        learns.updates += 1
        pairs = zip(learns.target.parameters(), learns.values.parameters(), strict=True)
        same.append(all(torch.equal(left, right) for left, right in pairs))
    assert same == [False, False, True, False, False, True]


def test_large_errors_get_large_priorities() -> None:
    learns = learner("dqn", priority_alpha=1.0)
    drawn = drawn_by(learns, number=32)
    drawn = drawn._replace(reward=torch.where(drawn.place == drawn.place[0], 1e4, drawn.reward))
    learns._update(drawn)
    priority = learns.replay._flat["priority"]
    assert int(priority.argmax()) == int(drawn.place[0])
    assert float(priority.max()) == pytest.approx(1e4, rel=0.1)


@pytest.mark.parametrize(
    "name", ["epsilon_start", "epsilon_end", "epsilon_decay", "priority_alpha", "priority_beta"]
)
def test_shares_are_shares(name: str, tmp_path: Path) -> None:
    for value in (-0.1, 1.1):
        with pytest.raises(SettingError, match=f"^{name}: {value} is no share"):
            train("dqn", tmp_path / "run", **{name: value})
