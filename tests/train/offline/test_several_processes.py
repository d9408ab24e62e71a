"""The example of the pages in two processes, and the other learners by the same way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from docs.blocks import blocks
from places import ROOT
from train.recordings import record, small_region

from vmagent_marl.policies import make_policy
from vmagent_marl.policies.checkpoint import load_policy

AFTER = """
import torch
from vmagent_marl.train.offline.on_d3rlpy.masked_bc import MaskedBCConfig
from vmagent_marl.train.offline.on_d3rlpy.masked_bcq import MaskedBCQConfig
shared = {"batch_size": 16, "encoder_factory": NetworkFactory([8])}
judged = {"gamma": 0.9, "q_func_factory": MaskedQFunctionFactory()}
found = {"cql": learner.impl.modules.q_funcs}
for others in (MaskedBCConfig(**shared), MaskedBCQConfig(**shared, **judged)):
    other = config_for(others, decisions).create(device=device, enable_ddp=several)
    other.fit(
        DecisionBuffer(decisions, seed=rank),
        n_steps=4,
        n_steps_per_epoch=4,
        logger_adapter=NoopAdapterFactory(),
        show_progress=False,
    )
    found[others.get_type()] = other.impl.modules.imitator
    if rank == 0:
        save_acting(others.get_type() + ".pt", other, decisions)
state = {name: [p.detach() for p in module.parameters()] for name, module in found.items()}
torch.save(state, f"rank{rank}.pt")
"""


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no torchrun")
def test_two_processes_learn_one_policy_from_batches_of_their_own(tmp_path: Path) -> None:
    [block] = [each for each in blocks(ROOT / "docs" / "datasets.md") if "enable_ddp" in each.code]
    record("vmagent/region-prices/random-v0", small_region(), [make_policy("random")], 3)
    ends = "if several:\n    destroy_process_group()\n"
    assert block.code.endswith(ends)
    program = tmp_path / "learn.py"
    program.write_text(block.code.removesuffix(ends) + AFTER + ends, encoding="utf-8")
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*start, str(program)],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    one, two = (torch.load(tmp_path / f"rank{i}.pt", weights_only=True) for i in range(2))
    assert set(one) == {"cql", "masked_bc", "masked_bcq"}
    for name, parameters in one.items():
        for mine, other in zip(parameters, two[name], strict=True):
            assert torch.equal(mine, other), name
    acting = load_policy(tmp_path / "cql.pt")
    assert (acting.training.algorithm, acting.network.shape.kind) == ("discrete_cql", "servers")
    for mine, saved in zip(one["cql"], acting.network.parameters(), strict=True):
        assert torch.equal(mine, saved)
    for name, gamma in {"masked_bc": None, "masked_bcq": 0.9}.items():
        assert load_policy(tmp_path / f"{name}.pt").training.gamma == gamma
