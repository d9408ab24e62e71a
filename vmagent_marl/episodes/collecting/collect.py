"""From a recipe to a data set: record block by block, write each, give it its name at the end."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.episodes.collecting.block import (
    packed_block,
    read_block,
    write_block,
    write_packed,
)
from vmagent_marl.episodes.collecting.coverage import Tally, joined, statistics
from vmagent_marl.episodes.collecting.recipe import Recipe, checkpoint_digest, recipe_hash
from vmagent_marl.episodes.collecting.recipe_file import load_recipe
from vmagent_marl.episodes.collecting.reference import ReferenceGame, enough_episodes
from vmagent_marl.episodes.recording.episode import Episode
from vmagent_marl.episodes.recording.play import expected_length
from vmagent_marl.episodes.recording.record import BATCH, record
from vmagent_marl.episodes.storage.staging import BUILT, commit, replacing_staged, reserve, staging
from vmagent_marl.episodes.storage.versions import version_of
from vmagent_marl.errors import DatasetError, VmagentError
from vmagent_marl.parallel import in_turn
from vmagent_marl.policies.registry import CHECKPOINT
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
    workers: int | None = None,
    ray: str | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> str:
    """Make the data set of a recipe (or of its name or file) with Minari; its id.

    The same recipe makes the same HDF5 file, to the byte, by any number of `workers`, here or on a
    Ray cluster (`ray`: `local` or an address, as `in_turn` has them): they record while this
    process writes. A run that was killed goes on with the blocks of episodes it has finished; until
    the last moment nothing has the data set's name. Needs room for the data twice, and memory for a
    block or two and as many for each worker, however many episodes there are.

    Raises `DatasetError` where the data set exists (unless `overwrite`), cannot be written, or
    where the processes that record are killed time and again.
    """
    from vmagent_marl.episodes.storage import minari_format

    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe)
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
        blocks = _blocks(recipe, scenario, layout, length, folder / BLOCKS)
        work = _work(blocks, game, None if ray is None else key)
        with closing(in_turn(work, workers=workers, ray=ray)) as done:
            course = _Course(blocks, folder / BUILT, game, done)
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
    scenario: Scenario
    first: int
    episodes: int
    batch: int
    length: int  # expected of an episode
    file: Path

    def record(self) -> None:
        """Record the episodes into the file."""
        write_block(self.file, self._played(), layout_of(self.scenario.rules()))

    def pack(self) -> NDArray[np.uint8]:
        """Record the episodes where the file is out of reach: its bytes."""
        return packed_block(self._played(), layout_of(self.scenario.rules()))

    def _played(self) -> list[Episode]:
        played = record(
            self.scenario,
            self.recipe.mixture(self.scenario),
            window=self.recipe.window,
            episodes=self.episodes,
            first=self.first,
            seed=self.recipe.seed,
            batch=self.batch,
            length=self.length,
        )
        return list(played)


def _work(
    blocks: Sequence[_Block], game: ReferenceGame, key: str | None
) -> dict[str, Callable[[], Any]]:
    """What is to be done by name: the blocks that are not on disk, then the references.

    `key`: of the recipe, where it is done on other machines and blocks come back as bytes.
    """
    work: dict[str, Callable[[], Any]] = {}
    for block in blocks:
        if not block.file.is_file():
            name = f"episodes {block.first} to {block.first + block.episodes - 1}"
            work[name] = block.record if key is None else block.pack
    for policy in game.policies:
        work[f"reference play by {policy}"] = partial(game.played, policy)
    if key is None:
        return work
    first = blocks[0]
    return {
        name: partial(_elsewhere, call, first.recipe, first.scenario, key)
        for name, call in work.items()
    }


def _elsewhere(call: Callable[[], Any], recipe: Recipe, scenario: Scenario, key: str) -> Any:
    """The call on a machine of a cluster, which must hold what decides the data set's bytes."""
    try:
        if recipe_hash(recipe, scenario, scenario.load_trace()) != key:
            raise DatasetError("its trace, checkpoint or version of vmagent-marl is another")
        return call()
    except VmagentError as error:
        raise DatasetError(
            f"on {platform.node()}, a machine of Ray's: {error}: every machine needs the same "
            "vmagent-marl, and the same files under the same paths"
        ) from error


class _Course:
    """The episodes of all blocks, in order, and what is counted while they go by."""

    def __init__(
        self, blocks: Sequence[_Block], built: Path, game: ReferenceGame, done: Iterator[Any]
    ) -> None:
        self._blocks, self._built, self._game, self._done = blocks, built, game, done
        self._missing = {block.first for block in blocks if not block.file.is_file()}
        self.tally: Tally | None = None

    def episodes(self, progress: bool) -> Iterator[Episode]:
        """Each as soon as its block is recorded."""
        from vmagent_marl.episodes.storage.minari_format import FILE, ROOM_AN_EPISODE

        total = sum(block.episodes for block in self._blocks)
        with counter("Recording", total, unit="episodes", shown=progress) as count:
            for block in self._blocks:
                if block.first in self._missing:
                    packed = next(self._done)
                    if packed is not None:  # else it is on disk already
                        write_packed(block.file, packed)
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


def _blocks(
    recipe: Recipe, scenario: Scenario, layout: ObservationLayout, length: int, folder: Path
) -> list[_Block]:
    """The blocks of a recipe, in order; they depend on nothing but the recipe."""
    folder.mkdir(exist_ok=True)
    of_agent = 4 * layout.size + layout.actions + 4 * 8 + 1
    episode_bytes = length * (layout.clusters * of_agent + 2 * 8)
    size = int(np.clip(BLOCK_BYTES // episode_bytes, 1, BLOCK_EPISODES))
    players = tuple(replace(player, name=_anywhere(player.name)) for player in recipe.policies)
    return [
        _Block(
            replace(recipe, policies=players),
            scenario,
            first,
            min(size, recipe.episodes - first),
            min(size, BATCH),
            length,
            folder / f"{first:08d}-{size}.npy",
        )
        for first in range(0, recipe.episodes, size)
    ]


def _anywhere(name: str) -> str:
    """A checkpoint's path such that another process finds it; heuristics have names."""
    return str(Path(name).absolute()) if name.endswith(CHECKPOINT) else name


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
    digests = {player.name: checkpoint_digest(player.name) for player in recipe.policies}
    own = {
        "recipe": recipe.as_dict(),
        "recipe_hash": key,
        "scenario": scenario.as_dict(),
        "trace": minari_format.told_of(trace),
        "window": recipe.window,
        "seed": recipe.seed,
        "policies": [player.name for player in recipe.policies],
        "checkpoints": {name: digest for name, digest in digests.items() if digest is not None},
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
