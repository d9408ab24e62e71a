"""What every offline program does with its learner: train, validate, keep the best, go on.

`<out>/policy.pt` is the checkpoint of the best validation, `curve.csv` has a row for each
validation, `config.json` what decides the outcome, `resume.pt` what a killed run goes on from: the
same call again ends with the same policy as a run that was not killed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vmagent_marl.errors import DatasetError, SettingError
from vmagent_marl.policies.checkpoint import (
    NetworkPolicy,
    Training,
    load_tensors,
    one_thread,
    save_policy,
    save_tensors,
)
from vmagent_marl.policies.networks import NetworkShape
from vmagent_marl.progress import counter
from vmagent_marl.scenario import scenario_from
from vmagent_marl.train.offline.d3rlpy_data import DecisionBuffer
from vmagent_marl.train.offline.decisions import Decisions, Reward, read_decisions
from vmagent_marl.train.offline.masked import network_of
from vmagent_marl.train.offline.quiet_d3rlpy import DiscreteBCConfig
from vmagent_marl.train.run_folder import claim, write_table
from vmagent_marl.train.validation import Validation


def train_offline(
    config: Any,  # d3rlpy has no annotations
    dataset: str | Sequence[str],
    out: str | Path,
    *,
    steps: int,
    seed: int = 0,
    reward: Reward = "team",
    reward_scale: float | None = None,
    validate_every: int = 500,
    validation_episodes: int = 8,
    progress: bool = True,
) -> Path:
    """Train the learner of a config of d3rlpy on data sets by their ids; the checkpoint's path.

    The config has a `FeatureEncoderFactory` and masks its actions, see `train.offline.masked`.
    `steps` are updates; for `reward` and `reward_scale`, and errors of the data, see
    `read_decisions`. Equal arguments and data give equal policies. Raises `SettingError` for values
    that train nothing, and where `out` holds another run.
    """
    _check(
        config,
        seed,
        reward_scale,
        steps=steps,
        validate_every=validate_every,
        validation_episodes=validation_episodes,
    )
    decisions = read_decisions(
        dataset, reward=reward, gamma=config.gamma, reward_scale=reward_scale
    )
    folder = Path(out)
    run = _Run(config, decisions, folder, seed=seed, episodes=validation_episodes)
    decides = {
        "algorithm": config.get_type(),
        "dataset": decisions.dataset,
        "sha256": decisions.sha256,
        "steps": steps,
        "seed": seed,
        "reward": reward,
        "reward_scale": reward_scale,
        "validate_every": validate_every,
        "validation_episodes": validation_episodes,
        **config.serialize_to_dict(),
    }
    claim(folder, decides)
    with one_thread():
        run.train(steps, validate_every, progress)
    return folder / "policy.pt"


class _Run:
    """One training: the learner, where it stands, and what is written."""

    def __init__(
        self, config: Any, decisions: Decisions, folder: Path, *, seed: int, episodes: int
    ) -> None:
        self.folder, self.seed = folder, seed
        scenario = scenario_from(decisions.scenario, where=decisions.dataset[0])
        self.validation = Validation(scenario, episodes=episodes)
        layout = self.validation.layout
        self.shape = NetworkShape(
            observation=layout.size,
            identities=layout.clusters if layout.clusters > 1 else 0,
            actions=layout.actions,
            hidden=tuple(config.encoder_factory.hidden),
        )
        _check_sizes(decisions, self.shape)
        self.training = Training(
            algorithm=config.get_type(),
            scenario=scenario.as_dict(),
            clusters=layout.clusters,
            servers=layout.servers,
            summaries=layout.summaries,
            hints=layout.hints,
            gamma=None if isinstance(config, DiscreteBCConfig) else config.gamma,
            dataset=decisions.dataset,
        )
        self.buffer = DecisionBuffer(decisions)
        self.learner = config.create()
        with _drawing_from(seed):
            self.learner.create_impl(
                ((self.shape.inputs,), (self.shape.actions,)), self.shape.actions
            )
        self.step, self.best = 0, -math.inf
        self.curve: list[dict[str, float]] = []

    def train(self, steps: int, validate_every: int, progress: bool) -> None:
        """Train to the last step from where the folder's run stands, validating every so often."""
        if (self.folder / "resume.pt").exists():
            self._resume()
        name = self.training.algorithm
        with counter(name, steps, unit="updates", done=self.step, shown=progress) as move:
            while self.step < steps:
                before = self.step
                self._advance_to(min(before + validate_every, steps))
                move(self.step - before, f"{name}, best on validation {self.best:.4g}")

    def _advance_to(self, step: int) -> None:
        """Train up to a step, then validate and write; a run is killed between two of these."""
        self.buffer.reseed(self.seed, self.step)  # so that a resumed run draws the same
        losses: list[dict[str, float]] = []
        with _drawing_from(self.seed, self.step):
            for _ in range(self.step, step):
                batch = self.buffer.sample_transition_batch(self.learner.batch_size)
                losses.append(self.learner.update(batch))
        self.step = step
        network = network_of(self.learner, self.shape)
        score = self.validation.score(NetworkPolicy("learner", network, self.training))
        row = {"step": step, **asdict(score)}
        row |= {name: float(np.mean([loss[name] for loss in losses])) for name in losses[0]}
        self.curve.append(row)
        if score.mean_return > self.best:
            self.best = score.mean_return
            save_policy(self.folder / "policy.pt", network, self.training)
        self._write()

    def _write(self) -> None:
        modules = vars(self.learner.impl.modules)
        content = {
            "step": self.step,
            "best": self.best,
            "curve": self.curve,
            "modules": {name: module.state_dict() for name, module in modules.items()},
        }
        save_tensors(self.folder / "resume.pt", content)
        write_table(self.folder / "curve.csv", self.curve)

    def _resume(self) -> None:
        content = load_tensors(self.folder / "resume.pt")
        self.step, self.best, self.curve = content["step"], content["best"], content["curve"]
        for name, module in vars(self.learner.impl.modules).items():
            module.load_state_dict(content["modules"][name])
        self.learner.set_grad_step(self.step)


@contextmanager
def _drawing_from(*seed: int) -> Iterator[None]:
    """Torch draws from these numbers; its global state, which d3rlpy uses, is the caller's."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
        yield


def _check(config: Any, seed: int, reward_scale: float | None, **counts: int) -> None:
    if seed < 0:
        raise SettingError(f"seed: {seed} is negative: give 0 or more")
    counts["batch_size"] = config.batch_size
    counts["target_update_interval"] = getattr(config, "target_update_interval", 1)
    for name, value in counts.items():
        if value < 1:
            raise SettingError(f"{name}: {value} is too few: give 1 or more")
    if reward_scale is not None and not reward_scale > 0:
        raise SettingError(f"reward_scale: {reward_scale} is not positive: give more than 0")
    if not 0.0 < config.learning_rate < math.inf:
        raise SettingError(f"learning_rate: {config.learning_rate} is not positive: give e.g. 3e-4")
    if not getattr(config, "alpha", 0.0) >= 0:
        raise SettingError(f"alpha: {config.alpha} is negative: give 0 or more")
    if not 0.0 <= config.gamma <= 1.0:
        raise SettingError(f"gamma: {config.gamma} is no discount: give 0 to 1")


def _check_sizes(decisions: Decisions, shape: NetworkShape) -> None:
    found = decisions.features.shape[1], decisions.actions
    if found != (shape.inputs, shape.actions):
        raise DatasetError(
            f"data set {decisions.dataset[0]!r} has {found[0]} features and {found[1]} actions, "
            f"its scenario {shape.inputs} and {shape.actions}: record it anew"
        )
