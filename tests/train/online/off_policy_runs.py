"""Learners and short runs of DQN and SAC, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from vmagent_marl.scenario import load_scenario
from vmagent_marl.train.online.dqn import DQN, DQNLearner
from vmagent_marl.train.online.off_policy import OffPolicy, OffPolicyLearner
from vmagent_marl.train.online.replay import Drawn
from vmagent_marl.train.online.run import train_online
from vmagent_marl.train.online.sac import SAC, SACLearner
from vmagent_marl.train.online.stage import Stage

LEARNERS: dict[str, tuple[Any, Any]] = {"dqn": (DQN, DQNLearner), "sac": (SAC, SACLearner)}
SMALL: dict[str, Any] = {
    "scenario": "tiny",
    "steps": 400,
    "batch": 4,
    "replay": 200,
    "warmup": 50,
    "minibatch": 8,
    "n_step": 2,
    "hidden": (8, 8),
    "validate_every": 150,
    "validation_episodes": 2,
}
SOLVES: dict[str, Any] = {
    "scenario": "tiny",
    "steps": 22_000,
    "batch": 16,
    "replay": 20_000,
    "warmup": 500,
    "network": "flat",
    "hidden": (64, 64),
    "learning_rate": 3e-3,
    "gamma": 0.8,
    "validate_every": 4_000,
}


def train(algorithm: str, out: Path, **fields: Any) -> Path:
    settings, learner = LEARNERS[algorithm]
    return train_online(algorithm, settings(**{**SMALL, **fields}), learner, out, progress=False)


def learner(
    algorithm: str, seed: int = 0, played: dict[str, Any] | None = None, **fields: Any
) -> Any:
    """One that stands at its beginning; `played`: fields of the scenario."""
    settings, make = LEARNERS[algorithm]
    given: OffPolicy = settings(**{**SMALL, "scenario": "recovering", "seed": seed, **fields})
    stage = Stage(load_scenario(given.scenario, **played or {}), batch=given.batch, seed=seed)
    torch.manual_seed(seed)
    made: OffPolicyLearner = make(given, stage)
    return made


def drawn_by(learner: Any, number: int = 64) -> Drawn:
    """What it played, with rewards and discounts that are no longer all alike."""
    while not learner.replay.ready or learner.steps < 200:
        learner._play()
    drawn: Drawn = learner.replay.draw(number, learner.generator)
    draw = np.random.default_rng(0)
    return drawn._replace(
        reward=torch.from_numpy(draw.normal(size=number).astype(np.float32)),
        discount=torch.from_numpy(draw.choice([0.0, 0.9], number).astype(np.float32)),
        weight=torch.from_numpy(draw.uniform(0.1, 1.0, number).astype(np.float32)),
    )
