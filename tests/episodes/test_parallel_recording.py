"""Games that are not ours, recorded in the layout of our own data sets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import minari
import numpy as np
import pytest
from gymnasium import spaces
from pettingzoo import ParallelEnv

from vmagent_marl.envs import parallel_env
from vmagent_marl.episodes.foreign.parallel_play import random_legal
from vmagent_marl.episodes.foreign.parallel_recording import record_parallel
from vmagent_marl.episodes.storage.minari_format import FILE, dataset_folder, own_metadata
from vmagent_marl.episodes.verifying.verify import verify
from vmagent_marl.episodes.views.arrays import agents_of, iterate_arrays
from vmagent_marl.episodes.views.single_agent import agent_episodes, write_agent_datasets
from vmagent_marl.errors import DatasetError, PolicyError, SettingError

NAME = "games/countdown/random-v0"


class Countdown(ParallelEnv):  # type: ignore[misc]  # PettingZoo has no annotations
    """Agent k lives 2 + k steps and may only take a card that it holds; the last is cut off."""

    metadata = {"name": "countdown_v0"}  # noqa: RUF012  # as PettingZoo has it
    render_mode = None

    def __init__(self, cards: tuple[int, ...] = (3, 3, 3), mask_in: str = "info") -> None:
        self.possible_agents = [f"player_{k}" for k in range(len(cards))]
        self.agents: list[str] = []
        self._cards, self._mask_in = cards, mask_in
        self._spaces = {}
        for agent, n in zip(self.possible_agents, cards, strict=True):
            seen = spaces.Box(0, 1, (n + 1,), np.float32)
            mask = spaces.Box(0, 1, (n,), np.int8)
            both = spaces.Dict(observation=seen, action_mask=mask)
            self._spaces[agent] = both if mask_in == "obs" else seen, spaces.Discrete(n)

    def observation_space(self, agent: str) -> Any:
        return self._spaces[agent][0]

    def action_space(self, agent: str) -> Any:
        return self._spaces[agent][1]

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.agents, self._step = self.possible_agents[:], 0
        self._generator = np.random.default_rng(seed)
        cards = dict(zip(self.agents, self._cards, strict=True))
        self._hand = {agent: np.ones(n, np.int8) for agent, n in cards.items()}
        self._row = {agent: np.zeros(n + 1, np.float32) for agent, n in cards.items()}
        return self._told(self.agents)

    def _told(self, agents: list[str]) -> Any:
        seen, infos = {}, {}
        for agent in agents:
            self._row[agent][:-1] = self._hand[agent]  # the same array every time
            self._row[agent][-1] = self._generator.random()
            seen[agent] = self._row[agent]
            if self._mask_in == "obs":
                seen[agent] = {"observation": self._row[agent], "action_mask": self._hand[agent]}
            infos[agent] = {"action_mask": self._hand[agent]} if self._mask_in == "info" else {}
        return seen, infos

    def step(self, actions: dict[str, int]) -> Any:
        acting = self.agents
        assert set(actions) == set(acting)
        for agent, action in actions.items():
            assert self._hand[agent][action]
            self._hand[agent] = np.ones_like(self._hand[agent])
            self._hand[agent][action] = 0
        self._step += 1
        rewards = {agent: float(action + 1) for agent, action in actions.items()}
        over = {a: self._step == 2 + self.possible_agents.index(a) for a in acting}
        last = self.possible_agents[-1]
        ended = {a: over[a] and a != last for a in acting}
        cut = {a: over[a] and a == last for a in acting}
        self.agents = [agent for agent in acting if not over[agent]]
        seen, infos = self._told(acting)
        return seen, rewards, ended, cut, infos


def record(env: Any = None, policies: Any = None, **options: Any) -> str:
    env = Countdown() if env is None else env
    given = {"name": NAME, "episodes": 3, "progress": False, **options}
    return record_parallel(env, policies or random_legal(env), **given)


@pytest.mark.parametrize("mask_in", ["info", "obs"])
def test_a_masked_game_whose_agents_end_one_by_one(mask_in: str) -> None:
    name = record(Countdown(mask_in=mask_in))
    assert agents_of(name) == ("player_0", "player_1", "player_2")
    dataset = minari.load_dataset(name)
    assert dataset.action_space == spaces.MultiDiscrete([3, 3, 3])
    assert dataset.observation_space["action_mask"].shape == (3, 3)
    for arrays in iterate_arrays(name):
        alive = np.array([[True] * 3, [True] * 3, [False, True, True], [False, False, True]])
        np.testing.assert_array_equal(arrays["reached"], alive)
        np.testing.assert_array_equal(arrays["effective_action"], arrays["actions"])
        np.testing.assert_array_equal(
            arrays["agent_rewards"], np.where(alive, arrays["actions"] + 1, 0)
        )
        np.testing.assert_allclose(arrays["rewards"], arrays["agent_rewards"].mean(axis=1))
        ended = np.zeros((4, 3), bool)
        ended[1, 0] = ended[2, 1] = True
        np.testing.assert_array_equal(arrays["agent_terminated"], ended)
        np.testing.assert_array_equal(arrays["agent_truncated"].nonzero(), ([3], [2]))
        np.testing.assert_array_equal(arrays["truncations"], [False] * 3 + [True])
        assert not arrays["terminations"].any()
        masks, seen = arrays["masks"], arrays["observations"]
        legal = np.take_along_axis(masks[:-1], arrays["actions"][..., None], axis=2)[..., 0]
        assert legal.all()
        np.testing.assert_array_equal(masks[2:, 0], [[1, 0, 0]] * 3)  # gone: action 0 alone
        assert seen[2, 0].any()  # what it saw last
        assert not seen[3:, 0].any()
        held = masks.sum(axis=2)
        np.testing.assert_allclose(arrays["behavior_logp"][alive], -np.log(held[:-1][alive]))
        assert len(np.unique(seen[:, 2, -1])) == 5  # copies, not the array that is used again
    assert all(check.passed for check in verify(name))


def test_an_agents_view_is_its_own_life() -> None:
    name = record()
    for own, arrays in zip(agent_episodes(name, "player_1"), iterate_arrays(name), strict=True):
        assert own["observations"].shape == (4, 4)
        np.testing.assert_array_equal(own["rewards"], arrays["agent_rewards"][:3, 1])
        np.testing.assert_array_equal(own["terminations"], [False, False, True])
        assert own["reached"].all()
    made = write_agent_datasets(name)
    assert [minari.load_dataset(each).total_steps for each in made] == [6, 9, 12]


def test_the_same_seed_makes_the_same_bytes_and_another_does_not() -> None:
    def data(**options: Any) -> bytes:
        file = dataset_folder(record(overwrite=True, **options)) / "data" / FILE
        return file.read_bytes()

    assert data() == data()
    assert data() != data(seed=1)


def test_an_episode_begins_again_by_the_seed_in_its_metadata() -> None:
    dataset = minari.load_dataset(record())
    env = Countdown()
    for episode, about in zip(dataset, dataset.storage.get_episode_metadata(range(3)), strict=True):
        seen, _ = env.reset(seed=about["seed"])
        t = 0
        while env.agents:
            for k, agent in enumerate(env.possible_agents):
                if agent in env.agents:
                    stored = episode.observations["observation"][t, k]
                    np.testing.assert_array_equal(stored, seen[agent])
            plans = {a: int(episode.actions[t, env.possible_agents.index(a)]) for a in env.agents}
            seen, *_ = env.step(plans)
            t += 1
        assert t == len(episode)
        assert about["return"] == pytest.approx(episode.rewards.sum())


def test_unlike_agents_are_padded() -> None:
    name = record(Countdown(cards=(2, 4)))
    dataset = minari.load_dataset(name)
    assert dataset.observation_space["observation"].shape == (2, 5)
    assert dataset.action_space == spaces.MultiDiscrete([4, 4])
    for arrays in iterate_arrays(name):
        assert not arrays["masks"][:, 0, 2:].any()
        assert not arrays["observations"][:, 0, 3:].any()
    assert all(check.passed for check in verify(name))


def test_a_mask_that_only_padding_needs() -> None:
    class Plain(Countdown):
        def _told(self, agents: list[str]) -> Any:
            self._hand = {agent: np.ones_like(hand) for agent, hand in self._hand.items()}
            return super()._told(agents)

    name = record(Plain(cards=(2, 4), mask_in="none"))
    assert {tuple(mask) for a in iterate_arrays(name) for mask in a["masks"][:2, 0]} == {
        (1, 1, 0, 0)
    }
    assert (
        "action_mask"
        not in minari.load_dataset(
            record(Plain(mask_in="none"), name="games/plain/random-v0")
        ).observation_space.spaces
    )


def test_one_agent_has_no_axis() -> None:
    dataset = minari.load_dataset(record(Countdown(cards=(3,))))
    assert dataset.action_space == spaces.Discrete(3)
    assert dataset[0].observations["observation"].shape == (3, 4)
    assert dataset[0].infos["agent_rewards"].shape == (3, 1)
    assert next(iterate_arrays(dataset))["observations"].shape == (3, 1, 4)


def test_max_steps_truncate_whoever_still_lives() -> None:
    for arrays in iterate_arrays(record(max_steps=2)):
        assert len(arrays["rewards"]) == 2
        np.testing.assert_array_equal(arrays["agent_terminated"][-1], [True, False, False])
        np.testing.assert_array_equal(arrays["agent_truncated"][-1], [False, True, True])
        assert arrays["truncations"][-1]


def test_a_policy_may_be_silent_about_probabilities_and_differ_by_agent() -> None:
    env = Countdown()

    def first(agent: str, seen: Any, mask: Any, generator: Any) -> int:
        assert agent == "player_0"
        assert seen.shape == (4,)
        return int(mask.argmax())

    policies = dict.fromkeys(env.possible_agents, random_legal(env)) | {"player_0": first}
    arrays = next(iterate_arrays(record(env, policies)))
    assert np.isnan(arrays["behavior_logp"][:2, 0]).all()
    assert np.isfinite(arrays["behavior_logp"][:, 1:]).all()
    assert arrays["actions"][0, 0] == 0


def test_our_own_game_goes_through_it_too() -> None:
    env = parallel_env("region-prices", servers=(2, 3, 2), horizon=10)
    name = record(env, name="games/prices/random-v0", episodes=2)
    assert all(check.passed for check in verify(name))
    with pytest.raises(DatasetError, match="not recorded by vmagent_marl"):
        own_metadata(name)


@pytest.mark.parametrize("continuous", [False, True])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_mpe(continuous: bool) -> None:
    spread = pytest.importorskip("mpe2.simple_spread_v3", reason="absent: pip install mpe2")
    env = spread.parallel_env(max_cycles=6, continuous_actions=continuous)
    name = record(env, name="games/spread/random-v0")
    dataset = minari.load_dataset(name)
    assert dataset.observation_space["observation"].shape == (3, 18)
    arrays = next(iterate_arrays(name))
    assert arrays["actions"].shape == ((6, 3, 5) if continuous else (6, 3))
    np.testing.assert_allclose(arrays["behavior_logp"], 0.0 if continuous else -np.log(5))
    assert arrays["truncations"][-1]
    assert all(action in dataset.action_space for action in dataset[0].actions)
    assert all(check.passed for check in verify(name))


class Odd(Countdown):
    """With spaces of somebody's choice."""

    def __init__(self, change: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self._spaces["player_1"] = change(*self._spaces["player_1"])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda seen, acts: (spaces.Discrete(3), acts), "player_1 observes Discrete"),
        (lambda seen, acts: (seen, spaces.MultiBinary(3)), "player_1 acts in MultiBinary"),
        (lambda seen, acts: (seen, spaces.Discrete(3, start=1)), "only Discrete from 0"),
        (lambda seen, acts: (seen, spaces.Box(0, 1, (2,))), "player_0 acts in Discrete"),
        (lambda seen, acts: (spaces.Box(0, 1, (4,), np.float64), acts), "flat boxes of one type"),
        (lambda seen, acts: (spaces.Box(0, 1, (2, 2)), acts), "flat boxes of one type"),
    ],
)
def test_spaces_that_cannot_be_stored_are_refused(change: Any, told: str) -> None:
    env = Odd(change)
    with pytest.raises(DatasetError, match=told):
        record(env)
    assert not dataset_folder(NAME).exists()


def test_wrong_answers_and_calls_are_refused() -> None:
    def always(action: Any) -> Any:
        return lambda agent, seen, mask, generator: action

    with pytest.raises(PolicyError, match=r"answered 7 at step 0 of episode 0, .*forbids"):
        record(policies=always(7))
    with pytest.raises(PolicyError, match="answered 0 at step 1"):
        record(policies=always(0))
    env = Countdown()
    with pytest.raises(SettingError, match="none for player_1, player_2"):
        record(env, {"player_0": always(0)})
    with pytest.raises(SettingError, match="give 1 or more"):
        record(episodes=0)
    with pytest.raises(SettingError, match="give 1 or more"):
        record(max_steps=0)
    with pytest.raises(DatasetError, match="is no id"):
        record(name="a/b c")
    with pytest.raises(DatasetError, match="possible_agents"):
        record(object(), always(0))
    assert not dataset_folder(NAME).exists()
    record()
    with pytest.raises(DatasetError, match="exists already"):
        record()
