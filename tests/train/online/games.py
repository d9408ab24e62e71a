"""Small games, and stages that play them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import yaml
from train.recordings import small_region as small_region

from vmagent_marl.scenario import Scenario, load_scenario
from vmagent_marl.trace.source import InlineTrace
from vmagent_marl.train.online.ppo import PPO, PPOLearner
from vmagent_marl.train.online.stage import Stage


def small(**fields: Any) -> Scenario:
    """One cluster of two servers; who turns a VM away has lost, so that episodes differ."""
    requests = [[second, 3 + second % 9, 1 + second % 4, 1 + second % 3] for second in range(60)]
    settings: dict[str, Any] = {
        "trace": {"requests": requests, "repeat": 10, "every": 61},
        "servers": 2,
        "node_cpu": 6,
        "node_memory": 6,
        "turned_away": "end",
        "horizon": 20,
    }
    return load_scenario("tiny", **{**settings, **fields})


def on_disk(scenario: Scenario, folder: Path) -> str:
    """A scenario's file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{scenario.name}.yaml"
    plain = {key: value for key, value in scenario.as_dict().items() if value is not None}
    file.write_text(yaml.safe_dump(plain), encoding="utf-8")
    return str(file)


def puzzle() -> Scenario:
    """`tiny` without its last round: twos are to be spread, threes packed; the optimum is 40."""
    tiny = load_scenario("tiny")
    assert isinstance(tiny.trace, InlineTrace)
    return tiny.replace(trace={"requests": tiny.trace.requests[:7], "repeat": 100, "every": 30})


def learner_on(scenario: Scenario, **fields: Any) -> PPOLearner:
    """PPO at its beginning on a scenario."""
    settings = dataclasses.replace(
        PPO(batch=8, segment=6, minibatch=64, network="flat", hidden=(16, 16)), **fields
    )
    stage = Stage(scenario, batch=settings.batch, siblings=settings.siblings, seed=settings.seed)
    return PPOLearner(settings, stage)
