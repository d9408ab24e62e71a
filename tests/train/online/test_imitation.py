"""A network is taught what a heuristic answers, whatever equal slots are called."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from train.online.games import learner_on, small, small_region
from train.online.playing import equal, weights

from vmagent_marl.errors import PolicyError, SettingError, UnknownNameError
from vmagent_marl.policies import make_policy
from vmagent_marl.policies.networks import masked
from vmagent_marl.train.online.imitation import imitate, imitation_loss, same_slots, teacher_of
from vmagent_marl.train.online.learner import Settings
from vmagent_marl.train.online.ppo import PPO
from vmagent_marl.train.online.stage import Stage


@pytest.mark.parametrize("network", ["flat", "servers"])
@pytest.mark.parametrize("teacher", ["worst-fit", "best-fit"])
def test_it_answers_as_its_teacher_afterwards(network: Any, teacher: str) -> None:
    scenario = small(servers=3, turned_away="count")
    torch.manual_seed(0)
    learner = learner_on(scenario, network=network, hidden=(32, 32))
    settings = PPO(imitate=teacher, imitate_steps=100_000, batch=32, network=network)
    before = agreement(learner.network, scenario, teacher)
    imitate(make_policy(teacher), learner.network, settings, learner.stage, progress=False)
    after = agreement(learner.network, scenario, teacher)
    assert after > max(before + 0.05, 0.9)


def agreement(network: Any, scenario: Any, teacher: str) -> float:
    """Share of the answers with a choice that look like the teacher's, who plays."""
    stage = Stage(scenario, batch=16, seed=9)
    policy, right, number = make_policy(teacher), 0, 0
    for _ in range(30):
        features, mask = stage.features()[:, 0], stage.mask()[:, 0]
        actions, _ = policy.act(stage.simulator, stage.simulator.keys())
        answers = torch.from_numpy(actions)[:, 0]
        with torch.no_grad():
            chosen = masked(network(features), mask).argmax(1)
        alike = same_slots(features, mask, answers, network.shape)
        choice = mask.sum(1) > 1
        right += int((alike.gather(1, chosen[:, None])[:, 0] & choice).sum())
        number += int(choice.sum())
        stage.step(answers[:, None])
        stage.renew()
    return right / number


def test_slots_that_look_alike_are_one_answer() -> None:
    """Empty servers at the beginning: any slot is right where one is, and pass is none of them."""
    stage = Stage(small(servers=3), batch=2)
    shape = learner_on(small(servers=3)).network.shape
    features, mask = stage.features()[:, 0], stage.mask()[:, 0]
    alike = same_slots(features, torch.ones_like(mask), torch.tensor([0, 6]), shape)
    assert alike[0].tolist() == 6 * [True] + [False]
    assert alike[1].tolist() == 6 * [False] + [True]
    stage.step(torch.tensor([[2], [2]]))
    features, mask = stage.features()[:, 0], stage.mask()[:, 0]
    alike = same_slots(features, mask, torch.tensor([4, 2]), shape)
    assert alike[0].tolist() == [True, True, False, False, True, True, False]
    assert alike[1].nonzero().flatten().tolist() == [2]


def test_the_loss_is_that_of_all_right_answers_together() -> None:
    probabilities = torch.tensor([[0.1, 0.2, 0.3, 0.4]])
    alike = torch.tensor([[True, False, True, False]])
    loss = imitation_loss(probabilities.log(), alike)
    torch.testing.assert_close(loss, -torch.tensor(0.4).log())


def test_equal_settings_teach_the_same() -> None:
    learned = []
    for _ in range(2):
        torch.manual_seed(1)
        learner = learner_on(small_region(), network="servers")
        settings = PPO(imitate="cheapest-first", imitate_steps=500, batch=8, seed=3)
        stood = learner.stage.features()
        imitate(
            make_policy("cheapest-first"), learner.network, settings, learner.stage, progress=False
        )
        assert torch.equal(learner.stage.features(), stood)  # the learner's own is not played
        learned.append(weights(learner.network))
    assert equal(*learned)


def test_what_cannot_be_imitated_is_refused() -> None:
    assert teacher_of(Settings(), small()) is None
    assert teacher_of(PPO(), small()) is None
    with pytest.raises(UnknownNameError, match="did you mean 'best-fit'"):
        teacher_of(PPO(imitate="bestfit"), small())
    with pytest.raises(PolicyError, match="lifetime hints"):
        teacher_of(PPO(imitate="nilas"), small())
    with pytest.raises(SettingError, match="imitate_steps: 0 is too few"):
        teacher_of(PPO(imitate="best-fit", imitate_steps=0), small())
