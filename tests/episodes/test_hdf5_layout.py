"""What our writer lays out, held against Minari's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import minari
import numpy as np
import pytest
from minari.data_collector import EpisodeBuffer
from minari.dataset.minari_storage import MinariStorage

from vmagent_marl.episodes import Episode, load_episodes, record
from vmagent_marl.episodes.storage.figures import as_record
from vmagent_marl.episodes.storage.hdf5_reader import HDF5Reader
from vmagent_marl.episodes.storage.minari_format import FILE, dataset_folder, write_dataset
from vmagent_marl.errors import DatasetError
from vmagent_marl.policies import make_policy
from vmagent_marl.scenario import Scenario, load_scenario

SCENARIOS = {
    "one": load_scenario("recovering", servers=2),
    "many": load_scenario("region-prices", servers=(2, 3, 2), horizon=40),
}
NAME = "layout/mine-v0"


def episodes_of(scenario: Scenario, number: int = 4) -> list[Episode]:
    return list(record(scenario, make_policy("random"), episodes=number, seed=2))


def ours(scenario: Scenario, episodes: list[Episode]) -> minari.MinariDataset:
    folder = dataset_folder(NAME)
    write_dataset(folder, NAME, scenario, "train", scenario.load_trace(), episodes)
    return minari.load_dataset(NAME)


def as_buffer(episode: Episode) -> EpisodeBuffer:
    """An episode as Minari's interface takes it, said anew."""
    one = episode.clusters == 1
    length = len(episode)

    def joint(rows: Any) -> Any:
        return rows[:, 0] if one else rows

    def after(rows: Any) -> Any:
        return np.concatenate([np.zeros((1, *rows.shape[1:]), rows.dtype), rows])

    ends = [False] * (length - 1) + [True]
    return EpisodeBuffer(
        seed=episode.played.seed,
        options={
            "number": episode.played.number,
            "start": episode.played.first,
            "stop": episode.played.stop,
        },
        observations={
            "observation": joint(episode.observations),
            "action_mask": joint(episode.masks),
        },
        actions=joint(episode.actions),
        rewards=episode.rewards,  # type: ignore[arg-type]  # an array serves
        terminations=np.array(ends) & episode.terminated,
        truncations=np.array(ends) & episode.truncated,
        infos={
            "agent_rewards": after(episode.agent_rewards),
            "behavior_logp": after(episode.behavior_logp),
            "reached": after(episode.reached),
            "effective_action": after(episode.effective_action),
            "seconds": after(episode.seconds[:, None]),
            "component": after(np.full((length, 1), episode.component)),
        },
    )


def theirs(folder: Path, like: minari.MinariDataset, episodes: list[Episode]) -> MinariStorage:
    storage = MinariStorage.new(
        folder,
        observation_space=like.observation_space,
        action_space=like.action_space,
        env_spec=like.env_spec,
        jpeg_encoding=False,
    )
    storage.update_episodes(as_buffer(episode) for episode in episodes)
    storage.update_episode_metadata(
        {
            "return": episode.total,
            "agent_returns": episode.agent_returns,
            "metrics": as_record(episode.metrics),
        }
        for episode in episodes
    )
    return storage


def assert_same(mine: h5py.Group, other: h5py.Group) -> int:
    """The same names in the same order, the same types, values and attributes; datasets in all."""
    assert list(mine) == list(other)
    assert set(mine.attrs) == set(other.attrs)
    for name in mine.attrs:
        one, two = mine.attrs.get_id(name), other.attrs.get_id(name)
        assert one.get_type().equal(two.get_type()), name
        assert one.shape == two.shape, name
        np.testing.assert_array_equal(mine.attrs[name], other.attrs[name], name, strict=True)
    datasets = 0
    for name, item in mine.items():
        match = other[name]
        assert type(item) is type(match)
        if isinstance(item, h5py.Group):
            datasets += assert_same(item, match)
            continue
        datasets += 1
        assert item.id.get_type().equal(match.id.get_type()), name
        np.testing.assert_array_equal(item[()], match[()], name, strict=True)
        assert (item.compression, item.fillvalue) == (match.compression, match.fillvalue)
        assert not item.attrs
        assert item.chunks is None  # in one piece, where Minari cuts across the columns
    return datasets


@pytest.mark.parametrize("kind", SCENARIOS)
def test_the_file_is_what_minaris_own_writer_makes_of_the_episodes(
    kind: str, tmp_path: Path
) -> None:
    scenario = SCENARIOS[kind]
    episodes = episodes_of(scenario)
    data = ours(scenario, episodes)
    storage = theirs(tmp_path / "theirs", data, episodes)
    with (
        h5py.File(data.storage.data_path / FILE) as mine,
        h5py.File(tmp_path / "theirs" / FILE) as other,
    ):
        assert assert_same(mine, other) == 12 * len(episodes)
        orders = [file.id.get_create_plist().get_link_creation_order() for file in (mine, other)]
        assert orders[0] == orders[1]
    told, wanted = data.storage.metadata, storage.metadata
    for key in ("total_episodes", "total_steps", "data_format", "jpeg_encoding", "env_spec"):
        assert told[key] == wanted[key], key
    assert told["observation_space"] == wanted["observation_space"]
    assert told["dataset_size"] == pytest.approx(data.storage.get_size(), abs=0.1)


@pytest.mark.parametrize("kind", SCENARIOS)
def test_minari_appends_episodes_to_ours_and_we_read_them(kind: str) -> None:
    scenario = SCENARIOS[kind]
    first, second = episodes_of(scenario, 4)[:2], episodes_of(scenario, 4)[2:]
    data = ours(scenario, first)
    data.update_dataset_from_buffer([as_buffer(episode) for episode in second])
    data.storage.update_episode_metadata(
        [{"metrics": as_record(episode.metrics)} for episode in second], [2, 3]
    )
    loaded = load_episodes(NAME)
    assert minari.load_dataset(NAME).total_steps == sum(map(len, loaded))
    for left, right in zip(loaded, [*first, *second], strict=True):
        assert (left.played, left.metrics) == (right.played, right.metrics)
        for name, array in left.arrays.items():
            np.testing.assert_array_equal(array, right.arrays[name], name, strict=True)


def test_the_reader_reads_in_place_and_refuses_what_does_not_fit() -> None:
    scenario = SCENARIOS["one"]
    episodes = episodes_of(scenario, 2)
    path = "observations/action_mask"
    with HDF5Reader(ours(scenario, episodes)) as reader:
        shape = reader.shape(1, path)
        room = np.zeros((shape[0] + 2, shape[1]), np.int8)
        reader.array(1, path, room[1:-1])
        np.testing.assert_array_equal(room[1:-1], episodes[1].masks[:, 0])
        assert not room[[0, -1]].any()
        with pytest.raises(DatasetError, match=r"action_mask of episode 1 is int8 of shape"):
            reader.array(1, path, room)
        with pytest.raises(KeyError, match="infos/mood"):
            reader.array(0, "infos/mood")


def test_a_storage_that_is_no_hdf5_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = ours(SCENARIOS["one"], episodes_of(SCENARIOS["one"], 1))
    (data.storage.data_path / FILE).write_bytes(b"arrow, say")
    with pytest.raises(DatasetError, match="no HDF5 file, and Minari's other storages"):
        load_episodes(NAME)
