"""What a data set's HDF5 file is to hold, by name, shape and type, and reading it so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl import sim
from vmagent_marl.episodes.recording.episode import Episode
from vmagent_marl.episodes.storage.figures import from_record
from vmagent_marl.episodes.views.arrays import LIVES, ROWS, Arrays
from vmagent_marl.errors import DatasetError

if TYPE_CHECKING:
    import h5py
    from gymnasium.spaces import Space

NAMES = {"observations/observation": "observations", "observations/action_mask": "masks"}


@dataclass(frozen=True)
class Column:
    """One array of an episode of T transitions."""

    rows: int  # beyond T
    shape: tuple[int, ...]  # of a row
    dtype: np.dtype[Any]


def columns_of(
    observation_space: Space[Any], action_space: Space[Any], agents: int, *, lives: bool
) -> dict[str, Column]:
    """The arrays of an episode, by their paths; `lives`: agents end one by one."""
    action = Column(0, action_space.shape or (), np.dtype(action_space.dtype))
    tail = action.shape[1:] if agents > 1 else action.shape

    def of_agents(dtype: Any) -> Column:
        return Column(1, (agents,), np.dtype(dtype))

    columns = {
        f"observations/{name}": Column(1, part.shape, np.dtype(part.dtype))
        for name, part in observation_space.items()  # type: ignore[attr-defined]  # it is a Dict
    }
    columns |= {
        "actions": action,
        "rewards": Column(0, (), np.dtype(np.float64)),
        "terminations": Column(0, (), np.dtype(np.bool_)),
        "truncations": Column(0, (), np.dtype(np.bool_)),
        "infos/agent_rewards": of_agents(np.float64),
        "infos/behavior_logp": of_agents(np.float64),
        "infos/reached": of_agents(np.bool_),
        "infos/effective_action": Column(1, (agents, *tail), action.dtype),
        "infos/seconds": Column(1, (1,), np.dtype(np.int64)),
        "infos/component": Column(1, (1,), np.dtype(np.int64)),
    }
    return columns | ({f"infos/{name}": of_agents(np.bool_) for name in LIVES} if lives else {})


def read_columns(group: h5py.Group, columns: Mapping[str, Column]) -> Arrays:
    """The arrays of an episode with an axis of agents, infos without their first row.

    Raises `DatasetError` for what is missing, too much, of another shape or type, or unreadable.
    """
    import h5py

    found: list[str] = []
    group.visititems(lambda path, it: found.append(path) if isinstance(it, h5py.Dataset) else None)
    for path in sorted(set(found) ^ set(columns)):
        told = "is not there" if path in columns else "is there and belongs to no data set"
        raise DatasetError(f"{path} {told}")
    length, arrays = group["rewards"].shape[0], {}
    if length == 0:
        raise DatasetError("it has no transition")
    for path, column in columns.items():
        stored, wanted = group[path], (length + column.rows, *column.shape)
        if (stored.shape, stored.dtype) != (wanted, column.dtype):
            raise DatasetError(
                f"{path} is {stored.dtype} {stored.shape} in place of {column.dtype} {wanted}"
            )
        values: NDArray[Any] = stored[()]
        if path.startswith("infos/"):
            if values[0].any():
                raise DatasetError(f"{path} does not begin with a row of zeros")
            values = values[1:, 0] if column.shape == (1,) and _single(path) else values[1:]
        arrays[NAMES.get(path, path.removeprefix("infos/"))] = values
    if columns["infos/reached"].shape == (1,):
        for name in (*ROWS, "actions"):
            if name in arrays:
                arrays[name] = arrays[name][:, None]
    return arrays


def episode_from(arrays: Arrays, attributes: Mapping[str, Any]) -> Episode:
    """An episode of our own game from its arrays and the attributes of its group.

    Raises `DatasetError` where an attribute is missing or is none.
    """
    parts = {key: values for key, values in arrays.items() if key not in _ENDS}
    component = parts.pop("component")
    try:
        numbers = {"first": "options/start", "stop": "options/stop", "number": "options/number"}
        return Episode(
            **parts,
            component=int(component[0]),
            terminated=bool(arrays["terminations"][-1]),
            truncated=bool(arrays["truncations"][-1]),
            played=sim.Episode(
                seed=int(attributes["seed"]),
                **{key: int(attributes[name]) for key, name in numbers.items()},
            ),
            metrics=from_record(attributes["metrics"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"its attributes are broken ({error})") from None


_ENDS = ("terminations", "truncations")


def _single(path: str) -> bool:
    """Whether an info is of the transition and not of its agents."""
    return path in ("infos/seconds", "infos/component")
