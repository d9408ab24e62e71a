"""A learner's run as a data set: its checkpoints in order, each as it played then."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from train.online.games import on_disk, small, small_region

from vmagent_marl.cli.main import main
from vmagent_marl.episodes import Mixture, collect, load_episodes, load_recipe, write_card
from vmagent_marl.episodes.collecting.replay import replay_players, replay_recipe
from vmagent_marl.episodes.storage.minari_format import own_metadata
from vmagent_marl.episodes.verifying.verify import verify
from vmagent_marl.errors import PolicyError, SettingError
from vmagent_marl.policies import make_policy
from vmagent_marl.policies.checkpoint import load_policy
from vmagent_marl.policies.network_policy import NetworkPolicy
from vmagent_marl.scenario import load_scenario
from vmagent_marl.train.online.algorithms import settings_class, train_agent

SIZES: dict[str, Any] = {"batch": 8, "hidden": (8, 8), "validation_episodes": 2}


def trained(agent: str, scenario: str, out: Path, **fields: Any) -> Path:
    own = {"segment": 8, "minibatch": 32} if agent == "ppo" else {"warmup": 100, "minibatch": 32}
    given = {**SIZES, "steps": 600, "validate_every": 250, **own, **fields}
    train_agent(agent, settings_class(agent)(scenario=scenario, **given), out, progress=False)
    return out


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of three agents, on one cluster and on several."""
    folder = tmp_path_factory.mktemp("runs")
    one = on_disk(small(), folder / "scenarios")
    trained("dqn", one, folder / "dqn", epsilon_decay=1.0, set=("horizon=15",))
    trained("ppo", one, folder / "ppo")
    trained("vdn", on_disk(small_region(), folder / "scenarios"), folder / "vdn")
    return folder


def test_every_checkpoint_explores_as_its_learner_did_then(runs: Path) -> None:
    players = replay_players(runs / "dqn")
    steps = [int(Path(player.name).stem) for player in players]
    assert steps == sorted(steps)
    assert steps[0] == 0
    for player, step in zip(players, steps, strict=True):
        assert player.epsilon == pytest.approx(max(1.0 - step / 600 * 0.98, 0.02))
        assert not player.sampled
    assert all(player.sampled and not player.epsilon for player in replay_players(runs / "ppo"))
    assert replay_players(runs / "vdn")[0].epsilon == 1.0


@pytest.mark.parametrize("agent", ["dqn", "ppo", "vdn"])
def test_a_run_is_recorded_in_the_order_of_training_with_exact_probabilities(
    runs: Path, agent: str
) -> None:
    recipe = replay_recipe(runs / agent, episodes=8, seed=3)
    name = collect(recipe, progress=False)
    assert name.endswith("/replay-v0")
    episodes, scenario = load_episodes(name), recipe.load_scenario()
    files = sorted((runs / agent / "checkpoints").iterdir())
    order = [episode.component for episode in episodes]
    assert order == sorted(order)
    counts = np.bincount(order, minlength=len(files))
    assert counts.max() - counts.min() <= 1
    simulator = scenario.simulator(batch=1)
    likely = []
    for episode in episodes:
        policy = load_policy(files[episode.component])
        player = recipe.policies[episode.component]
        simulator.reset({0: episode.played})
        for t in range(len(episode)):
            legal = simulator.mask[0] > 0
            if agent == "ppo":
                logits = policy._values(simulator.observation, simulator.mask)[0].astype(np.float64)
                each = np.where(legal, np.exp(logits - logits.max()), 0.0)
                chances = each / each.sum(axis=1, keepdims=True)
            else:
                best = policy.act(simulator, simulator.keys())[0][0]
                chances = player.epsilon * legal / legal.sum(axis=1, keepdims=True)
                chances[np.arange(len(best)), best] += 1.0 - player.epsilon
            taken = np.take_along_axis(chances, episode.actions[t][:, None], axis=1)[:, 0]
            np.testing.assert_allclose(episode.behavior_logp[t], np.log(taken), atol=1e-5)
            likely += taken.tolist()
            simulator.step(episode.actions[t][None])
    assert min(likely) < 0.5
    assert all(check.passed for check in verify(name))
    own = own_metadata(name)
    assert len(own["checkpoints"]) == len(files)
    card = write_card(name)
    assert f"What {agent} saw while it learned: {len(files)} checkpoints" in card
    assert "one after the other" in card
    assert all(digest in card for digest in own["checkpoints"].values())
    assert ("drawn by its probabilities" in card) == (agent == "ppo")


def test_the_same_run_makes_the_same_bytes_by_any_way(runs: Path, tmp_path: Path) -> None:
    """By the command and by a recipe's tier; and others by fewer of its checkpoints."""
    main(["collect", "--replay", str(runs / "ppo"), "--episodes", "6", "--quiet"])
    scenario = json.loads((runs / "ppo" / "config.json").read_text())["scenario"]
    file = tmp_path / "mine.yaml"
    file.write_text(
        f"scenario: {scenario}\nepisodes: 6\ntiers:\n  again: {{replay: {runs / 'ppo'}}}\n"
    )
    recipe = load_recipe(f"{file}/again")
    assert recipe.description.startswith("What ppo saw while it learned")
    made = [own_metadata("vmagent/tiny/replay-v0"), own_metadata(collect(recipe, progress=False))]
    assert made[0]["sha256"] == made[1]["sha256"]
    assert made[0]["recipe_hash"] == made[1]["recipe_hash"]
    other = dataclasses.replace(recipe, policies=recipe.policies[1:], behaviour="other")
    assert own_metadata(collect(other, progress=False))["sha256"] != made[0]["sha256"]


def test_paths_of_a_tier_are_relative_to_its_file(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = runs / "mine.yaml"
    file.write_text("scenario: scenarios/tiny.yaml\ntiers: {r: {replay: ppo, episodes: 2}}\n")
    names = [player.name for player in load_recipe(f"{file}/r").policies]
    assert names == [player.name for player in replay_players(runs / "ppo")]
    monkeypatch.chdir(runs.parent)
    told = load_recipe(f"{runs.name}/mine.yaml/r").policies[0].name
    assert told == f"{runs.name}/ppo/checkpoints/000000000.pt"


@pytest.mark.parametrize(
    ("tier", "told"),
    [
        (
            "{replay: none, episodes: 2}",
            r"mine.yaml:2: tiers.r.replay: .*none: holds no checkpoints",
        ),
        ("{replay: 3, episodes: 2}", "mine.yaml:2: tiers.r.replay: 3 is no folder"),
        ("{replay: dqn, per: step, episodes: 2}", "the run says the per: leave it out"),
        ("{replay: dqn}", "'episodes' is missing"),
        ("{replays: dqn, episodes: 2}", "did you mean 'replay'?"),
    ],
)
def test_a_tier_that_replays_nothing_is_refused_with_its_line(
    runs: Path, tier: str, told: str
) -> None:
    file = runs / "mine.yaml"
    file.write_text(f"scenario: recovering\ntiers: {{r: {tier}}}\n")
    with pytest.raises(SettingError, match=told):
        load_recipe(f"{file}/r")


def test_a_run_of_another_game_is_refused_before_anything_is_made(
    runs: Path, datasets_path: Path
) -> None:
    file = runs / "mine.yaml"
    file.write_text("scenario: region-stale\ntiers: {r: {replay: vdn, episodes: 2}}\n")
    with pytest.raises(PolicyError, match="was trained for"):
        collect(f"{file}/r", progress=False)
    assert not list(datasets_path.rglob("*"))
    said = json.loads((runs / "vdn" / "config.json").read_text())
    changed = runs / "changed"
    changed.mkdir()
    (changed / "checkpoints").symlink_to(runs / "vdn" / "checkpoints")
    said["played"]["turned_away_cost"] = 7.0
    (changed / "config.json").write_text(json.dumps(said))
    with pytest.raises(SettingError, match="with another turned_away_cost than it has now"):
        replay_recipe(changed, episodes=2)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--policy", "first-fit"], "--policy: the run of --replay decides"),
        (["--epsilon", "0.1"], "--epsilon: the run of --replay decides"),
        (["--trace", "t.csv"], "--trace: the run of --replay decides"),
        (["--recipe", "recovering"], "the recipe decides"),
    ],
)
def test_what_the_run_decides_is_not_given_too(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["collect", "--replay", "runs/none", *words])
    assert told in capsys.readouterr().err


def test_what_is_no_run_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["collect", "--replay", str(tmp_path)])
    assert "config.json: holds no settings of a run" in capsys.readouterr().err


def test_stretches_are_as_long_as_their_weights() -> None:
    policies = tuple(make_policy(name) for name in ("first-fit", "best-fit", "random"))
    mixture = Mixture(policies, (2.0, 1.0, 1.0), episodes=8)
    assert [mixture.component(seed, i) for seed in (0, 1) for i in range(8)] == [0] * 4 + [
        1, 1, 2, 2, 0, 0, 0, 0, 1, 1, 2, 2
    ]  # fmt: skip
    uneven = Mixture(policies, (1.0, 1.0, 1.0), episodes=10)
    assert np.bincount([uneven.component(0, i) for i in range(10)]).tolist() == [3, 4, 3]


def test_a_checkpoint_takes_noise_in_a_recipe(runs: Path) -> None:
    noisy = make_policy(str(runs / "dqn" / "policy.pt"), epsilon=0.25)
    assert isinstance(noisy, NetworkPolicy)
    assert noisy.name.endswith("policy.pt-epsilon-0.25")
    with pytest.raises(PolicyError, match="has no probabilities to draw by"):
        make_policy("first-fit", sampled=True)
    words = ["--scenario", str(runs / "scenarios" / "tiny.yaml"), "--policy"]
    words += [str(runs / "ppo" / "policy.pt"), "--sampled", "--epsilon", "0.25"]
    main(["collect", *words, "--episodes", "3", "--quiet"])
    episodes = load_episodes("vmagent/tiny/noisy-sampled-policy-v0")
    least = np.concatenate([episode.behavior_logp.ravel() for episode in episodes]).min()
    actions = load_scenario(str(runs / "scenarios" / "tiny.yaml")).simulator().layout.actions
    assert np.log(0.25 / actions) <= least < np.log(0.5)
