from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from train.online.off_policy_runs import drawn_by, learner, train

from vmagent_marl.errors import SettingError


def of_legal(logits: Any, mask: Any) -> tuple[Any, Any]:
    """Legal actions and their probabilities."""
    legal = np.flatnonzero(mask)
    shares = np.exp(logits[legal] - logits[legal].max())
    return legal, shares / shares.sum()


def test_goals_are_soft_values_of_the_lower_twin_over_legal_actions() -> None:
    learns = learner("sac", network="flat", temperature=0.3)
    for parameter in learns.targets.parameters():
        parameter.data += torch.randn_like(parameter) * 0.1
    drawn = drawn_by(learns)
    goal = learns._goal(drawn)
    with torch.no_grad():
        logits = learns.network(drawn.after).double().numpy()
        twins = [t(drawn.after, drawn.after_mask).double().numpy() for t in learns.targets]
    for i in range(len(goal)):
        legal, shares = of_legal(logits[i], drawn.after_mask[i].numpy())
        soft = sum(
            share * (min(twins[0][i][a], twins[1][i][a]) - 0.3 * math.log(share))
            for a, share in zip(legal, shares, strict=True)
        )
        wanted = float(drawn.reward[i]) + float(drawn.discount[i]) * soft
        assert float(goal[i]) == pytest.approx(wanted, rel=1e-4, abs=1e-4)


def test_without_a_choice_neither_policy_nor_temperature_learns() -> None:
    learns = learner("sac", network="flat")
    drawn = drawn_by(learns)
    taken = torch.nn.functional.one_hot(drawn.action, drawn.mask.shape[1]).bool()
    learns._update(drawn._replace(mask=taken))
    for module in (learns.network, learns.temperature):
        for parameter in module.parameters():
            assert parameter.grad is not None
            assert not parameter.grad.any()
    assert any(parameter.grad.any() for parameter in learns.critics.parameters())


def test_the_policys_gradient_is_of_legal_actions_that_leave_a_choice() -> None:
    """Requests without a choice among the others change no gradient, and count in no mean."""
    learns = learner("sac", network="flat", max_norm=1e9)
    drawn = drawn_by(learns)
    chosen = drawn.mask.sum(1) > 1
    only = type(drawn)(*(column[chosen] for column in drawn))
    forced = torch.nn.functional.one_hot(only.action, only.mask.shape[1]).bool()
    other = only._replace(mask=forced)
    both = type(drawn)(*(torch.cat(columns) for columns in zip(only, other, strict=True)))
    content = copy.deepcopy(learns.state_dict())
    gradients = []
    for given in (only, both):
        learns.load_state_dict(content)
        learns._update(given)
        parameters = [*learns.network.parameters(), *learns.temperature.parameters()]
        gradients.append(torch.cat([p.grad.flatten() for p in parameters]).clone())
    assert gradients[0].any()
    assert torch.allclose(gradients[0], gradients[1], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("share", "falls"), [(0.0, True), (1.0, False)])
def test_the_temperature_falls_where_there_is_more_entropy_than_wanted(
    share: float, falls: bool
) -> None:
    """The most that is possible hangs on how many actions are legal."""
    learns = learner("sac", target_entropy=share, learning_rate=0.01)
    before = float(learns.temperature().detach())
    for _ in range(3):
        learns._update(drawn_by(learns))
        learns.updates += 1
    after = float(learns.temperature().detach())
    assert (after < before) == falls
    assert after != before


def test_answers_are_drawn_by_the_policys_probabilities() -> None:
    learns = learner("sac", network="flat")
    features, mask = learns.stage.features()[:1, 0], torch.zeros(1, 11, dtype=torch.bool)
    mask[0, [0, 3, 10]] = True
    many = learns._choose(features.expand(30_000, -1), mask.expand(30_000, -1))
    found = torch.bincount(many, minlength=11) / 30_000
    with torch.no_grad():
        legal, shares = of_legal(learns.network(features)[0].numpy(), mask[0].numpy())
    assert found[legal].numpy() == pytest.approx(shares, abs=0.015)
    assert float(found[~mask[0]].sum()) == 0.0


def test_settings_of_its_own_are_checked(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"^temperature: 0.0 is not positive"):
        train("sac", tmp_path / "run", temperature=0.0)
    with pytest.raises(SettingError, match=r"^target_entropy: 1.5 is no share"):
        train("sac", tmp_path / "run", target_entropy=1.5)
