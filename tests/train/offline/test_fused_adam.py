from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from d3rlpy import load_learnable
from d3rlpy.algos import DiscreteBCConfig, DiscreteBCQConfig, DiscreteSACConfig
from d3rlpy.models.encoders import VectorEncoderFactory
from d3rlpy.models.q_functions import MeanQFunctionFactory
from d3rlpy.optimizers import AdamFactory, SGDFactory
from torch import nn
from train.offline.learners import bc, cql, learner, sac
from train.recordings import record, small_region

from vmagent_marl.errors import SettingError
from vmagent_marl.policies import make_policy
from vmagent_marl.train.offline.data.decisions import Decisions, read_decisions
from vmagent_marl.train.offline.on_d3rlpy.d3rlpy_learner import D3rlpyLearner, config_for
from vmagent_marl.train.offline.on_d3rlpy.fused_adam import FusedAdam, FusedAdamFactory, fused


@pytest.fixture
def region() -> Decisions:
    name = record("small/random-v0", small_region(), [make_policy("random")], 2)
    return read_decisions(name, gamma=0.9, reward_scale=None)


def test_it_takes_the_steps_of_d3rlpys_adam() -> None:
    made: dict[type, list[torch.Tensor]] = {}
    plain = AdamFactory(betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1, amsgrad=True)
    for factory in (plain, fused(plain)):
        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
        optimizer = factory.create(module.named_modules(), lr=0.05, compiled=False)
        for step in range(20):
            optimizer.zero_grad()
            inputs = torch.linspace(-1, 1 + step, 30).view(10, 3)
            module(inputs).square().mean().backward()
            optimizer.step()
        made[type(factory)] = [p.detach() for p in module.parameters()]
    for one, two in zip(made[AdamFactory], made[FusedAdamFactory], strict=True):
        torch.testing.assert_close(one, two, atol=1e-6, rtol=1e-5)


def test_a_learner_has_it_wherever_its_config_has_plain_adam(
    region: Decisions, tmp_path: Path
) -> None:
    made = D3rlpyLearner(sac(), region, device="cpu").learner
    modules = made.impl.modules
    for each in (modules.actor_optim, modules.critic_optim, modules.temp_optim):
        assert isinstance(each.optim, FusedAdam)
    made.save(str(tmp_path / "learner.d3"))
    assert load_learnable(str(tmp_path / "learner.d3")).config == made.config
    other = config_for(bc(optim_factory=SGDFactory()), region)
    assert isinstance(other.optim_factory, SGDFactory)


def test_a_config_that_would_not_know_the_masks_is_refused(region: Decisions) -> None:
    for config in (DiscreteBCConfig(), DiscreteBCQConfig(), DiscreteSACConfig()):
        with pytest.raises(
            SettingError, match=rf"^{config.get_type()}: .* give a Masked\w+Config$"
        ):
            D3rlpyLearner(config, region, device="cpu")
    strange: dict[str, Any] = {
        "encoder_factory": VectorEncoderFactory([8]),
        "q_func_factory": MeanQFunctionFactory(),
    }
    for name, factory in strange.items():
        config = cql()
        setattr(config, name, factory)
        with pytest.raises(SettingError, match=f"^{name}: knows no masks: give a "):
            D3rlpyLearner(config, region, device="cpu")
    with pytest.raises(SettingError, match=r"^gamma: 0\.5 of the learner is not 0\.9"):
        D3rlpyLearner(cql(gamma=0.5), region, device="cpu")
    assert learner(cql(gamma=0.5), region.dataset).gamma == 0.5
