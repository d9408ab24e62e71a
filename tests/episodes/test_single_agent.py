"""A data set of many agents, seen as each of them lived it."""

from __future__ import annotations

import minari
import numpy as np
import pytest

from vmagent_marl.episodes import Player, Recipe, collect, load_episodes, recipe_for
from vmagent_marl.episodes.views.arrays import agents_of, iterate_arrays
from vmagent_marl.episodes.views.single_agent import agent_episodes, write_agent_datasets
from vmagent_marl.errors import DatasetError, UnknownNameError

MANY = Recipe(
    scenario="region-prices",
    behaviour="mixed",
    policies=(Player("cheapest-first", epsilon=0.2),),
    episodes=3,
    fields={"servers": (2, 3, 2), "horizon": 20, "share": 0.5},
)
ONE = recipe_for("recovering", "best-fit", episodes=2, fields={"servers": 2})


def test_arrays_are_those_of_the_episodes() -> None:
    for recipe, agents in ((ONE, 1), (MANY, 3)):
        name = collect(recipe, progress=False)
        assert agents_of(name) == tuple(f"cluster_{k}" for k in range(agents))
        for arrays, episode in zip(iterate_arrays(name), load_episodes(name), strict=True):
            for key, values in episode.arrays.items():
                np.testing.assert_array_equal(arrays[key], values, key, strict=True)
            assert arrays["terminations"][-1] == episode.terminated
            assert arrays["truncations"][-1] == episode.truncated
            assert (arrays["component"] == episode.component).all()


def test_an_agent_sees_its_own_part() -> None:
    name = collect(MANY, progress=False)
    for agent in (1, "cluster_1"):
        for own, episode in zip(agent_episodes(name, agent), load_episodes(name), strict=True):
            np.testing.assert_array_equal(own["observations"], episode.observations[:, 1])
            np.testing.assert_array_equal(own["masks"], episode.masks[:, 1])
            np.testing.assert_array_equal(own["actions"], episode.actions[:, 1])
            np.testing.assert_array_equal(own["rewards"], episode.agent_rewards[:, 1])
            np.testing.assert_array_equal(own["team_rewards"], episode.rewards)
            np.testing.assert_array_equal(own["reached"], episode.reached[:, 1])
            np.testing.assert_array_equal(own["behavior_logp"], episode.behavior_logp[:, 1])
            np.testing.assert_array_equal(own["seconds"], episode.seconds)


def test_each_agent_has_a_data_set_of_its_own() -> None:
    name = collect(MANY, progress=False)
    made = write_agent_datasets(name)
    assert made == [f"vmagent/region-prices/mixed-cluster_{k}-v0" for k in range(3)]
    for k, each in enumerate(made):
        dataset = minari.load_dataset(each)
        assert isinstance(dataset.action_space, minari.dataset.minari_dataset.gym.spaces.Discrete)
        assert agents_of(each) == (f"cluster_{k}",)
        for own, episode in zip(load_episodes(each), load_episodes(name), strict=True):
            np.testing.assert_array_equal(own.observations, episode.observations[:, [k]])
            np.testing.assert_array_equal(own.actions, episode.actions[:, [k]])
            np.testing.assert_array_equal(own.rewards, episode.agent_rewards[:, k])
            np.testing.assert_array_equal(own.agent_rewards, episode.agent_rewards[:, [k]])
            np.testing.assert_array_equal(own.reached, episode.reached[:, [k]])
            assert (own.played, own.metrics) == (episode.played, episode.metrics)
            assert own.truncated == episode.truncated
        assert all(action in dataset.action_space for action in dataset[0].actions)
    with pytest.raises(DatasetError, match="exists already"):
        write_agent_datasets(name)
    assert write_agent_datasets(name, overwrite=True) == made


def test_what_is_no_agent_is_refused() -> None:
    name = collect(MANY, progress=False)
    with pytest.raises(UnknownNameError, match="did you mean 'cluster_0'"):
        agent_episodes(name, "cluster0")
    with pytest.raises(DatasetError, match="no agent 3: give 0 to 2"):
        agent_episodes(name, 3)
    with pytest.raises(DatasetError, match="has one agent"):
        write_agent_datasets(collect(ONE, progress=False))
