"""Episodes into HDF5 as Minari's storage lays them out, at a fraction of what its writer takes.

Minari's writer goes through h5py's attributes and groups by name, some 200 us an object, and cuts
arrays into chunks across their columns. Here the same groups, datasets and attributes are made by
h5py's low-level calls, and each array lies in one piece, which is also the fastest to read. What is
given up: Minari cannot append steps to an episode that is there already, only episodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5p, h5s, h5t
from numpy.typing import NDArray

from vmagent_marl.episodes.recording.episode import Episode
from vmagent_marl.episodes.storage.figures import as_record
from vmagent_marl.episodes.storage.hdf5_file import HDF5File

OF_AGENTS = ("agent_rewards", "behavior_logp", "reached", "effective_action")  # infos (T+1, K)


class HDF5Writer(HDF5File):
    """The file of a data set, open for writing: `add` one episode after the other."""

    def __init__(self, file: Path) -> None:
        super().__init__(h5py.File(file, "w", track_order=True))
        self.episodes = self.transitions = 0
        self._types: dict[np.dtype[Any], Any] = {}
        self._scalar = h5s.create(h5s.SCALAR)
        self._made = h5p.create(h5p.DATASET_CREATE)
        self._made.set_obj_track_times(False)  # or the time would be among the bytes
        self._made.set_fill_time(h5d.FILL_TIME_NEVER)  # every byte is written

    def add(self, episode: Episode) -> None:
        """Write an episode; with one agent its axis is left out, but in the infos."""
        agents: Any = 0 if episode.clusters == 1 else slice(None)
        group = h5g.create(self._file.id, b"episode_%d" % self.episodes)
        for name, value in _attributes(self.episodes, episode).items():
            self._write_attribute(group, name, value)
        seen: dict[str, NDArray[Any]] = {
            "observation": episode.observations[:, agents],
            "action_mask": episode.masks[:, agents],
        }
        last = np.zeros(len(episode), np.bool_)
        last[-1] = True
        self._write_arrays(h5g.create(group, b"observations"), seen)
        happened: dict[str, NDArray[Any]] = {
            "actions": episode.actions[:, agents],
            "rewards": episode.rewards,
            "terminations": last & episode.terminated,
            "truncations": last & episode.truncated,
        }
        self._write_arrays(group, happened)
        self._write_arrays(h5g.create(group, b"infos"), infos_of(episode))
        self.episodes += 1
        self.transitions += len(episode)

    def _write_arrays(self, group: Any, arrays: Mapping[str, NDArray[Any]]) -> None:
        for name, array in arrays.items():
            kind, space = self._type(array.dtype), h5s.create_simple(array.shape)
            stored = h5d.create(group, name.encode(), kind, space, self._made)
            stored.write(h5s.ALL, h5s.ALL, np.ascontiguousarray(array), kind)

    def _write_attribute(self, group: Any, name: str, value: Any) -> None:
        array = np.asarray(value)
        kind = self._type(array.dtype)
        space = h5s.create_simple(array.shape) if array.ndim else self._scalar
        h5a.create(group, name.encode(), kind, space).write(array, kind)

    def _type(self, dtype: np.dtype[Any]) -> Any:
        """In the file and in memory alike, so that HDF5 looks for no conversion."""
        if dtype not in self._types:
            self._types[dtype] = h5t.py_create(dtype, logical=True)
        return self._types[dtype]


def infos_of(episode: Episode) -> dict[str, NDArray[Any]]:
    """(T+1, ...) with a row of zeros first: Minari's entry t+1 belongs to transition t."""
    component = np.full((len(episode), 1), episode.component, np.int64)
    arrays = {name: getattr(episode, name) for name in OF_AGENTS}
    arrays |= {"seconds": episode.seconds[:, None], "component": component}
    return {
        name: np.concatenate([np.zeros_like(array[:1]), array]) for name, array in arrays.items()
    }


def _attributes(number: int, episode: Episode) -> dict[str, Any]:
    """Metadata of an episode: first what Minari itself would write."""
    played = episode.played
    return {
        "id": number,
        "seed": played.seed,
        "options/number": played.number,
        "options/start": played.first,
        "options/stop": played.stop,
        "total_steps": len(episode),
        "return": episode.total,
        "agent_returns": episode.agent_returns,
        "metrics": as_record(episode.metrics),
    }
