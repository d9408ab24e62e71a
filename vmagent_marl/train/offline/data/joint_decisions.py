"""Minari data sets of many clusters as joint decisions: what all agents saw and answered at once.

Every request is one decision of the team. Each agent takes part in it with its recorded answer,
the plan for "if it reaches me", also where no request reached it. `unreached: pass` puts the pass
in its place that it amounts to: taking is then only ever seen beside the others' pass, and is held
against all of them passing (see `train.online.value_decomposition`). From good play both came to
the same; where nobody played well QMIX learned less from passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.episodes.storage.hdf5_reader import HDF5Reader
from vmagent_marl.episodes.storage.minari_format import (
    FILE,
    dataset_folder,
    load_dataset,
    sha256_of,
)
from vmagent_marl.errors import DatasetError, SettingError
from vmagent_marl.scenario import scenario_from
from vmagent_marl.train.data_sets import ids_of, one_scenario
from vmagent_marl.train.offline.data.decisions import FEATURES, MASK
from vmagent_marl.train.offline.data.joint_state import state_of

Unreached = Literal["answer", "pass"]


@dataclass(frozen=True)
class JointDecisions:
    """N rows; each episode's decisions in order, then one row that is no decision.

    That last row shows what was seen after the last answer, with action 0 and no reward: what
    follows a decision stands in the next row, and nothing is stored twice.
    """

    features: NDArray[np.float32]  # (N, K, F + K) what each agent sees, and who it is
    mask: NDArray[np.int8]  # (N, K, A) 1 = legal
    action: NDArray[np.int64]  # (N, K) what each answered
    reached: NDArray[np.bool_]  # (N, K) whose answers counted
    reward: NDArray[np.float32]  # (N,) the team's mean, divided by the scale
    terminal: NDArray[np.bool_]  # (N,) whether the episode terminated by this decision
    closing: NDArray[np.bool_]  # (N,) the rows that are no decisions
    state: NDArray[np.float32]  # (N, S) of the whole game; S = 0 where it was not asked for
    scenario: dict[str, Any]  # as `scenario_from` takes it
    dataset: tuple[str, ...]  # ids
    unreached: Unreached = "answer"  # what stands in `action` for those that were not reached
    reward_scale: float = 1.0  # by which rewards were divided

    @cached_property
    def sha256(self) -> tuple[str, ...]:
        """Of their files, which may be recorded anew under the same ids."""
        return tuple(sha256_of(dataset_folder(name) / "data" / FILE) for name in self.dataset)

    @property
    def clusters(self) -> int:
        """K."""
        return int(self.features.shape[1])

    @property
    def inputs(self) -> int:
        """F + K."""
        return int(self.features.shape[2])

    @property
    def actions(self) -> int:
        """A, of one agent."""
        return int(self.mask.shape[2])

    @property
    def truncated(self) -> NDArray[np.bool_]:
        """(N,) whether the episode was cut off after this decision."""
        last: NDArray[np.bool_] = np.r_[self.closing[1:], False]
        return last & ~self.terminal

    @property
    def settings(self) -> dict[str, Any]:
        """How they were read, as plain values."""
        return {"unreached": self.unreached, "reward_scale": self.reward_scale}


def read_joint_decisions(
    dataset: str | Sequence[str],
    *,
    unreached: Unreached = "answer",
    reward_scale: float | None = 1.0,
    state: bool = False,
) -> JointDecisions:
    """The joint decisions of one or several Minari data sets of one scenario, by their ids.

    `reward_scale` divides the rewards; None takes their root mean square. `state`: read the state
    of the whole game too, see `joint_state`. An answer outside of its mask that was not reached
    stands as it would have counted: pass where that is legal, else the lowest slot. Raises
    `UnknownNameError` for an id that is not here, `DatasetError` for data that are of one cluster,
    that this package did not record or that do not go together, and `SettingError` for no id
    at all, or a scale that is none.
    """
    ids = ids_of(dataset)
    if unreached not in get_args(Unreached):
        raise SettingError(f"unreached: {unreached!r} is none: choose 'answer' or 'pass'")
    if reward_scale is not None and not reward_scale > 0:
        raise SettingError(f"reward_scale: {reward_scale} is not positive: give more than 0")
    sets = [load_dataset(name) for name in ids]
    plain = one_scenario(ids, sets)
    with ExitStack() as stack:
        readers = [stack.enter_context(HDF5Reader(data)) for data in sets]
        try:
            lengths = [_lengths(reader) for reader in readers]
            rows = _blank(readers[0], ids[0], sum(int((each + 1).sum()) for each in lengths))
            states, begun = [], 0
            for name, reader, each in zip(ids, readers, lengths, strict=True):
                for number, length in zip(reader.numbers, each.tolist(), strict=True):
                    episode = rows.part(slice(begun, begun + length + 1))
                    _read_episode(reader, number, episode, unreached)
                    _check_legal(name, number, episode)
                    begun += length + 1
                if state:
                    states.append(state_of(name, reader, scenario_from(plain, where=name), each))
        except KeyError as error:
            raise DatasetError(
                f"data set {' or '.join(map(repr, ids))} lacks {error}: learners need masks and "
                "what the simulator records; record it with vmagent-marl"
            ) from None
    if reward_scale is None:
        reward_scale = float(np.sqrt(np.mean(rows.reward[~rows.closing] ** 2))) or 1.0
    if reward_scale != 1.0:
        np.divide(rows.reward, reward_scale, out=rows.reward)
    if not states:
        states = [np.empty((begun, 0), np.float32)]
    return JointDecisions(
        **rows._asdict(),
        state=states[0] if len(states) == 1 else np.concatenate(states),
        scenario=plain,
        dataset=ids,
        unreached=unreached,
        reward_scale=reward_scale,
    )


class _Rows(NamedTuple):
    """Of all data, or of one episode: see `JointDecisions`."""

    features: NDArray[np.float32]
    mask: NDArray[np.int8]
    action: NDArray[np.int64]
    reached: NDArray[np.bool_]
    reward: NDArray[np.float32]
    terminal: NDArray[np.bool_]
    closing: NDArray[np.bool_]

    def part(self, which: slice) -> _Rows:
        """Views of these."""
        return _Rows._make(array[which] for array in self)


def _lengths(reader: HDF5Reader) -> NDArray[np.int64]:
    """(E,) transitions."""
    return np.array([reader.shape(number, "rewards")[0] for number in reader.numbers], np.int64)


def _blank(reader: HDF5Reader, name: str, rows: int) -> _Rows:
    """Room for all rows, the identities in it."""
    seen = reader.shape(reader.numbers[0], FEATURES)
    if len(seen) < 3:
        raise DatasetError(
            f"data set {name!r} is of one cluster, whose answers there is nothing to join with: "
            "learn from it by offline/discrete_cql.py"
        )
    _, clusters, size = seen
    actions = reader.shape(reader.numbers[0], MASK)[-1]
    features = np.empty((rows, clusters, size + clusters), np.float32)
    features[:, :, size:] = np.eye(clusters)
    return _Rows(
        features=features,
        mask=np.empty((rows, clusters, actions), np.int8),
        action=np.zeros((rows, clusters), np.int64),
        reached=np.zeros((rows, clusters), np.bool_),
        reward=np.zeros(rows, np.float32),
        terminal=np.zeros(rows, np.bool_),
        closing=np.zeros(rows, np.bool_),
    )


def _read_episode(reader: HDF5Reader, number: int, into: _Rows, unreached: Unreached) -> None:
    """An episode into its rows; an info's entry t + 1 belongs to transition t."""
    into.features[:, :, : -into.features.shape[1]] = reader.array(number, FEATURES)
    reader.array(number, MASK, into.mask)
    into.reached[:-1] = reader.array(number, "infos/reached")[1:]
    effective = reader.array(number, "infos/effective_action")[1:]
    if unreached == "pass":
        into.action[:-1] = effective
    else:
        meant = _as_it_would_count(reader.array(number, "actions"), into.mask[:-1])
        into.action[:-1] = np.where(into.reached[:-1], effective, meant)
    into.reward[:-1] = reader.array(number, "rewards")
    into.terminal[:-1] = reader.array(number, "terminations")
    into.closing[-1] = True


def _as_it_would_count(action: NDArray[np.int64], mask: NDArray[np.int8]) -> NDArray[np.int64]:
    """Answers (T, K), those outside of their mask (T, K, A) by the simulator's rule."""
    legal = np.take_along_axis(mask, action[:, :, None], axis=2)[:, :, 0] > 0
    last = mask.shape[2] - 1
    instead = np.where(mask[:, :, last] > 0, last, mask.argmax(axis=2))
    return np.where(legal, action, instead)


def _check_legal(name: str, number: int, rows: _Rows) -> None:
    """Raise `DatasetError` for an answer that counted and is outside of its mask."""
    legal = np.take_along_axis(rows.mask, rows.action[:, :, None], axis=2)[:, :, 0] > 0
    for row, agent in np.argwhere(rows.reached & ~legal)[:1].tolist():
        raise DatasetError(
            f"data set {name!r}: the action of cluster_{agent} in episode {number}, row {row} is "
            "outside of its mask: record it anew"
        )
