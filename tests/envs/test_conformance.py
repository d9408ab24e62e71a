"""Every scenario on the shelf, through the libraries' own conformance tests."""

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import vmagent_marl as vm
from vmagent_marl import catalog
from vmagent_marl.envs.registration import gym_id

with warnings.catch_warnings():  # PettingZoo's tests import its games the way it deprecates
    warnings.simplefilter("ignore", DeprecationWarning)
    from pettingzoo.test import (
        api_test,
        max_cycles_test,
        parallel_api_test,
        parallel_seed_test,
        render_test,
        seed_test,
        state_test,
    )

SCENARIOS = catalog.names("scenarios")
ACTIONS = ["slots", "top-3"]
# PettingZoo advises against dictionaries and asks for plain arrays; the mask needs one
EXPECTED = pytest.mark.filterwarnings("ignore::UserWarning:pettingzoo.*")


@EXPECTED
@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("mask_in", ["obs", "info", "both"])
@pytest.mark.parametrize("actions", ACTIONS)
def test_parallel_api(name, mask_in, actions):
    env = vm.parallel_env(name, horizon=60, mask_in=mask_in, actions=actions)
    parallel_api_test(env, num_cycles=150)


@EXPECTED
@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("actions", ACTIONS)
def test_aec_api(name, actions):
    api_test(vm.env(name, horizon=60, actions=actions), num_cycles=150)


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("actions", ACTIONS)
def test_seeds(name, actions):
    parallel_seed_test(lambda: vm.parallel_env(name, actions=actions), num_cycles=30)
    seed_test(lambda: vm.env(name, actions=actions), num_cycles=30)


@EXPECTED
@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("actions", ACTIONS)
def test_state(name, actions):
    state_test(vm.env(name, actions=actions), vm.parallel_env(name, actions=actions))


@pytest.mark.parametrize("name", SCENARIOS)
def test_render(name):
    render_test(lambda render_mode: vm.env(name, horizon=60, render_mode=render_mode))


def test_max_cycles():
    """It counts turns and asks for as many of each agent: so it is, where one cluster plays."""

    class Counted:
        @staticmethod
        def env(max_cycles):
            return vm.env("recovering", horizon=max_cycles, turned_away="count")

        @staticmethod
        def parallel_env(max_cycles):
            return vm.parallel_env("recovering", horizon=max_cycles, turned_away="count")

    max_cycles_test(Counted)


@pytest.mark.filterwarnings("ignore:.*is different from the unwrapped version.*:UserWarning")
@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("actions", ACTIONS)
def test_gymnasium(name, actions):
    env = gymnasium.make(gym_id(name), render_mode="rgb_array", actions=actions)
    check_env(env.unwrapped)


@pytest.mark.parametrize("name", SCENARIOS)
def test_make_takes_scenario_fields(name):
    servers = vm.load_scenario(name).each("servers")[0]
    env = gymnasium.make(gym_id(name), horizon=5, turned_away="count", servers=servers)
    observation, _ = env.reset(seed=3)
    for _ in range(5):
        mask = observation["action_mask"]
        action = mask.argmax(axis=-1)
        observation, _, terminated, truncated, info = env.step(action)
    assert truncated
    assert not terminated
    assert info["metrics"]["requests"] == 5


@pytest.mark.parametrize("name", ["recovering", "region-prices"])
@pytest.mark.parametrize("actions", ACTIONS)
def test_vector_env(name, actions):
    env = gymnasium.make_vec(
        gym_id(name), num_envs=3, horizon=20, turned_away="count", actions=actions
    )
    observation, _ = env.reset(seed=5)
    assert env.observation_space.contains(observation)
    ends = 0
    for _ in range(65):
        action = observation["action_mask"].argmax(axis=-1)
        assert env.action_space.contains(action)
        observation, reward, terminated, truncated, _ = env.step(action)
        ends += int((terminated | truncated).sum())
        assert reward.shape == (3,)
    assert ends == 9  # every 21st step begins anew
    assert np.isfinite(observation["observation"]).all()
