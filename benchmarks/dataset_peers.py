"""Other ways to the same data: Minari's collector and its writer, h5py alone, d3rlpy's data set."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import h5py
import minari
import numpy as np
from minari.data_collector import EpisodeBuffer
from minari.dataset.minari_storage import MinariStorage
from numpy.typing import NDArray

from vmagent_marl.envs.spaces import joint_action_space, joint_observation_space
from vmagent_marl.episodes import Episode
from vmagent_marl.episodes.storage.hdf5_writer import infos_of
from vmagent_marl.episodes.storage.minari_format import dataset_folder
from vmagent_marl.scenario import Scenario
from vmagent_marl.sim.layout import layout_of
from vmagent_marl.train.offline.on_d3rlpy.quiet_d3rlpy import ActionSpace

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from d3rlpy.dataset import MDPDataset

GAMMA = 0.99
COMPRESSIONS: dict[str, dict[str, Any]] = {
    "none": {},
    "lzf": {"compression": "lzf"},
    "lzf, shuffled": {"compression": "lzf", "shuffle": True},
    "gzip 1": {"compression": "gzip", "compression_opts": 1},
    "gzip 1, shuffled": {"compression": "gzip", "compression_opts": 1, "shuffle": True},
    "gzip 4": {"compression": "gzip", "compression_opts": 4},
    "gzip 4, shuffled": {"compression": "gzip", "compression_opts": 4, "shuffle": True},
}


def through_the_collector(servers: int, steps: int) -> int:
    """Minari's `DataCollector` around the environment, first fit, no infos; the transitions."""
    env = minari.DataCollector(gymnasium.make("vmagent_marl/Recovering-v0", servers=servers))
    seen, _ = env.reset(seed=0)
    for step in range(steps):
        seen, _, terminated, truncated, _ = env.step(int(seen["action_mask"].argmax()))
        if terminated or truncated:
            seen, _ = env.reset(seed=step)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it misses an environment to evaluate in, and an author
        data = env.create_dataset("peer/collector-v0")
    env.close()
    return int(data.total_steps)


def as_buffers(episodes: list[Episode]) -> Iterator[EpisodeBuffer]:
    """Episodes as Minari's own writer takes them."""
    for episode in episodes:
        agents: Any = 0 if episode.clusters == 1 else slice(None)
        last = np.arange(len(episode)) == len(episode) - 1
        yield EpisodeBuffer(
            observations={
                "observation": episode.observations[:, agents],
                "action_mask": episode.masks[:, agents],
            },
            actions=episode.actions[:, agents],
            rewards=episode.rewards,
            terminations=last & episode.terminated,
            truncations=last & episode.truncated,
            infos=infos_of(episode),
        )


def by_minaris_writer(name: str, scenario: Scenario, episodes: list[Episode]) -> None:
    """Recorded episodes into a data set by Minari alone."""
    folder = dataset_folder(name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    layout = layout_of(scenario.rules())
    storage = MinariStorage.new(
        folder / "data",
        observation_space=joint_observation_space(layout),
        action_space=joint_action_space(layout),
        jpeg_encoding=False,
    )
    storage.update_metadata({"dataset_id": name, "minari_version": minari.__version__})
    storage.update_episodes(as_buffers(episodes))


def by_h5py_alone(file: Path, episodes: list[Episode]) -> None:
    """Nothing but the arrays, each as one: what no layout by episodes can pass."""
    with h5py.File(file, "w") as stored:
        for name in Episode.ARRAYS:
            stored[name] = np.concatenate([episode.arrays[name] for episode in episodes])


def write_compressed(file: Path, episodes: list[Episode], options: dict[str, Any]) -> None:
    """Every array of every episode as a dataset in one piece, compressed."""
    with h5py.File(file, "w") as stored:
        for number, episode in enumerate(episodes):
            group = stored.create_group(str(number))
            for name, array in episode.arrays.items():
                chunks = array.shape if options else None
                group.create_dataset(name, data=array, chunks=chunks, **options)


def read_compressed(file: Path) -> int:
    """All of it; the bytes."""
    with h5py.File(file) as stored:
        return sum(array[()].nbytes for group in stored.values() for array in group.values())


def through_minari(name: str) -> MDPDataset:
    """Minari's episodes one by one into d3rlpy's `MDPDataset`: what an agent was asked, no more.

    Actions are whole, rewards discounted up to the agent's next decision, and a truncated episode
    has the row behind it that d3rlpy needs.
    """
    columns: dict[str, list[NDArray[Any]]] = {
        key: [] for key in ("features", "mask", "action", "reward", "terminal", "timeout")
    }
    for episode in minari.load_dataset(name).iterate_episodes():
        features, mask = episode.observations["observation"], episode.observations["action_mask"]
        reached = episode.infos["reached"][1:]
        action = episode.infos["effective_action"][1:]
        if features.ndim == 2:
            features, mask = features[:, None], mask[:, None]
        steps, clusters = action.shape
        terminated = bool(episode.terminations[-1])
        for k in range(clusters):
            asked = np.flatnonzero(reached[:, k])
            if not asked.size:
                continue
            rows = asked if terminated else np.append(asked, steps)
            more = len(rows) - len(asked)
            since = np.arange(asked[0], steps) - np.repeat(asked, np.diff(asked, append=steps))
            paid = GAMMA**since * episode.rewards[asked[0] :]
            end = np.arange(len(rows)) == len(rows) - 1
            own = features[rows, k]
            if clusters > 1:
                identity = np.zeros((len(rows), clusters), np.float32)
                identity[:, k] = 1.0
                own = np.concatenate([own, identity], axis=1)
            columns["features"].append(own)
            columns["mask"].append(mask[rows, k].astype(np.float32))
            columns["action"].append(np.append(action[asked, k], [0] * more))
            earned = np.add.reduceat(paid, asked - asked[0])
            columns["reward"].append(np.append(earned, [0.0] * more).astype(np.float32))
            columns["terminal"].append((end & terminated).astype(np.float32))
            columns["timeout"].append((end & (not terminated)).astype(np.float32))
    whole = {key: np.concatenate(parts) for key, parts in columns.items()}
    return MDPDataset(
        (whole["features"], whole["mask"]),
        whole["action"],
        whole["reward"],
        whole["terminal"],
        whole["timeout"],
        action_space=ActionSpace.DISCRETE,
        action_size=whole["mask"].shape[1],
    )
