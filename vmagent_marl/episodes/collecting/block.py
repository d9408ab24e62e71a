"""Blocks of finished episodes on disk: one file each, whole or not there, read without pickle.

A file is a row of numpy's own `.npy` arrays: what is told of each episode, the tally of them all,
then the columns, in which the episodes' arrays stand one behind the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vmagent_marl import sim
from vmagent_marl.episodes.collecting.coverage import Tally, tally
from vmagent_marl.episodes.recording.episode import Episode
from vmagent_marl.episodes.storage.figures import as_record, from_record, metrics_type
from vmagent_marl.episodes.storage.staging import replacing_staged
from vmagent_marl.sim import ObservationLayout

Columns = list[NDArray[Any]]
SEEN = ("observations", "masks")  # which have a row more than there are transitions
ABOUT = ("length", "component", "first", "stop", "number", "seed")  # whole numbers, of each episode


def write_block(file: Path, episodes: Sequence[Episode], layout: ObservationLayout) -> None:
    """Write the episodes into `file`, which is there when all of them are on disk."""
    with replacing_staged(file) as unfinished, unfinished.open("wb") as stream:
        _save(stream, episodes, layout)


def packed_block(episodes: Sequence[Episode], layout: ObservationLayout) -> NDArray[np.uint8]:
    """The bytes of what `write_block` writes, to be handed to who has the disk."""
    stream = BytesIO()
    _save(stream, episodes, layout)
    return np.frombuffer(stream.getbuffer(), np.uint8)


def write_packed(file: Path, packed: NDArray[np.uint8]) -> None:
    """Write a packed block into `file`, which is there when all of it is on disk."""
    with replacing_staged(file) as unfinished:
        unfinished.write_bytes(packed.data)


def read_block(file: Path) -> tuple[Tally, Iterator[Episode]]:
    """What is counted of a block's episodes; and they, as they were written."""
    with file.open("rb") as stream:
        described = np.load(stream, allow_pickle=False)
        counts = Tally(*(np.load(stream, allow_pickle=False) for _ in Tally._fields))
        columns: Columns = []
        while stream.peek(1):
            columns.append(np.load(stream, allow_pickle=False))
    return counts, _episodes(described, columns)


def _episodes(described: NDArray[np.void], columns: Columns) -> Iterator[Episode]:
    """Views of the columns."""
    done = [0] * len(columns)
    for row in described:
        length, component, first, stop, number, seed = (int(row[name]) for name in ABOUT)
        arrays: dict[str, Any] = {}
        for i, name in enumerate(Episode.ARRAYS):
            until = done[i] + length + (name in SEEN)
            arrays[name] = columns[i][done[i] : until]
            done[i] = until
        yield Episode(
            **arrays,
            component=component,
            terminated=bool(row["terminated"]),
            truncated=bool(row["truncated"]),
            played=sim.Episode(first, stop, number, seed),
            metrics=from_record(row["metrics"]),
        )


def _described(episodes: Sequence[Episode]) -> NDArray[np.void]:
    """What episodes hold besides their arrays."""
    kind: list[Any] = [(name, np.uint64 if name == "seed" else np.int64) for name in ABOUT]
    kind += [("terminated", np.bool_), ("truncated", np.bool_)]
    kind += [("metrics", metrics_type(episodes[0].clusters))]
    rows = [
        (
            len(episode),
            episode.component,
            episode.played.first,
            episode.played.stop,
            episode.played.number,
            episode.played.seed,
            episode.terminated,
            episode.truncated,
            as_record(episode.metrics),
        )
        for episode in episodes
    ]
    return np.array(rows, kind)


def _save(stream: BinaryIO, episodes: Sequence[Episode], layout: ObservationLayout) -> None:
    np.save(stream, _described(episodes), allow_pickle=False)
    for counts in tally(episodes, layout):
        np.save(stream, counts, allow_pickle=False)
    for name in episodes[0].arrays:
        _save_column(stream, [episode.arrays[name] for episode in episodes])


def _save_column(stream: BinaryIO, arrays: Columns) -> None:
    """What `np.save` of all of them together would write, with no copy of them together."""
    rows, first = sum(map(len, arrays)), arrays[0]
    about = {
        "descr": np.lib.format.dtype_to_descr(first.dtype),
        "fortran_order": False,
        "shape": (rows, *first.shape[1:]),
    }
    np.lib.format.write_array_header_1_0(stream, about)
    for array in arrays:
        stream.write(np.ascontiguousarray(array).data)
