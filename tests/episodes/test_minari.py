from __future__ import annotations

import dataclasses
import hashlib
import sys
from pathlib import Path
from typing import Any

import gymnasium
import minari
import numpy as np
import pytest
from minari.data_collector import EpisodeBuffer

from vmagent_marl.episodes import (
    Mixture,
    Player,
    Recipe,
    collect,
    load_episodes,
    recipe_for,
    record,
    reference_scores,
)
from vmagent_marl.episodes.storage.minari_format import (
    FILE,
    dataset_folder,
    dataset_id,
    own_metadata,
)
from vmagent_marl.errors import DatasetError, UnknownNameError
from vmagent_marl.policies import make_policy
from vmagent_marl.policies.policy import Needs

TERMINATED = recipe_for(
    "recovering", "best-fit", epsilon=0.2, episodes=5, fields={"servers": 2}, seed=3
)
TRUNCATED = recipe_for(
    "waiting", "balance-fit", episodes=3, window="validation", fields={"servers": 2}
)
MANY = Recipe(
    scenario="region-prices",
    behaviour="mixed",
    policies=(Player("cheapest-first", epsilon=0.2), Player("accept-always", weight=2.0)),
    episodes=5,
    fields={"servers": (2, 3, 2), "horizon": 50, "share": 0.5},
)
MANY_ENDING = recipe_for(
    "region-prices",
    "random",
    episodes=2,
    behaviour="ending",
    fields={"servers": 1, "turned_away": "end", "summaries": "full", "horizon": None},
)
RECIPES = {"terminated": TERMINATED, "truncated": TRUNCATED, "many": MANY, "ending": MANY_ENDING}


def made(recipe: Recipe) -> minari.MinariDataset:
    return minari.load_dataset(collect(recipe, progress=False))


@pytest.mark.parametrize("kind", RECIPES)
def test_recorded_actions_replay_to_the_last_bit(kind: str) -> None:
    dataset = made(RECIPES[kind])
    environment = dataset.recover_environment()
    assert environment.observation_space == dataset.observation_space
    assert environment.action_space == dataset.action_space
    described = list(dataset.storage.get_episode_metadata(dataset.episode_indices))
    ends = set()
    for episode, about in zip(dataset, described, strict=True):
        seen, _ = environment.reset(seed=about["seed"], options=about["options"])
        for t in range(len(episode)):
            for part, array in episode.observations.items():
                np.testing.assert_array_equal(array[t], seen[part])
            seen, reward, terminated, truncated, info = environment.step(episode.actions[t])
            assert reward == episode.rewards[t]
            assert (terminated, truncated) == (episode.terminations[t], episode.truncations[t])
            for name in ("agent_rewards", "reached", "effective_action"):
                np.testing.assert_array_equal(episode.infos[name][t + 1], info[name])
            assert episode.infos["seconds"][t + 1] == info["seconds"]
        for part, array in episode.observations.items():
            np.testing.assert_array_equal(array[-1], seen[part])
        ends.add((terminated, truncated))
    assert (True, False) in ends if "end" in kind or kind == "terminated" else (False, True) in ends


@pytest.mark.parametrize("kind", RECIPES)
def test_a_plain_minari_reads_everything(kind: str) -> None:
    recipe = RECIPES[kind]
    dataset = made(recipe)
    agents = 3 if recipe.scenario == "region-prices" else 1
    assert dataset.total_episodes == recipe.episodes
    assert isinstance(dataset.observation_space, gymnasium.spaces.Dict)
    layout = recipe.load_scenario().simulator().layout
    size, actions = layout.size, layout.actions
    stack = (agents,) if agents > 1 else ()
    for episode in dataset:
        length = len(episode)
        assert episode.observations["observation"].shape == (length + 1, *stack, size)
        assert episode.observations["observation"].dtype == np.float32
        assert episode.observations["action_mask"].shape == (length + 1, *stack, actions)
        assert episode.observations["action_mask"].dtype == np.int8
        assert episode.actions.shape == (length, *stack)
        assert all(action in dataset.action_space for action in episode.actions)
        assert episode.rewards.shape == (length,)
        assert not (episode.terminations[:-1] | episode.truncations[:-1]).any()
        assert episode.terminations[-1] != episode.truncations[-1]
        shapes = {name: info.shape for name, info in episode.infos.items()}
        of_agents = dict.fromkeys(
            ("agent_rewards", "behavior_logp", "reached", "effective_action"), (length + 1, agents)
        )
        assert shapes == of_agents | {"seconds": (length + 1, 1), "component": (length + 1, 1)}
        for info in episode.infos.values():
            assert not info[0].any()
        np.testing.assert_allclose(
            episode.infos["agent_rewards"][1:].mean(axis=1), episode.rewards, rtol=1e-12, atol=1e-12
        )
        assert episode.infos["reached"][1:].any(axis=1).all()
    assert dataset.total_steps == sum(len(episode) for episode in dataset)
    assert len(list(dataset.sample_episodes(2))) == 2


@pytest.mark.parametrize("kind", RECIPES)
def test_what_is_loaded_is_what_was_recorded(kind: str) -> None:
    recipe = RECIPES[kind]
    scenario = recipe.load_scenario()
    loaded = load_episodes(collect(recipe, progress=False))
    stream = record(
        scenario,
        recipe.mixture(scenario),
        window=recipe.window,
        episodes=recipe.episodes,
        seed=recipe.seed,
    )
    for left, right in zip(loaded, stream, strict=True):
        assert left.played == right.played
        assert left.metrics == right.metrics
        assert left.component == right.component
        assert (left.terminated, left.truncated) == (right.terminated, right.truncated)
        for name, array in left.arrays.items():
            np.testing.assert_array_equal(array, right.arrays[name], name, strict=True)


def test_a_part_of_a_data_set_loads_alone() -> None:
    dataset = made(TERMINATED)
    part = minari.MinariDataset(dataset.storage, episode_indices=np.array([3, 1]))
    assert [episode.played.number for episode in load_episodes(part)] == [3, 1]


def test_the_metadata_say_how_it_was_made() -> None:
    dataset = made(MANY)
    metadata = dataset.storage.metadata
    own = own_metadata(dataset)
    scenario, trace = MANY.load_scenario(), MANY.load_scenario().load_trace()
    assert own["scenario"] == scenario.as_dict()
    assert own["recipe"]["policies"][1] == {
        "name": "accept-always",
        "epsilon": 0.0,
        "weight": 2.0,
        "sampled": False,
    }
    assert own["trace"]["fingerprint"] == trace.fingerprint
    assert (own["window"], own["seed"]) == ("train", 0)
    assert own["versions"]["minari"] == minari.__version__
    file = dataset_folder(dataset.id) / "data" / FILE
    assert own["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    references = reference_scores(scenario, episodes=own["references"]["episodes"])
    recorded = own["references"].pop("recorded_return")
    assert own["references"] == references.as_dict()
    totals = [episode.total for episode in load_episodes(dataset)]
    assert recorded == pytest.approx(np.mean(totals[: references.episodes]))
    assert metadata["ref_min_score"] == references.random
    assert metadata["ref_max_score"] == max(references.returns.values())
    score = minari.get_normalized_score(dataset, np.array([references.best]))
    assert score == pytest.approx(1.0)
    assert metadata["algorithm_name"] == "cheapest-first, accept-always"


def test_statistics_are_those_of_the_arrays() -> None:
    name = collect(MANY, progress=False)
    held, episodes = own_metadata(name)["statistics"], load_episodes(name)
    returns = [episode.rewards.sum() for episode in episodes]
    assert held["return_mean"] == pytest.approx(np.mean(returns))
    assert held["return_sd"] == pytest.approx(np.std(returns, ddof=1))
    assert held["transitions"] == sum(map(len, episodes)) == 250
    reached = np.concatenate([episode.reached for episode in episodes])
    assert held["reached"] == pytest.approx(reached.mean())
    masks = np.concatenate([episode.masks[:-1] for episode in episodes])
    assert held["mask_density"] == pytest.approx(masks.mean(dtype=float))
    taken = np.concatenate([episode.effective_action for episode in episodes])[reached]
    shares = np.bincount(taken) / len(taken)
    entropy = -sum(share * np.log(share) for share in shares if share)
    assert held["entropy"] == pytest.approx(entropy)
    layout = MANY.load_scenario().simulator().layout
    seen = np.concatenate([episode.observations[:-1] for episode in episodes])[reached]
    rounded = np.rint(seen[:, : layout.parts["request"].stop] * 16).astype(int)
    pairs = {(*row, action) for row, action in zip(rounded.tolist(), taken.tolist(), strict=True)}
    assert held["coverage"] == pytest.approx(len(pairs) / len(taken))
    components = [episode.component for episode in episodes]
    assert held["component_episodes"] == {
        str(component): components.count(component) for component in sorted(set(components))
    }


def test_references_are_means_over_the_same_episodes() -> None:
    scenario = TERMINATED.load_scenario()
    references = reference_scores(scenario, window="validation", episodes=6)
    for name in ("random", "worst-fit"):
        played = record(scenario, make_policy(name), window="validation", episodes=6)
        mean = np.mean([episode.total for episode in played])
        assert references.returns[name] == pytest.approx(mean)
    assert references.best == max(references.returns.values()) > references.random
    assert references.returns[references.best_policy] == references.best


def test_the_room_that_is_asked_for_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    collecting = sys.modules[collect.__module__]
    monkeypatch.setattr(collecting, "reserve", lambda file, size: asked.append(size))
    short = dataclasses.replace(TERMINATED, scenario="tiny", episodes=40, fields={})
    for recipe in (short, TERMINATED, dataclasses.replace(MANY, fields={"horizon": 1500})):
        asked.clear()
        name = collect(recipe, progress=False)
        held = sum(
            array.nbytes for episode in load_episodes(name) for array in episode.arrays.values()
        )
        size = (dataset_folder(name) / "data" / FILE).stat().st_size
        assert held < size < sum(asked)


def test_a_policy_without_probabilities_is_marked_by_nan() -> None:
    @dataclasses.dataclass
    class Silent:
        name: str = "silent"
        needs: Needs = "own servers"

        def act(self, batch: Any, keys: Any) -> Any:
            actions, logp = make_policy("first-fit").act(batch, keys)
            return actions, np.full_like(logp, np.nan)

    mixture = Mixture((Silent(),), (1.0,))
    episode = next(record(TERMINATED.load_scenario(), mixture, episodes=1))
    assert np.isnan(episode.behavior_logp).all()


def test_an_unknown_id_names_the_nearest_local_one() -> None:
    collect(TERMINATED, progress=False)
    with pytest.raises(UnknownNameError, match=r"did you mean '.*/noisy-best-fit-servers-2-v0"):
        load_episodes("vmagent/recovering/noisy-bestfit-v0")


def test_a_foreign_data_set_is_refused_with_what_to_do() -> None:
    minari.create_dataset_from_buffers(
        "foreign-v0",
        [
            EpisodeBuffer(
                observations=np.zeros((3, 2)),
                actions=np.zeros(2, int),
                rewards=[0.0, 0.0],
                terminations=[False, True],
                truncations=[False, False],
                infos={},
            )
        ],
        observation_space=gymnasium.spaces.Box(0, 1, (2,)),
        action_space=gymnasium.spaces.Discrete(2),
        eval_env="CartPole-v1",
        author="a",
        author_email="b",
        algorithm_name="c",
        code_permalink="d",
        description="e",
        env="CartPole-v1",
    )
    with pytest.raises(DatasetError, match=r"read it with minari\.load_dataset"):
        load_episodes("foreign-v0")
    with pytest.raises(DatasetError, match="not recorded by vmagent_marl"):
        own_metadata("foreign-v0")


@pytest.mark.parametrize("name", ["", "a b", "../up", "a/b", "-first", "ümlaut", "x.y"])
def test_names_that_make_no_id_are_refused(name: str, datasets_path: Path) -> None:
    with pytest.raises(DatasetError, match="letters, digits"):
        dataset_id("recovering", name)
    with pytest.raises(DatasetError, match="letters, digits"):
        collect(dataclasses.replace(TERMINATED, behaviour=name))
    assert not list(datasets_path.rglob("*"))
