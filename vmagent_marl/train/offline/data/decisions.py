"""Minari data sets as decisions: what each agent saw, did, and what came of it.

A **trajectory** is what one agent decided in one episode. Agents share parameters, so every agent's
trajectory is learned from like any other: its own observation, for many clusters followed by a
one-hot identity, and its own mask.

An agent that a request did not reach decided nothing: its answer changed nothing, and d3rlpy's
losses have no weight that could leave it out. So a trajectory holds the requests that reached the
agent and no others, and between two of them lie several transitions of the environment: a
semi-Markov decision process (Sutton, Precup & Singh 1999). The reward of decision i is the
discounted sum of all rewards up to the agent's next decision, `interval` requests later, and the
bootstrap is discounted by gamma^interval, so that returns are those of the plain process, request
by request. What an agent's team earned before it was first asked is the consequence of none of its
decisions and belongs to no trajectory. A trajectory that is cut off by truncation bootstraps from
the agent's genuine last observation, reached or not, if the request that it shows could reach the
agent; else its last decision is left out, since nothing teaches what such a request is worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

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
from vmagent_marl.sim.layout import layout_of
from vmagent_marl.train.data_sets import ids_of, one_scenario
from vmagent_marl.train.offline.data.semi_markov import Happened, Table, decided

Reward = Literal["team", "own"]
FEATURES, MASK = "observations/observation", "observations/action_mask"  # in an episode's group


@dataclass(frozen=True)
class Decisions:
    """N rows; each trajectory's decisions in order, then one row that is no decision.

    That last row is the observation at which a truncated trajectory was cut off, without a reward,
    or zeros after a terminated one.
    """

    features: NDArray[np.float32]  # (N, F + K), (N, F) for one cluster
    mask: NDArray[np.int8]  # (N, A) 1 = legal
    action: NDArray[np.int64]  # (N,) as it counted
    reward: NDArray[np.float32]  # (N,) discounted sum to the next row, divided by the scale
    interval: NDArray[np.int64]  # (N,) requests to the next row
    terminal: NDArray[np.bool_]  # (N,) whether the episode terminated before the next decision
    trajectory: NDArray[np.int64]  # (N,) its number
    closing: NDArray[np.bool_]  # (N,) the rows that are no decisions
    clusters: int  # K
    scenario: dict[str, Any]  # as `scenario_from` takes it
    dataset: tuple[str, ...]  # ids
    paid: Reward = "team"  # whose reward it is
    gamma: float = 0.99  # discount a request
    reward_scale: float = 1.0  # by which rewards were divided

    @cached_property
    def sha256(self) -> tuple[str, ...]:
        """Of their files, which may be recorded anew under the same ids."""
        return tuple(sha256_of(dataset_folder(name) / "data" / FILE) for name in self.dataset)

    @property
    def inputs(self) -> int:
        """F + K, or F for one cluster."""
        return int(self.features.shape[1])

    @property
    def actions(self) -> int:
        """A, of one agent."""
        return int(self.mask.shape[1])

    @property
    def settings(self) -> dict[str, Any]:
        """How they were read, as plain values."""
        return {"reward": self.paid, "gamma": self.gamma, "reward_scale": self.reward_scale}


def read_decisions(
    dataset: str | Sequence[str],
    *,
    reward: Reward = "team",
    gamma: float = 0.99,
    reward_scale: float | None = 1.0,
) -> Decisions:
    """The decisions of one or several Minari data sets of one scenario, by their ids.

    `reward`: the team's mean, or each agent's own before sharing (what is best for each is not what
    is best for all). `reward_scale` divides the rewards; None takes the root mean square of the
    decisions' rewards, so that settings that serve one scenario serve another. Raises
    `UnknownNameError` for an id that is not here, `DatasetError` for data that this package did not
    record or that do not go together, and `SettingError` for no id at all, or a reward, discount or
    scale that is none.
    """
    ids = ids_of(dataset)
    if reward not in get_args(Reward):
        raise SettingError(f"reward: {reward!r} is none: choose 'team' or 'own'")
    if reward_scale is not None and not reward_scale > 0:
        raise SettingError(f"reward_scale: {reward_scale} is not positive: give more than 0")
    if not 0.0 <= gamma <= 1.0:
        raise SettingError(f"gamma: {gamma} is no discount: give 0 to 1")
    sets = [load_dataset(name) for name in ids]
    scenario = one_scenario(ids, sets)
    with ExitStack() as stack:
        readers = [stack.enter_context(HDF5Reader(data)) for data in sets]
        try:
            beyond = _beyond_tries(scenario, where=ids[0])
            recorded = [_recorded(reader, reward, beyond) for reader in readers]
            tables = [decided(each, gamma) for each in recorded]
            size, actions, clusters = _sizes(readers[0])
        except KeyError as error:
            raise DatasetError(
                f"data set {' or '.join(map(repr, ids))} lacks {error}: learners need masks and "
                "what the simulator records; record it with vmagent-marl"
            ) from None
        stops = np.cumsum([len(table.action) for table in tables])
        identities = clusters if clusters > 1 else 0
        features = np.empty((stops[-1], size + identities), np.float32)
        mask = np.empty((stops[-1], actions), np.int8)
        for i, (reader, table) in enumerate(zip(readers, tables, strict=True)):
            rows = slice(stops[i] - len(table.action), stops[i])
            _read_seen(reader, recorded[i].lengths, table, features[rows], mask[rows])
            _check_legal(ids[i], reader, table, mask[rows])
    several = len(tables) > 1  # and one alone needs no copy
    whole = Table(*map(np.concatenate, zip(*tables, strict=True))) if several else tables[0]
    made = ~whole.closing
    if not made.any():
        raise DatasetError(f"data set {ids[0]!r} holds no decision: record it anew")
    earned = whole.reward.astype(np.float32)
    if reward_scale is None:
        reward_scale = float(np.sqrt(np.mean(earned[made] ** 2))) or 1.0
    return Decisions(
        features=features,
        mask=mask,
        action=whole.action,
        reward=earned if reward_scale == 1.0 else (earned / reward_scale).astype(np.float32),
        interval=whole.interval,
        terminal=whole.terminal,
        trajectory=np.cumsum(whole.closing) - whole.closing,
        closing=whole.closing,
        clusters=clusters,
        scenario=scenario,
        dataset=ids,
        paid=reward,
        gamma=gamma,
        reward_scale=reward_scale,
    )


def _beyond_tries(scenario: dict[str, Any], where: str) -> int | None:
    """Which float of an observation is 1 where the request cannot reach the agent; None: it can."""
    played = scenario_from(scenario, where=where)
    if (played.tries or played.clusters) >= played.clusters:
        return None
    return int(layout_of(played.rules()).parts["chain"].stop) - 1


def _recorded(reader: HDF5Reader, reward: Reward, beyond: int | None) -> Happened:
    """All that decides about the rows, which is small beside what was seen."""

    def shifted(path: str) -> NDArray[Any]:
        """An info, whose row of zeros stands before an episode's transitions, behind them."""
        arrays = [reader.array(number, path) for number in reader.numbers]
        return np.concatenate([arrays[0][1:], *arrays[1:], np.zeros_like(arrays[0][:1])])

    rewards = [reader.array(number, "rewards") for number in reader.numbers]
    nothing = np.zeros(1)
    if reward == "own":
        paid = shifted("infos/agent_rewards")
    else:
        paid = np.concatenate([part for each in rewards for part in (each, nothing)])[:, None]
    reached = shifted("infos/reached").astype(np.bool_, copy=False)
    asked = np.ones((len(rewards), reached.shape[1]), np.bool_)
    if beyond is not None:
        for i, number in enumerate(reader.numbers):
            asked[i] = reader.array(number, FEATURES)[-1, :, beyond] == 0
    return Happened(
        lengths=np.array([len(each) for each in rewards]),
        terminated=np.array([reader.array(n, "terminations")[-1] for n in reader.numbers]),
        asked=asked,
        reached=reached,
        action=shifted("infos/effective_action").astype(np.int64, copy=False),
        paid=paid,
    )


def _sizes(reader: HDF5Reader) -> tuple[int, int, int]:
    """F, A and K."""
    first = reader.numbers[0]
    *_, size = reader.shape(first, FEATURES)
    *_, actions = reader.shape(first, MASK)
    return size, actions, reader.shape(first, "infos/reached")[1]


def _read_seen(
    reader: HDF5Reader,
    lengths: NDArray[np.int64],
    table: Table,
    features: NDArray[np.float32],
    mask: NDArray[np.int8],
) -> None:
    """What was seen at the rows of a data set's table, and the identity of one among several."""
    size, _, clusters = _sizes(reader)
    stops = np.searchsorted(table.episode, np.arange(len(reader.numbers)), side="right").tolist()
    for i, (number, length) in enumerate(zip(reader.numbers, lengths.tolist(), strict=True)):
        rows = slice(stops[i - 1] if i else 0, stops[i])
        seen = table.seen[rows]
        for path, into in ((FEATURES, features), (MASK, mask)):
            if clusters == 1 and seen.size == length + 1:
                reader.array(number, path, into[rows])  # every row, and so it stands where it goes
                continue
            found = reader.array(number, path)
            into[rows, : found.shape[-1]] = found.reshape(-1, found.shape[-1])[seen]
    if clusters > 1:
        features[:, size:] = table.agent[:, None] == np.arange(clusters)
    ended = np.flatnonzero(table.closing[1:] & table.terminal[:-1]) + 1
    features[ended], mask[ended] = 0.0, 0


def _check_legal(name: str, reader: HDF5Reader, table: Table, mask: NDArray[np.int8]) -> None:
    """Raise `DatasetError` for a decision outside of its mask."""
    legal = mask[np.arange(len(mask)), table.action] > 0
    for i in np.flatnonzero(~(legal | table.closing))[:1]:
        agent, number = table.agent[i], reader.numbers[table.episode[i]]
        raise DatasetError(
            f"data set {name!r}: the action of cluster_{agent} in episode {number}, row "
            f"{table.seen[i] // _sizes(reader)[2]} is outside of its mask: record it anew"
        )
