"""From a recipe to a data set: record block by block, write each, give it its name at the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vmagent_marl.episodes.collecting.block import read_block, write_block
from vmagent_marl.episodes.collecting.coverage import Tally, joined, statistics
from vmagent_marl.episodes.collecting.recipe import Recipe, recipe_hash
from vmagent_marl.episodes.collecting.recipe_file import load_recipe
from vmagent_marl.episodes.collecting.reference import ReferenceGame, enough_episodes
from vmagent_marl.episodes.recording.episode import Episode
from vmagent_marl.episodes.recording.play import expected_length
from vmagent_marl.episodes.recording.record import BATCH, record
from vmagent_marl.episodes.storage.staging import BUILT, commit, replacing_staged, reserve, staging
from vmagent_marl.episodes.storage.versions import version_of
from vmagent_marl.errors import SettingError
from vmagent_marl.progress import counter
from vmagent_marl.scenario import Scenario
from vmagent_marl.sim import ObservationLayout
from vmagent_marl.sim.layout import layout_of
from vmagent_marl.trace import Trace

if TYPE_CHECKING:
    from minari.dataset.minari_storage import MinariStorage

BLOCKS = "blocks"
BLOCK_BYTES = 16_000_000  # of arrays, about: what is lost when killed, and a third of the memory
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

    The same recipe makes the same HDF5 file, to the byte, by any number of `workers`: they record
    while this process writes. A run that was killed goes on with the blocks of episodes it has
    finished; until the last moment nothing has the data set's name. Needs room for the data twice,
    and memory for a block or two, however many episodes there are.

    Raises `DatasetError` where the data set exists (unless `overwrite`) or cannot be written.
    """
    from vmagent_marl.episodes.storage import minari_format

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
    enough = min(recipe.episodes, enough_episodes(length))
    game = ReferenceGame(scenario, recipe.window, recipe.seed, enough)
    with staging(final, key, overwrite=overwrite) as folder:
        blocks = _blocks(recipe, layout, length, folder / BLOCKS)
        course = _Course(blocks, folder / BUILT, game, workers)
        storage = minari_format.write_dataset(
            folder / BUILT, name, scenario, recipe.window, trace, course.episodes(progress)
        )
        _finish(storage, recipe, scenario, trace, key, course)
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
    length: int  # expected of an episode
    file: Path

    def record(self) -> None:
        """Record the episodes."""
        scenario = self.recipe.load_scenario()
        played = record(
            scenario,
            self.recipe.mixture(scenario),
            window=self.recipe.window,
            episodes=self.episodes,
            first=self.first,
            seed=self.recipe.seed,
            batch=self.batch,
            length=self.length,
        )
        write_block(self.file, list(played), layout_of(scenario.rules()))


class _Course:
    """The episodes of all blocks, in order, and what is counted while they go by."""

    def __init__(
        self, blocks: Sequence[_Block], built: Path, game: ReferenceGame, workers: int
    ) -> None:
        self._blocks, self._built, self._game = blocks, built, game
        self._missing = {block.first for block in blocks if not block.file.is_file()}
        work: list[Callable[[], Any]] = [
            block.record for block in blocks if block.first in self._missing
        ]
        work += [partial(game.played, policy) for policy in game.policies]
        self._done = _in_turn(work, workers)
        self.tally: Tally | None = None

    def episodes(self, progress: bool) -> Iterator[Episode]:
        """Each as soon as its block is recorded."""
        from vmagent_marl.episodes.storage.minari_format import FILE, ROOM_AN_EPISODE

        total = sum(block.episodes for block in self._blocks)
        with counter("Recording", total, unit="episodes", shown=progress) as count:
            for block in self._blocks:
                if block.first in self._missing:
                    next(self._done)
                room = block.file.stat().st_size + ROOM_AN_EPISODE * block.episodes
                reserve(self._built / "data" / FILE, room)
                tally, episodes = read_block(block.file)
                self.tally = joined(self.tally, tally)
                for episode in episodes:
                    yield episode
                    count()

    def references(self) -> dict[str, Any]:
        """Reference scores, and what the data came to in the same episodes."""
        assert self.tally is not None  # there is a block
        references = self._game.references(dict(zip(self._game.policies, self._done, strict=True)))
        recorded = self.tally.returns[: references.episodes].mean()
        return {**references.as_dict(), "recorded_return": float(recorded)}


def _blocks(recipe: Recipe, layout: ObservationLayout, length: int, folder: Path) -> list[_Block]:
    """The blocks of a recipe, in order; they depend on nothing but the recipe."""
    folder.mkdir(exist_ok=True)
    of_agent = 4 * layout.size + layout.actions + 4 * 8 + 1
    episode_bytes = length * (layout.clusters * of_agent + 2 * 8)
    size = int(np.clip(BLOCK_BYTES // episode_bytes, 1, BLOCK_EPISODES))
    return [
        _Block(
            recipe,
            first,
            min(size, recipe.episodes - first),
            min(size, BATCH),
            length,
            folder / f"{first:08d}-{size}.npy",
        )
        for first in range(0, recipe.episodes, size)
    ]


def _in_turn(work: list[Callable[[], Any]], workers: int) -> Iterator[Any]:
    """What each comes to, in order: done here when it is asked for, or ahead by workers."""
    if min(workers, len(work)) <= 1:
        return (each() for each in work)
    from joblib import Parallel, delayed

    run = Parallel(n_jobs=workers, return_as="generator")
    results: Iterator[Any] = run(delayed(each)() for each in work)
    return results


def _finish(
    storage: MinariStorage,
    recipe: Recipe,
    scenario: Scenario,
    trace: Trace,
    key: str,
    course: _Course,
) -> None:
    """Say in the metadata how the data were made and what they hold, and write the card."""
    from vmagent_marl.episodes.collecting.card import card_of
    from vmagent_marl.episodes.storage import minari_format

    assert course.tally is not None  # there is a block
    references = course.references()
    returns = references["returns"]
    own = {
        "recipe": recipe.as_dict(),
        "recipe_hash": key,
        "scenario": scenario.as_dict(),
        "trace": minari_format.told_of(trace),
        "window": recipe.window,
        "seed": recipe.seed,
        "policies": [player.name for player in recipe.policies],
        "versions": {package: version_of(package) for package in VERSIONS},
        "references": references,
        "statistics": statistics(course.tally, layout_of(scenario.rules())),
        "sha256": minari_format.sha256_of(storage.data_path / minari_format.FILE),
    }
    storage.update_metadata(
        {
            "algorithm_name": ", ".join(player.name for player in recipe.policies),
            "description": recipe.description or scenario.description or scenario.name,
            "ref_min_score": returns["random"],
            "ref_max_score": returns[references["best_policy"]],
            "num_episodes_average_score": references["episodes"],
            minari_format.OWN: json.loads(json.dumps(own)),
        }
    )
    with replacing_staged(storage.data_path.parent / minari_format.CARD) as unfinished:
        unfinished.write_text(card_of(storage.metadata), encoding="utf-8")
