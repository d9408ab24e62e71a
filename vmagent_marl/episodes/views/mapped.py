"""A data set in memory maps: rows at random without loading it.

In HDF5 every episode has arrays of its own, in chunks where Minari wrote them: no batch of rows can
be taken out of a map of that by one indexing. So the arrays are copied once into plain `.npy`
files, one a column with all episodes behind each other, in a cache folder; what is read of those is
paged in by the system and dropped again when memory is wanted.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.episodes.views.arrays import ROWS, Arrays, agents_of, iterate_arrays, opened
from vmagent_marl.errors import DatasetError
from vmagent_marl.progress import counter

if TYPE_CHECKING:
    from minari import MinariDataset

ABOUT = "about.json"
FORMAT = 1  # of the copies; others are made anew


@dataclass(frozen=True, eq=False, repr=False)
class MappedEpisodes:
    """E episodes of N transitions in all; every array is on disk until it is indexed."""

    agents: tuple[str, ...]
    columns: Mapping[str, NDArray[Any]]  # by the names of `iterate_arrays`, episodes end to end
    lengths: NDArray[np.int64]  # (E,) transitions; observations and masks have a row more each
    folder: Path  # where the copies are

    def __len__(self) -> int:
        return len(self.lengths)

    def __repr__(self) -> str:
        return f"MappedEpisodes({len(self):,} episodes, {self.transitions:,} transitions)"

    @property
    def transitions(self) -> int:
        """N."""
        return len(self.columns["rewards"])

    def episode(self, i: int) -> Arrays:
        """Views of one episode's arrays, as `iterate_arrays` gives them."""
        if not 0 <= i < len(self):
            raise DatasetError(f"there is no episode {i}: give 0 to {len(self) - 1}")
        first, length = int(self.lengths[:i].sum()), int(self.lengths[i])
        return {
            name: values[first + i : first + i + length + 1]
            if name in ROWS
            else values[first : first + length]
            for name, values in self.columns.items()
        }

    def at(self, rows: NDArray[np.int64]) -> Arrays:
        """Copies of these of the N transitions, with `next_observations` and `next_masks`."""
        rows = np.asarray(rows, np.int64)
        if rows.size and not 0 <= rows.min() <= rows.max() < self.transitions:
            raise DatasetError(f"rows lie outside of the {self.transitions:,} transitions")
        seen = rows + np.searchsorted(np.cumsum(self.lengths), rows, side="right")
        taken: Arrays = {}
        for name, values in self.columns.items():
            if name in ROWS:
                taken[name], taken[f"next_{name}"] = values[seen], values[seen + 1]
            else:
                taken[name] = values[rows]
        return taken


def open_mapped(
    dataset: str | MinariDataset, *, cache: str | Path | None = None, progress: bool = False
) -> MappedEpisodes:
    """Map a data set; the first time, and when its file has changed, its arrays are copied.

    `cache`: the folder of the copies, as large as the arrays; by default in $XDG_CACHE_HOME or
    ~/.cache. One episode at a time is held in memory. A copy that was not finished is not there,
    and that of an older file of the same data set goes. Raises `DatasetError` where nothing can be
    written.
    """
    from vmagent_marl.episodes.storage.minari_format import FILE

    data = opened(dataset)
    if len(data.episode_indices) != data.storage.total_episodes:
        raise DatasetError(f"data set {data.id!r} is given in part: map the whole by its id")
    file = Path(data.storage.data_path).resolve() / FILE
    stat = file.stat()
    stamp = [FORMAT, stat.st_size, stat.st_mtime_ns, stat.st_ino]
    home = Path(cache) if cache is not None else _cache()
    prefix = hashlib.sha256(str(file).encode()).hexdigest()[:16]
    folder = home / f"{prefix}-{hashlib.sha256(json.dumps(stamp).encode()).hexdigest()[:16]}"
    try:
        if not folder.is_dir():
            _copy(data, folder, progress)
            for old in home.glob(f"{prefix}-*"):
                if old != folder:
                    shutil.rmtree(old, ignore_errors=True)
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        columns = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in about["columns"]
        }
    except OSError as error:
        raise DatasetError(
            f"{folder}: no memory map there ({error.strerror or error}): make room, or name "
            "another cache folder"
        ) from error
    lengths = np.array(about["lengths"], np.int64)
    return MappedEpisodes(tuple(about["agents"]), columns, lengths, folder)


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "vmagent_marl" / "mapped"


def _copy(data: Any, folder: Path, progress: bool) -> None:
    """Copy the arrays into a folder that has its name when all of them are there."""
    unfinished = folder.with_name(f".{os.getpid()}.{folder.name}")
    unfinished.mkdir(parents=True)
    try:
        about = _written(data, unfinished, progress)
        (unfinished / ABOUT).write_text(json.dumps(about), encoding="utf-8")
        try:
            unfinished.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was first
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _written(data: Any, folder: Path, progress: bool) -> dict[str, Any]:
    """Write the columns, episode by episode; what is to be known of them."""
    episodes, steps = data.total_episodes, data.total_steps
    lengths: list[int] = []
    streams: dict[str, BinaryIO] = {}
    types: dict[str, tuple[Any, ...]] = {}
    try:
        for arrays in _watched(data, episodes, progress):
            lengths.append(len(arrays["rewards"]))
            for name, values in arrays.items():
                if name not in streams:
                    rows = steps + episodes if name in ROWS else steps
                    streams[name] = (folder / f"{name}.npy").open("wb")
                    types[name] = values.dtype, values.shape[1:]
                    _write_header(streams[name], values, rows)
                if types[name] != (values.dtype, values.shape[1:]):
                    raise DatasetError(f"data set {data.id!r}: {name} changes its shape or type")
                streams[name].write(np.ascontiguousarray(values).data)
    finally:
        for stream in streams.values():
            stream.close()
    if sum(lengths) != steps:
        raise DatasetError(f"data set {data.id!r} has {sum(lengths)} of {steps} transitions")
    return {"columns": list(streams), "lengths": lengths, "agents": list(agents_of(data))}


def _write_header(stream: BinaryIO, values: NDArray[Any], rows: int) -> None:
    """The head of a `.npy` file of so many rows like these."""
    header = {
        "descr": np.lib.format.dtype_to_descr(values.dtype),
        "fortran_order": False,
        "shape": (rows, *values.shape[1:]),
    }
    np.lib.format.write_array_header_1_0(stream, header)


def _watched(data: Any, episodes: int, progress: bool) -> Iterator[Arrays]:
    with counter("Copying", episodes, unit="episodes", shown=progress) as move:
        for arrays in iterate_arrays(data):
            yield arrays
            move()
