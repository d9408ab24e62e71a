"""PPO and its cases: what they learn, and that every parameter takes part."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from train.online.games import learner_on, on_disk, puzzle, small, small_region

from vmagent_marl.errors import SettingError
from vmagent_marl.policies import make_policy
from vmagent_marl.policies.checkpoint import load_policy
from vmagent_marl.scenario import Scenario, load_scenario
from vmagent_marl.train.online.advantages import Segment
from vmagent_marl.train.online.algorithms import settings_class, train_agent
from vmagent_marl.train.online.ppo import PPO
from vmagent_marl.train.validation import Validation


def test_ppo_solves_tiny(tmp_path: Path) -> None:
    """No heuristic passes 9 of its 40, which none can pass."""
    assert solved("ppo", load_scenario("tiny"), tmp_path, network="flat", hidden=(64, 64)) == 40.0


def test_a2c_solves_its_easier_part(tmp_path: Path) -> None:
    """The same with one round less, of which first fit does not place everything either."""
    assert solved("a2c", puzzle(), tmp_path, segment=8, learning_rate=1e-2, steps=40_000) == 40.0


def solved(agent: str, scenario: Scenario, folder: Path, **fields: Any) -> float:
    """Mean return on episodes that did not choose the policy."""
    given = {"batch": 64, "segment": 16, "learning_rate": 3e-3, "steps": 60_000, "gamma": 0.95}
    given |= {"entropy": 0.01, "anneal": False, "validate_every": 10_000}
    given |= {"minibatch": 256} if agent == "ppo" else {}
    file = on_disk(scenario, folder)
    settings = settings_class(agent)(**{**given, **fields, "scenario": file})
    policy = load_policy(train_agent(agent, settings, folder / "run", progress=False))
    validation = Validation(scenario, episodes=32, seed=5)
    for name in ("random", "first-fit", "server-best-fit"):
        assert validation.score(make_policy(name)).mean_return < 20.0
    return validation.score(policy).mean_return


@pytest.mark.parametrize("clusters", [1, 3])
@pytest.mark.parametrize("critic", ["own", "state"])
@pytest.mark.parametrize("network", ["flat", "servers"])
def test_every_parameter_moves(network: Any, critic: Any, clusters: int) -> None:
    scenario = small() if clusters == 1 else small_region()
    learner = learner_on(scenario, network=network, critic=critic, segment=30, entropy=0.1)
    before = {
        (part, name): value.clone()
        for part, module in learner.modules().items()
        for name, value in module.named_parameters()
    }
    for _ in range(3):
        learner.advance()
    for (part, name), value in before.items():
        now = dict(learner.modules()[part].named_parameters())[name]
        assert now.grad is not None, (part, name)
        if clusters == 1 and name.startswith("passing"):
            continue  # a single cluster passes where nothing fits, and has no choice there
        assert not torch.equal(now, value), (part, name)
        assert torch.isfinite(now).all(), (part, name)


def test_what_had_no_choice_and_what_nothing_reached_is_not_learned_from() -> None:
    """The policy's loss and its entropy are of answers that counted."""
    learner = learner_on(small_region(), segment=20)
    played = learner._play()
    legal = played.mask.sum(3)
    assert (legal[played.counts] > 1).all()
    assert not played.counts[~played.alive].any()
    assert 0.2 < played.counts.float().mean() < 0.9
    nothing = Segment(*played)._replace(counts=torch.zeros_like(played.counts))
    before = {name: value.clone() for name, value in learner.network.named_parameters()}
    learner._learn(nothing, torch.randn_like(played.value), played.value)
    for name, value in learner.network.named_parameters():
        assert torch.equal(value, before[name])


def test_the_first_update_is_on_policy() -> None:
    """Ratios are one before anything is learned, whatever was drawn."""
    learner = learner_on(small_region(), segment=20, epochs=1, minibatch=None)
    figures = learner.advance()
    assert figures["kl"] == pytest.approx(0.0, abs=1e-6)
    many = learner_on(small_region(), segment=20, epochs=6, minibatch=16, learning_rate=1e-2)
    assert many.advance()["kl"] > 1e-4


def test_a_minibatch_of_none_is_all_that_was_played() -> None:
    whole = learner_on(small(), minibatch=None)
    large = learner_on(small(), minibatch=10**6)
    large.network.load_state_dict(whole.network.state_dict())
    large.critic.network.load_state_dict(whole.critic.network.state_dict())
    assert whole.advance() == large.advance()


def test_clipping_bounds_what_a_ratio_is_worth() -> None:
    """With an advantage above zero a ratio beyond 1 + clip has no gradient."""
    learner = learner_on(small(), clip=0.2, entropy=0.0, value_weight=0.0)
    played = learner._play()
    rows = played.counts.flatten()
    part = {
        "features": played.features.flatten(0, 2)[rows],
        "mask": played.mask.flatten(0, 2)[rows],
        "action": played.action.flatten()[rows],
        "log_prob": played.log_prob.flatten()[rows] - 1.0,  # now far more likely than it was
        "advantage": torch.ones(int(rows.sum())),
        "return": torch.zeros(int(rows.sum())),
        "counts": torch.ones(int(rows.sum())),
    }
    agent = torch.zeros(int(rows.sum()), dtype=torch.int64)
    learner._update(part, torch.zeros(len(agent), 0), agent)
    assert all((p.grad == 0).all() for p in learner.network.parameters() if p.grad is not None)
    learner.settings = dataclasses.replace(learner.settings, clip=None)
    learner._update(part, torch.zeros(len(agent), 0), agent)
    assert any((p.grad != 0).any() for p in learner.network.parameters() if p.grad is not None)


@pytest.mark.parametrize(
    ("field", "value"),
    [("segment", 0), ("epochs", 0), ("minibatch", 0), ("clip", 0.0), ("gae_lambda", 1.5)],
)
def test_what_learns_nothing_is_refused(field: str, value: Any) -> None:
    with pytest.raises(SettingError, match=f"^{field}: {value} is "):
        learner_on(small(), **{field: value})


def test_a2c_is_ppo_of_one_epoch_without_clipping() -> None:
    a2c = settings_class("a2c")()
    assert isinstance(a2c, PPO)
    assert (a2c.epochs, a2c.clip, a2c.minibatch) == (1, None, None)
    mappo = settings_class("mappo")()
    assert isinstance(mappo, PPO)
    assert mappo.critic == "state"


@pytest.mark.parametrize("critic", ["own", "state"])
@pytest.mark.parametrize("network", ["flat", "servers"])
def test_another_scale_of_values_changes_no_value(network: Any, critic: Any) -> None:
    learner = learner_on(small_region(), batch=4, segment=2, network=network, critic=critic)
    learner.critic.rescale(torch.tensor(3.0))
    seen = learner.stage.features(), learner.critic.state()
    before = learner.critic.values(*seen)
    learner.critic.rescale(torch.tensor(40.0))
    assert torch.allclose(learner.critic.values(*seen), before, rtol=1e-5)


def test_agents_are_paid_as_they_are_told() -> None:
    region = small_region().replace(share=0.25)
    stage = learner_on(region, batch=4).stage
    stage.step(stage.mask().int().argmax(2))
    team, own, shared = (stage.rewards(kind) for kind in ("team", "own", "shared"))
    assert not torch.equal(team, own)
    assert torch.allclose(own.mean(1, keepdim=True).expand_as(team), team, rtol=1e-5)
    assert torch.allclose(shared, 0.25 * team + 0.75 * own, rtol=1e-5)
