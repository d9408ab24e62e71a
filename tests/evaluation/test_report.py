"""Tables that fit and JSON that any reader takes."""

from __future__ import annotations

import io
import json
import math
import os
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from vmagent_marl.errors import VmagentError
from vmagent_marl.evaluation import Scores, evaluate, print_scores, title_of, to_json, write_json
from vmagent_marl.evaluation.title import changed_fields
from vmagent_marl.policies import make_policy
from vmagent_marl.scenario import Scenario, load_scenario
from vmagent_marl.sim import Metrics
from vmagent_marl.trace import Trace


@pytest.fixture(scope="module")
def scores() -> Scores:
    scenario = load_scenario("region-prices", horizon=300)
    policies = ["accept-always", "pass-unless-cheapest-or-last", "random"]
    return evaluate(scenario, policies, episodes=8, seed=1)


@pytest.fixture(scope="module")
def single() -> Scores:
    return evaluate("recovering", "first-fit", episodes=4, windows="test", seed=2)


def calm() -> Trace:
    """VMs that come one after the other: any policy places them all."""
    n = 400
    return Trace(
        name="calm",
        vm=np.arange(n),
        arrival=np.arange(n) * 10,
        departure=np.arange(n) * 10 + 5,
        cpu=np.full(n, 1000, np.int32),
        memory=np.full(n, 1024, np.int32),
    )


def printed(scores: Scores, width: int, baseline: str | None = None) -> str:
    stream = io.StringIO()
    print_scores(scores, baseline=baseline, console=Console(file=stream, width=width))
    return stream.getvalue()


def floats(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [x for item in value.values() for x in floats(item)]
    if isinstance(value, list):
        return [x for item in value for x in floats(item)]
    return [value] if isinstance(value, float) else []


@pytest.mark.parametrize("width", [80, 100, 200])
def test_tables_fit_and_cut_nothing_off(scores: Scores, width: int) -> None:
    text = printed(scores, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for policy in ("accept-always", "random"):
        assert text.count(policy) >= 2  # in both tables
    for word in ("profit share", "95 % interval", "vs accept-always", "placed", "turned"):
        assert word in text


def test_figures_of_the_table_are_those_of_the_scores(scores: Scores) -> None:
    text = printed(scores, 100)
    estimate = scores.estimate("random")
    assert f"{estimate.value:.3f}" in text
    assert f"{estimate.low:.3f} to {estimate.high:.3f}" in text
    difference = scores.difference("random")
    assert f"{difference.value:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})" in text


def test_the_best_comes_first_and_another_baseline_may_be_named(scores: Scores) -> None:
    text = printed(scores, 100, baseline="random")
    assert "vs random" in text
    places = [text.index(f"\n {policy}") for policy in scores.ranked]
    assert places == sorted(places)


def test_few_blocks_are_pointed_out(scores: Scores) -> None:
    at_one_place = evaluate(scores.scenario, "random", starts=[5, 6, 7])
    text = printed(at_one_place, 80)
    assert "Intervals: unknown" in text
    assert "unknown" in text.split("Intervals")[0]
    several = f"bootstrap over {scores.block_count} blocks of the trace; too few"
    assert several in printed(scores, 80)


def test_columns_follow_the_scenario(single: Scores) -> None:
    text = printed(single, 100)
    assert "turned" not in text  # it ends the episode: always one, or none
    assert "hops" not in text
    assert "vs " not in text
    waits = printed(evaluate("waiting", "first-fit", episodes=3), 100)
    assert "wait_s" in waits
    assert "p95 wait" in waits
    assert "less is better" in waits


def test_the_rows_that_were_played_are_named(single: Scores) -> None:
    assert "4 episodes, test window, rows 70,000 to 126,316 of" in printed(single, 100)
    whole = evaluate("recovering", "first-fit", episodes=2, windows="all")
    assert "2 episodes, whole trace of" in printed(whole, 100)
    given = evaluate("recovering", "first-fit", starts=[3, 90_000])
    assert "2 episodes, given rows of" in printed(given, 100)


def test_the_caption_says_where_the_best_heuristic_was_chosen(scores: Scores) -> None:
    best = f"1 at {scores.reference}, the best heuristic"
    assert f"{best} on validation." in printed(scores, 200)
    elsewhere = replace(scores, window="test")
    assert f"{best} here." in printed(elsewhere, 200)
    chosen = replace(elsewhere, chosen="accept-always")
    assert "1 at accept-always, the best heuristic on validation." in printed(chosen, 200)
    alone = (scores.result("random"), replace(scores.results[0], is_heuristic=False))
    assert "norm. score" not in printed(replace(scores, results=alone), 200)


def test_the_title_tells_what_was_changed_of_the_shelf(scores: Scores) -> None:
    assert title_of(scores).startswith("region-prices (horizon=300): 8 episodes, validation")
    assert title_of(scores) in printed(scores, 200)
    plain = replace(scores, scenario=load_scenario("region-prices"))
    assert title_of(plain).startswith("region-prices: 8 episodes")
    several = load_scenario("region-prices", servers=[1, 2, 3], home="pinned", trace="my.csv")
    assert changed_fields(several) == {"servers": [1, 2, 3], "home": "pinned"}
    assert changed_fields(Scenario(name="mine", servers=3)) == {}


def test_a_score_that_is_undefined_is_a_line_and_no_column() -> None:
    at_one_place = evaluate("recovering", ["first-fit", "random"], starts=[5, 6, 7])
    text = printed(at_one_place, 100)
    assert "norm. score: undefined, as the intervals are unknown." in text
    assert text.count("norm.") == text.count("undefined") == 1
    short = load_scenario("recovering", horizon=5)
    twins = evaluate(short, ["first-fit", "random"], episodes=8, trace=calm())
    assert twins.block_count > 1
    text = printed(twins, 200)
    assert "undefined, as these episodes do not tell random from first-fit, the best" in text
    assert text.count("norm.") == 1


def test_episodes_that_nobody_loses_are_pointed_out(scores: Scores) -> None:
    text = printed(evaluate("recovering", ["first-fit", "random"], episodes=8, trace=calm()), 200)
    assert "16 of 16 episodes (2 policies) ended at the window's end with no VM turned" in text
    assert "fewer servers (--servers)" in text
    short = load_scenario("recovering", horizon=5)
    text = printed(evaluate(short, "first-fit", episodes=8, trace=calm()), 200)
    assert "8 of 8 episodes ended at the horizon with no VM turned away" in text
    hard = load_scenario("recovering", servers=1)
    assert "with no VM turned" not in printed(evaluate(hard, "first-fit", episodes=8), 200)
    assert "with no VM turned" not in printed(scores, 200)  # where losses are counted


def test_json_of_one_policy(single: Scores) -> None:
    document = to_json(single)
    keys = ["scenario", "policy", "window", "seed", "trace", "episodes", "summary"]
    assert list(document) == keys
    assert document["scenario"] == "recovering"
    assert document["policy"] == "first-fit"
    assert document["window"] == "test"
    assert document["seed"] == 2
    assert document["trace"] == single.trace
    assert len(document["episodes"]) == 4
    names = {field.name for field in fields(Metrics)}
    for episode, played in zip(document["episodes"], single.results[0].played, strict=True):
        assert set(episode) == names | {"return", "own_returns", "profit_share", "bound"}
        assert episode["start"] == played.metrics.start
        assert episode["placed"] == played.metrics.placed
        assert episode["return"] == played.team_return
        assert type(episode["placed"]) is int
    summary = document["summary"]
    assert summary["mean"] == single.estimate("first-fit").value
    assert summary["means"]["placed"] == single.results[0].column("placed").mean()
    assert summary["median"] == sorted(single.values("first-fit"))[1:3][0] * 0.5 + (
        sorted(single.values("first-fit"))[2] * 0.5
    )


def test_json_of_several_policies(scores: Scores) -> None:
    document = to_json(scores)
    assert list(document) == ["scenario", "results"]
    assert [result["policy"] for result in document["results"]] == scores.policies
    for result in document["results"]:
        single = replace(scores, results=(scores.result(result["policy"]),))
        assert to_json(single)["episodes"] == result["episodes"]
        difference = scores.difference(result["policy"])
        assert result["summary"]["difference"]["value"] == difference.value


def test_json_is_finite(scores: Scores) -> None:
    alone = evaluate("recovering", "first-fit", episodes=1)
    assert math.isnan(alone.estimate("first-fit").low)
    document = to_json(alone)
    assert document["summary"]["interval"] == [None, None]
    assert document["summary"]["normalised"] is None
    for each in (document, to_json(scores)):
        assert all(map(math.isfinite, floats(each)))
        assert json.loads(json.dumps(each, allow_nan=False)) == each


def test_a_file_is_written_whole(single: Scores, tmp_path: Path) -> None:
    file = tmp_path / "new" / "scores.json"
    write_json(single, file)
    assert json.loads(file.read_text()) == to_json(single)
    assert [path.name for path in file.parent.iterdir()] == ["scores.json"]


def test_what_fails_leaves_the_old_file(
    single: Scores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "scores.json"
    file.write_text("old")

    def fails(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(VmagentError, match=r"scores.json: cannot be written \(disk full\)"):
        write_json(single, file)
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["scores.json"]


def test_no_cell_is_cut_where_names_are_long() -> None:
    """At no width: every word of a table is a word of the table that has all the room it wants."""
    policy = replace(make_policy("first-fit"), name="runs/faraway/bc/policy.pt")
    scores = evaluate("recovering", [policy, "server-best-fit", "random"], episodes=4)
    words = set(printed(scores, 400).split())
    for width in range(70, 121):
        text = printed(scores, width)
        assert all(len(line.rstrip()) <= width for line in text.splitlines())
        assert {word for word in text.split() if "─" not in word} <= words
