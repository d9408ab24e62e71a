"""The network over servers inside d3rlpy's learners: it keeps what makes it one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from d3rlpy import load_learnable
from policies.test_server_network import CLUSTERS, layout_of, moved, observed
from train.offline.learners import bc, bcq, cql, dqn, iql, sac, trained
from train.recordings import record, small_region

from vmagent_marl.evaluation import evaluate
from vmagent_marl.policies import make_policy
from vmagent_marl.policies.checkpoint import load_policy
from vmagent_marl.train.offline.on_d3rlpy.d3rlpy_learner import acting_network

D3RLPY = {"cql": cql, "dqn": dqn, "bc": bc, "bcq": bcq, "sac": sac}


def over_servers(config: Any) -> Any:
    """The same config with networks over servers, of `CLUSTERS` agents."""
    made = {"kind": "servers", "hidden": [8, 8], "identities": CLUSTERS}
    return replace(
        config,
        **{
            name: replace(factory, **made)
            for name, factory in vars(config).items()
            if name.endswith("encoder_factory")
        },
    )


@pytest.mark.parametrize("algorithm", D3RLPY)
def test_d3rlpy_saves_and_loads_it_and_it_knows_no_order(algorithm: str, tmp_path: Path) -> None:
    torch.manual_seed(3)
    layout = layout_of(4, hints=0)
    learner = over_servers(D3RLPY[algorithm]()).create()
    learner.create_impl(((layout.size + CLUSTERS,), (layout.actions,)), layout.actions)
    learner.save(str(tmp_path / "learner.d3"))
    again = load_learnable(str(tmp_path / "learner.d3"))
    draw, order = np.random.default_rng(5), [2, 0, 3, 1]
    features = observed(4, 0, seed=6, rows=40)
    mask = torch.from_numpy(draw.integers(0, 2, (40, layout.actions)).astype(np.float32))
    mask[:, -1] = 1
    other = moved(features, layout, order)
    slots = mask[:, :-1].view(-1, 4, 2)[:, order].flatten(1)
    with torch.no_grad():
        before = acting_network(again).legal(features, mask)
        after = acting_network(again).legal(other, torch.cat([slots, mask[:, -1:]], 1))
        assert torch.equal(before, acting_network(learner).legal(features, mask))
    expected = before[:, :-1].view(-1, 4, 2)[:, order].flatten(1)
    torch.testing.assert_close(after[:, :-1], expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(after[:, -1], before[:, -1], atol=1e-5, rtol=1e-5)
    chosen = learner.predict([features.numpy(), mask.numpy()])
    np.testing.assert_array_equal(chosen, before.argmax(dim=1))


@pytest.mark.parametrize("algorithm", ["cql", "bcq", "iql"])
def test_what_was_trained_with_two_servers_plays_three(algorithm: str, tmp_path: Path) -> None:
    name = record("small/random-v0", small_region(), [make_policy("random")], 3)
    config = (
        iql(network="servers", hidden=(8, 8))
        if algorithm == "iql"
        else over_servers(D3RLPY[algorithm]())
    )
    run: dict[str, Any] = {"validate_every": 10, "validation_episodes": 1, "progress": False}
    file = trained(config, name, tmp_path / "run", steps=10, **run)
    assert load_policy(file).network.shape.kind == "servers"
    scores = evaluate(small_region(servers=3), str(file), episodes=2, windows="validation")
    assert np.isfinite(scores.estimate(str(file)).value)
