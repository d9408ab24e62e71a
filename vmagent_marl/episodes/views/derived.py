"""Writing data sets that no recipe makes: of other games, and in other forms."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.episodes.storage.staging import BUILT, commit, replacing_staged, staging
from vmagent_marl.episodes.storage.versions import version_of
from vmagent_marl.episodes.views.arrays import FORM
from vmagent_marl.errors import DatasetError
from vmagent_marl.progress import counter

if TYPE_CHECKING:
    from gymnasium.spaces import Space
    from minari.data_collector import EpisodeBuffer

VERSIONS = ("vmagent-marl", "numpy", "gymnasium", "minari", "h5py")


def write_derived(
    name: str,
    observation_space: Space[Any],
    action_space: Space[Any],
    episodes: Iterable[tuple[EpisodeBuffer, Mapping[str, Any]]],
    *,
    count: int,
    about: Mapping[str, str],
    form: Mapping[str, Any],
    overwrite: bool = False,
    progress: bool = False,
) -> str:
    """Write episodes, each with flat metadata of its own, as the data set `name`; its id.

    `about` is metadata by Minari's keys (`description`, `algorithm_name` ...), `form` says in
    plain values what kind of set it is. Nothing has the name before all `count` episodes are there.
    Raises `DatasetError` for a name that Minari does not take, one that is taken (unless
    `overwrite`), and where nothing can be written.
    """
    import minari
    from minari.dataset.minari_storage import MinariStorage

    from vmagent_marl.episodes.storage import minari_format

    check_id(name)
    final = minari_format.dataset_folder(name)
    key = hashlib.sha256(json.dumps([name, form], sort_keys=True).encode()).hexdigest()
    with staging(final, key, overwrite=overwrite) as folder:
        data = folder / BUILT / "data"
        data.mkdir(parents=True)
        storage = MinariStorage.new(
            data,
            observation_space=observation_space,
            action_space=action_space,
            data_format="hdf5",
            jpeg_encoding=False,
        )
        storage.update_metadata(
            {
                "dataset_id": name,
                "minari_version": minari.__version__,
                "author": {minari_format.AUTHOR},
                **about,
            }
        )
        described: list[Mapping[str, Any]] = []

        def buffers() -> Iterator[EpisodeBuffer]:
            with counter("Writing", count, unit="episodes", shown=progress) as move:
                for buffer, metadata in episodes:
                    described.append(metadata)
                    yield buffer
                    move()

        storage.update_episodes(buffers())
        storage.update_episode_metadata(described)
        own = {
            **form,
            "versions": {package: version_of(package) for package in VERSIONS},
            "sha256": minari_format.sha256_of(data / minari_format.FILE),
        }
        storage.update_metadata({FORM: own})
        with replacing_staged(folder / BUILT / minari_format.CARD) as unfinished:
            unfinished.write_text(form_card(storage.metadata), encoding="utf-8")
        if "/" in name:
            minari_format.ensure_namespace(name)
        commit(folder, final)
    return name


def check_id(name: str) -> None:
    """Raise `DatasetError` for what is no id of Minari's with a version."""
    from minari.dataset.minari_dataset import DATASET_ID_RE

    match = DATASET_ID_RE.fullmatch(name)
    if match is None or match["version"] is None:
        raise DatasetError(
            f"data set {name!r}: is no id: give letters, digits, - and _, folders of at least two "
            "of them before it, and a version behind it, as in games/tag/random-v0"
        )


def with_suffix(name: str, suffix: str) -> str:
    """An id with something before its version.

    >>> with_suffix("vmagent/fading/expert-v0", "torchrl")
    'vmagent/fading/expert-torchrl-v0'
    """
    return re.sub(r"(-v\d+)$", rf"-{suffix}\1", name)


def flat(metadata: Mapping[str, Any], parent: str = "") -> dict[str, Any]:
    """Metadata of an episode as HDF5's attributes take them: `metrics/placed` and so on."""
    found: dict[str, Any] = {}
    for key, value in metadata.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{parent}{key}/")
        else:
            found[f"{parent}{key}"] = value
    return found


def shifted(values: NDArray[Any]) -> NDArray[Any]:
    """(T+1, ...) with a row of zeros first: Minari's entry t+1 belongs to transition t."""
    return np.concatenate([np.zeros_like(values[:1]), values])


def form_card(metadata: Mapping[str, Any]) -> str:
    """A short card of a data set that no recipe makes."""
    form = metadata[FORM]
    rows = [("form", form["form"]), ("agents", ", ".join(form["agents"]))]
    rows += [(key, form[key]) for key in ("source", "environment", "seed") if key in form]
    rows += [("episodes", metadata["total_episodes"]), ("transitions", metadata["total_steps"])]
    rows += [("sha256 of `main_data.hdf5`", f"`{form['sha256']}`")]
    rows += [("made with", ", ".join(f"{k} {v}" for k, v in form["versions"].items()))]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    head = f"# {metadata['dataset_id']}\n\n{metadata['description']}"
    return f"{head}\n\n| | |\n|---|---|\n{table}\n"
