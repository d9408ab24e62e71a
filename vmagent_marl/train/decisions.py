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
the agent's genuine last observation, reached or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.episodes.minari_format import (
    FILE,
    dataset_folder,
    load_dataset,
    own_metadata,
    sha256_of,
)
from vmagent_marl.errors import DatasetError

Reward = Literal["team", "own"]


@dataclass(frozen=True)
class Decisions:
    """N rows; each trajectory's decisions in order, then one row that is no decision.

    That last row is the observation at which a truncated trajectory was cut off, with action 0 and
    no reward, or zeros after a terminated one.
    """

    features: NDArray[np.float32]  # (N, F + K), (N, F) for one cluster
    mask: NDArray[np.float32]  # (N, A) 1 = legal
    action: NDArray[np.int64]  # (N,) as it counted
    reward: NDArray[np.float32]  # (N,) discounted sum to the next row, divided by the scale
    interval: NDArray[np.int64]  # (N,) requests to the next row
    terminal: NDArray[np.bool_]  # (N,) whether the episode terminated before the next decision
    trajectory: NDArray[np.int64]  # (N,) its number
    closing: NDArray[np.bool_]  # (N,) the rows that are no decisions
    clusters: int  # K
    scenario: dict[str, Any]  # as `scenario_from` takes it
    dataset: tuple[str, ...]  # ids
    sha256: tuple[str, ...]  # of their files, which may be recorded anew under the same ids

    @property
    def actions(self) -> int:
        """A, of one agent."""
        return int(self.mask.shape[1])


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
    `UnknownNameError` for an id that is not here, and `DatasetError` for data that this package did
    not record or that do not go together.
    """
    ids = (dataset,) if isinstance(dataset, str) else tuple(dataset)
    if reward not in get_args(Reward):
        raise DatasetError(f"reward: {reward!r} is none: choose 'team' or 'own'")
    sets = [load_dataset(name) for name in ids]
    scenario = _scenario(ids, sets)
    parts: list[dict[str, NDArray[Any]]] = []
    clusters = 0
    for name, data in zip(ids, sets, strict=True):
        for episode in data.iterate_episodes():
            stacked = _stacked(episode, name)
            clusters = stacked["mask"].shape[1]
            paid = stacked["own"] if reward == "own" else stacked["team"]
            terminated = bool(episode.terminations[-1])
            parts.extend(_trajectories(stacked, paid, gamma, terminated))
    if not parts:
        raise DatasetError(f"data set {ids[0]!r} holds no decision: record it anew")
    columns = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    length = [len(part["action"]) for part in parts]
    closing = np.zeros(sum(length), np.bool_)
    closing[np.cumsum(length) - 1] = True
    if reward_scale is None:
        reward_scale = float(np.sqrt(np.mean(columns["reward"][~closing] ** 2))) or 1.0
    return Decisions(
        features=columns["features"],
        mask=columns["mask"],
        action=columns["action"],
        reward=(columns["reward"] / reward_scale).astype(np.float32),
        interval=columns["interval"],
        terminal=columns["terminal"],
        trajectory=np.repeat(np.arange(len(parts)), length),
        closing=closing,
        clusters=clusters,
        scenario=scenario,
        dataset=ids,
        sha256=tuple(sha256_of(dataset_folder(name) / "data" / FILE) for name in ids),
    )


def _scenario(ids: Sequence[str], sets: Sequence[Any]) -> dict[str, Any]:
    """The one scenario that all data sets were recorded on."""
    found = [own_metadata(data)["scenario"] for data in sets]
    for name, scenario in zip(ids, found, strict=True):
        if scenario != found[0]:
            raise DatasetError(
                f"data sets {ids[0]!r} and {name!r} are of two scenarios: train on one at a time"
            )
    return dict(found[0])


def _stacked(episode: Any, name: str) -> dict[str, NDArray[Any]]:
    """An episode's arrays with an axis of agents: rows of observation and mask (T + 1, K, ...),
    of what happened (T, K)."""
    try:
        features, mask = episode.observations["observation"], episode.observations["action_mask"]
        rows = {key: episode.infos[key][1:] for key in ("reached", "effective_action")}
        own = episode.infos["agent_rewards"][1:]
    except (KeyError, IndexError, TypeError) as error:
        raise DatasetError(
            f"data set {name!r} lacks {error} in episode {episode.id}: learners need masks and "
            "what the simulator records; record it with vmagent-marl"
        ) from None
    if mask.ndim == 2:
        features, mask = features[:, None], mask[:, None]
    reached, action = rows["reached"].astype(np.bool_), rows["effective_action"].astype(np.int64)
    legal = np.take_along_axis(mask[:-1], action[:, :, None], axis=2)[:, :, 0] > 0
    if (reached & ~legal).any():
        row, agent = np.argwhere(reached & ~legal)[0]
        raise DatasetError(
            f"data set {name!r}: the action of cluster_{agent} in episode {episode.id}, row {row} "
            "is outside of its mask: record it anew"
        )
    team = np.broadcast_to(np.asarray(episode.rewards, np.float64)[:, None], own.shape)
    return {
        "features": features,
        "mask": mask,
        "reached": reached,
        "action": action,
        "own": own,
        "team": team,
    }


def _trajectories(
    episode: dict[str, NDArray[Any]], paid: NDArray[np.float64], gamma: float, terminated: bool
) -> Iterator[dict[str, NDArray[Any]]]:
    """The trajectory of each agent that was asked at least once in an episode; `paid` is (T, K)."""
    steps, clusters = paid.shape
    for k in range(clusters):
        decided = np.flatnonzero(episode["reached"][:, k])
        if not decided.size:
            continue
        rows = np.append(decided, steps)
        interval = np.append(np.diff(rows), 0)
        since = np.arange(decided[0], steps) - np.repeat(decided, interval[:-1])
        earned = np.add.reduceat(gamma**since * paid[decided[0] :, k], decided - decided[0])
        features, mask = episode["features"][rows, k], episode["mask"][rows, k].astype(np.float32)
        if clusters > 1:
            identity = np.zeros((len(rows), clusters), np.float32)
            identity[:, k] = 1.0
            features = np.concatenate([features, identity], axis=1)
        if terminated:
            features[-1] = mask[-1] = 0.0
        terminal = np.zeros(len(rows), np.bool_)
        terminal[-2] = terminated
        yield {
            "features": features,
            "mask": mask,
            "action": np.append(episode["action"][decided, k], 0),
            "reward": np.append(earned, 0.0).astype(np.float32),
            "interval": interval,
            "terminal": terminal,
        }
