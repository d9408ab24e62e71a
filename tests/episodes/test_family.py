"""Many data sets at once: what is there stays, what is missing is made, what differs is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from vmagent_marl.episodes import collect, collect_all, recipe_for
from vmagent_marl.episodes.collecting import family
from vmagent_marl.episodes.collecting.page import figures_of, page_of, shown_score, write_pages
from vmagent_marl.episodes.storage.minari_format import FILE, dataset_folder, own_metadata
from vmagent_marl.errors import DatasetError, PolicyError, ScenarioError

TINY = [
    recipe_for("tiny", policy, episodes=3, behaviour=tier)
    for tier, policy in (("random", "random"), ("medium", "worst-fit"), ("expert", "first-fit"))
]
NAMES = [f"vmagent/tiny/{tier}-v0" for tier in ("random", "medium", "expert")]


def digests() -> list[str]:
    return [own_metadata(name)["sha256"] for name in NAMES]


def test_every_recipe_is_made_once_and_then_left_alone() -> None:
    first = list(collect_all(TINY, progress=False))
    assert [outcome.name for outcome in first] == NAMES
    assert all(outcome.seconds is not None and outcome.seconds > 0 for outcome in first)
    files = [dataset_folder(name) / "data" / FILE for name in NAMES]
    before = [file.stat().st_mtime_ns for file in files]
    again = list(collect_all(TINY, overwrite=True, progress=False))
    assert [(outcome.name, outcome.seconds) for outcome in again] == [(n, None) for n in NAMES]
    assert [file.stat().st_mtime_ns for file in files] == before


def test_a_run_that_ends_early_goes_on_with_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    course = collect_all(TINY, progress=False)
    assert next(course).name == NAMES[0]
    course.close()
    assert [dataset_folder(name).exists() for name in NAMES] == [True, False, False]
    made: list[str] = []

    def watched(recipe: object, **options: object) -> str:
        made.append(collect(recipe, **options))  # type: ignore[arg-type]  # as it was called
        return made[-1]

    monkeypatch.setattr(family, "collect", watched)
    outcomes = list(collect_all(TINY, progress=False))
    assert [outcome.seconds is None for outcome in outcomes] == [True, False, False]
    assert made == NAMES[1:]


def test_what_another_recipe_made_is_replaced_only_on_demand() -> None:
    list(collect_all(TINY, progress=False))
    before = digests()
    changed = [replace(TINY[0], seed=5), *TINY[1:]]
    with pytest.raises(DatasetError, match=r"random-v0: there already, by another recipe.*--over"):
        collect_all(changed, progress=False)
    outcomes = list(collect_all(changed, overwrite=True, progress=False))
    assert [outcome.seconds is None for outcome in outcomes] == [False, True, True]
    after = digests()
    assert after[0] != before[0]
    assert after[1:] == before[1:]
    changed[2] = replace(TINY[2], description="First fit, in other words.")
    outcomes = list(collect_all(changed, overwrite=True, progress=False))
    assert [outcome.seconds is None for outcome in outcomes] == [True, True, False]
    assert figures_of(NAMES[2]).description == "First fit, in other words."
    assert digests() == after


@pytest.mark.parametrize("harm", ["data", "metadata", "foreign"])
def test_a_set_that_is_not_as_it_was_made_does_not_count_as_there(harm: str) -> None:
    list(collect_all(TINY, progress=False))
    before = digests()
    folder = dataset_folder(NAMES[1]) / "data"
    if harm == "data":
        with (folder / FILE).open("ab") as stream:
            stream.write(b"one more")
    elif harm == "metadata":
        (folder / "metadata.json").write_text("{")
    else:
        told = json.loads((folder / "metadata.json").read_text())
        del told["vmagent_marl"]
        (folder / "metadata.json").write_text(json.dumps(told))
    with pytest.raises(DatasetError, match=r"medium-v0: there already"):
        collect_all(TINY, progress=False)
    outcomes = list(collect_all(TINY, overwrite=True, progress=False))
    assert [outcome.seconds is None for outcome in outcomes] == [True, False, True]
    assert digests() == before


def test_what_cannot_be_played_is_refused_before_any_is_made(datasets_path: Path) -> None:
    long = recipe_for("region-prices", "random", episodes=1, fields={"horizon": 90_000})
    with pytest.raises(ScenarioError, match="shorter horizon"):
        collect_all([*TINY, long], progress=False)
    with pytest.raises(PolicyError, match="reads summaries"):
        collect_all([*TINY, replace(TINY[0], policies=(blind(),))], progress=False)
    assert not list(datasets_path.rglob("*"))


def blind() -> object:
    return recipe_for("region-prices", "cheapest-first", episodes=1).policies[0]


def test_a_page_tells_every_tier_and_what_it_is_held_against(tmp_path: Path) -> None:
    outcomes = list(collect_all(TINY, progress=False))
    other = collect(recipe_for("recovering", "first-fit", episodes=2), progress=False)
    names = [outcome.name for outcome in outcomes]
    files = write_pages([*names, other], tmp_path / "cards")
    assert [file.name for file in files] == ["tiny.md", "recovering.md"]
    page = files[0].read_text()
    assert page == page_of([figures_of(name) for name in names])
    for name in names:
        figures = figures_of(name)
        held = figures.own["statistics"]
        assert f"| `{figures.tier}` | 3 | {held['transitions']:,} |" in page
        assert f"| {shown_score(figures.score)} | {held['coverage']:.3f} |" in page
        assert f"| `{name}` | `{figures.own['sha256']}` |" in page
        assert sum(figures.returns) / 3 == pytest.approx(held["return_mean"])
    assert page.count("Mean returns from the first 3 starts, window") == 1  # shared by all
    assert "| `best-fit` |" in page


def test_tiers_of_other_starts_are_held_against_references_of_their_own() -> None:
    list(collect_all([TINY[0], replace(TINY[2], seed=3)], progress=False))
    page = page_of([figures_of(NAMES[0]), figures_of(NAMES[2])])
    assert "starts of `random`, window `train`, seed 0" in page
    assert "starts of `expert`, window `train`, seed 3" in page


def test_no_score_is_less_than_nothing_by_a_rounding() -> None:
    assert shown_score(-1e-9) == "0.000"
    assert shown_score(-0.25) == "-0.250"
    assert shown_score(None) == "undefined"
