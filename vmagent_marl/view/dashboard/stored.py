"""Episodes of a recorded data set, by number, out of its two files, one at a time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.errors import DatasetError
from vmagent_marl.sim import Episode, Metrics
from vmagent_marl.view.dashboard.limits import scenario_of
from vmagent_marl.view.recording import PlayedOn, Recording
from vmagent_marl.view.replay import most_steps

OWN = "vmagent_marl"  # key of what is ours in the metadata, as `episodes` writes it
MOST_METADATA = 16 << 20


@dataclass(frozen=True)
class StoredEpisodes:
    """A data set's folder, `<id>/data/{metadata.json, main_data.hdf5}`."""

    folder: Path
    metadata: dict[str, Any]
    strange: bool  # it came by an upload

    @property
    def name(self) -> str:
        """Its id."""
        return str(self.metadata.get("dataset_id", self.folder.name))

    @property
    def is_ours(self) -> bool:
        """Whether its episodes replay in the simulator."""
        return isinstance(self.metadata.get(OWN), dict)

    @property
    def own(self) -> dict[str, Any]:
        """What this package wrote about it; raises `DatasetError` where it did not."""
        if not self.is_ours:
            raise DatasetError(
                f"data set {self.name!r} was not recorded by vmagent_marl: it cannot be watched"
            )
        own: dict[str, Any] = self.metadata[OWN]
        return own

    def __len__(self) -> int:
        return int(self.metadata.get("total_episodes", 0))

    def recording(self, number: int, trace: str | None = None) -> Recording:
        """Episode `number` as what replays; raises `DatasetError` for what is not there."""
        where = f"data set {self.name!r}"
        if not 0 <= number < len(self):
            raise DatasetError(f"{where} has no episode {number}: give 0 to {len(self) - 1}")
        try:
            own = self.own
            told = own["trace"]
            on = PlayedOn(str(told["name"]), str(told["fingerprint"]), int(told["requests"]))
            plain = own["scenario"]
        except (LookupError, TypeError, ValueError) as error:
            raise DatasetError(f"{where}: something is missing in it ({error!r})") from None
        scenario = scenario_of(plain, where=where, trace=trace, strange=self.strange)
        actions, component, played, metrics = self._read(number, scenario.clusters)
        if actions.shape[1] != scenario.clusters:
            raise DatasetError(f"{where}: {actions.shape[1]} answers a step: record it anew")
        return Recording(scenario, on, played, self._player(component), actions, metrics)

    def rows(self, most: int) -> list[tuple[int, Metrics]]:
        """Number and metrics of the first episodes; raises `DatasetError` for what is not ours."""
        _ = self.own
        with self._opened() as file:
            numbers = range(min(len(self), most))
            try:
                return [(k, _metrics(_inside(file, f"episode_{k}"))) for k in numbers]
            except _BROKEN as error:
                raise DatasetError(
                    f"data set {self.name!r}: cannot be read ({error!r}): record it anew"
                ) from None

    def _player(self, component: int) -> str:
        """The policy of a mixture that played."""
        try:
            player = self.own["recipe"]["policies"][component]
            noise = float(player["epsilon"])
            return f"{player['name']}-epsilon-{noise:g}" if noise else str(player["name"])
        except (LookupError, TypeError, ValueError):
            return "recorded policy"

    def _read(self, number: int, clusters: int) -> tuple[Any, int, Episode, Metrics]:
        where = f"data set {self.name!r}, episode {number}"
        with self._opened() as file:
            try:
                group = _inside(file, f"episode_{number}")
                actions = _whole(_inside(group, "actions"), most_steps(clusters), clusters)
                shape = len(actions), -1
                component = _whole(_inside(group, "infos", "component"), len(actions) + 1).ravel()
                start, stop, key = (int(group.attrs[f"options/{n}"]) for n in _OPTIONS)
                played = Episode(start, stop, key, int(group.attrs["seed"]))
                return actions.reshape(shape), int(component[-1]), played, _metrics(group)
            except DatasetError:
                raise
            except _BROKEN as error:
                raise DatasetError(f"{where}: cannot be read ({error!r}): record it anew") from None

    def _opened(self) -> Any:
        import h5py

        try:
            return h5py.File(self.folder / "data" / "main_data.hdf5", "r")
        except OSError:
            raise DatasetError(
                f"data set {self.name!r}: its main_data.hdf5 is no HDF5 file: record it anew"
            ) from None


_OPTIONS = ("start", "stop", "number")
# What h5py raises for a file that is broken somewhere.
_BROKEN = (
    OSError, LookupError, ValueError, TypeError, AttributeError, RuntimeError, OverflowError,
    MemoryError,
)  # fmt: skip


def open_stored(folder: Path, *, strange: bool = False) -> StoredEpisodes:
    """The data set in a folder; raises `DatasetError` where there is none."""
    file = folder / "data" / "metadata.json"
    try:
        if file.stat().st_size > MOST_METADATA:
            raise ValueError("too large")
        metadata = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(metadata, dict):
            raise ValueError("no mapping")
        for count in ("total_episodes", "total_steps"):
            if int(metadata.get(count, 0)) < 0:
                raise ValueError(f"{count} is below 0")
    except (OSError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise DatasetError(f"{folder.name}: metadata.json cannot be read ({error})") from None
    return StoredEpisodes(folder, metadata, strange)


def _inside(group: Any, *names: str) -> Any:
    """What lies in the file itself: links and outer arrays could point to any file of a machine."""
    import h5py

    for name in names:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise KeyError(name)
        group = group[name]
    if isinstance(group, h5py.Dataset) and (group.is_virtual or group.external):
        raise DatasetError("an array points out of its file: it is refused")
    return group


def _whole(stored: Any, most: int, clusters: int = 1) -> NDArray[np.int64]:
    """An array of whole numbers that is read only when it is no longer than it may be."""
    if stored.dtype.kind not in "iu" or stored.size > most * clusters:
        raise ValueError(f"{stored.size:,} numbers of type {stored.dtype}")
    values: NDArray[np.int64] = np.asarray(stored[()]).astype(np.int64)
    return values


def _metrics(group: Any) -> Metrics:
    from vmagent_marl.episodes.storage.figures import from_record

    if "metrics" not in group.attrs:
        raise ValueError("it was recorded by an older version, without metrics")
    return from_record(group.attrs["metrics"])
