from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vmagent_marl.episodes import Player, Recipe, collect, recipe_for, recipe_hash
from vmagent_marl.episodes.collecting.recipe import behaviour_name
from vmagent_marl.errors import PolicyError, ScenarioError, SettingError, UnknownNameError
from vmagent_marl.trace import synthetic_month, write_lifetimes

RECIPE = recipe_for("recovering", "best-fit", episodes=2)


def digest(recipe: Recipe) -> str:
    scenario = recipe.load_scenario()
    return recipe_hash(recipe, scenario, scenario.load_trace())


def test_names_that_are_not_known_are_told_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'best-fit'"):
        collect(recipe_for("recovering", "bestfit", episodes=1))
    with pytest.raises(UnknownNameError, match="did you mean 'recovering'"):
        collect(recipe_for("recoverin", "best-fit", episodes=1))


def test_what_cannot_be_played_is_refused_before_anything_is_made(datasets_path: Path) -> None:
    blind = recipe_for("region-prices", "cheapest-first", episodes=1, fields={"summaries": "none"})
    with pytest.raises(PolicyError, match="reads summaries"):
        collect(blind)
    with pytest.raises(PolicyError, match="epsilon"):
        collect(recipe_for("recovering", "best-fit", epsilon=2.0, episodes=1))
    with pytest.raises(ScenarioError, match="unknown key 'server'"):
        collect(recipe_for("recovering", "best-fit", episodes=1, fields={"server": 2}))
    with pytest.raises(SettingError, match="workers"):
        collect(RECIPE, workers=0)
    assert not list(datasets_path.rglob("*"))


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"episodes": 3},
        {"window": "test"},
        {"fields": {"servers": 4}},
        {"policies": (Player("best-fit", epsilon=0.1),)},
        {"policies": (Player("best-fit"), Player("random"))},
    ],
    ids=str,
)
def test_the_hash_changes_with_what_decides_the_data(changes: dict[str, object]) -> None:
    assert digest(replace(RECIPE, **changes)) != digest(RECIPE)  # type: ignore[arg-type]  # any field


def test_the_hash_is_that_of_the_content_wherever_it_lies(tmp_path: Path) -> None:
    trace = synthetic_month(seed=3).rows(0, 500)
    hashes = []
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        write_lifetimes(trace, tmp_path / place / "trace.csv")
        hashes.append(digest(replace(RECIPE, trace=str(tmp_path / place / "trace.csv"))))
    assert hashes[0] == hashes[1] != digest(RECIPE)
    assert digest(replace(RECIPE, behaviour="other", description="words")) == digest(RECIPE)
    hashes = []
    for text in (b"one", b"two"):
        (tmp_path / "net.pt").write_bytes(text)
        player = Player(str(tmp_path / "net.pt"))
        hashes.append(digest(replace(RECIPE, policies=(player,))))
    assert hashes[0] != hashes[1]


def test_behaviours_are_named_after_the_policy() -> None:
    assert behaviour_name("best-fit") == "best-fit"
    assert behaviour_name("cheapest-first+best-fit", 0.1) == "noisy-cheapest-first-best-fit"
    assert behaviour_name("runs/a.b/my net.pt") == "my-net"


def test_behaviours_of_a_changed_scenario_say_what_is_changed() -> None:
    fields = {"servers": 3, "halve": {"resource": "cpu", "above": 1.5}, "departures": False}
    changed = recipe_for("recovering", "first-fit", episodes=1, fields=fields)
    assert changed.behaviour == "first-fit-departures-false-halve-resource-cpu-above-1-5-servers-3"
    same = recipe_for("recovering", "first-fit", episodes=1, fields=dict(reversed(fields.items())))
    assert same.behaviour == changed.behaviour
    elsewhere = recipe_for("recovering", "first-fit", episodes=1, trace="a.b/my month.csv.gz")
    assert elsewhere.behaviour == "first-fit-on-my-month"
    given: dict[str, Any] = {"fields": {"servers": 3}, "trace": "month.csv"}
    both = recipe_for("recovering", "first-fit", episodes=1, epsilon=0.1, **given)
    assert both.behaviour == "noisy-first-fit-servers-3-on-month"
    named = recipe_for("recovering", "first-fit", episodes=1, behaviour="mine", **given)
    assert named.behaviour == "mine"


def test_a_name_of_its_own_stays() -> None:
    assert recipe_for("tiny", "random", episodes=1, behaviour="mine").behaviour == "mine"
