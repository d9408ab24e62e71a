"""Data sets written for TorchRL, loaded by TorchRL."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import minari
import numpy as np
import pytest
from adapters.libraries import need

from vmagent_marl.episodes import Player, Recipe, collect, load_episodes, recipe_for
from vmagent_marl.episodes.views.arrays import iterate_arrays
from vmagent_marl.episodes.views.tensordicts import load_tensordict
from vmagent_marl.episodes.views.torchrl_form import export_torchrl
from vmagent_marl.errors import DatasetError

MANY = Recipe(
    scenario="region-prices",
    behaviour="mixed",
    policies=(Player("cheapest-first", epsilon=0.2),),
    episodes=3,
    fields={"servers": (2, 3, 2), "horizon": 20, "share": 0.5},
)
ONE = recipe_for("recovering", "best-fit", episodes=12, fields={"servers": 2})
QUIET = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


def loaded(name: str, root: Path) -> Any:
    """By TorchRL's loader, with its last step mended: it drops the values of what it has read."""
    need("torchrl")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensordict import TensorDict
        from torchrl.data.datasets.minari_data import MinariExperienceReplay

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TensorDict, "memmap_like", TensorDict.memmap)
        return MinariExperienceReplay(
            name, batch_size=16, root=root, download=False, load_from_local_minari=True
        )


@QUIET
def test_torchrl_loads_one_cluster(tmp_path: Path) -> None:
    name = collect(ONE, progress=False)
    made = export_torchrl(name)
    assert made == "vmagent/recovering/best-fit-servers-2-torchrl-v0"
    data = loaded(made, tmp_path)[:]
    episodes = load_episodes(name)
    whole = {
        key: np.concatenate([each.arrays[key] for each in episodes]) for key in episodes[0].arrays
    }
    np.testing.assert_array_equal(data["action"].numpy(), whole["actions"][:, 0])
    np.testing.assert_array_equal(data["next", "reward"].numpy()[:, 0], whole["rewards"])
    now = np.concatenate([each.observations[:-1, 0] for each in episodes])
    after = np.concatenate([each.masks[1:, 0] for each in episodes])
    np.testing.assert_array_equal(data["observation", "observation"].numpy(), now)
    np.testing.assert_array_equal(data["next", "observation", "action_mask"].numpy(), after)
    numbers = np.repeat(np.arange(12), [len(each) for each in episodes])
    np.testing.assert_array_equal(data["episode"].numpy(), numbers)


@QUIET
def test_torchrl_loads_many_clusters(tmp_path: Path) -> None:
    name = collect(MANY, progress=False)
    buffer = loaded(export_torchrl(name), tmp_path)
    assert buffer.sample()["action", "cluster_2"].shape == (16,)
    data, episodes = buffer[:], load_episodes(name)
    for k in range(3):
        agent = f"cluster_{k}"
        seen = np.concatenate([each.observations[:-1, k] for each in episodes])
        np.testing.assert_array_equal(data["observation", agent, "observation"].numpy(), seen)
        masks = np.concatenate([each.masks[1:, k] for each in episodes])
        np.testing.assert_array_equal(data["next", "observation", agent, "action_mask"], masks)
        actions = np.concatenate([each.actions[:, k] for each in episodes])
        np.testing.assert_array_equal(data["action", agent].numpy(), actions)
    for info in ("agent_rewards", "behavior_logp", "reached", "effective_action"):
        values = np.concatenate([getattr(each, info) for each in episodes])
        np.testing.assert_array_equal(data["next", "info", info].numpy(), values)
    ends = np.concatenate([np.arange(20) == 19] * 3)
    np.testing.assert_array_equal(data["next", "truncated"].numpy()[:, 0], ends)
    assert str(buffer.metadata["action_space"]["cluster_1"].dtype) == "torch.int64"


@QUIET
def test_a_tensordict_has_the_keys_of_the_environment() -> None:
    need("torchrl")
    from torchrl.data import LazyTensorStorage, TensorDictReplayBuffer

    from vmagent_marl.adapters.torchrl import ClusterTorchEnv

    name = collect(MANY, progress=False)
    data, episodes = load_tensordict(name), load_episodes(name)
    env = ClusterTorchEnv(MANY.load_scenario(), num_envs=1)
    played = env.rollout(5)[0]
    rollout = {key: played[key] for key in played.keys(include_nested=True, leaves_only=True)}
    for key, value in rollout.items():
        if key not in ("done", "terminated", "truncated"):  # false wherever one may act
            assert data[key].shape[1:] == value.shape[1:], key
            assert data[key].dtype == value.dtype, key
    seen = np.concatenate([each.observations for each in episodes])
    assert data.shape == (60,)
    rows = np.concatenate([np.arange(20) + 21 * i for i in range(3)])
    np.testing.assert_array_equal(data["cluster", "observation"].numpy(), seen[rows])
    np.testing.assert_array_equal(data["next", "cluster", "observation"].numpy(), seen[rows + 1])
    own = np.concatenate([each.agent_rewards for each in episodes])
    shared = 0.5 * own + 0.5 * own.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(data["next", "cluster", "reward"].numpy()[..., 0], shared, rtol=1e-6)
    np.testing.assert_array_equal(np.flatnonzero(data["next", "done"]), [19, 39, 59])
    buffer = TensorDictReplayBuffer(storage=LazyTensorStorage(60), batch_size=32)
    buffer.extend(data)
    assert buffer.sample()["cluster", "action"].shape == (32, 3)


def test_the_form_is_a_minari_data_set_of_its_own() -> None:
    name = collect(MANY, progress=False)
    made = export_torchrl(name)
    dataset = minari.load_dataset(made)
    assert dataset.total_steps == minari.load_dataset(name).total_steps
    episode = dataset[1]
    assert episode.observations["cluster_0"]["action_mask"].dtype == np.uint8
    assert all(
        {agent: actions[t] for agent, actions in episode.actions.items()} in dataset.action_space
        for t in range(len(episode))
    )
    assert os.path.getsize(Path(dataset.storage.data_path).parent / "README.md") > 100
    with pytest.raises(DatasetError, match=f"is in TorchRL's form: read '{name}'"):
        iterate_arrays(made)
    with pytest.raises(DatasetError, match="exists already"):
        export_torchrl(name)
    export_torchrl(name, overwrite=True)
