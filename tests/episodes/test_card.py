from __future__ import annotations

import re
from pathlib import Path

import pytest

from vmagent_marl.episodes import Player, Recipe, collect, load_episodes, recipe_for, write_card
from vmagent_marl.episodes.card import normalised
from vmagent_marl.episodes.minari import dataset_folder, own_metadata
from vmagent_marl.errors import UnknownNameError

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
    score = normalised(own["statistics"]["return_mean"], own["references"])
    assert score is not None
    assert f"normalised score is {score:.3f}" in card
    best = own["references"]["returns"][own["references"]["best_policy"]]
    assert normalised(best, own["references"]) == 1.0
    assert normalised(own["references"]["returns"]["random"], own["references"]) == 0.0


def test_a_score_without_a_scale_is_undefined() -> None:
    assert normalised(3.0, {"returns": {"random": 2.0}, "best_policy": "random"}) is None


def test_an_unknown_data_set_has_no_card() -> None:
    with pytest.raises(UnknownNameError, match="known are none"):
        write_card("vmagent/recovering/nothing-v0")
