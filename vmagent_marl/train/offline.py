"""Train a masked learner of d3rlpy on recorded decisions, and keep the best on validation.

`<out>/policy.pt` is the checkpoint of the best validation, `curve.csv` has a row for each
validation, `config.json` the settings, `resume.pt` what a killed run goes on from: the same call
again ends with the same policy as a run that was not killed.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from vmagent_marl import settings as plain
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
from vmagent_marl.scenario import Scenario, scenario_from
from vmagent_marl.train.d3rlpy_data import DecisionBuffer
from vmagent_marl.train.decisions import Decisions, Reward, read_decisions
from vmagent_marl.train.masked import (
    FeatureEncoderFactory,
    MaskedBCConfig,
    MaskedQFunctionFactory,
    network_of,
)
from vmagent_marl.train.quiet_d3rlpy import DiscreteCQLConfig
from vmagent_marl.train.run_folder import claim, write_table
from vmagent_marl.train.validation import Validation

Algorithm = Literal["cql", "bc"]


@dataclass(frozen=True, kw_only=True)
class OfflineSettings:
    """All that decides what is learned; equal settings and data give equal policies."""

    algorithm: Algorithm
    dataset: tuple[str, ...]  # ids of one scenario's data sets
    steps: int = 4000  # updates
    batch_size: int = 256  # decisions
    learning_rate: float = 3e-4
    hidden: tuple[int, ...] = (64, 64)
    gamma: float = 0.9  # a request; of CQL
    alpha: float = 0.3  # weight of CQL's conservative loss
    target_every: int = 500  # updates between copies to CQL's target network
    beta: float = 0.0  # weight of the imitator's penalty on squared logits
    reward: Reward = "team"  # or each agent's own
    reward_scale: float | None = None  # rewards are divided by it; null: by their root mean square
    seed: int = 0
    validate_every: int = 500  # updates
    validation_episodes: int = 8

    def __post_init__(self) -> None:
        """Refuse values that train nothing."""
        counts = ("steps", "batch_size", "target_every", "validate_every", "validation_episodes")
        for name in counts:
            if getattr(self, name) < 1:
                raise SettingError(f"{name}: {getattr(self, name)} is too few: give 1 or more")
        if not self.hidden or min(self.hidden) < 1:
            raise SettingError(f"hidden: {self.hidden} makes no network: give sizes, e.g. 64 64")
        if not 0.0 <= self.gamma <= 1.0:
            raise SettingError(f"gamma: {self.gamma} is no discount: give 0 to 1")


def train_offline(
    algorithm: Algorithm,
    dataset: str | Sequence[str],
    out: str | Path,
    *,
    progress: bool = True,
    **settings: Any,
) -> Path:
    """Train on data sets by their ids and return the checkpoint's path.

    `settings` are the fields of `OfflineSettings`. Raises `SettingError` for what is none, and
    where `out` holds a run of other settings; for the data see `read_decisions`.
    """
    ids = (dataset,) if isinstance(dataset, str) else tuple(dataset)
    chosen = plain.build(
        OfflineSettings, {"algorithm": algorithm, "dataset": ids, **settings}, "train_offline"
    )
    folder = Path(out)
    decisions = read_decisions(
        ids, reward=chosen.reward, gamma=chosen.gamma, reward_scale=chosen.reward_scale
    )
    claim(folder, asdict(chosen))
    with one_thread():
        _Run(chosen, decisions, folder).train(progress)
    return folder / "policy.pt"


class _Run:
    """One training: the learner, where it stands, and what is written."""

    def __init__(self, settings: OfflineSettings, decisions: Decisions, folder: Path) -> None:
        self.settings, self.folder = settings, folder
        self.scenario: Scenario = scenario_from(decisions.scenario, where=decisions.dataset[0])
        self.validation = Validation(self.scenario, episodes=settings.validation_episodes)
        layout = self.validation.layout
        self.shape = NetworkShape(
            observation=layout.size,
            identities=layout.clusters if layout.clusters > 1 else 0,
            actions=layout.actions,
            hidden=settings.hidden,
        )
        _check_sizes(decisions, self.shape)
        self.training = Training(
            algorithm=settings.algorithm,
            scenario=self.scenario.as_dict(),
            clusters=layout.clusters,
            servers=layout.servers,
            summaries=layout.summaries,
            gamma=settings.gamma if settings.algorithm == "cql" else None,
            dataset=settings.dataset,
        )
        self.buffer = DecisionBuffer(decisions)
        torch.manual_seed(settings.seed)  # d3rlpy draws its first parameters from the global state
        self.learner = make_learner(settings, self.shape)
        self.step, self.best = 0, -math.inf
        self.curve: list[dict[str, float]] = []
        if (folder / "resume.pt").exists():
            self._resume()

    def train(self, progress: bool) -> None:
        """Train to the last step, validating and writing every so often."""
        with _progress(self.settings, self.step, shown=progress) as advance:
            while self.step < self.settings.steps:
                self._advance_to(min(self.step + self.settings.validate_every, self.settings.steps))
                advance(self.step, self.best)

    def _advance_to(self, step: int) -> None:
        """Train up to a step, then validate and write; a run is killed between two of these."""
        self.buffer.reseed(self.settings.seed, self.step)  # so that a resumed run draws the same
        losses: list[dict[str, float]] = []
        for _ in range(self.step, step):
            batch = self.buffer.sample_transition_batch(self.settings.batch_size)
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


def make_learner(settings: OfflineSettings, shape: NetworkShape) -> Any:
    """A masked learner of d3rlpy with fresh parameters, on the CPU."""
    shared = {
        "batch_size": settings.batch_size,
        "learning_rate": settings.learning_rate,
        "encoder_factory": FeatureEncoderFactory(list(shape.hidden)),
    }
    if settings.algorithm == "bc":
        learner = MaskedBCConfig(beta=settings.beta, **shared).create()
    else:
        learner = DiscreteCQLConfig(
            gamma=settings.gamma,
            alpha=settings.alpha,
            target_update_interval=settings.target_every,
            q_func_factory=MaskedQFunctionFactory(),
            **shared,
        ).create()
    learner.create_impl(((shape.inputs,), (shape.actions,)), shape.actions)
    return learner


def _check_sizes(decisions: Decisions, shape: NetworkShape) -> None:
    found = decisions.features.shape[1], decisions.actions
    if found != (shape.inputs, shape.actions):
        raise DatasetError(
            f"data set {decisions.dataset[0]!r} has {found[0]} features and {found[1]} actions, "
            f"its scenario {shape.inputs} and {shape.actions}: record it anew"
        )


@contextlib.contextmanager
def _progress(
    settings: OfflineSettings, step: int, *, shown: bool
) -> Iterator[Callable[[int, float], None]]:
    """A bar on stderr, moved at every validation."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), disable=not shown) as bar:
        task = bar.add_task(settings.algorithm, total=settings.steps, completed=step)

        def advance(step: int, best: float) -> None:
            text = f"{settings.algorithm}, best on validation {best:.4g}"
            bar.update(task, completed=step, description=text)

        yield advance
