"""Episodes as Minari data sets, and back: HDF5 that a plain `minari.load_dataset` reads whole."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import minari
import numpy as np
from gymnasium.envs.registration import EnvSpec
from minari.data_collector import EpisodeBuffer
from minari.dataset.minari_storage import MinariStorage
from minari.namespace import create_namespace, list_local_namespaces
from minari.storage import get_dataset_path
from numpy.typing import NDArray

from vmagent_marl import sim
from vmagent_marl.envs.registration import SINGLE, gym_id
from vmagent_marl.envs.spaces import joint_action_space, joint_observation_space
from vmagent_marl.episodes.block import metrics_from
from vmagent_marl.episodes.coverage import Statistics
from vmagent_marl.episodes.episode import Episode
from vmagent_marl.errors import DatasetError, unknown_name
from vmagent_marl.scenario import Scenario

OWN = "vmagent_marl"  # key of what is ours in the metadata
NAMESPACE = "vmagent"
FILE = "main_data.hdf5"
AUTHOR = "The vmagent_marl authors"
REQUIREMENTS = ["vmagent-marl"]  # Minari names what is missing by it
OF_AGENTS = ("agent_rewards", "behavior_logp", "reached", "effective_action")  # infos (T+1, K)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
SLACK, ROOM_AN_EPISODE = 1.25, 96_000  # HDF5's chunks and tables beside the arrays, bytes


def dataset_id(scenario: str, behaviour: str) -> str:
    """The id of a data set; raises `DatasetError` for names that Minari does not take.

    >>> dataset_id("recovering", "server-best-fit")
    'vmagent/recovering/server-best-fit-v0'
    """
    for kind, name in (("scenario", scenario), ("behaviour", behaviour)):
        if not NAME.fullmatch(name):
            raise DatasetError(
                f"{kind} {name!r} cannot stand in a data set's id: "
                "give letters, digits, - and _, and a letter or digit first"
            )
    return f"{NAMESPACE}/{scenario}/{behaviour}-v0"


def dataset_folder(name: str) -> Path:
    """Where Minari looks for a data set: in $MINARI_DATASETS_PATH, else below the home."""
    try:
        return Path(get_dataset_path(name)).absolute()
    except OSError as error:
        raise DatasetError(
            f"{error.filename}: no place for data sets ({error.strerror}): set "
            "MINARI_DATASETS_PATH to a folder"
        ) from None


def env_spec(scenario: Scenario, window: str) -> EnvSpec:
    """From which `recover_environment` builds the environment that was recorded."""
    return EnvSpec(
        id=gym_id(scenario.name),
        entry_point=SINGLE,
        kwargs={"scenario": scenario.as_dict(), "window": window},
    )


def write_dataset(
    folder: Path,
    name: str,
    scenario: Scenario,
    layout: sim.ObservationLayout,
    window: str,
    episodes: Iterable[Episode],
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """Write a data set that is to be called `name` into `folder`; its statistics.

    `about` is metadata by Minari's own keys (`algorithm_name`, `description`, `ref_max_score` ...).
    The episodes are written as they come; one at a time is held in memory.
    """
    (folder / "data").mkdir(parents=True)
    storage = MinariStorage.new(
        folder / "data",
        observation_space=joint_observation_space(layout),
        action_space=joint_action_space(layout),
        env_spec=env_spec(scenario, window),
        data_format="hdf5",
        jpeg_encoding=False,
    )
    storage.update_metadata(
        {
            "dataset_id": name,
            "minari_version": minari.__version__,
            "author": {AUTHOR},
            "requirements": REQUIREMENTS,
            **about,
        }
    )
    statistics, described = Statistics(layout), []

    def buffers() -> Iterator[EpisodeBuffer]:
        for episode in episodes:
            statistics.add(episode)
            described.append(_described(episode))
            yield as_buffer(episode)

    storage.update_episodes(buffers())
    storage.update_episode_metadata(described)
    return statistics.as_dict()


def as_buffer(episode: Episode) -> EpisodeBuffer:
    """An episode as Minari stores it; with one agent its axis is left out, but in the infos."""
    agents: Any = 0 if episode.clusters == 1 else slice(None)
    length, played = len(episode), episode.played
    infos = {name: _shifted(getattr(episode, name)) for name in OF_AGENTS}
    infos["seconds"] = _shifted(episode.seconds[:, None])
    infos["component"] = _shifted(np.full((length, 1), episode.component, np.int64))
    last = np.arange(length) == length - 1
    return EpisodeBuffer(
        seed=played.seed,
        options={"number": played.number, "start": played.first, "stop": played.stop},
        observations={
            "observation": episode.observations[:, agents],
            "action_mask": episode.masks[:, agents],
        },
        actions=episode.actions[:, agents],
        rewards=episode.rewards,
        terminations=last & episode.terminated,
        truncations=last & episode.truncated,
        infos=infos,
    )


def load_episodes(dataset: str | minari.MinariDataset) -> list[Episode]:
    """The episodes of a data set with an axis of agents, (T, K, ...), all in memory.

    Raises `UnknownNameError` for an id that is not here, with the nearest one that is, and
    `DatasetError` for a data set that was not recorded by this package.
    """
    if isinstance(dataset, str):
        dataset = load_dataset(dataset)
    described = dataset.storage.get_episode_metadata(dataset.episode_indices)
    try:
        return [
            _loaded(data, about)
            for data, about in zip(dataset.iterate_episodes(), described, strict=True)
        ]
    except (KeyError, IndexError, TypeError) as error:
        raise DatasetError(
            f"data set {dataset.id!r} was not recorded by vmagent_marl ({error!r} is missing): "
            "read it with minari.load_dataset"
        ) from None


def load_dataset(name: str) -> minari.MinariDataset:
    """`minari.load_dataset`, with the nearest local id in the error for one that is not here."""
    if not (dataset_folder(name) / "data").is_dir():
        raise unknown_name("data set", name, minari.list_local_datasets())
    return minari.load_dataset(name)


def own_metadata(dataset: str | minari.MinariDataset) -> dict[str, Any]:
    """What this package wrote about a data set: scenario, recipe, statistics and so on."""
    if isinstance(dataset, str):
        dataset = load_dataset(dataset)
    try:
        own: dict[str, Any] = dataset.storage.metadata[OWN]
    except KeyError:
        raise DatasetError(f"data set {dataset.id!r} was not recorded by vmagent_marl") from None
    return own


def ensure_namespace(name: str) -> None:
    """Register the folders above a data set as Minari's namespaces."""
    namespace = name.rpartition("/")[0]
    if namespace not in list_local_namespaces():
        create_namespace(namespace)


def room_for(data_bytes: int, episodes: int) -> int:
    """Bytes that a data set takes at most, from those of its arrays."""
    return int(SLACK * data_bytes) + ROOM_AN_EPISODE * episodes


def sha256_of(file: Path) -> str:
    """Digest of a file, hex."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _shifted(values: NDArray[Any]) -> NDArray[Any]:
    """(T+1, ...) with a row of zeros first: Minari's entry t+1 belongs to transition t."""
    return np.concatenate([np.zeros_like(values[:1]), values])


def _described(episode: Episode) -> dict[str, Any]:
    """Metadata of one episode, flat, as HDF5's attributes take them."""
    metrics = {f"metrics/{name}": value for name, value in episode.metrics.as_dict().items()}
    return {"return": episode.total, "agent_returns": episode.agent_returns, **metrics}


def _loaded(data: Any, about: dict[str, Any]) -> Episode:
    infos, options = data.infos, about["options"]
    agents = infos["reached"].shape[1]
    length = len(data.rewards)
    metrics = {
        name: value if name == "cluster_profit" else value.item()
        for name, value in about["metrics"].items()
    }
    metrics["cluster_profit"] = np.asarray(metrics["cluster_profit"]).tolist()
    return Episode(
        observations=data.observations["observation"].reshape(length + 1, agents, -1),
        masks=data.observations["action_mask"].reshape(length + 1, agents, -1),
        actions=data.actions.reshape(length, agents),
        rewards=data.rewards,
        seconds=infos["seconds"][1:, 0],
        **{name: infos[name][1:] for name in OF_AGENTS},
        component=int(infos["component"][-1, 0]),
        terminated=bool(data.terminations[-1]),
        truncated=bool(data.truncations[-1]),
        played=sim.Episode(
            first=int(options["start"]),
            stop=int(options["stop"]),
            number=int(options["number"]),
            seed=int(about["seed"]),
        ),
        metrics=metrics_from(metrics),
    )
