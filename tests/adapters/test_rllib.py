"""RLlib: its PettingZoo wrapper with its own action-masking module."""

import warnings

import numpy as np
import pytest
from adapters.libraries import need
from adapters.replays import plans_for, replay

from vmagent_marl.adapters.rllib_form import MaskedParallelEnv


def test_the_form_is_ours_with_other_names():
    """Needs no RLlib: names, types and spaces that its module asks for."""
    env = MaskedParallelEnv("region-prices", horizon=25)
    seen, _ = env.reset(seed=3)
    for request, now in enumerate(replay("region-prices", 3, 0, horizon=25)):
        for k, agent in enumerate(env.possible_agents):
            assert env.observation_space(agent).contains(seen[agent])
            assert env.observation_space(agent) is env.observation_space(agent)
            assert (seen[agent]["observations"] == now.seen[k]).all()
            assert (seen[agent]["action_mask"] == now.mask[k]).all()
            assert seen[agent]["action_mask"].dtype == np.float32
        plans = plans_for(0, request, now.mask)
        seen, rewards, _, truncations, _ = env.step(
            dict(zip(env.possible_agents, plans.tolist(), strict=True))
        )
        assert list(rewards.values()) == now.reward.tolist()
    assert all(truncations.values())


@pytest.fixture
def rllib(monkeypatch):
    """RLlib, with Ray started for one test."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # it would leave a token in the home folder
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    rllib = need("ray.rllib")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ray
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    yield rllib
    ray.shutdown()


@pytest.mark.filterwarnings("ignore")  # of Ray's own
@pytest.mark.parametrize("wrapped", ["by theirs", "by ours"])
def test_masked_ppo(rllib, wrapped):
    """Every sampled action is legal, and the learner has trained on them."""
    from ray.rllib.algorithms.ppo import PPOConfig
    from ray.rllib.core.rl_module.multi_rl_module import MultiRLModuleSpec
    from ray.rllib.core.rl_module.rl_module import RLModuleSpec
    from ray.rllib.env.wrappers.pettingzoo_env import ParallelPettingZooEnv
    from ray.rllib.examples.rl_modules.classes.action_masking_rlm import ActionMaskingTorchRLModule
    from ray.tune.registry import register_env

    from vmagent_marl.adapters.rllib import ClusterMultiAgentEnv

    def theirs(config):
        return ParallelPettingZooEnv(MaskedParallelEnv(**config))

    register_env("theirs", theirs)
    module = RLModuleSpec(module_class=ActionMaskingTorchRLModule)
    config = (
        PPOConfig()
        .environment(
            "theirs" if wrapped == "by theirs" else ClusterMultiAgentEnv,
            env_config={"scenario": "region-prices", "horizon": 50},
        )
        .env_runners(num_env_runners=0)
        .learners(num_learners=0)
        .multi_agent(policies={"cluster"}, policy_mapping_fn=lambda *_, **__: "cluster")
        .rl_module(rl_module_spec=MultiRLModuleSpec(rl_module_specs={"cluster": module}))
        .training(train_batch_size_per_learner=200, minibatch_size=64, num_epochs=2)
    )
    algorithm = config.build_algo()
    result = algorithm.train()
    episodes = algorithm.env_runner.sample(num_episodes=2)
    algorithm.stop()
    assert result["env_runners"]["episode_len_mean"] == 50
    assert np.isfinite(result["learners"]["cluster"]["total_loss"])
    assert len(episodes) == 2
    for episode in episodes:
        for own in episode.agent_episodes.values():
            assert own.is_truncated
            assert own.is_terminated == (wrapped == "by theirs")  # so RLlib 2.60 takes it
            masks = own.get_observations(slice(0, 50))["action_mask"]
            assert masks.shape == (50, 13)
            assert masks[np.arange(50), own.get_actions()].all()


@pytest.mark.filterwarnings("ignore")
def test_runners_play_courses_of_their_own():
    need("ray.rllib")
    from ray.rllib.env.env_context import EnvContext

    from vmagent_marl.adapters.rllib import ClusterMultiAgentEnv
    from vmagent_marl.errors import SettingError

    fields = {"scenario": "recovering", "seed": 7}
    seen = [
        ClusterMultiAgentEnv(EnvContext(fields, worker_index=worker)).reset()[0]["cluster_0"]
        for worker in (0, 0, 1)
    ]
    assert (seen[0]["observations"] == seen[1]["observations"]).all()
    assert (seen[0]["observations"] != seen[2]["observations"]).any()
    with pytest.raises(SettingError, match="names no scenario"):
        ClusterMultiAgentEnv({})
