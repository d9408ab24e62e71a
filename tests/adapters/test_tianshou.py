"""Tianshou: its PettingZoo wrapper on our AEC form, which reads the mask from the observation."""

import warnings

import numpy as np
import pytest
from adapters.libraries import need

need("tianshou")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torch
    from tianshou.algorithm import DQN, MultiAgentOffPolicyAlgorithm
    from tianshou.algorithm.algorithm_base import policy_within_training_step
    from tianshou.algorithm.modelfree.dqn import DiscreteQLearningPolicy
    from tianshou.algorithm.optim import AdamOptimizerFactory
    from tianshou.data import Collector, VectorReplayBuffer
    from tianshou.env import DummyVectorEnv, PettingZooEnv
    from tianshou.utils.net.common import Net

import vmagent_marl as vm


def agents(env):
    """A DQN each; the networks read the features, masks go to the policy."""
    made = []
    for agent in env.agents:
        space = env.env.observation_space(agent)["observation"]
        net = Net(state_shape=space.shape, action_shape=env.action_space.n, hidden_sizes=[32])
        policy = DiscreteQLearningPolicy(
            model=net, action_space=env.action_space, eps_training=0.3, eps_inference=0.0
        )
        optim = AdamOptimizerFactory(lr=1e-3)
        made.append(DQN(policy=policy, optim=optim, gamma=0.99, target_update_freq=50))
    return MultiAgentOffPolicyAlgorithm(algorithms=made, env=env)


@pytest.mark.filterwarnings("ignore")  # of its own
@pytest.mark.parametrize("name", ["tiny", "region-prices"])
def test_masked_dqn(name):
    torch.manual_seed(0)
    np.random.seed(0)

    def made():
        return PettingZooEnv(vm.env(name, horizon=25))

    algorithm = agents(made())
    before = [p.clone() for p in algorithm.parameters()]
    batch = DummyVectorEnv([made for _ in range(2)])
    buffer = VectorReplayBuffer(1000, 2)
    collector = Collector(algorithm, batch, buffer, exploration_noise=True)
    collector.reset()
    stats = collector.collect(n_step=300)
    assert stats.n_collected_steps >= 300
    assert stats.n_collected_episodes > 0
    held = buffer.sample_indices(0)  # all that are filled
    masks, actions = np.asarray(buffer[held].obs.mask), buffer[held].act.astype(int)
    assert masks.any(axis=1).all()
    assert masks[np.arange(held.size), actions].all()
    assert buffer[held].truncated.any() or buffer[held].terminated.any()
    with policy_within_training_step(algorithm.policy):
        algorithm.update(buffer=buffer, sample_size=64)
    assert any((p != q).any() for p, q in zip(before, algorithm.parameters(), strict=True))
