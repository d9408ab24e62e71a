"""What every offline program does with its learner: train, validate, keep the best, go on.

`<out>/policy.pt` is the checkpoint of the best validation, `curve.csv` has a row for each
validation, `config.json` what decides the outcome, `resume.pt` what a killed run goes on from: the
same call again ends with the same policy as a run that was not killed. TensorBoard reads the
folder, where it is installed.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path

import numpy as np

from vmagent_marl.policies.checkpoint import load_tensors, save_policy, save_tensors
from vmagent_marl.policies.network_policy import NetworkPolicy, one_thread
from vmagent_marl.progress import counter
from vmagent_marl.scenario import scenario_from
from vmagent_marl.train.offline.learner import OfflineLearner, check_counts, training_of
from vmagent_marl.train.run_folder import claim, write_table
from vmagent_marl.train.running import board, drawing_from
from vmagent_marl.train.validation import Validation


def train_offline(
    learner: OfflineLearner,
    out: str | Path,
    *,
    steps: int,
    validate_every: int = 500,
    validation_episodes: int = 8,
    progress: bool = True,
) -> Path:
    """Train a learner, see `D3rlpyLearner` for one; the path of its best checkpoint.

    `steps` are updates. Equal learners and data give equal policies on the CPU. Raises
    `SettingError` for values that train nothing, and where `out` holds another run.
    """
    check_counts(
        steps=steps,
        validate_every=validate_every,
        validation_episodes=validation_episodes,
    )
    folder = Path(out)
    run = _Run(learner, folder, episodes=validation_episodes)
    decides = {
        "algorithm": learner.algorithm,
        "dataset": learner.data.dataset,
        "sha256": learner.data.sha256,
        "steps": steps,
        "seed": learner.seed,
        "validate_every": validate_every,
        "validation_episodes": validation_episodes,
        **learner.settings,
    }
    claim(folder, decides)
    with one_thread():
        run.train(steps, validate_every, progress)
    return folder / "policy.pt"


class _Run:
    """One training: the learner, where it stands, and what is written."""

    def __init__(self, learner: OfflineLearner, folder: Path, *, episodes: int) -> None:
        self.learner, self.folder = learner, folder
        scenario = scenario_from(learner.data.scenario, where=learner.data.dataset[0])
        self.validation = Validation(scenario, episodes=episodes)
        self.training = training_of(learner.data, algorithm=learner.algorithm, gamma=learner.gamma)
        self.step, self.best = 0, -math.inf
        self.curve: list[dict[str, float]] = []

    def train(self, steps: int, validate_every: int, progress: bool) -> None:
        """Train to the last step from where the folder's run stands, validating every so often."""
        if (self.folder / "resume.pt").exists():
            self._resume()
        name = self.learner.algorithm
        with (
            board(self.folder) as tell,
            counter(name, steps, unit="updates", done=self.step, shown=progress) as move,
        ):
            while self.step < steps:
                before = self.step
                self._advance_to(min(before + validate_every, steps))
                move(self.step - before, f"{name}, best on validation {self.best:.4g}")
                for figure, value in self.curve[-1].items():
                    if figure != "step":
                        tell(figure, value, self.step)

    def _advance_to(self, step: int) -> None:
        """Train up to a step, then validate and write; a run is killed between two of these."""
        learner = self.learner
        learner.reseed(learner.seed, self.step)  # so that a resumed run draws the same
        with drawing_from(learner.seed, self.step):
            losses = [learner.update() for _ in range(self.step, step)]
        self.step = step
        network = learner.network
        score = self.validation.score(NetworkPolicy("learner", network, self.training))
        row = {"step": step, **asdict(score)}
        row |= {name: float(np.mean([loss[name] for loss in losses])) for name in losses[0]}
        self.curve.append(row)
        if score.mean_return > self.best:
            self.best = score.mean_return
            save_policy(self.folder / "policy.pt", network, self.training)
        self._write()

    def _write(self) -> None:
        write_table(self.folder / "curve.csv", self.curve)
        content = {"step": self.step, "best": self.best, "curve": self.curve}
        content["learner"] = self.learner.state_dict()
        save_tensors(self.folder / "resume.pt", content)

    def _resume(self) -> None:
        content = load_tensors(self.folder / "resume.pt")
        self.step, self.best, self.curve = content["step"], content["best"], content["curve"]
        self.learner.load_state_dict(content["learner"])
