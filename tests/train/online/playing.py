"""Learners at work outside of a run's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from train.online.region_puzzle import PUZZLE

from vmagent_marl.policies.checkpoint import load_policy
from vmagent_marl.policies.network_policy import NetworkPolicy, Training
from vmagent_marl.train.online.learner import Learner
from vmagent_marl.train.online.stage import Stage
from vmagent_marl.train.online.value_decomposition import (
    ValueDecomposition,
    ValueDecompositionLearner,
)
from vmagent_marl.train.running import drawing_from
from vmagent_marl.train.validation import Validation


def learner_of(settings: ValueDecomposition, stage: Any = None) -> ValueDecompositionLearner:
    """A learner whose parameters the seed decides, on the puzzle or a game of the caller's."""
    if stage is None:
        stage = Stage(PUZZLE, batch=settings.batch, seed=settings.seed)
    with drawing_from(settings.seed):
        return ValueDecompositionLearner(settings, stage)


def validation_return(learner: Learner, stage: Stage, episodes: int) -> float:
    """What the learned policy earns on the puzzle."""
    layout = stage.layout
    training = Training(
        algorithm="test",
        scenario=PUZZLE.as_dict(),
        clusters=layout.clusters,
        servers=layout.servers,
        summaries=layout.summaries,
    )
    policy = NetworkPolicy("learner", learner.network, training)
    return Validation(PUZZLE, episodes=episodes).score(policy).mean_return


def weights(of: nn.Module | Path) -> list[torch.Tensor]:
    """Copies of all parameters, of a module or a checkpoint."""
    module = load_policy(of).network if isinstance(of, Path) else of
    return [each.detach().clone() for each in module.parameters()]


def equal(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    """Whether all are the same to the last bit."""
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
