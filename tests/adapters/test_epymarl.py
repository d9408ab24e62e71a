"""EPyMARL's shape, driven as its episode runner drives it; the same episodes as ours."""

import numpy as np
import pytest
from adapters.replays import plans_for, replay

import vmagent_marl as vm
from vmagent_marl.adapters.epymarl import EpymarlEnv
from vmagent_marl.errors import ActionError, SettingError

LIMIT = 25


def run(env, number):
    """An episode as its runner stores it: lists before each step, and after the last one."""
    env.reset()
    stored, terminated, truncated, request, info = [], False, False, 0, {}
    while not (terminated or truncated):
        before = env.get_state(), env.get_avail_actions(), env.get_obs()
        plans = plans_for(number, request, np.array(before[1]))
        _, reward, terminated, truncated, info = env.step(plans)
        over = (terminated or truncated) != info.get("episode_limit", False)
        stored.append((*before, reward, over))
        request += 1
    return stored, (env.get_state(), env.get_avail_actions(), env.get_obs()), info


@pytest.mark.parametrize("name", ["region-prices", "recovering"])
@pytest.mark.parametrize("reward", ["mean", "sum", "own"])
def test_episodes_are_ours(name, reward):
    common = {"common_reward": reward != "own"}
    if reward != "own":
        common["reward_scalarisation"] = reward
    env = EpymarlEnv(key=name, time_limit=LIMIT, seed=3, servers=1, **common)
    for number in range(2):
        stored, (state, avail, obs), info = run(env, number)
        expected = list(replay(name, 3, number, horizon=LIMIT, servers=1))
        assert len(stored) == len(expected)
        for ours, now in zip(stored, expected, strict=True):
            assert (ours[0] == now.state).all()
            assert (np.array(ours[1]) == now.mask).all()
            assert (np.array(ours[2]) == now.seen).all()
            paid = {"mean": now.reward.mean(), "sum": now.reward.sum(), "own": now.reward}
            assert np.allclose(ours[3], paid[reward], rtol=0, atol=1e-12)
            assert ours[4] == now.terminated  # what learners do not bootstrap from
        assert info["episode_limit"] == expected[-1].truncated
        assert (np.array(obs) == expected[-1].seen_after).all()
        assert np.array(avail).any(axis=1).all()
        assert state.shape == (env.get_state_size(),)


def test_what_the_last_info_holds_adds_up():
    """Runners add its entries up over episodes."""
    env = EpymarlEnv("region-prices", LIMIT)
    _, _, info = run(env, 0)
    assert info["requests"] == LIMIT
    assert all(isinstance(value, bool | int | float) for value in info.values())
    assert env.get_stats() == {}


def test_what_it_says_of_itself():
    env = EpymarlEnv("region-prices", LIMIT)
    env.reset(seed=4)
    ours = vm.parallel_env("region-prices")
    assert env.get_env_info() == {
        "state_shape": ours.state_space.shape[0],
        "obs_shape": ours.layout.size,
        "n_actions": ours.layout.actions,
        "n_agents": 3,
        "episode_limit": LIMIT,
    }
    for k in range(3):
        assert (env.get_obs_agent(k) == env.get_obs()[k]).all()
        assert env.get_avail_agent_actions(k) == env.get_avail_actions()[k]
    kept = env.get_obs_agent(0)
    before, state = kept.copy(), env.get_state()
    for _ in range(5):
        env.step([mask.index(1) for mask in env.get_avail_actions()])
    assert (kept == before).all()
    env.seed(4)
    env.reset()
    assert (env.get_state() == state).all()
    env.reset()
    assert (env.get_state() != state).any()
    env.close()
    env.save_replay()
    assert env.render() is None


def test_wrong_use_says_what_to_do():
    with pytest.raises(SettingError, match="mean or sum"):
        EpymarlEnv("region-prices", LIMIT, reward_scalarisation="median")
    env = EpymarlEnv("region-prices", LIMIT)
    with pytest.raises(ActionError, match="call reset"):
        env.step([0, 0, 0])
    env.reset()
    with pytest.raises(ActionError, match="2 actions for 3 clusters"):
        env.step([0, 0])
