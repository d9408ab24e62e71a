from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from train.online.playing import equal, learner_of, validation_return, weights
from train.online.region_puzzle import PUZZLE, best_return
from train.online.relay import Relay
from train.online.two_steps import TwoSteps, greedy_return

from vmagent_marl.errors import SettingError
from vmagent_marl.policies.checkpoint import load_policy, load_tensors, save_tensors
from vmagent_marl.scenario import load_scenario
from vmagent_marl.train.online.ppo import PPO, PPOLearner
from vmagent_marl.train.online.run import train_online
from vmagent_marl.train.online.stage import Stage
from vmagent_marl.train.online.value_cases import IQL, QMIX, VDN
from vmagent_marl.train.online.value_decomposition import (
    ValueDecomposition,
    ValueDecompositionLearner,
)
from vmagent_marl.train.running import drawing_from

ALL = [IQL, VDN, QMIX]
LAST_MINUTE = 0.01  # the best plans also take what pays for an episode's last seconds alone

EXPLORING: dict[str, Any] = {  # as in the paper: nothing but random play, greedy when judged
    "steps": 10**6,
    "batch": 16,
    "network": "flat",
    "hidden": (32,),
    "learning_rate": 3e-3,
    "duelling": False,
    "epsilon_end": 1.0,
    "replay": 4_000,
    "warmup": 500,
    "minibatch": 64,
    "target_every": 50,
}
PUZZLING: dict[str, Any] = {
    "steps": 40_000,
    "batch": 32,
    "network": "flat",
    "gamma": 0.8,
    "learning_rate": 2e-3,
    "epsilon_end": 0.1,
    "epsilon_decay": 0.3,
    "replay": 8_000,
    "warmup": 1_000,
    "minibatch": 128,
    "target_every": 50,
}
SMALL: dict[str, Any] = {
    "steps": 1_000,
    "learning_rate": 1e-3,
    "batch": 4,
    "hidden": (8,),
    "replay": 200,
    "warmup": 40,
    "minibatch": 8,
    "target_every": 20,
    "mixer_width": 4,
}


@pytest.mark.parametrize(("kind", "wanted"), [(IQL, 7.0), (VDN, 7.0), (QMIX, 8.0)])
def test_only_a_monotonic_mixer_dares_what_pays_together(
    kind: type[ValueDecomposition], wanted: float
) -> None:
    learner = learner_of(kind(**EXPLORING), TwoSteps(16))
    for _ in range(40):
        learner.advance()
    assert greedy_return(learner.network) == wanted


def test_qmix_learns_the_whole_payoff() -> None:
    learner = learner_of(QMIX(**EXPLORING), TwoSteps(16))
    for _ in range(40):
        learner.advance()
    game = TwoSteps(4)
    game.at[:] = 2
    answers = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])
    with torch.no_grad():
        team = learner.values(game.features(), game.mask(), answers, game.state())
    assert torch.allclose(team, torch.tensor([0.0, 1.0, 1.0, 8.0]), atol=0.2)


@pytest.mark.parametrize("critic", ["own", "state"])
def test_on_policy_learners_come_to_dare(critic: Any) -> None:
    settings = PPO(
        steps=10**6,
        batch=64,
        segment=8,
        network="flat",
        hidden=(32,),
        learning_rate=3e-3,
        critic=critic,
        entropy=0.03,
        minibatch=512,
        anneal=False,
    )
    stage: Any = TwoSteps(settings.batch)
    with drawing_from(0):
        learner = PPOLearner(settings, stage)
    for _ in range(60):
        learner.advance()
    assert greedy_return(learner.network) == 8.0


@pytest.mark.parametrize("kind", ALL)
def test_the_best_of_all_plans_is_found(kind: type[ValueDecomposition]) -> None:
    learner = learner_of(kind(**PUZZLING))
    while learner.steps < learner.settings.steps:
        learner.advance()
    earned = validation_return(learner, learner.stage, 12)
    assert best_return(12) - LAST_MINUTE < earned <= best_return(12) + 1e-9


@pytest.mark.parametrize("critic", ["own", "state"])
def test_on_policy_learners_find_it_too(critic: Any) -> None:
    settings = PPO(
        steps=40_000,
        batch=64,
        segment=12,
        network="flat",
        gamma=0.8,
        learning_rate=3e-3,
        critic=critic,
        entropy=0.01,
        minibatch=512,
    )
    stage = Stage(PUZZLE, batch=settings.batch)
    with drawing_from(0):
        learner = PPOLearner(settings, stage)
    while learner.steps < settings.steps:
        learner.advance()
    assert validation_return(learner, stage, 12) > best_return(12) - LAST_MINUTE


def test_as_pass_unreached_answers_teach_to_take_all() -> None:
    """Taking was only ever seen beside the others' pass, so it is held against all passing."""
    learner = learner_of(VDN(**PUZZLING, unreached="pass"))
    while learner.steps < 20_000:
        learner.advance()
    assert validation_return(learner, learner.stage, 12) < best_return(12) - 1


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("network", ["flat", "servers"])
def test_every_parameter_learns(kind: type[ValueDecomposition], network: Any) -> None:
    learner = learner_of(kind(**{**SMALL, "hidden": (16,), "network": network}))
    before = weights(learner.values)
    for _ in range(4):
        learner.advance()
    names = [name for name, _ in learner.values.named_parameters()]
    for name, old, new in zip(names, before, weights(learner.values), strict=True):
        assert not torch.equal(old, new), name


@pytest.mark.parametrize("kind", ALL)
def test_the_same_seed_learns_the_same_and_another_does_not(
    kind: type[ValueDecomposition],
) -> None:
    def learned(seed: int) -> list[torch.Tensor]:
        learner = learner_of(kind(**SMALL, seed=seed))
        for _ in range(2):
            learner.advance()
        return weights(learner.values)

    first = learned(0)
    assert equal(first, learned(0))
    assert not equal(first, learned(1))


@pytest.mark.parametrize("kind", ALL)
def test_a_killed_learner_goes_on_to_the_same_end(
    kind: type[ValueDecomposition], tmp_path: Path
) -> None:
    whole = learner_of(kind(**SMALL))
    for _ in range(6):
        whole.advance()
    killed = learner_of(kind(**SMALL))
    for _ in range(3):  # 3 x 16 requests and the warm-up: its ring has been round
        killed.advance()
    save_tensors(tmp_path / "resume.pt", killed.state_dict())
    other = learner_of(kind(**SMALL, seed=0))
    other.load_state_dict(load_tensors(tmp_path / "resume.pt"))
    for _ in range(3):
        other.advance()
    assert whole.replay.count > whole.replay.rows
    assert other.steps == whole.steps
    assert equal(weights(other.values), weights(whole.values))
    assert equal(weights(other.target), weights(whole.target))


@pytest.mark.parametrize(("name", "kind"), [("iql", IQL), ("vdn", VDN), ("qmix", QMIX)])
def test_a_runs_folder_goes_on_where_it_stopped(
    name: str, kind: type[ValueDecomposition], tmp_path: Path
) -> None:
    file = tmp_path / "puzzle.yaml"
    fields = {key: value for key, value in PUZZLE.as_dict().items() if key != "name"}
    file.write_text(json.dumps(fields), encoding="utf-8")  # which is YAML too
    settings = kind(
        **{**SMALL, "epsilon_decay": 0.0, "steps": 400},
        scenario=str(file),
        validate_every=100,
        validation_episodes=2,
    )

    def train(steps: int, out: str) -> bytes:
        run = replace(settings, steps=steps)
        train_online(name, run, ValueDecompositionLearner, tmp_path / out, progress=False)
        return (tmp_path / out / "last.pt").read_bytes()

    train(200, "halves")
    assert train(400, "halves") == train(400, "whole")
    assert load_policy(tmp_path / "whole" / "policy.pt").training.algorithm == name


@pytest.mark.parametrize("kind", ALL)
def test_a_warm_up_is_played_by_the_same_epsilon_and_learns_nothing(
    kind: type[ValueDecomposition],
) -> None:
    learner = learner_of(kind(**{**SMALL, "warmup": 100, "epsilon_start": 0.1}))
    before = weights(learner.values)
    assert learner.epsilon == 0.1
    assert learner.advance() == {}
    assert learner.steps == 64  # and no more of them than of any others
    assert equal(weights(learner.values), before)
    assert learner.advance()["loss"] > 0
    assert not equal(weights(learner.values), before)


class Meddled(Stage):
    """The puzzle, with other answers in the place of those that will not be reached."""

    def step(self, actions: torch.Tensor) -> None:
        before = self.simulator.snapshot()
        super().step(actions)
        reached = self.reached()
        mask = torch.from_numpy(before.mask.copy()) > 0
        other = torch.where(mask.any(2), mask.int().argmax(2), 0)
        self.changed = not bool((torch.where(reached, actions, other) == actions).all())
        returns = self._return.copy()
        after = self.simulator.snapshot()
        self.simulator.restore(before)
        super().step(torch.where(reached, actions, other))
        self._return = returns
        assert (after.effective == self.simulator.state.effective).all()


def test_what_nobody_reached_teaches_an_independent_learner_nothing() -> None:
    settings = IQL(**SMALL)
    plain = learner_of(settings)
    meddled = learner_of(settings, Meddled(PUZZLE, batch=settings.batch, seed=settings.seed))
    changed = False
    for _ in range(4):
        plain.advance()
        meddled.advance()
        changed = changed or meddled.stage.changed  # type: ignore[attr-defined]
    assert changed
    assert equal(weights(plain.values), weights(meddled.values))
    counts = plain.replay.columns["known"].float().mean()
    assert 0.3 < counts < 0.9  # somebody was left out


def test_an_unreached_answer_that_is_remembered_differently_changes_nothing() -> None:
    plain, other = learner_of(IQL(**SMALL)), learner_of(IQL(**SMALL))
    add = other.replay.add

    def scrambled(seen: Any, action: Any, decided: torch.Tensor, *rest: Any) -> None:
        add(seen, torch.where(decided, action, 2 - action), decided, *rest)

    other.replay.add = scrambled  # type: ignore[method-assign]
    for _ in range(3):
        plain.advance()
        other.advance()
    assert not torch.equal(plain.replay.columns["action"], other.replay.columns["action"])
    assert equal(weights(plain.values), weights(other.values))


def test_selfish_agents_learn_from_their_own_reward() -> None:
    team, own = learner_of(IQL(**SMALL)), learner_of(IQL(**SMALL, reward="own"))
    for learner in (team, own):
        learner.advance()
    paid = own.replay.columns["earned"][own.replay.columns["known"].any(2)]
    assert (paid[:, 0] != paid[:, 1]).any()
    assert not equal(weights(team.values), weights(own.values))


@pytest.mark.parametrize("kind", [VDN, QMIX])
def test_a_teams_value_takes_no_selfish_rewards(kind: type[ValueDecomposition]) -> None:
    with pytest.raises(SettingError, match=r"reward: (vdn|qmix) learns one value.*iql"):
        learner_of(kind(**SMALL, reward="own"))


@pytest.mark.parametrize("kind", ALL)
def test_one_cluster_is_for_another_learner(kind: type[ValueDecomposition]) -> None:
    stage = Stage(load_scenario("tiny"), batch=4)
    with pytest.raises(
        SettingError, match=r"^agent '(iql|vdn|qmix)' is for several .*give --agent dqn,"
    ):
        ValueDecompositionLearner(kind(**SMALL), stage)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("minibatch", 0),
        ("updates", 0),
        ("target_every", 0),
        ("mixer_width", 0),
        ("epsilon_start", 1.5),
        ("epsilon_end", -0.1),
        ("epsilon_decay", 2.0),
        ("max_norm", 0.0),
        ("replay", 8),
        ("warmup", -1),
        ("warmup", 1_000),
    ],
)
def test_values_that_train_nothing_are_refused(field: str, value: float) -> None:
    with pytest.raises(SettingError, match=f"^{field}: "):
        learner_of(replace(VDN(**SMALL), **{field: value}))


def test_a_cut_is_worth_what_goes_on_to_whoever_it_asks_and_to_the_others() -> None:
    """A reward of 1 a request is worth 5 to all; what never reaches an agent teaches no value."""
    learner = learner_of(IQL(**{**EXPLORING, "gamma": 0.8}), Relay(16))
    for _ in range(60):
        learner.advance()
    game = Relay(1)
    with torch.no_grad():
        for at in (0, 1):
            game.at[:] = at
            values = learner.values.each(game.features()[0], game.mask()[0])
            torch.testing.assert_close(values[at], torch.full((2,), 5.0), atol=0.1, rtol=0)


def test_as_many_agents_are_asked_as_a_request_has_tries() -> None:
    stage = Stage(PUZZLE.replace(tries=1, home="round-robin"), batch=3)
    found = set()
    for _ in range(4):
        asked = stage.asked()
        assert (asked.sum(1) == 1).all()
        stage.step(stage.mask().int().argmax(2))
        assert not (stage.reached() & ~asked).any()
        found.update(asked.int().argmax(1).tolist())
    assert found == {0, 1}
    assert Stage(PUZZLE, batch=3).asked().all()
