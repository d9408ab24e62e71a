"""AgileRL: IPPO on our parallel form, which reads the mask from the info."""

import pytest
from adapters.libraries import need

import vmagent_marl as vm
from vmagent_marl.adapters.agilerl import ListMaskParallelEnv


class Watched(ListMaskParallelEnv):
    """Counts what was answered."""

    steps = illegal = ends = 0

    def step(self, actions):
        step = super().step(actions)
        self.steps += 1
        self.illegal += sum(info["illegal"] for info in step[-1].values())
        self.ends += not self.agents
        return step


def test_the_mask_is_in_the_info_as_a_list():
    """Needs no AgileRL."""
    plain, listed = vm.parallel_env("region-prices"), ListMaskParallelEnv("region-prices")
    seen, _ = plain.reset(seed=0)
    features, infos = listed.reset(seed=0)
    for agent in plain.agents:
        assert listed.observation_space(agent).contains(features[agent])
        assert (features[agent] == seen[agent]["observation"]).all()
        assert infos[agent]["action_mask"] == seen[agent]["action_mask"].tolist()


@pytest.mark.filterwarnings("ignore")  # of its own
def test_masked_ippo(tmp_path, monkeypatch):
    need("agilerl")
    import torch
    from agilerl.algorithms import IPPO
    from agilerl.training.train_multi_agent_on_policy import train_multi_agent_on_policy

    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    env = Watched("region-prices", horizon=50)
    agent = IPPO(
        observation_spaces=[env.observation_space(a) for a in env.possible_agents],
        action_spaces=[env.action_space(a) for a in env.possible_agents],
        agent_ids=env.possible_agents,
        learn_step=100,
        batch_size=32,
        update_epochs=1,
    )
    before = [p.clone() for actor in agent.actors.values() for p in actor.parameters()]
    train_multi_agent_on_policy(
        env, "vmagent", "IPPO", [agent], max_steps=200, evo_steps=100, verbose=False
    )
    after = [p for actor in agent.actors.values() for p in actor.parameters()]
    assert env.steps >= 200
    assert env.ends >= 4
    assert env.illegal == 0
    assert any((p != q).any() for p, q in zip(before, after, strict=True))
