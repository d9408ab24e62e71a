"""Mixtures by the answer: who gives it, and the probability of every answer whoever gave it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vmagent_marl.episodes import Mixture, Player, Recipe, collect, load_episodes, record
from vmagent_marl.episodes.collecting.card import write_card
from vmagent_marl.episodes.recording.blend import Blend, by_step
from vmagent_marl.episodes.verifying.verify import verify
from vmagent_marl.errors import PolicyError
from vmagent_marl.policies import make_policy
from vmagent_marl.policies.heuristics import Heuristic
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim import Episode

RECOVERING = load_scenario("recovering", servers=2)
PRICES = load_scenario("region-prices", servers=2, horizon=40, turned_away="end")
PARTS = {
    RECOVERING.name: (("worst-fit", 0.0), ("best-fit", 0.3), ("random", 0.0)),
    PRICES.name: (("cheapest-first", 0.0), ("accept-always", 0.2), ("random", 0.0)),
}
WEIGHTS = (1.0, 2.0, 1.0)
RECIPE = Recipe(
    scenario="recovering",
    behaviour="blended",
    policies=(Player("worst-fit"), Player("best-fit", epsilon=0.3), Player("random", weight=2.0)),
    per="step",
    episodes=4,
    fields={"servers": 2},
)


def heuristic(name: str, epsilon: float = 0.0) -> Heuristic:
    policy = make_policy(name, epsilon=epsilon)
    assert isinstance(policy, Heuristic)
    return policy


def blend(scenario: str) -> Blend:
    return Blend(tuple(heuristic(*part) for part in PARTS[scenario]), WEIGHTS)


@pytest.mark.parametrize("name", PARTS)
def test_answers_are_given_as_often_as_their_probability_says(name: str) -> None:
    """At one request that many episodes have, over their keys, beside the parts asked alone."""
    scenario = RECOVERING if name == RECOVERING.name else PRICES.replace(home="round-robin")
    sim = scenario.simulator(batch=4000)
    sim.reset({b: Episode(first=1500, stop=30_000, number=b, seed=0) for b in range(sim.batch)})
    rule = heuristic("first-fit")
    for _ in range(25):  # all alike up to here
        keys = sim.keys()
        sim.step(rule.act(sim, keys)[0])
    keys, policy = sim.keys(), blend(name)
    actions, logp = policy.act(sim, keys)
    shares = np.array(WEIGHTS) / sum(WEIGHTS)
    assert sim.running.all()
    several = 0
    for k in range(sim.clusters):
        legal = np.flatnonzero(sim.mask[0, k])
        assert (sim.mask[:, k] == sim.mask[0, k]).all()
        expected = np.zeros(sim.mask.shape[2])
        for part, share in zip(policy.policies, shares, strict=True):
            noise = 1.0 if part.name == "random" else part.epsilon
            planned = replace(part, epsilon=0.0).act(sim, keys)[0][:, k]
            own = np.bincount(planned, minlength=len(expected)) / sim.batch
            expected += share * ((1.0 - noise) * own if noise < 1.0 else 0.0)
            expected[legal] += share * noise / len(legal)
        assert expected.sum() == pytest.approx(1.0)
        np.testing.assert_allclose(np.exp(logp[:, k]), expected[actions[:, k]], rtol=1e-12)
        often = np.bincount(actions[:, k], minlength=len(expected)) / sim.batch
        spread = np.sqrt(expected * (1 - expected) / sim.batch)
        assert (abs(often - expected) <= 4 * spread + 1e-12).all()
        several += int(np.count_nonzero(expected) > 2)
    assert several


@pytest.mark.parametrize("scenario", [RECOVERING, PRICES], ids=lambda each: each.name)
def test_a_blend_of_one_is_that_one(scenario) -> None:
    for name, epsilon in PARTS[scenario.name]:
        alone = heuristic(name, epsilon)
        mixed = by_step(Mixture((alone,), (3.0,)))
        for left, right in zip(
            record(scenario, mixed, episodes=6), record(scenario, alone, episodes=6), strict=True
        ):
            np.testing.assert_array_equal(left.actions, right.actions)
            np.testing.assert_allclose(left.behavior_logp, right.behavior_logp, atol=1e-15)


def test_parts_answer_in_turn_within_an_episode_whatever_the_batch() -> None:
    mixture = by_step(Mixture((heuristic("worst-fit"), heuristic("best-fit")), (1.0, 1.0)))
    episodes = list(record(RECOVERING, mixture, episodes=8, batch=3))
    for one, other in zip(episodes, record(RECOVERING, mixture, episodes=8, batch=8), strict=True):
        np.testing.assert_array_equal(one.actions, other.actions)
        np.testing.assert_array_equal(one.behavior_logp, other.behavior_logp)
    likely = np.exp(np.concatenate([episode.behavior_logp for episode in episodes]))
    assert set(np.round(likely.ravel(), 12)) == {0.5, 1.0}  # where both agree it is sure
    assert all(episode.component == 0 for episode in episodes)


def test_a_recipe_by_the_step_is_recorded_told_and_verified() -> None:
    name = collect(RECIPE, progress=False)
    checks = {check.name: check for check in verify(name)}
    assert all(check.passed for check in checks.values())
    assert "worst-fit or best-fit-epsilon-0.3 or random" in checks["policies"].found
    card = write_card(name)
    assert "Each answer is given by one of these, drawn anew:" in card
    assert "| 2 | `random` | 0 | 0.50 |" in card
    again = collect(replace(RECIPE, per="episode", behaviour="other"), progress=False)
    assert {episode.component for episode in load_episodes(name)} == {0}
    assert {episode.component for episode in load_episodes(again)} > {0}


def test_what_is_read_is_what_any_part_reads() -> None:
    def needs(*names: str) -> str:
        return Blend(tuple(heuristic(name) for name in names), (1.0,) * len(names)).needs

    assert needs("first-fit", "random") == "own servers"
    assert needs("first-fit", "cheapest-first") == "summaries"
    assert needs("first-fit", "nilas") == "lifetimes"
    assert needs("cheapest-first", "nilas") == "summaries and lifetimes"
    assert needs("first-fit", "central") == "everything"
    blind = replace(RECIPE, policies=(Player("cheapest-first"), Player("random")))
    with pytest.raises(PolicyError, match="reads summaries"):
        collect(blind, progress=False)


def test_what_is_no_heuristic_is_mixed_by_the_episode_alone() -> None:
    class Net:
        name, needs = "net.pt", "own servers"

        def act(self, batch: object, keys: object) -> tuple[object, object]:
            raise AssertionError

    mixed: tuple[object, ...] = (heuristic("random"), Net())
    with pytest.raises(PolicyError, match=r"'net.pt'.*no heuristic.*`per: episode`"):
        by_step(Mixture(mixed, (1.0, 1.0)))
