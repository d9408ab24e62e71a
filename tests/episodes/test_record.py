from __future__ import annotations

import itertools
import sys
from typing import Any

import numpy as np
import pytest

from vmagent_marl.episodes import (
    Episode,
    Mixture,
    collect,
    load_episodes,
    recipe_for,
    record,
)
from vmagent_marl.episodes.verifying.verify import verify
from vmagent_marl.errors import DatasetError, PolicyError, ScenarioError, UnknownNameError
from vmagent_marl.policies import make_policy
from vmagent_marl.policies.rollout import blank_tape
from vmagent_marl.scenario import Scenario, load_scenario
from vmagent_marl.sim.state import SECONDS
from vmagent_marl.windows import episode_of

RECOVERING = load_scenario("recovering", servers=2)
PRICES = load_scenario("region-prices", servers=2, horizon=60, share=0.5)
NOISY = make_policy("best-fit", epsilon=0.3)


def assert_same(left: Episode, right: Episode) -> None:
    assert left.played == right.played
    assert left.metrics == right.metrics
    assert left.component == right.component
    assert (left.terminated, left.truncated) == (right.terminated, right.truncated)
    for name, array in left.arrays.items():
        np.testing.assert_array_equal(array, right.arrays[name], name, strict=True)


@pytest.mark.parametrize("scenario", [RECOVERING, PRICES], ids=lambda s: s.name)
@pytest.mark.parametrize("batch", [1, 3, 64])
def test_episodes_are_the_same_whatever_the_batch(scenario: Scenario, batch: int) -> None:
    whole = list(record(scenario, NOISY, episodes=9, seed=4, batch=5))
    assert [episode.played.number for episode in whole] == list(range(9))
    again = list(record(scenario, NOISY, episodes=9, seed=4, batch=batch))
    for left, right in zip(whole, again, strict=True):
        assert_same(left, right)


def test_a_later_part_is_recorded_alone() -> None:
    whole = list(record(RECOVERING, NOISY, episodes=6))
    for left, right in zip(whole[4:], record(RECOVERING, NOISY, episodes=2, first=4), strict=True):
        assert_same(left, right)


@pytest.mark.parametrize("scenario", [RECOVERING, PRICES], ids=lambda s: s.name)
def test_an_episode_is_what_one_environment_plays(scenario: Scenario) -> None:
    episode = list(record(scenario, NOISY, window="validation", episodes=3, seed=7))[2]
    simulator = scenario.simulator()
    played = episode_of(scenario, simulator.trace, "validation", seed=7, number=2)
    assert episode.played == played
    simulator.reset({0: played})
    for t in range(len(episode)):
        assert simulator.running[0]
        np.testing.assert_array_equal(episode.observations[t], simulator.observation[0])
        np.testing.assert_array_equal(episode.masks[t], simulator.mask[0])
        actions, logp = NOISY.act(simulator, simulator.keys())
        simulator.step(actions)
        state = simulator.state
        np.testing.assert_array_equal(episode.actions[t], actions[0])
        np.testing.assert_array_equal(episode.behavior_logp[t], logp[0])
        np.testing.assert_array_equal(episode.agent_rewards[t], simulator.own_reward[0])
        np.testing.assert_array_equal(episode.reached[t], state.reached[0].astype(bool))
        np.testing.assert_array_equal(episode.effective_action[t], state.effective[0])
        assert episode.rewards[t] == pytest.approx(simulator.own_reward[0].mean())
        assert episode.seconds[t] == state.outcome[0, SECONDS]
    assert not simulator.running[0]
    np.testing.assert_array_equal(episode.observations[-1], simulator.observation[0])
    np.testing.assert_array_equal(episode.masks[-1], simulator.mask[0])
    assert episode.terminated == simulator.terminated[0]
    assert episode.truncated == simulator.truncated[0]
    assert episode.metrics == simulator.metrics(0)
    assert episode.metrics.requests == len(episode)


def test_what_was_handed_out_does_not_change_later() -> None:
    stream = record(RECOVERING, NOISY, episodes=8, batch=2)
    first = next(stream)
    kept = {name: array.copy() for name, array in first.arrays.items()}
    assert (first.observations[0] != first.observations[-1]).any()
    for later in stream:
        for name, array in later.arrays.items():
            assert not np.shares_memory(array, first.arrays[name])
    for name, array in kept.items():
        np.testing.assert_array_equal(first.arrays[name], array)


def test_episodes_come_while_others_are_still_to_be_played() -> None:
    stream = record(RECOVERING, NOISY, episodes=10**9, batch=4)
    assert [e.played.number for e in itertools.islice(stream, 12)] == list(range(12))


def test_the_room_at_first_changes_nothing() -> None:
    expected = list(record(RECOVERING, NOISY, episodes=6, batch=3))
    for length in (1, 10_000):
        episodes = record(RECOVERING, NOISY, episodes=6, batch=3, length=length)
        for left, right in zip(episodes, expected, strict=True):
            assert_same(left, right)


def test_fewer_play_at_once_where_episodes_are_long(monkeypatch: pytest.MonkeyPatch) -> None:
    tapes: list[int] = []

    def watched(layout: Any, batch: int, room: int = 0) -> Any:
        tape = blank_tape(layout, batch, room)
        tapes.append(sum(array.nbytes for array in tape))
        return tape

    module = sys.modules[record.__module__]
    monkeypatch.setattr(module, "blank_tape", watched)
    monkeypatch.setattr(module, "MEMORY", 1_000_000)
    for scenario, length in ((RECOVERING, None), (RECOVERING, 200), (PRICES, None)):
        tapes.clear()
        next(iter(record(scenario, NOISY, episodes=10**6, length=length)))
        row, *_, tape = tapes
        assert 20 * row < 600_000 < tape < 1_010_000
    longest = PRICES.replace(horizon=3000)  # one episode has room, however long
    next(iter(record(longest, NOISY, episodes=10**6)))
    assert tapes[-1] == pytest.approx(3001 * tapes[-2], rel=0.1)


def test_a_mixture_draws_one_policy_an_episode_and_tells_which() -> None:
    policies = (make_policy("first-fit"), NOISY)
    mixture = Mixture(policies, (1.0, 3.0))
    episodes = list(record(RECOVERING, mixture, episodes=40, seed=1, batch=7))
    drawn = [mixture.component(1, number) for number in range(40)]
    assert [episode.component for episode in episodes] == drawn
    assert 20 < sum(drawn) < 40  # three quarters, by chance
    alone = [list(record(RECOVERING, policy, episodes=40, seed=1)) for policy in policies]
    for episode in episodes:
        expected = alone[episode.component][episode.played.number]
        np.testing.assert_array_equal(episode.actions, expected.actions)
        np.testing.assert_array_equal(episode.behavior_logp, expected.behavior_logp)


def test_log_probabilities_are_those_of_the_noisy_rule() -> None:
    episode = next(record(RECOVERING, NOISY, episodes=1))
    legal = episode.masks[:-1].sum(axis=2)
    likely = np.exp(episode.behavior_logp)
    own = np.isclose(likely, 0.7 + 0.3 / legal)
    assert (own | np.isclose(likely, 0.3 / legal)).all()
    assert 0.6 < own.mean() < 1.0


def test_what_cannot_be_recorded_is_refused_at_once() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'train'"):
        record(RECOVERING, NOISY, window="trian", episodes=1)
    with pytest.raises(ScenarioError, match="shorter horizon"):
        record(RECOVERING.replace(horizon=200_000), NOISY, episodes=1)
    blind = PRICES.replace(summaries="none")
    with pytest.raises(PolicyError, match="reads summaries"):
        record(blind, make_policy("cheapest-first"), episodes=1)
    with pytest.raises(PolicyError, match="one weight a policy"):
        Mixture((NOISY,), ())
    with pytest.raises(PolicyError, match="not all above 0"):
        Mixture((NOISY,), (0.0,))


def test_an_episode_without_a_decision_is_refused() -> None:
    shut = load_scenario(
        "waiting",
        horizon=None,
        horizon_seconds=5,
        outages=[{"cluster": 0, "at": 0, "seconds": 100}],
    )
    with pytest.raises(DatasetError, match="before anyone is asked"):
        list(record(shut, NOISY, episodes=1))


def test_a_seed_has_64_bits_as_minari_draws_them() -> None:
    seeds = (0, 2**63 - 1, 2**63, 2**64 - 1)
    firsts = [next(record(PRICES, NOISY, episodes=1, seed=seed)) for seed in seeds]
    assert [episode.played.seed for episode in firsts] == list(seeds)
    assert len({episode.actions.tobytes() for episode in firsts}) == 4
    assert_same(firsts[3], next(record(PRICES, NOISY, episodes=1, seed=2**64 - 1, batch=1)))
    for seed in (-1, 2**64):
        with pytest.raises(ScenarioError, match=rf"seed {seed}: give one of 0 to 2\*\*64 - 1"):
            next(record(PRICES, NOISY, episodes=1, seed=seed))


def test_a_seed_of_64_bits_goes_through_a_data_set() -> None:
    recipe = recipe_for(
        "region-prices", "random", episodes=2, seed=2**64 - 1, fields={"servers": 2, "horizon": 9}
    )
    name = collect(recipe, progress=False)
    assert {episode.played.seed for episode in load_episodes(name)} == {2**64 - 1}
    assert all(check.passed for check in verify(name))
