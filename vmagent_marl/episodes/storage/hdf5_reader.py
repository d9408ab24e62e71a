"""Episodes out of the HDF5 file of a Minari data set, by h5py's low-level calls.

An array is read whole, by one call, into the place where it is wanted. Opening it by name through
h5py's groups, as Minari does, takes several times as long as reading it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5s
from numpy.typing import NDArray

from vmagent_marl import sim
from vmagent_marl.episodes.recording.episode import Episode
from vmagent_marl.episodes.storage.figures import from_record
from vmagent_marl.episodes.storage.hdf5_file import HDF5File
from vmagent_marl.episodes.storage.hdf5_writer import OF_AGENTS
from vmagent_marl.episodes.storage.minari_format import FILE, load_dataset
from vmagent_marl.errors import DatasetError

if TYPE_CHECKING:
    from minari import MinariDataset


class HDF5Reader(HDF5File):
    """The arrays of a data set's episodes, by their paths in an episode's group.

    Raises `KeyError` with the path of what an episode lacks, and `DatasetError` for a data set that
    is no HDF5 file.
    """

    def __init__(self, dataset: MinariDataset) -> None:
        self.file = dataset.storage.data_path / FILE
        try:
            super().__init__(h5py.File(self.file, "r"))
        except OSError:
            raise DatasetError(
                f"data set {dataset.id!r}: {self.file} is no HDF5 file, and Minari's other "
                "storages are not read: record it anew"
            ) from None
        self.numbers: list[int] = dataset.episode_indices.tolist()
        self._kinds: dict[str, tuple[np.dtype[Any], Any]] = {}  # and HDF5's own, by path

    def shape(self, number: int, path: str) -> tuple[int, ...]:
        """Of an array of episode `number`."""
        shape: tuple[int, ...] = self._opened(number, path).shape
        return shape

    def array(self, number: int, path: str, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """An array of episode `number`, read into `out` if that is given: C-contiguous, of its
        shape and type."""
        stored = self._opened(number, path)
        if path not in self._kinds:
            self._kinds[path] = stored.dtype, stored.get_type()
        dtype, kind = self._kinds[path]
        into = np.empty(stored.shape, dtype) if out is None else out
        if into.shape != stored.shape or into.dtype != dtype:
            raise DatasetError(
                f"{self.file}: {path} of episode {number} is {dtype} of shape {stored.shape}, not "
                f"{into.dtype} of shape {into.shape} as before: record the data set anew"
            )
        stored.read(h5s.ALL, h5s.ALL, into, kind)
        return into

    def attribute(self, number: int, name: str) -> Any:
        """What is told of episode `number`, as h5py hands it out."""
        stored = h5a.open(self._file.id, name.encode(), obj_name=b"episode_%d" % number)
        path = f"@{name}"
        if path not in self._kinds:
            self._kinds[path] = stored.dtype, stored.get_type()
        dtype, kind = self._kinds[path]
        value = np.empty(stored.shape, dtype)
        stored.read(value, kind)
        return value[()]

    def _opened(self, number: int, path: str) -> Any:
        try:
            return h5d.open(self._file.id, f"episode_{number}/{path}".encode())
        except KeyError:
            raise KeyError(path) from None


def load_episodes(dataset: str | MinariDataset) -> list[Episode]:
    """The episodes of a data set with an axis of agents, (T, K, ...), all in memory.

    Raises `UnknownNameError` for an id that is not here, with the nearest one that is, and
    `DatasetError` for a data set that was not recorded by this package.
    """
    if isinstance(dataset, str):
        dataset = load_dataset(dataset)
    with HDF5Reader(dataset) as reader:
        try:
            return [_loaded(reader, number) for number in reader.numbers]
        except (KeyError, IndexError) as error:
            raise DatasetError(
                f"data set {dataset.id!r} was not recorded by vmagent_marl ({error!r} is missing): "
                "read it with minari.load_dataset"
            ) from None


def _loaded(reader: HDF5Reader, number: int) -> Episode:
    def array(path: str) -> NDArray[Any]:
        return reader.array(number, path)

    def told(name: str) -> int:
        return int(reader.attribute(number, name))

    infos = {name: array(f"infos/{name}")[1:] for name in OF_AGENTS}
    length, agents = infos["reached"].shape
    return Episode(
        observations=array("observations/observation").reshape(length + 1, agents, -1),
        masks=array("observations/action_mask").reshape(length + 1, agents, -1),
        actions=array("actions").reshape(length, agents),
        rewards=array("rewards"),
        seconds=array("infos/seconds")[1:, 0],
        **infos,
        component=int(array("infos/component")[-1, 0]),
        terminated=bool(array("terminations")[-1]),
        truncated=bool(array("truncations")[-1]),
        played=sim.Episode(
            first=told("options/start"),
            stop=told("options/stop"),
            number=told("options/number"),
            seed=told("seed"),
        ),
        metrics=from_record(reader.attribute(number, "metrics")),
    )
