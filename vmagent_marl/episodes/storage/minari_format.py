"""Episodes as Minari data sets: HDF5 that a plain `minari.load_dataset` reads whole."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import minari
from gymnasium.envs.registration import EnvSpec
from minari.dataset.minari_storage import MinariStorage
from minari.namespace import create_namespace, list_local_namespaces
from minari.storage import get_dataset_path

from vmagent_marl.envs.registration import gym_id
from vmagent_marl.envs.spaces import joint_action_space, joint_observation_space
from vmagent_marl.episodes.recording.episode import Episode
from vmagent_marl.episodes.storage.hdf5_writer import HDF5Writer
from vmagent_marl.errors import DatasetError, unknown_name
from vmagent_marl.scenario import Scenario
from vmagent_marl.sim.layout import layout_of
from vmagent_marl.trace import Trace

OWN = "vmagent_marl"  # key of what is ours in the metadata
NAMESPACE = "vmagent"
FILE = "main_data.hdf5"
CARD = "README.md"  # in the data set's folder, where hubs look for one
AUTHOR = "The vmagent_marl authors"
REQUIREMENTS = ["vmagent-marl"]  # Minari names what is missing by it
RECOVERED = "vmagent_marl.episodes.storage.recovery:recovered"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
ROOM_AN_EPISODE = 24_000  # bytes of HDF5's tables beside the arrays, about twice what they take


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


def env_spec(scenario: Scenario, window: str, trace: Trace) -> EnvSpec:
    """From which `recover_environment` builds the environment that was recorded."""
    return EnvSpec(
        id=gym_id(scenario.name),
        entry_point=RECOVERED,
        kwargs={"scenario": scenario.as_dict(), "window": window, "recorded_on": told_of(trace)},
    )


def told_of(trace: Trace) -> dict[str, Any]:
    """By which a trace is known again, wherever its file lies."""
    return {"name": trace.name, "fingerprint": trace.fingerprint, "requests": len(trace)}


def write_dataset(
    folder: Path,
    name: str,
    scenario: Scenario,
    window: str,
    trace: Trace,
    episodes: Iterable[Episode],
) -> MinariStorage:
    """Write a data set that is to be called `name` into `folder`.

    The episodes are written as they come; one at a time is held in memory.
    """
    (folder / "data").mkdir(parents=True)
    layout = layout_of(scenario.rules())
    storage = MinariStorage.new(
        folder / "data",
        observation_space=joint_observation_space(layout),
        action_space=joint_action_space(layout),
        env_spec=env_spec(scenario, window, trace),
        data_format="hdf5",
        jpeg_encoding=False,
    )
    with HDF5Writer(folder / "data" / FILE) as writer:
        for episode in episodes:
            writer.add(episode)
    storage.update_metadata(
        {
            "dataset_id": name,
            "minari_version": minari.__version__,
            "author": {AUTHOR},
            "requirements": REQUIREMENTS,
            "total_steps": writer.transitions,
            "total_episodes": writer.episodes,
            "dataset_size": storage.get_size(),
        }
    )
    return storage


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
        raise DatasetError(
            f"data set {dataset.id!r} was not recorded by vmagent_marl, or is an export: give one "
            "that `collect` recorded"
        ) from None
    return own


def ensure_namespace(name: str) -> None:
    """Register the folders above a data set as Minari's namespaces."""
    namespace = name.rpartition("/")[0]
    if namespace not in list_local_namespaces():
        create_namespace(namespace)


def sha256_of(file: Path) -> str:
    """Digest of a file, hex."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
