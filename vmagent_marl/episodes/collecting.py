"""From a recipe to a data set: record block by block, write once, give it its name at the end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vmagent_marl.episodes.block import read_block, write_block
from vmagent_marl.episodes.episode import Episode
from vmagent_marl.episodes.recipe import Recipe, load_recipe, recipe_hash, version_of
from vmagent_marl.episodes.record import BATCH, record
from vmagent_marl.episodes.reference import References, expected_length, reference_scores
from vmagent_marl.episodes.staging import BUILT, commit, replacing_staged, reserve, staging
from vmagent_marl.errors import SettingError
from vmagent_marl.progress import counter
from vmagent_marl.scenario import Scenario
from vmagent_marl.sim import ObservationLayout
from vmagent_marl.sim.layout import layout_of
from vmagent_marl.trace import Trace

BLOCKS = "blocks"
BLOCK_BYTES = 64_000_000  # of a block's arrays, about; a killed run loses less than one a worker
BLOCK_EPISODES = 256  # of a block, at most
VERSIONS = ("vmagent-marl", "numpy", "numba", "gymnasium", "minari", "h5py")


def collect(
    recipe: Recipe | str | Path,
    *,
    workers: int = 1,
    overwrite: bool = False,
    progress: bool = True,
) -> str:
    """Make the data set of a recipe (or of its name or file) with Minari; its id.

    The same recipe makes the same HDF5 file, to the byte, by any number of `workers`. A run that
    was killed goes on with the blocks of episodes it has finished; until the last moment nothing
    has the data set's name. Needs room for the data twice.

    Raises `DatasetError` where the data set exists (unless `overwrite`) or cannot be written.
    """
    from vmagent_marl.episodes import minari_format

    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe)
    if workers < 1:
        raise SettingError(f"workers: {workers} are too few: give 1 or more")
    scenario = recipe.load_scenario()
    name = minari_format.dataset_id(scenario.name, recipe.behaviour)
    final = minari_format.dataset_folder(name)
    recipe.mixture(scenario)  # refuses what cannot be played, before anything is made
    trace = scenario.load_trace()
    key = recipe_hash(recipe, scenario, trace)
    layout = layout_of(scenario.rules())
    length = expected_length(scenario, window=recipe.window, seed=recipe.seed, trace=trace)
    with staging(final, key, overwrite=overwrite) as folder:
        blocks = _blocks(recipe, length * _bytes(layout), folder / BLOCKS)
        _record_missing(blocks, workers, progress)
        files = [block.file for block in blocks]
        stored = sum(file.stat().st_size for file in files)
        reserve(folder, minari_format.room_for(stored, recipe.episodes))
        references = reference_scores(scenario, window=recipe.window, trace=trace)
        about = {
            "algorithm_name": ", ".join(player.name for player in recipe.policies),
            "description": recipe.description or scenario.description or scenario.name,
            "ref_min_score": references.random,
            "ref_max_score": references.best,
            "num_episodes_average_score": references.episodes,
        }
        statistics = minari_format.write_dataset(
            folder / BUILT,
            name,
            scenario,
            layout,
            recipe.window,
            _watched(files, recipe.episodes, progress),
            about,
        )
        _finish(folder / BUILT, recipe, scenario, trace, key, references, statistics)
        minari_format.ensure_namespace(name)
        commit(folder, final)
    return name


@dataclass(frozen=True)
class _Block:
    """Consecutive episodes of a recipe, and the file that they go to."""

    recipe: Recipe
    first: int
    episodes: int
    batch: int
    file: Path

    def record(self) -> int:
        """Record the episodes; how many."""
        scenario = self.recipe.load_scenario()
        played = record(
            scenario,
            self.recipe.mixture(scenario),
            window=self.recipe.window,
            episodes=self.episodes,
            first=self.first,
            seed=self.recipe.seed,
            batch=self.batch,
        )
        write_block(self.file, list(played))
        return self.episodes


def _blocks(recipe: Recipe, episode_bytes: int, folder: Path) -> list[_Block]:
    """The blocks of a recipe, in order; they depend on nothing but the recipe."""
    folder.mkdir(exist_ok=True)
    size = int(np.clip(BLOCK_BYTES // episode_bytes, 1, BLOCK_EPISODES))
    return [
        _Block(
            recipe,
            first,
            min(size, recipe.episodes - first),
            min(size, BATCH),
            folder / f"{first:08d}-{size}.npz",
        )
        for first in range(0, recipe.episodes, size)
    ]


def _record_missing(blocks: list[_Block], workers: int, progress: bool) -> None:
    """Record the blocks that are not there yet."""
    missing = [block for block in blocks if not block.file.is_file()]
    total = sum(block.episodes for block in blocks)
    done = total - sum(block.episodes for block in missing)
    with counter("Recording", total, unit="episodes", done=done, shown=progress) as count:
        for episodes in _recorded(missing, workers):
            count(episodes)


def _recorded(blocks: list[_Block], workers: int) -> Iterator[int]:
    """Record the blocks, here or in worker processes; the episodes of each as it is done."""
    if min(workers, len(blocks)) <= 1:
        for block in blocks:
            yield block.record()
        return
    from joblib import Parallel, delayed

    run = Parallel(n_jobs=workers, return_as="generator_unordered")
    yield from run(delayed(_Block.record)(block) for block in blocks)


def _bytes(layout: ObservationLayout) -> int:
    """Bytes of a recorded transition."""
    of_agent = 4 * layout.size + layout.actions + 4 * 8 + 1
    return layout.clusters * of_agent + 2 * 8


def _finish(
    built: Path,
    recipe: Recipe,
    scenario: Scenario,
    trace: Trace,
    key: str,
    references: References,
    statistics: dict[str, Any],
) -> None:
    """Say in the metadata how the data were made and what they hold, and write the card."""
    from minari.dataset.minari_storage import MinariStorage

    from vmagent_marl.episodes import minari_format
    from vmagent_marl.episodes.card import CARD, card_of

    storage = MinariStorage.read(built / "data")
    own = {
        "recipe": recipe.as_dict(),
        "recipe_hash": key,
        "scenario": scenario.as_dict(),
        "trace": {"name": trace.name, "fingerprint": trace.fingerprint, "requests": len(trace)},
        "window": recipe.window,
        "seed": recipe.seed,
        "policies": [player.name for player in recipe.policies],
        "versions": {package: version_of(package) for package in VERSIONS},
        "references": references.as_dict(),
        "statistics": statistics,
        "sha256": minari_format.sha256_of(built / "data" / minari_format.FILE),
    }
    storage.update_metadata({minari_format.OWN: json.loads(json.dumps(own))})
    with replacing_staged(built / CARD) as unfinished:
        unfinished.write_text(card_of(storage.metadata), encoding="utf-8")


def _watched(files: list[Path], episodes: int, progress: bool) -> Iterator[Episode]:
    """The episodes of the blocks, in order, counted on a bar."""
    with counter("Writing", episodes, unit="episodes", shown=progress) as count:
        for file in files:
            for episode in read_block(file):
                yield episode
                count()
