"""The data sets of many recipes, as far as they are not there already."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from vmagent_marl.episodes.collecting.collect import collect
from vmagent_marl.episodes.collecting.recipe import Recipe, recipe_hash
from vmagent_marl.errors import DatasetError, VmagentError
from vmagent_marl.parallel import kept
from vmagent_marl.scenario import Scenario
from vmagent_marl.windows import starts_of


@dataclass(frozen=True)
class Outcome:
    """What became of one recipe."""

    name: str  # id of its data set
    seconds: float | None  # that it took; None: it was there already, unchanged


def collect_all(
    recipes: Sequence[Recipe], *, overwrite: bool = False, **options: Any
) -> Iterator[Outcome]:
    """Make the data set of each recipe that is not there already, one after the other.

    A set that is there is left alone if the same recipe made it and its file is as it was made; so
    a run that was killed goes on where it stopped. `overwrite` replaces the others. `options` are
    those of `collect`.

    Raises `DatasetError` where a set is there that is to be made, unless `overwrite`, and whatever
    `collect` does for recipes that cannot be played; all this before any is made.
    """
    work = [(recipe, *_planned(recipe)) for recipe in recipes]
    others = [name for _, name, standing in work if standing == OTHER]
    if others and not overwrite:
        more = f" (and {len(others) - 1} more)" if len(others) > 1 else ""
        raise DatasetError(
            f"{others[0]}{more}: there already, by another recipe or not as it was recorded: give "
            "overwrite=True (--overwrite) to replace it"
        )
    return _made(work, {**options, "overwrite": overwrite})


MISSING, UNCHANGED, OTHER = "missing", "unchanged", "other"


def _made(work: Sequence[tuple[Recipe, str, str]], options: dict[str, Any]) -> Iterator[Outcome]:
    makes = any(standing != UNCHANGED for *_, standing in work)
    with kept(options.get("ray") if makes else None, options.get("workers")):
        for recipe, name, standing in work:
            if standing == UNCHANGED:
                yield Outcome(name, None)
                continue
            begun = time.monotonic()
            collect(recipe, **options)
            yield Outcome(name, time.monotonic() - begun)


def _planned(recipe: Recipe) -> tuple[str, str]:
    """The id of what a recipe makes, and whether it is there; refuses what cannot be played."""
    from vmagent_marl.episodes.storage.minari_format import dataset_folder, dataset_id

    scenario = recipe.load_scenario()
    name = dataset_id(scenario.name, recipe.behaviour)
    recipe.mixture(scenario)
    starts_of(scenario, scenario.load_trace(), recipe.window)
    if not dataset_folder(name).exists():
        return name, MISSING
    return name, UNCHANGED if _is_whole(name, recipe, scenario) else OTHER


def _is_whole(name: str, recipe: Recipe, scenario: Scenario) -> bool:
    """Whether a data set is the one that the recipe makes, to the byte, and says so."""
    from vmagent_marl.episodes.storage.minari_format import (
        FILE,
        dataset_folder,
        own_metadata,
        sha256_of,
    )

    try:
        own = own_metadata(name)
        digest = sha256_of(dataset_folder(name) / "data" / FILE)
    except (VmagentError, OSError, ValueError):  # broken, or somebody else's
        return False
    made_by = recipe_hash(recipe, scenario, scenario.load_trace())
    said = own.get("recipe", {}).get("description")  # which decides no byte of the data
    return (own.get("recipe_hash"), own.get("sha256"), said) == (
        made_by,
        digest,
        recipe.description,
    )
