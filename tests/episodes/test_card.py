from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from adapters.libraries import need

from vmagent_marl.episodes import Player, Recipe, collect, load_episodes, recipe_for, write_card
from vmagent_marl.episodes.collecting.card import card_of, normalised_return
from vmagent_marl.episodes.collecting.histogram import histogram
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


WAYS = {  # what a snippet imports, by the way of loading
    "minari": "import minari",
    "arrays": "import load_episodes",
    "agent": "import agent_episodes",
    "d3rlpy": "import DecisionBuffer",
    "torchrl": "from torchrl",
}


def snippets(card: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", card, re.DOTALL)


@pytest.mark.filterwarnings("ignore")  # of the libraries
@pytest.mark.parametrize(("kind", "way"), [(k, w) for k in RECIPES for w in WAYS])
def test_what_the_card_shows_runs(
    kind: str, way: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    if way == "torchrl":
        need("torchrl")
    name = collect(RECIPES[kind], progress=False)
    shown = [each for each in snippets(write_card(name)) if WAYS[way] in each]
    if (kind, way) == ("one", "agent"):
        assert not shown  # it is its own view
        return
    (snippet,) = shown
    exec(compile(snippet, "card", "exec"), {})
    out = capsys.readouterr().out.splitlines()[-1]  # behind what TorchRL says of itself
    episodes = load_episodes(name)
    first = episodes[0]
    actions = first.masks.shape[2]
    decisions = sum(int(episode.reached.sum()) for episode in episodes)
    identity = first.clusters if first.clusters > 1 else 0  # of the agent, behind what it sees
    expected = {
        "minari": f"{first.observations.squeeze().shape} {first.masks.squeeze().shape} ",
        "arrays": f"{first.actions.shape} {first.agent_rewards.shape} Metrics(",
        "agent": f"{first.observations[:, 0].shape} {first.agent_rewards[:, 0].copy().sum()} ",
        "d3rlpy": f"(32, {first.observations.shape[2] + identity}) (32, {actions}) {decisions}",
        "torchrl": f"torch.Size([32, {first.clusters}, {actions}])",
    }
    assert out.startswith(expected[way])


def test_every_snippet_of_a_card_is_among_those_that_are_run() -> None:
    for kind, ways in (("one", 4), ("many", 5)):
        found = snippets(write_card(collect(RECIPES[kind], progress=False)))
        assert len(found) == ways
        for snippet in found:
            assert sum(mark in snippet for mark in WAYS.values()) == 1


def test_the_card_draws_the_returns() -> None:
    name = collect(RECIPES["many"], progress=False)
    held = own_metadata(name)["statistics"]
    returns = [episode.total for episode in load_episodes(name)]
    counts, _ = np.histogram(returns, len(held["return_histogram"]))
    assert held["return_histogram"] == counts.tolist()
    drawn = histogram(counts.tolist(), min(returns), max(returns))
    assert f"```\n{drawn}\n```" in write_card(name)


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
        f"{own['statistics']['coverage']:.3f} unlike pairs an answer",
        ", ".join(f"{share:.3f}" for share in own["statistics"]["agent_coverage"]),
        f"{own['statistics']['joint_coverage']:.3f} unlike pairs a transition",
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
