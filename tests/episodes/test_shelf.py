"""The family of data sets on the shelf: its recipes, and the pages that say what they came to."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from vmagent_marl import catalog
from vmagent_marl.episodes import collect, load_recipe, load_recipes, recipe_hash, recipe_names
from vmagent_marl.episodes.recording.play import expected_length
from vmagent_marl.episodes.storage.minari_format import dataset_id, own_metadata
from vmagent_marl.policies import make_policy, policy_names
from vmagent_marl.sim.layout import layout_of
from vmagent_marl.windows import rows_of, starts_of

SCENARIOS = catalog.names("datasets")
TIERS = ["random", "medium", "expert", "mixed", "noisy-10", "noisy-30"]
REBUILT = "run: vmagent-marl collect --all --overwrite --card datasets/cards"
MOST = 2_000  # MB, of the whole family
INFOS = 8 + 8 + 8 + 1 + 8  # bytes of an answer: action, effective one, log-probability, ...


def page(scenario: str) -> str:
    return (catalog.shelf("datasets") / "cards" / f"{scenario}.md").read_text(encoding="utf-8")


def rows(scenario: str) -> dict[str, list[str]]:
    """The cells of each tier in the page's table."""
    table = page(scenario).partition("| tier |")[2].partition("\n\n")[0]
    found = re.findall(r"^\| `(.+)` \| (.*) \|$", table, re.MULTILINE)
    return {tier: cells.split(" | ") for tier, cells in found}


def number(cell: str) -> float:
    return float(cell.replace(",", ""))


def test_the_family_is_what_is_promised() -> None:
    promised = ["fading", "recovering", "expanding", "waiting", "consolidate"]
    promised += [f"region-{kind}" for kind in ("prices", "sizes", "stale")]
    assert sorted(promised) == SCENARIOS
    assert recipe_names() == [f"{name}/{tier}" for name in SCENARIOS for tier in TIERS]


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_can_be_played_in_the_train_window(name: str) -> None:
    recipe = load_recipe(name)
    scenario = recipe.load_scenario()
    assert f"{scenario.name}/{recipe.behaviour}" == name
    assert recipe.description.endswith(".")
    assert len(recipe.mixture(scenario).policies) == len(recipe.policies)
    for player in recipe.policies:
        assert make_policy(player.name).needs != "everything"
        assert player.name in policy_names()
    assert recipe.window == "train"
    trace = scenario.load_trace()
    first, stop = starts_of(scenario, trace, recipe.window)
    assert 0 <= first < stop <= rows_of(trace, "validation")[0] == 50_000


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_tiers_are_what_they_are_called(scenario: str) -> None:
    recipes = {recipe.behaviour: recipe for recipe in load_recipes(scenario)}
    played = {
        tier: [(player.name, player.epsilon) for player in recipe.policies]
        for tier, recipe in recipes.items()
    }
    ((expert, epsilon),) = played["expert"]
    assert epsilon == 0.0
    assert played["random"] == [("random", 0.0)]
    assert played["noisy-10"] == [(expert, 0.1)]
    assert played["noisy-30"] == [(expert, 0.3)]
    for share in (".1", ".3"):
        assert f"(epsilon {share})" in recipes[f"noisy-{share[1:]}0"].description
    assert len(played["mixed"]) > 1
    assert played["medium"] not in (played["random"], played["expert"])
    about = {(recipe.episodes, recipe.seed, str(recipe.fields)) for recipe in recipes.values()}
    assert len(about) == 1  # the same starts, and so the same reference scores


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_scenario_has_a_mixture_that_can_be_recorded(scenario: str) -> None:
    recipe = replace(load_recipe(f"{scenario}/mixed"), episodes=1)
    made = collect(recipe, progress=False)
    assert made == dataset_id(scenario, "mixed")
    assert own_metadata(made)["statistics"]["episodes"] == 1


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_pages_are_those_of_the_recipes(scenario: str) -> None:
    text = page(scenario)
    for recipe in load_recipes(scenario):
        played = recipe.load_scenario()
        digest = recipe_hash(recipe, played, played.load_trace())
        name = dataset_id(scenario, recipe.behaviour)
        told = re.search(rf"^\| `{name}` \| `[0-9a-f]{{64}}` \| `(.*)` \|$", text, re.MULTILINE)
        assert told is not None, REBUILT
        assert digest.startswith(told[1]), REBUILT
        assert f"- `{recipe.behaviour}`: {recipe.description}\n" in text, REBUILT


def test_the_digest_on_a_page_is_that_of_the_set() -> None:
    """Of one without noise, whose probabilities need no logarithm: the same on every machine."""
    made = collect("fading/expert", progress=False)
    own = own_metadata(made)
    versions = ", ".join(f"{package} {version}" for package, version in own["versions"].items())
    if versions not in page("fading"):
        pytest.skip(f"the page is of other versions than {versions}")
    assert f"| `{made}` | `{own['sha256']}` |" in page("fading"), REBUILT


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_experts_are_better_than_the_medium_and_these_than_random(scenario: str) -> None:
    scores = {tier: float(cells[4]) for tier, cells in rows(scenario).items()}
    assert scores["random"] == 0.0
    assert 0.05 < scores["medium"] < scores["expert"] - 0.1
    assert 0.8 < scores["expert"] <= 1.0


def test_sets_are_large_enough_to_learn_from_and_small_enough_to_keep() -> None:
    total = 0.0
    for scenario in SCENARIOS:
        recipe = load_recipe(f"{scenario}/expert")
        played = recipe.load_scenario()
        layout = layout_of(played.rules())
        sizes = rows(scenario)
        assert list(sizes) == TIERS
        for _, transitions, megabytes, *_ in sizes.values():
            answers = number(transitions) * layout.clusters
            large = layout.size > 500  # and so fewer
            assert (10_000 if large else 50_000) < answers < 500_000
            total += number(megabytes)
        length = expected_length(
            played, window="train", seed=recipe.seed, trace=played.load_trace()
        )
        of_agents = layout.clusters * (4 * layout.size + layout.actions + INFOS)
        estimated = recipe.episodes * length * of_agents / 1e6
        assert 0.5 < estimated / number(sizes["expert"][2]) < 2.0  # first fit plays as long
    assert total < MOST


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_table_of_all_sets_is_that_of_the_pages(scenario: str) -> None:
    text = (catalog.shelf("datasets") / "README.md").read_text(encoding="utf-8")
    sizes = rows(scenario)
    transitions = sorted(int(number(cells[1])) for cells in sizes.values())
    ends = dict.fromkeys((f"{transitions[0]:,}", f"{transitions[-1]:,}"))
    cells = [
        f"[`{scenario}`](cards/{scenario}.md)",
        str(layout_of(load_recipe(f"{scenario}/expert").load_scenario().rules()).clusters),
        " to ".join(ends),
        f"{sum(number(cells[2]) for cells in sizes.values()):.0f}",
        *(sizes[tier][4] for tier in TIERS[1:]),
    ]
    assert f"| {' | '.join(cells)} |" in text.splitlines()


def test_every_page_is_of_a_scenario() -> None:
    pages = [file.stem for file in (catalog.shelf("datasets") / "cards").iterdir()]
    assert sorted(pages) == SCENARIOS
