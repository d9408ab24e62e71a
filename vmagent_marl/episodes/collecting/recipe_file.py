"""Files of recipes: one scenario a file, and its tiers, each of which makes a data set.

scenario: recovering
episodes: 250                        # what holds for all tiers, unless one says otherwise
tiers:
  expert:                            # the recipe `recovering/expert`, which makes
    description: Server best fit.    # vmagent/recovering/expert-v0
    policies: [{name: server-best-fit}]
  replay:
    replay: runs/dqn                 # in the place of policies: what a learner saw, see `replay`
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vmagent_marl import catalog, settings
from vmagent_marl.episodes.collecting.recipe import Recipe
from vmagent_marl.episodes.collecting.replay import replay_of
from vmagent_marl.errors import SettingError, VmagentError, nearest, unknown_name
from vmagent_marl.policies.registry import CHECKPOINT
from vmagent_marl.trace.source import SYNTHETIC

SHELF = "datasets"
REPLAY = "replay"  # a key of a tier that names a run
TIERS = "tiers"  # the key of a file below which they stand, by name
_FIELDS = {field.name for field in dataclasses.fields(Recipe)} - {"behaviour"}
_OF_FILE, _OF_TIER = {"scenario", "trace"}, {"description", "policies", "replay"}
_PATH = re.compile(r"(?P<file>.*\.ya?ml)(?:/(?P<tier>[^/]+))?")


def load_recipe(name: str | Path) -> Recipe:
    """One recipe: `recovering/expert` from the shelf, `mine.yaml/expert` from a file of yours.

    Raises `UnknownNameError` for a name that is nowhere, with the nearest that is, and
    `SettingError` with file, line and key for what makes no data set.
    """
    recipes = load_recipes(name)
    if len(recipes) > 1:
        known = ", ".join(recipe.behaviour for recipe in recipes)
        raise SettingError(
            f"{name}: holds {len(recipes)} tiers: name one, as in "
            f"{name}/{recipes[0].behaviour}; there are {known}"
        )
    return recipes[0]


def load_recipes(name: str | Path) -> tuple[Recipe, ...]:
    """All recipes of a file, `recovering` from the shelf or `mine.yaml`; or one, by its tier.

    Raises what `load_recipe` does. Paths in a file are relative to it.
    """
    path = _PATH.fullmatch(str(name))
    if path is None:
        stem, _, tier = str(name).partition("/")
        if stem not in catalog.names(SHELF):
            known = recipe_names() if tier else catalog.names(SHELF)
            raise unknown_name("recipe", str(name), known)
        file = catalog.find(SHELF, stem)
    else:
        file, tier, stem = Path(path["file"]), path["tier"] or "", path["file"]
    recipes = {recipe.behaviour: recipe for recipe in _recipes_of(file)}
    if not tier:
        return tuple(recipes.values())
    if tier not in recipes:
        raise unknown_name("recipe", str(name), [f"{stem}/{known}" for known in recipes])
    return (recipes[tier],)


def recipe_names() -> list[str]:
    """Every recipe on the shelf, as `load_recipe` takes it, tiers in the order of their file."""
    return [
        f"{stem}/{tier}"
        for stem in catalog.names(SHELF)
        for tier in _read(catalog.find(SHELF, stem))[0][TIERS]
    ]


def _read(file: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """A file's mapping, whose `tiers` are mappings by name, and the lines of its keys."""
    data, lines = settings.read_mapping(file)
    for key in data:
        if key in _OF_TIER:
            raise SettingError(
                f"{file}:{lines[key]}: {key}: belongs to a tier: write it below `{TIERS}: "
                "{NAME: ...}`, and every tier makes a data set"
            )
    _refuse_unknown(data, (_FIELDS - _OF_TIER) | {TIERS}, str(file), lines)
    for key in ("scenario", TIERS):
        if key not in data:
            raise SettingError(f"{file}: key {key!r} is missing: add it")
    tiers = data[TIERS]
    if not isinstance(tiers, Mapping) or not tiers:
        raise SettingError(f"{file}:{lines[TIERS]}: {TIERS}: holds none: write `NAME: ...` below")
    data[TIERS] = {str(name): tier for name, tier in tiers.items()}
    for name, tier in data[TIERS].items():
        if not isinstance(tier, Mapping):
            line = lines.get(f"{TIERS}.{name}", lines[TIERS])
            raise SettingError(
                f"{file}:{line}: {TIERS}.{name}: {tier!r} is no mapping: write its `policies` below"
            )
    return data, lines


def _recipes_of(file: Path) -> list[Recipe]:
    """A recipe for each tier, in order."""
    data, lines = _read(file)
    shared = {key: value for key, value in data.items() if key != TIERS}
    recipes = []
    for name, tier in data[TIERS].items():
        above = f"{TIERS}.{name}"
        line = lines.get(above, lines[TIERS])  # YAML reads a bare `on` as a truth value
        own = {key: lines.get(f"{above}.{key}", line) for key in map(str, tier)}
        if "scenario" in own or "trace" in own:
            key = next(key for key in own if key in _OF_FILE)
            raise SettingError(
                f"{file}:{own[key]}: {above}.{key}: belongs to all tiers: write it at the top of "
                "the file, or another file"
            )
        _refuse_unknown(own, _FIELDS - _OF_FILE | {REPLAY}, str(file), own, f"{above}: ")
        if REPLAY in own:
            tier = _replayed(tier, file, own, f"{above}.{REPLAY}")
            own |= dict.fromkeys(tier.keys() - own.keys(), own.pop(REPLAY))
        for key in ("policies", "episodes"):
            if key not in own and key not in shared:
                raise SettingError(f"{file}:{line}: {above}: {key!r} is missing: add it")
        values = {**shared, **tier, "behaviour": name}
        places = {**lines, "behaviour": line, **own}
        recipes.append(_beside(settings.build(Recipe, values, str(file), places), file.parent))
    return recipes


def _replayed(
    tier: Mapping[str, Any], file: Path, lines: Mapping[str, int], where: str
) -> dict[str, Any]:
    """A tier with the policies of the run that it replays, by paths relative to the file."""
    for key in ("policies", "per"):
        if key in tier:
            raise SettingError(
                f"{file}:{lines[key]}: {where}: the run says the {key}: leave it out"
            )
    run = tier[REPLAY]
    if not isinstance(run, str):
        raise SettingError(f"{file}:{lines[REPLAY]}: {where}: {run!r} is no folder: name a run's")
    try:
        said = replay_of(file.parent / run)
    except VmagentError as error:
        raise SettingError(f"{file}:{lines[REPLAY]}: {where}: {error}") from None
    for player in said["policies"]:
        player["name"] = str(Path(run, *Path(player["name"]).parts[-2:]))
    return {**said, **{key: value for key, value in tier.items() if key != REPLAY}}


def _refuse_unknown(
    given: Mapping[str, Any], known: set[str], file: str, lines: Mapping[str, int], where: str = ""
) -> None:
    for key in given:
        if key not in known:
            told = f"{where}unknown key {key!r}: {nearest(key, known)}"
            raise SettingError(f"{file}:{lines[key]}: {told}")


def _beside(recipe: Recipe, folder: Path) -> Recipe:
    """With its paths, which are relative to its file, as they are from here."""

    def beside(path: str) -> str:
        return str(folder / path)

    return dataclasses.replace(
        recipe,
        scenario=beside(recipe.scenario) if catalog.is_path(recipe.scenario) else recipe.scenario,
        trace=beside(recipe.trace) if recipe.trace not in (None, SYNTHETIC) else recipe.trace,
        policies=tuple(
            dataclasses.replace(player, name=beside(player.name))
            if player.name.endswith(CHECKPOINT)
            else player
            for player in recipe.policies
        ),
    )
