"""Recorded play: policies into Minari data sets, and data sets into arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmagent_marl.episodes.collecting.card import write_card
from vmagent_marl.episodes.collecting.collect import collect
from vmagent_marl.episodes.collecting.family import collect_all
from vmagent_marl.episodes.collecting.recipe import Player, Recipe, recipe_for, recipe_hash
from vmagent_marl.episodes.collecting.recipe_file import load_recipe, load_recipes, recipe_names
from vmagent_marl.episodes.collecting.reference import References, reference_scores
from vmagent_marl.episodes.collecting.replay import replay_recipe
from vmagent_marl.episodes.recording.episode import Episode
from vmagent_marl.episodes.recording.record import Mixture, record

if TYPE_CHECKING:
    from minari import MinariDataset

__all__ = [
    "Episode",
    "Mixture",
    "Player",
    "Recipe",
    "References",
    "collect",
    "collect_all",
    "load_episodes",
    "load_recipe",
    "load_recipes",
    "recipe_for",
    "recipe_hash",
    "recipe_names",
    "record",
    "reference_scores",
    "replay_recipe",
    "write_card",
]


def load_episodes(dataset: str | MinariDataset) -> list[Episode]:
    """See `vmagent_marl.episodes.storage.hdf5_reader.load_episodes`, which brings Minari along."""
    from vmagent_marl.episodes.storage.hdf5_reader import load_episodes as load

    return load(dataset)
