"""What every online run does with its learner: play and learn, validate, keep the best, go on.

`<out>/policy.pt` is the checkpoint of the best validation, `last.pt` that of the last,
`checkpoints/` has one of each, by its step, with the exploration of that time (see
`episodes.collecting.replay`), `curve.csv` has a row for each validation, `config.json` what decides
the outcome, `resume.pt` what a killed run goes on from: the same call again ends with the same
policy as a run that was not killed. TensorBoard reads the folder, where it is installed.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from vmagent_marl.errors import SettingError
from vmagent_marl.policies.checkpoint import CHECKPOINTS, load_tensors, save_policy, save_tensors
from vmagent_marl.policies.network_policy import NetworkPolicy, Training, one_thread
from vmagent_marl.progress import counter
from vmagent_marl.scenario import Scenario, load_scenario
from vmagent_marl.settings import read_changes
from vmagent_marl.train.online.first_weights import begin_from
from vmagent_marl.train.online.imitation import imitate, teacher_of
from vmagent_marl.train.online.learner import ActorSettings, Explorer, Learner, Settings
from vmagent_marl.train.online.stage import Stage
from vmagent_marl.train.run_folder import claim, write_table
from vmagent_marl.train.running import board, drawing_from, find_device
from vmagent_marl.train.validation import Validation


def train_online(
    algorithm: str,
    settings: Settings,
    make: Callable[[Any, Stage], Learner],
    out: str | Path,
    *,
    progress: bool = True,
) -> Path:
    """Train a learner by its settings; the path of the best checkpoint.

    Equal settings give equal policies on the CPU. Raises `SettingError` for values that train
    nothing, and where `out` holds another run.
    """
    settings.check()
    scenario = scenario_of(settings)
    folder = Path(out)
    with one_thread(), drawing_from(settings.seed):
        run = _Run(algorithm, settings, make, scenario, folder)
        claim(folder, {"algorithm": algorithm, **_plain(settings), "played": scenario.as_dict()})
        run.train(progress)
    return folder / "policy.pt"


def scenario_of(settings: Settings) -> Scenario:
    """What a run plays; a trace's path is absolute, to be found from anywhere."""
    fields = read_changes(settings.set)
    if settings.trace is not None:
        fields["trace"] = str(Path(settings.trace).absolute())
    if settings.servers is not None:
        fields["servers"] = settings.servers
    return load_scenario(settings.scenario, **fields)


class _Run:
    """One training: the learner, where it stands, and what is written."""

    def __init__(
        self,
        algorithm: str,
        settings: Settings,
        make: Callable[[Any, Stage], Learner],
        scenario: Scenario,
        folder: Path,
    ) -> None:
        self.algorithm, self.settings, self.folder = algorithm, settings, folder
        self.validation = Validation(scenario, episodes=settings.validation_episodes)
        stage = Stage(
            scenario,
            batch=settings.batch,
            siblings=getattr(settings, "siblings", 1),
            seed=settings.seed,
            device=find_device(settings.device),
        )
        self.stage, self.learner = stage, make(settings, stage)
        self.training = Training.on(
            stage.layout,
            algorithm=algorithm,
            scenario=scenario.as_dict(),
            gamma=settings.gamma,
        )
        self.begun = (folder / "resume.pt").exists()
        if settings.init is not None and not self.begun:
            begin_from(settings.init, self.learner, isinstance(settings, ActorSettings))
        self.teacher = teacher_of(settings, scenario)
        self.best = -math.inf
        self.curve: list[dict[str, float]] = []

    def train(self, progress: bool) -> None:
        """Train to the last step from where the folder's run stands, validating every so often."""
        settings = self.settings
        if self.begun:
            self._resume()
        else:
            if self.teacher is not None and isinstance(settings, ActorSettings):
                imitate(self.teacher, self.learner.network, settings, self.stage, progress)
            self._validate({})
        begun, before = time.monotonic(), self.learner.steps
        label = self.algorithm
        with (
            board(self.folder) as tell,
            counter(
                label, settings.steps, unit="steps", done=self.learner.steps, shown=progress
            ) as move,
        ):
            gathered: list[dict[str, float]] = []
            while self.learner.steps < settings.steps:
                at = self.learner.steps
                gathered.append(self.learner.advance())
                rate = (self.learner.steps - before) / max(time.monotonic() - begun, 1e-9)
                recent = self.stage.returns[-100:]
                told = f", return {np.mean(recent):.4g}" if recent else ""
                move(
                    self.learner.steps - at,
                    f"{label}: {rate / 1000:,.3g}k/s{told}, best {self.best:.4g}",
                )
                passed = self.learner.steps // settings.validate_every
                if passed > at // settings.validate_every or self.learner.steps >= settings.steps:
                    self._validate(_means(gathered))
                    gathered = []
                    for name, value in self.curve[-1].items():
                        if name != "step":
                            tell(name, value, self.learner.steps)
        if progress and self.curve[0]["mean_return"] == self.best:
            print(self._nothing_gained(), file=sys.stderr)

    def _nothing_gained(self) -> str:
        """What to say, and to try, where no validation was better than the first."""
        settings, begun = self.settings, "untrained"
        if self.teacher is not None:
            begun = f"as {self.teacher.name} taught it"
        elif settings.init is not None:
            begun = f"as {settings.init} had it"
        later = max(row["mean_return"] for row in self.curve[1:])
        return (
            f"{self.folder / 'policy.pt'}: is the network {begun}, which nothing that was learned "
            f"beat on validation (mean return {self.best:.4g}, later {later:.4g} at most): "
            "give more --steps, another --learning-rate, or more --validation-episodes to tell "
            "small gains apart; last.pt is what it came to"
        )

    def _validate(self, figures: dict[str, float]) -> None:
        """Score what has been learned, keep it where it is the best, and write all."""
        learner, network = self.learner, self.learner.network
        if self.stage.device.type != "cpu":  # where policies play, and are kept
            network = copy.deepcopy(network).to("cpu")
        policy = NetworkPolicy("learner", network, self.training)
        score = self.validation.score(policy)
        returns, self.stage.returns = self.stage.returns, []
        row = {"step": learner.steps, **asdict(score)}
        row["train_return"] = float(np.mean(returns)) if returns else math.nan
        self.curve.append(row | figures)
        if score.mean_return > self.best:
            self.best = score.mean_return
            save_policy(self.folder / "policy.pt", network, self.training)
        save_policy(self.folder / "last.pt", network, self.training)
        epsilon = learner.epsilon if isinstance(learner, Explorer) else 0.0
        played = dataclasses.replace(self.training, epsilon=epsilon)
        save_policy(self.folder / CHECKPOINTS / f"{learner.steps:09d}.pt", network, played)
        keys = dict.fromkeys(key for row in self.curve for key in row)
        table = [{key: row.get(key, "") for key in keys} for row in self.curve]
        write_table(self.folder / "curve.csv", table)
        content = {"best": self.best, "curve": self.curve, "device": self.stage.device.type}
        content["learner"] = learner.state_dict()
        save_tensors(self.folder / "resume.pt", content)  # last: what comes after a kill is whole

    def _resume(self) -> None:
        content = load_tensors(self.folder / "resume.pt")
        device = content["device"]
        if device != self.stage.device.type:  # generators of one kind do not go on on another
            raise SettingError(
                f"device: {self.folder} holds a run on {device}, not {self.stage.device.type}: "
                f"give {device}, or another folder to write to"
            )
        self.best, self.curve = content["best"], content["curve"]
        self.learner.load_state_dict(content["learner"])


def _plain(settings: Settings) -> dict[str, Any]:
    values = asdict(settings)
    values.pop("device")  # where, not what
    if not values["set"]:  # as runs of earlier versions have it, which go on
        values.pop("set")
    return values


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    told = [row for row in rows if row]  # what only warms up tells nothing
    return {name: float(np.mean([row[name] for row in told])) for name in told[0]} if told else {}
