from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from vmagent_marl.episodes import Player, Recipe, collect, load_episodes, recipe_for, write_card
from vmagent_marl.episodes.collecting.card import card_of, normalised_return
from vmagent_marl.episodes.storage.minari_format import dataset_folder, load_dataset, own_metadata
from vmagent_marl.errors import UnknownNameError, VmagentError

RECIPES = {
    "one": recipe_for("recovering", "best-fit", episodes=3, fields={"servers": 2}),
    "many": Recipe(
        scenario="region-prices",
        behaviour="mixed",
        policies=(Player("cheapest-first"), Player("accept-always", epsilon=0.25, weight=3.0)),
        episodes=4,
        fields={"horizon": 40},
    ),
}


@pytest.mark.parametrize("kind", RECIPES)
def test_what_the_card_shows_runs(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    name = collect(RECIPES[kind], progress=False)
    snippets = re.findall(r"```python\n(.*?)```", write_card(name), re.DOTALL)
    assert len(snippets) == 2
    for snippet in snippets:
        exec(compile(snippet, "card", "exec"), {})
    episode = load_episodes(name)[0]
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(str(episode.observations.squeeze().shape))
    assert second.startswith(f"{episode.actions.shape} {episode.agent_rewards.shape} Metrics(")


def test_the_card_tells_how_it_was_made_and_what_it_holds(tmp_path: Path) -> None:
    name = collect(RECIPES["many"], progress=False)
    card = write_card(name, tmp_path / "cards" / "mixed.md")
    assert (tmp_path / "cards" / "mixed.md").read_text() == card
    assert (dataset_folder(name) / "README.md").read_text() == card
    own = own_metadata(name)
    for told in (
        name,
        own["recipe_hash"],
        own["sha256"],
        own["trace"]["fingerprint"][:16],
        f"minari {own['versions']['minari']}",
        "| 1 | `accept-always` | 0.25 | 0.75 |",
        "160 of 3 agents",
        f"{own['statistics']['mask_density']:.3f} of the actions were legal",
        f"{own['statistics']['coverage']:.3f} unlike pairs",
        f"`{own['references']['best_policy']}`",
    ):
        assert told in card
    score = normalised_return(own["references"]["recorded_return"], own["references"])
    assert score is not None
    assert f"its normalised score {score:.3f}." in card
    best = own["references"]["returns"][own["references"]["best_policy"]]
    assert normalised_return(best, own["references"]) == 1.0
    assert normalised_return(own["references"]["returns"]["random"], own["references"]) == 0.0


@pytest.mark.parametrize(("low", "high"), [(-0.1, 2.0), (None, None)])
def test_a_score_without_a_scale_is_undefined(low: float | None, high: float | None) -> None:
    metadata = load_dataset(collect(RECIPES["many"], progress=False)).storage.metadata
    spread = metadata["vmagent_marl"]["references"]["best_less_random"]
    assert spread["low"] > 0
    assert "score undefined" not in card_of(metadata)
    spread.update(low=low, high=high)
    assert "score undefined (random play is not told apart" in card_of(metadata)


def test_the_data_are_compared_on_the_starts_that_the_references_played() -> None:
    recipe = recipe_for("recovering", "first-fit", episodes=12, seed=4, fields={"servers": 2})
    name = collect(recipe, progress=False)
    references = own_metadata(name)["references"]
    played = references["episodes"]
    assert (references["seed"], references["window"]) == (4, "train")
    assert 2 <= played < 12  # so few are enough here
    assert references["recorded_return"] == references["returns"]["first-fit"]
    own = [episode.total for episode in load_episodes(name)]
    assert references["recorded_return"] == pytest.approx(sum(own[:played]) / played)
    assert f"as the data's first {played} episodes" in write_card(name)
    few = replace(recipe, episodes=1, behaviour="few")
    assert own_metadata(collect(few, progress=False))["references"]["episodes"] == 1
    assert "as the data's episodes" in write_card("vmagent/recovering/few-v0")


def test_a_card_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    name = collect(RECIPES["one"], progress=False)
    (tmp_path / "cards").mkdir()
    with pytest.raises(VmagentError, match=r"cards: is a folder: name a file"):
        write_card(name, tmp_path / "cards")
    assert not list((tmp_path / "cards").iterdir())


def test_an_unknown_data_set_has_no_card() -> None:
    with pytest.raises(UnknownNameError, match="known are none"):
        write_card("vmagent/recovering/nothing-v0")
