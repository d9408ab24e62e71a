from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from train.online.games import on_disk
from train.recordings import buffer, record, save, small_region, tagged

from vmagent_marl.episodes import collect, recipe_for
from vmagent_marl.episodes.storage.hdf5_reader import load_episodes
from vmagent_marl.episodes.storage.minari_format import FILE, dataset_folder
from vmagent_marl.errors import DatasetError, SettingError
from vmagent_marl.policies import make_policy
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim.global_state import global_state
from vmagent_marl.train.offline.data.joint_decisions import JointDecisions, read_joint_decisions

K, F, A = 3, 5, 4
LENGTHS = [(4, True), (1, False), (6, False), (1, True)]  # and whether they terminated


def save_tagged(name: str = "tagged/joint-v0") -> str:
    episodes = [
        tagged(i, clusters=K, steps=steps, terminated=over, features=F, actions=A)
        for i, (steps, over) in enumerate(LENGTHS)
    ]
    return save(name, episodes, small_region(), (K, F, A))


def by_hand(number: int) -> Any:
    steps, terminated = LENGTHS[number]
    return tagged(number, clusters=K, steps=steps, terminated=terminated, features=F, actions=A)


def test_no_row_is_shifted_lost_or_invented() -> None:
    data = read_joint_decisions(save_tagged())
    rows = iter(range(len(data.features)))
    for number, (steps, terminated) in enumerate(LENGTHS):
        episode = by_hand(number)
        for t in range(steps + 1):
            row = next(rows)
            tags = data.features[row]
            assert tags[:, 0] == pytest.approx(number / 100)
            assert tags[:, 1] == pytest.approx(t / 100)
            assert tags[:, 2] == pytest.approx(np.arange(K) / 100)
            assert np.array_equal(tags[:, F:], np.eye(K))
            assert np.array_equal(data.mask[row], episode.observations["action_mask"][t])
            assert data.closing[row] == (t == steps)
            if t == steps:  # nothing happened here
                assert not data.action[row].any()
                assert not data.reached[row].any()
                assert (data.reward[row], data.terminal[row], data.truncated[row]) == (0, 0, 0)
                continue
            assert np.array_equal(data.action[row], episode.actions[t])  # reached or not
            assert np.array_equal(data.reached[row], episode.infos["reached"][t + 1] > 0)
            assert data.reward[row] == pytest.approx(episode.rewards[t])
            assert data.terminal[row] == (terminated and t == steps - 1)
            assert data.truncated[row] == (not terminated and t == steps - 1)
    assert next(rows, None) is None
    assert data.state.shape == (len(data.features), 0)


def test_unreached_answers_are_kept_or_count_as_the_pass_they_amount_to() -> None:
    name = save_tagged()
    kept, passed = read_joint_decisions(name), read_joint_decisions(name, unreached="pass")
    decided = ~kept.closing[:, None]
    away = decided & ~kept.reached
    assert (passed.action[away] == A - 1).all()
    assert (kept.action[away] != A - 1).any()
    assert np.array_equal(kept.action[kept.reached], passed.action[passed.reached])
    assert kept.settings != passed.settings


def illegal(reached: bool) -> str:
    """Of two agents the first answers 0, which is not legal to it; nor is pass the second time."""
    mask = np.ones((3, 2, 3), np.int8)
    mask[:, 0, 0] = mask[1, 0, 2] = 0
    episode = buffer(
        0,
        observation=np.zeros((3, 2, F), np.float32),
        mask=mask,
        action=np.zeros((2, 2), np.int64),
        own=np.zeros((2, 2)),
        reached=np.array([[reached, True], [False, True]]),
        terminated=False,
    )
    return save("illegal/joint-v0", [episode], small_region(), (2, F, 3))


def test_an_illegal_answer_that_was_not_reached_stands_as_it_would_have_counted() -> None:
    data = read_joint_decisions(illegal(reached=False))
    assert data.action.tolist() == [[2, 0], [1, 0], [0, 0]]


def test_an_illegal_answer_that_counted_is_refused() -> None:
    name = illegal(reached=True)
    with pytest.raises(DatasetError, match=r"cluster_0 in episode 0, row 0 is outside of its mask"):
        read_joint_decisions(name)


def test_rewards_are_scaled() -> None:
    name = save_tagged()
    plain = read_joint_decisions(name)
    fourth = read_joint_decisions(name, reward_scale=4.0)
    np.testing.assert_allclose(fourth.reward, plain.reward / 4, rtol=1e-6)
    own = read_joint_decisions(name, reward_scale=None)
    assert (own.reward[~own.closing] ** 2).mean() == pytest.approx(1.0, rel=1e-4)
    assert own.settings["reward_scale"] > 1


def test_two_data_sets_make_one() -> None:
    first, second = save_tagged("tagged/first-v0"), save_tagged("tagged/second-v0")
    both, one = read_joint_decisions([first, second]), read_joint_decisions(second)
    rows = len(one.features)
    assert len(both.features) == 2 * rows
    assert len(both.sha256) == 2
    for field in ("features", "mask", "action", "reached", "reward", "terminal", "closing"):
        values = getattr(both, field)
        np.testing.assert_array_equal(values[:rows], getattr(one, field), field)
        np.testing.assert_array_equal(values[rows:], getattr(one, field), field)


def test_what_is_of_one_cluster_or_not_ours_is_refused() -> None:
    tiny = load_scenario("tiny")
    name = record("tiny/random-v0", tiny, [make_policy("random")], 2)
    with pytest.raises(DatasetError, match=r"is of one cluster.*discrete_cql"):
        read_joint_decisions(name)
    name = save_tagged()
    with pytest.raises(SettingError, match="unreached: 'passing' is none"):
        read_joint_decisions(name, unreached="passing")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match=r"reward_scale: 0\.0 is not positive"):
        read_joint_decisions(name, reward_scale=0.0)
    with h5py.File(dataset_folder(name) / "data" / FILE, "r+") as file:
        del file["episode_2/infos/reached"]
    with pytest.raises(DatasetError, match="lacks 'infos/reached'"):
        read_joint_decisions(name)


def test_a_recorded_state_is_read_beside_its_own_row() -> None:
    rows = sum(steps + 1 for steps, _ in LENGTHS)
    states = np.arange(rows * 2, dtype=np.float32).reshape(rows, 2)
    name, begun = save_tagged(), 0
    with h5py.File(dataset_folder(name) / "data" / FILE, "r+") as file:
        for number, (steps, _) in enumerate(LENGTHS):
            file[f"episode_{number}/infos/state"] = states[begun : begun + steps + 1]
            begun += steps + 1
    assert np.array_equal(read_joint_decisions(name, state=True).state, states)
    both = read_joint_decisions([name, name], state=True).state
    assert np.array_equal(both, np.concatenate([states, states]))


@pytest.fixture
def collected(tmp_path: Path) -> str:
    """70 episodes, more than are replayed side by side."""
    scenario = small_region(horizon=7, state="privileged", summaries="coarse")
    recipe = recipe_for(on_disk(scenario, tmp_path), "random", episodes=70, seed=3)
    return collect(recipe, progress=False)


def test_a_state_that_was_not_recorded_is_found_again_by_replay(collected: str) -> None:
    data = read_joint_decisions(collected, state=True)
    episodes = load_episodes(collected)
    scenario = small_region(horizon=7, state="privileged", summaries="coarse")
    simulator = scenario.simulator(batch=1)
    row = 0
    for episode in episodes:
        simulator.reset({0: episode.played})
        for t in range(len(episode) + 1):
            assert np.array_equal(data.state[row], global_state(simulator)[0])
            assert np.array_equal(data.features[row, :, :-3], episode.observations[t])
            row += 1
            if t < len(episode):
                simulator.step(episode.actions[t][None])
                assert np.array_equal(data.action[row - 1], episode.actions[t])
    assert row == len(data.state)
    assert (data.action != 2 * scenario.rules().servers[0])[~data.reached].any()


def test_a_recording_that_the_simulator_does_not_play_has_no_state(collected: str) -> None:
    file = dataset_folder(collected) / "data" / FILE
    with h5py.File(file, "r+") as stored:
        seen = stored["episode_69/observations/observation"]
        seen[5, 1, 0] += 0.25
    with pytest.raises(DatasetError, match=r"row 5 of episode 69 is not what the simulator shows"):
        read_joint_decisions(collected, state=True)
    assert isinstance(read_joint_decisions(collected), JointDecisions)
    with h5py.File(file, "r+") as stored:
        del stored["episode_69"].attrs["options/start"]
    with pytest.raises(DatasetError, match=r"episode 69 .* does not tell what it plays.*sum"):
        read_joint_decisions(collected, state=True)
