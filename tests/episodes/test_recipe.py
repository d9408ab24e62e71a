from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from vmagent_marl import catalog
from vmagent_marl.episodes import Player, Recipe, collect, load_recipe, recipe_for, recipe_hash
from vmagent_marl.episodes.collecting.recipe import behaviour_name
from vmagent_marl.episodes.storage.minari_format import dataset_id, own_metadata
from vmagent_marl.errors import PolicyError, ScenarioError, SettingError, UnknownNameError
from vmagent_marl.trace import synthetic_month, write_lifetimes

SHELF = catalog.names("datasets")
RECIPE = recipe_for("recovering", "best-fit", episodes=2)


def written(folder: Path, **changes: object) -> Path:
    values = {
        "scenario": "tiny",
        "behaviour": "some",
        "policies": [{"name": "random"}],
        "episodes": 3,
        **changes,
    }
    file = folder / "some.yaml"
    file.write_text(yaml.safe_dump(values, sort_keys=False))
    return file


def digest(recipe: Recipe) -> str:
    scenario = recipe.load_scenario()
    return recipe_hash(recipe, scenario, scenario.load_trace())


@pytest.mark.parametrize("name", SHELF)
def test_every_recipe_on_the_shelf_makes_its_data_set(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.description
    few = replace(recipe, episodes=2)
    made = collect(few, progress=False)
    assert made == dataset_id(recipe.load_scenario().name, recipe.behaviour)
    statistics = own_metadata(made)["statistics"]
    assert statistics["episodes"] == 2
    transitions = statistics["length_mean"] * recipe.episodes
    assert 10_000 < transitions < 300_000  # of the whole one, as far as two episodes tell
    assert name in (catalog.shelf("datasets") / "README.md").read_text()


@pytest.mark.parametrize("name", SHELF)
def test_every_recipe_on_the_shelf_has_its_card_beside_it(name: str) -> None:
    recipe = load_recipe(name)
    card = (catalog.shelf("datasets") / "cards" / f"{name}.md").read_text(encoding="utf-8")
    assert card.startswith(f"# {dataset_id(recipe.load_scenario().name, recipe.behaviour)}\n")
    stale = f"run: python collectors/from_recipe.py {name} --card datasets/cards/{name}.md"
    assert f"- Recipe hash `{digest(recipe)}`\n" in card, stale


def test_the_shelf_holds_what_is_promised() -> None:
    promised = {"region-prices-mixed", "recovering-server-best-fit", "recovering-mixed"}
    assert promised | {"waiting-balance-fit", "fading-expert"} <= set(SHELF)


def test_paths_are_relative_to_the_recipe(tmp_path: Path) -> None:
    write_lifetimes(synthetic_month(seed=3).rows(0, 3000), tmp_path / "trace.csv")
    (tmp_path / "mine.yaml").write_text("servers: 2\nhalve: {resource: memory, above: 10}\n")
    recipe = load_recipe(written(tmp_path, scenario="mine.yaml", trace="trace.csv"))
    scenario = recipe.load_scenario()
    assert scenario.name == "mine"
    assert len(scenario.load_trace()) == 3000
    assert Path(str(scenario.trace)).is_absolute()
    assert collect(recipe, progress=False) == "vmagent/mine/some-v0"


def test_fields_stand_in_the_place_of_the_scenarios(tmp_path: Path) -> None:
    fields = {
        "servers": 3,
        "turned_away": "count",
        "halve": {"resource": "cpu", "above": 16},
        "outages": [{"cluster": 0, "at": 10, "seconds": 5}],
    }
    scenario = load_recipe(written(tmp_path, scenario="fading", fields=fields)).load_scenario()
    assert (scenario.servers, scenario.turned_away) == (3, "count")
    assert scenario.halve is not None
    assert (scenario.halve.resource, scenario.outages[0].seconds) == ("cpu", 5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"episode": 3}, r"some.yaml:6: unknown key 'episode': did you mean 'episodes'"),
        ({"episodes": 0}, r"some.yaml:5: episodes: 0 are too few"),
        ({"episodes": "many"}, r"some.yaml:5: episodes: 'many' is no whole number"),
        ({"policies": []}, r"policies: there is none"),
        ({"policies": [{"name": "random", "weight": 0}]}, r"random has no weight above 0"),
        ({"seed": -1}, r"seed: -1 is negative"),
        ({"window": "tomorrow"}, r"'tomorrow' is none of 'train' or 'validation'"),
    ],
)
def test_errors_name_file_line_and_key(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        load_recipe(written(tmp_path, **changes))


def test_names_that_are_not_known_are_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'recovering-mixed'"):
        load_recipe("recovering-mixd")
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
