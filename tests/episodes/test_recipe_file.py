"""Files of recipes: what a tier takes from its file, by which names, and what is refused where."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from vmagent_marl import catalog
from vmagent_marl.episodes import Player, collect, load_recipe, load_recipes, recipe_names
from vmagent_marl.errors import SettingError, UnknownNameError
from vmagent_marl.trace import synthetic_month, write_lifetimes

ONE = {"description": "Chance.", "policies": [{"name": "random"}]}
TWO = {"policies": [{"name": "first-fit", "epsilon": 0.5}], "episodes": 2, "seed": 7}


def written(folder: Path, *, tiers: Any = None, **changes: object) -> Path:
    values = {"scenario": "tiny", "episodes": 3, **changes}
    values["tiers"] = {"random": ONE, "noisy": TWO} if tiers is None else tiers
    file = folder / "some.yaml"
    file.write_text(yaml.safe_dump(values, sort_keys=False))
    return file


def refused(file: Path, text: str) -> str:
    """What is said of a file of this text."""
    file.write_text(text)
    with pytest.raises(SettingError) as told:
        load_recipes(file)
    message = str(told.value)
    assert "\n" not in message
    return message.removeprefix(f"{file}:")


def test_a_tier_takes_from_its_file_what_it_does_not_say_itself(tmp_path: Path) -> None:
    file = written(tmp_path, seed=4, window="validation", fields={"servers": 2})
    first, second = load_recipes(file)
    assert (first.behaviour, first.episodes, first.seed) == ("random", 3, 4)
    assert (second.behaviour, second.episodes, second.seed) == ("noisy", 2, 7)
    for recipe in (first, second):
        assert (recipe.scenario, recipe.window, recipe.fields) == (
            "tiny",
            "validation",
            {"servers": 2},
        )
    assert (first.description, second.description) == ("Chance.", "")
    assert second.policies == (Player("first-fit", epsilon=0.5),)
    assert load_recipes(f"{file}/noisy") == (second,)
    assert load_recipe(f"{file}/noisy") == load_recipe(file / "noisy") == second


def test_a_recipe_of_the_shelf_goes_by_its_id_without_the_trimmings() -> None:
    names = recipe_names()
    assert len(names) == len(set(names))
    recipe = load_recipe("recovering/expert")
    assert (recipe.scenario, recipe.behaviour) == ("recovering", "expert")
    assert recipe in load_recipes("recovering")
    assert [name for name in names if name.startswith("recovering/")] == [
        f"recovering/{each.behaviour}" for each in load_recipes("recovering")
    ]


def test_the_example_of_the_shelf_s_page_is_two_recipes(tmp_path: Path) -> None:
    page = (catalog.shelf("datasets") / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    file = tmp_path / "mine.yaml"
    file.write_text(example)
    first, second = load_recipes(file)
    assert (first.behaviour, first.episodes) == ("patient", 200)
    assert (second.behaviour, second.episodes) == ("my-mixture", 300)
    for recipe in (first, second):
        scenario = recipe.load_scenario()
        assert scenario.servers == 6
        assert len(recipe.mixture(scenario).policies) == len(recipe.policies)


def test_a_file_of_one_tier_is_one_recipe(tmp_path: Path) -> None:
    assert load_recipe(written(tmp_path, tiers={"mine": ONE})).behaviour == "mine"
    with pytest.raises(SettingError, match=r"holds 2 tiers: name one, as in .*some\.yaml/random"):
        load_recipe(written(tmp_path))


def test_names_that_are_nowhere_are_told_with_the_nearest(tmp_path: Path) -> None:
    file = written(tmp_path)
    for name, nearest in (
        ("recovering/exprt", "recovering/expert"),
        ("recovring/expert", "recovering/expert"),
        ("recovring", "recovering"),
        (f"{file}/rndom", f"{file}/random"),
    ):
        with pytest.raises(UnknownNameError) as told:
            load_recipes(name)
        assert str(told.value) == f"unknown recipe {name!r}: did you mean {nearest!r}?"


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    write_lifetimes(synthetic_month(seed=3).rows(0, 3000), tmp_path / "trace.csv")
    (tmp_path / "mine.yaml").write_text("servers: 2\nhalve: {resource: memory, above: 10}\n")
    tiers = {"some": {"policies": [{"name": "random"}, {"name": "net.pt"}]}}
    recipe = load_recipe(written(tmp_path, scenario="mine.yaml", trace="trace.csv", tiers=tiers))
    assert recipe.policies[1].name == str(tmp_path / "net.pt")
    recipe = load_recipes(written(tmp_path, scenario="mine.yaml", trace="trace.csv"))[0]
    scenario = recipe.load_scenario()
    assert scenario.name == "mine"
    assert len(scenario.load_trace()) == 3000
    assert Path(str(scenario.trace)).is_absolute()
    assert collect(recipe, progress=False) == "vmagent/mine/random-v0"


def test_fields_stand_in_the_place_of_the_scenarios(tmp_path: Path) -> None:
    fields = {
        "servers": 3,
        "turned_away": "count",
        "halve": {"resource": "cpu", "above": 16},
        "outages": [{"cluster": 0, "at": 10, "seconds": 5}],
    }
    file = written(tmp_path, scenario="fading", fields=fields)
    scenario = load_recipes(file)[0].load_scenario()
    assert (scenario.servers, scenario.turned_away) == (3, "count")
    assert scenario.halve is not None
    assert (scenario.halve.resource, scenario.outages[0].seconds) == ("cpu", 5)


@pytest.mark.parametrize(
    ("tier", "message"),
    [
        ("{policies: [{name: random}], episode: 3}", "unknown key 'episode': did you mean"),
        ("{policies: [{name: random}], episodes: 0}", "episodes: 0 are too few"),
        ("{policies: [{name: random}], episodes: many}", "episodes: 'many' is no whole number"),
        ("{policies: []}", "policies: there is none"),
        ("{policies: [{name: random, weight: 0}]}", "policies: random has no weight above 0"),
        ("{policies: [{nam: random}]}", "policies: unknown key 'nam': did you mean 'name'"),
        ("{policies: [{name: random}], seed: -1}", "seed: -1 is negative"),
        ("{policies: [{name: random}], window: later}", "'later' is none of 'train'"),
        ("{description: nobody}", "tiers.wrong: 'policies' is missing: add it"),
        ("{policies: [{name: random}], scenario: tiny}", "belongs to all tiers"),
        ("{policies: [{name: random}], behaviour: mine}", "unknown key 'behaviour'"),
        ("12", "tiers.wrong: 12 is no mapping"),
    ],
)
def test_an_error_in_a_tier_names_file_and_line_and_key(
    tmp_path: Path, tier: str, message: str
) -> None:
    text = "scenario: tiny\nepisodes: 3\ntiers:\n"
    told = refused(
        tmp_path / "a.yaml", f"{text}  good: {{policies: [{{name: random}}]}}\n  wrong: {tier}\n"
    )
    assert told.startswith("5: ")
    assert message in told


def test_the_line_is_that_of_the_key_wherever_it_stands(tmp_path: Path) -> None:
    tier = "  wrong:\n    description: two lines up\n    policies: [{name: random}]\n"
    told = refused(tmp_path / "a.yaml", f"scenario: tiny\nepisodes: 0\ntiers:\n{tier}")
    assert told.startswith("2: episodes: 0 are too few")
    told = refused(
        tmp_path / "a.yaml", f"scenario: tiny\nepisodes: 3\ntiers:\n{tier}    episodes: -1\n"
    )
    assert told.startswith("7: episodes: -1 are too few")
    told = refused(tmp_path / "a.yaml", f"scenario: tiny\nepisodes: 3\ntiers:\n{tier}{tier}")
    assert told.startswith("7: key 'wrong' stands in line 4 already")
    told = refused(tmp_path / "a.yaml", f"scenario: tiny\ntiers:\n{tier}")
    assert told.startswith("3: tiers.wrong: 'episodes' is missing")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scenario: tiny\n", " key 'tiers' is missing"),
        ("tiers: {a: {policies: []}}\n", " key 'scenario' is missing"),
        ("scenario: tiny\ntiers: {}\n", "2: tiers: holds none"),
        ("scenario: tiny\ntiers: [a]\n", "2: tiers: holds none"),
        ("scenario: tiny\npolicies: [{name: random}]\n", "2: policies: belongs to a tier"),
        ("scenario: tiny\ntier: {}\n", "2: unknown key 'tier': did you mean 'tiers'"),
    ],
)
def test_a_file_that_is_none_of_recipes_says_what_is_missing(
    tmp_path: Path, text: str, message: str
) -> None:
    assert refused(tmp_path / "a.yaml", text).startswith(message)


def test_yaml_that_holds_itself_or_truth_values_is_no_loop_and_no_crash(tmp_path: Path) -> None:
    told = refused(tmp_path / "a.yaml", "scenario: tiny\ntiers: &all\n  mine: *all\n")
    assert told.startswith("3: tiers.mine: unknown key 'mine'")
    told = refused(tmp_path / "a.yaml", "scenario: tiny\ntiers:\n  on: 3\n")
    assert told.startswith("2: tiers.True: 3 is no mapping")
