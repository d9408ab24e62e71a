"""Scores: the same episodes for all, ratios of sums, differences, and what is undefined."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vmagent_marl import windows
from vmagent_marl.errors import PolicyError, ScenarioError, SettingError, UnknownNameError
from vmagent_marl.evaluation import Result, Scores, evaluate, read_starts, score_of
from vmagent_marl.policies import make_policy
from vmagent_marl.scenario import Scenario, load_scenario
from vmagent_marl.trace import synthetic_month

POLICIES = ["accept-always", "cheapest-first", "random", "worst-fit"]


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_scenario("region-prices", horizon=400)


@pytest.fixture(scope="module")
def scores(scenario: Scenario) -> Scores:
    return evaluate(scenario, POLICIES, episodes=12, seed=3)


def test_every_policy_plays_the_same_episodes(scenario: Scenario, scores: Scores) -> None:
    trace = scenario.load_trace()
    drawn = [
        windows.episode_of(scenario, trace, "validation", seed=3, number=i).first for i in range(12)
    ]
    for policy in POLICIES:
        result = scores.result(policy)
        assert result.column("start").tolist() == drawn
        possible = result.column("possible_revenue")
        assert possible.tolist() == scores.result("random").column("possible_revenue").tolist()


def test_a_policy_scores_alike_alone_and_among_others(scenario: Scenario, scores: Scores) -> None:
    alone = evaluate(scenario, "random", episodes=12, seed=3)
    assert alone.results == (scores.result("random"),)
    assert alone.estimate("random") == scores.estimate("random")


def test_another_seed_draws_other_episodes(scenario: Scenario, scores: Scores) -> None:
    other = evaluate(scenario, "random", episodes=12, seed=4)
    assert (other.results[0].column("start") != scores.results[0].column("start")).any()


def test_profit_share_is_a_ratio_of_sums(scores: Scores) -> None:
    result = scores.result("cheapest-first")
    profit, possible = result.column("profit"), result.column("possible_revenue")
    estimate = scores.estimate("cheapest-first")
    assert scores.score == "profit share"
    assert estimate.value == pytest.approx(profit.sum() / possible.sum(), rel=1e-12)
    assert estimate.value != pytest.approx((profit / possible).mean(), rel=1e-4)
    assert scores.values("cheapest-first") == pytest.approx(profit / possible)
    assert estimate.low < estimate.value < estimate.high


def test_differences_are_paired(scores: Scores) -> None:
    difference = scores.difference("cheapest-first")
    mine, other = scores.estimate("cheapest-first"), scores.estimate("accept-always")
    assert difference.value == pytest.approx(mine.value - other.value)
    # On the same rows what is hard for one is hard for the other: tighter than unpaired.
    width = difference.high - difference.low
    assert width < math.hypot(mine.high - mine.low, other.high - other.low)
    nothing = scores.difference("accept-always")
    assert (nothing.value, nothing.low, nothing.high) == (0.0, 0.0, 0.0)


def test_ranked_by_score(scores: Scores) -> None:
    values = [scores.estimate(policy).value for policy in scores.ranked]
    assert values == sorted(values, reverse=True)
    assert scores.baseline == "accept-always"


def test_normalised_score_is_0_at_random_and_1_at_the_best_heuristic(scores: Scores) -> None:
    assert scores.reference == next(p for p in scores.ranked if p != "random")
    for policy, value in (("random", 0.0), (scores.reference, 1.0)):
        estimate = scores.normalised(policy)
        assert estimate is not None
        assert (estimate.value, estimate.low, estimate.high) == (value, value, value)
    middle = scores.normalised("worst-fit", reference="cheapest-first")
    assert middle is not None
    zero = scores.estimate("random").value
    one = scores.estimate("cheapest-first").value
    by_hand = (scores.estimate("worst-fit").value - zero) / (one - zero)
    assert middle.value == pytest.approx(by_hand)


def test_normalised_score_is_undefined_without_its_ends(scenario: Scenario) -> None:
    without_random = evaluate(scenario, ["first-fit", "worst-fit"], episodes=3)
    assert without_random.normalised("worst-fit") is None
    random_alone = evaluate(scenario, "random", episodes=3)
    assert random_alone.reference is None
    assert random_alone.normalised("random") is None


def test_normalised_score_is_undefined_where_the_ends_are_not_told_apart(
    scores: Scores,
) -> None:
    twin = replace(scores.result("random"), policy="twin", is_heuristic=True)
    same = replace(scores, results=(scores.result("random"), twin))
    assert same.difference("twin", "random").holds_zero
    assert same.normalised("twin") is None


def test_learned_policies_are_no_reference(scores: Scores) -> None:
    results = tuple(replace(r, is_heuristic=r.policy != scores.ranked[0]) for r in scores.results)
    learned = replace(scores, results=results)
    assert learned.reference == [p for p in scores.ranked if p != "random"][1]


def test_the_best_heuristic_is_chosen_on_validation_and_not_on_what_is_scored() -> None:
    policies = ["first-fit", "random", "worst-fit", "balance-fit", "best-fit"]
    seed = 3  # with which another heuristic is the best on the test episodes
    scores = evaluate("waiting", policies, windows="test", episodes=4, seed=seed)
    chosen_on = evaluate("waiting", policies, windows="validation", episodes=4, seed=seed)
    best = next(policy for policy in chosen_on.ranked if policy != "random")
    assert chosen_on.chosen is None
    assert scores.chosen == scores.reference == best
    assert scores.window == "test"
    assert replace(scores, chosen=None).reference != best


def test_nothing_is_chosen_where_there_is_no_choice_or_no_scale(scenario: Scenario) -> None:
    def chosen(policies: list[str], **which: Any) -> str | None:
        return evaluate(scenario, policies, **{"windows": "test", "episodes": 2, **which}).chosen

    several = ["first-fit", "worst-fit", "random"]
    assert chosen(several) is not None
    assert chosen(["first-fit", "worst-fit"]) is None
    assert chosen(["first-fit", "random"]) is None
    assert chosen(several, starts=[5, 90_000]) is None
    assert chosen(several, windows="validation") is None


def test_a_trace_without_room_for_validation_is_scored_all_the_same() -> None:
    scenario = load_scenario("region-prices", horizon=300)
    short = scenario.load_trace().rows(0, 1000)  # of which 170 are for validation
    policies = ["first-fit", "worst-fit", "random"]
    scores = evaluate(scenario, policies, windows="train", episodes=2, trace=short)
    assert scores.chosen is None
    assert scores.reference in policies


def test_blocks_follow_the_longest_episode_of_any_policy(scores: Scores) -> None:
    def at(starts: list[int], length: int, policy: str) -> Result:
        one = scores.results[0].played[0]
        played = tuple(
            replace(one, metrics=replace(one.metrics, start=row, requests=length)) for row in starts
        )
        return Result(policy, True, played)

    starts = [0, 50, 100, 150]
    short = replace(scores, results=(at(starts, 10, "a"),))
    assert short.block_count == 4
    both = replace(scores, results=(at(starts, 10, "a"), at(starts, 60, "b")))
    assert both.blocks.tolist() == [0, 0, 1, 1]
    one = replace(scores, results=(at(starts, 1000, "a"),))
    assert one.block_count == 1
    assert math.isnan(one.estimate("a").low)


@pytest.mark.parametrize(
    ("reward", "score"),
    [
        ({"profit": 2.0}, "profit share"),
        ({"profit": 1.0, "wait": 0.0}, "profit share"),
        ({"profit": 1.0, "balance": 0.1}, "return"),
        ({"wait": 1.0}, "wait_s"),
        ({"wait": 1.0, "wait_hours": 0.1}, "wait_s"),
        ({"wait_hours": 1.0, "placed": 1.0}, "return"),
        ({"wait_hours": 1.0}, "wait_s"),
        ({"placed": 1.0}, "return"),
    ],
)
def test_the_reward_decides_the_score(reward: dict[str, float], score: str) -> None:
    assert score_of(Scenario(name="x", servers=1, reward=reward)) == score


def test_waits_rank_the_other_way() -> None:
    scores = evaluate("waiting", ["random", "server-best-fit"], episodes=30, seed=1)
    assert scores.less_is_better
    best, worst = scores.ranked
    assert scores.estimate(best).value < scores.estimate(worst).value
    assert scores.improvement(best, worst).value > 0.5


def test_an_episode_starts_at_each_given_row_of_the_whole_trace() -> None:
    scores = evaluate("recovering", ["first-fit", "random"], starts=[90_000, 3, 3], seed=5)
    assert scores.window == "all"
    for result in scores.results:
        assert result.column("start").tolist() == [90_000, 3, 3]
    first = scores.result("random").played
    assert first[1] != first[2]  # the number of the episode keys its draws


@pytest.mark.parametrize("row", [-1, 10**7])
def test_a_start_outside_of_the_trace_is_named(row: int) -> None:
    with pytest.raises(ScenarioError, match=rf"starts: row {row} is not in trace .*: give 0 to"):
        evaluate("recovering", "first-fit", starts=[0, row])


def test_no_starts_and_no_episodes_are_refused() -> None:
    with pytest.raises(SettingError, match="starts: hold no row"):
        evaluate("recovering", "first-fit", starts=[])
    with pytest.raises(SettingError, match="episodes: 0 are too few"):
        evaluate("recovering", "first-fit", episodes=0)


def test_policies_are_checked_before_any_is_played() -> None:
    with pytest.raises(PolicyError, match="summaries"):
        evaluate(load_scenario("region-prices", summaries="none"), ["first-fit", "cheapest-first"])
    with pytest.raises(PolicyError, match="two policies are named 'first-fit'"):
        evaluate("recovering", ["first-fit", make_policy("first-fit")])
    with pytest.raises(PolicyError, match="no policy"):
        evaluate("recovering", [])
    with pytest.raises(UnknownNameError, match="did you mean 'first-fit'"):
        evaluate("recovering", "frist-fit")
    with pytest.raises(UnknownNameError, match="did you mean 'validation'"):
        evaluate("recovering", "first-fit", windows="validaton")


def test_another_trace_stands_in_for_the_scenarios_own() -> None:
    trace = synthetic_month(seed=7)
    scores = evaluate("recovering", "first-fit", episodes=2, trace=trace)
    assert scores.fingerprint == trace.fingerprint
    assert scores.fingerprint != evaluate("recovering", "first-fit", episodes=2).fingerprint


def test_starts_are_read_with_comments_and_blank_lines(tmp_path: Path) -> None:
    file = tmp_path / "starts.txt"
    file.write_text("# rows\n\n70012\n 5 # the fifth\n0\n")
    assert read_starts(file) == [70012, 5, 0]


@pytest.mark.parametrize("line", ["-3", "1.5", "row", "1 2", "²"])
def test_a_line_that_is_no_row_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "starts.txt"
    file.write_text(f"1\n# two\n{line}\n", encoding="utf-8")
    with pytest.raises(SettingError, match=r"starts\.txt:3: .* is no row of a trace"):
        read_starts(file)


def test_a_file_without_rows_and_one_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("# none\n")
    with pytest.raises(SettingError, match="names no row"):
        read_starts(tmp_path / "empty.txt")
    with pytest.raises(SettingError, match="cannot be read"):
        read_starts(tmp_path / "absent.txt")


def test_intervals_are_reproducible(scenario: Scenario, scores: Scores) -> None:
    again = evaluate(scenario, POLICIES, episodes=12, seed=3)
    for policy in POLICIES:
        assert again.estimate(policy) == scores.estimate(policy)
        assert np.array_equal(again.values(policy), scores.values(policy))


def test_what_is_no_policy_is_refused_and_noise_is_no_reference() -> None:
    for nonsense in (None, 3, [3]):
        with pytest.raises(PolicyError, match="is no policy"):
            evaluate("tiny", nonsense)  # type: ignore[arg-type]  # that is the test
    noisy = make_policy("first-fit", epsilon=0.01)
    scores = evaluate("tiny", [noisy, "worst-fit", "random"], episodes=5)
    assert scores.reference == "worst-fit"
