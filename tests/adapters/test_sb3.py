"""Stable-Baselines3: the same episodes as ours, and masked training."""

import numpy as np
import pytest
import torch
from adapters.libraries import need
from adapters.replays import ENDS, Numbers, Replays, plans_for

need("sb3_contrib")
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3 import DQN
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from vmagent_marl.adapters.sb3 import ClusterVecEnv
from vmagent_marl.envs.gym_env import ClusterEnv
from vmagent_marl.errors import ActionError, SettingError, UnknownNameError


@pytest.mark.parametrize(("name", "fields"), ENDS)
@pytest.mark.parametrize("each_cluster", [False, True])
def test_episodes_are_ours(name, fields, each_cluster):
    env = ClusterVecEnv(name, 3, seed=5, each_cluster=each_cluster, **fields)
    replays, numbers, ends = Replays(name, 5, **fields), Numbers(3), 0
    seen = env.reset()
    for _ in range(200):
        masks = np.stack(env.env_method("action_masks")).reshape(3, -1, env._simulator.actions)
        plans, expected = [], []
        for b in range(3):
            now = replays.at(numbers.number[b], numbers.request[b])
            assert (seen.reshape(3, *now.seen.shape)[b] == now.seen).all()
            assert (masks[b] == now.mask).all()
            plans.append(plans_for(numbers.number[b], numbers.request[b], masks[b]))
            expected.append(now)
        actions = np.array(plans).reshape(env.num_envs, *env.action_space.shape)
        seen, rewards, dones, infos = env.step(actions)
        rows = env.num_envs // 3
        over = dones.reshape(3, rows)
        for b, now in enumerate(expected):
            reward = now.reward if each_cluster else now.reward.mean()
            assert (rewards.reshape(3, rows)[b] == np.float32(reward)).all()
            assert (over[b] == (now.terminated or now.truncated)).all()
            for row, info in enumerate(infos[b * rows : (b + 1) * rows]):
                if not over[b, 0]:
                    assert info == {}
                    continue
                ends += 1
                assert info["TimeLimit.truncated"] is (now.truncated and not now.terminated)
                last = now.seen_after[row] if each_cluster else now.seen_after
                assert (info["terminal_observation"] == last.reshape(seen.shape[1:])).all()
                assert info["metrics"]["requests"] == numbers.request[b] + 1
        numbers.advance(over[:, 0])
    assert ends >= 6


def test_seed_begins_the_course_anew_and_reset_goes_on():
    env = ClusterVecEnv("recovering", 2)
    env.seed(9)
    first, second = env.reset(), env.reset()
    assert (first != second).any()
    env.seed(9)
    assert (env.reset() == first).all()
    assert env.seed(None) == [9, 9]
    single = ClusterEnv("recovering", mask_in="info")
    assert (single.reset(seed=9)[0] == first[0]).all()


def test_masked_training_and_what_it_logs():
    env = VecMonitor(ClusterVecEnv("region-prices", 4, horizon=50))
    assert is_masking_supported(env)
    assert get_action_masks(env).shape == (4, 39)
    model = MaskablePPO("MlpPolicy", env, n_steps=64, batch_size=64, n_epochs=2, seed=0)
    before = [p.clone() for p in model.policy.parameters()]
    model.learn(512)
    assert any((p != q).any() for p, q in zip(before, model.policy.parameters(), strict=True))
    assert model.ep_info_buffer[-1]["l"] == 50
    seen = env.reset()
    masks = get_action_masks(env)
    actions, _ = model.predict(seen, action_masks=masks)
    legal = masks.reshape(4, 3, -1)
    assert legal.any(axis=2).all()
    assert np.take_along_axis(legal, actions[:, :, None], axis=2).all()


def test_masked_training_solves_the_puzzle():
    """Every request of every episode, 40; first fit places 8."""
    torch.set_num_threads(1)  # several fight for the cores
    settings = {"n_steps": 64, "batch_size": 128, "n_epochs": 10, "learning_rate": 3e-3}
    model = MaskablePPO("MlpPolicy", ClusterVecEnv("tiny", 16), seed=0, **settings).learn(25_000)
    env = ClusterVecEnv("tiny", 16, seed=77)
    seen, returns, over = env.reset(), np.zeros(16), np.zeros(16, bool)
    while not over.all():
        actions, _ = model.predict(seen, deterministic=True, action_masks=get_action_masks(env))
        seen, rewards, dones, _ = env.step(actions)
        returns += rewards * ~over
        over |= dones
    assert returns.mean() > 30


def test_other_learners_run_without_masks():
    env = ClusterVecEnv("tiny", 4)
    DQN("MlpPolicy", env, learning_starts=32, buffer_size=500, seed=0).learn(300)


def test_their_own_batch_of_ours_works_too():
    made = [lambda: ClusterEnv("tiny", mask_in="info") for _ in range(2)]
    env = DummyVecEnv(made)
    assert is_masking_supported(env)
    MaskablePPO("MlpPolicy", env, n_steps=32, batch_size=32, n_epochs=1, seed=0).learn(64)


def test_wrong_use_says_what_to_do():
    with pytest.raises(SettingError, match="num_envs"):
        ClusterVecEnv("tiny", 0)
    with pytest.raises(UnknownNameError, match="validation"):
        ClusterVecEnv("tiny", window="validaton")
    env = ClusterVecEnv("tiny", 2)
    env.reset()
    with pytest.raises(ActionError, match=r"give one for each of the rows"):
        env.step(np.array([0, 0, 0]))
    with pytest.raises(ActionError, match="outside of Discrete"):
        env.step(np.array([0, 99]))
    with pytest.raises(AttributeError, match="action_masks"):
        env.env_method("render")
    with pytest.raises(AttributeError, match="another env"):
        env.set_attr("horizon", 5)
    assert not env.has_attr("nothing")
    assert env.get_attr("num_envs", [0]) == [2]
