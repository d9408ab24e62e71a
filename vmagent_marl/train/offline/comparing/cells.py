"""One cell of a comparison: a program, a data set and a seed, trained by a process of its own."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmagent_marl.errors import SettingError, VmagentError
from vmagent_marl.files import replacing
from vmagent_marl.policies import check_policy, make_policy
from vmagent_marl.scenario import scenario_from
from vmagent_marl.train.offline.comparing.contenders import Contender

DONE, LOG = "cell.json", "log.txt"
LAST = 6  # lines of a program that failed, which are told
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
GUARD = Path(__file__).with_name("guarded.py")  # by its path: what it runs finds its own


@dataclass(frozen=True)
class Cell:
    """What one process is to train; it can be handed to one on another machine."""

    contender: Contender
    dataset: str
    sha256: str  # of the data set
    scenario: dict[str, Any]  # on which it was recorded
    seed: int
    out: Path  # absolute, of all cells
    words: tuple[str, ...]  # options that all cells are given alike
    here: str  # the folder that paths among the options are relative to
    datasets: str | None  # MINARI_DATASETS_PATH

    @property
    def folder(self) -> Path:
        """The `--out` of its program."""
        return self.out / self.contender.name / self.dataset / str(self.seed)

    @property
    def checkpoint(self) -> Path:
        """Its best policy on validation."""
        return self.folder / "policy.pt"

    @property
    def curve(self) -> Path:
        """A row a validation."""
        return self.folder / "curve.csv"

    def __str__(self) -> str:
        return f"{self.contender.name} on {self.dataset}, seed {self.seed}"

    @property
    def command(self) -> list[str]:
        """Words of the program's command line; its own options may replace those of all."""
        return [
            *("--dataset", self.dataset, "--out", str(self.folder), "--seed", str(self.seed)),
            *self.words,
            *("--compare", "no"),
            *self.contender.options,
        ]

    @property
    def is_done(self) -> bool:
        """Whether it was trained by this very command on this very data."""
        written = self.checkpoint.is_file() and self.curve.is_file()
        return written and _read(self.folder / DONE) == self._done

    @property
    def _done(self) -> dict[str, Any]:
        return {
            "words": list(self.words),
            "dataset_sha256": self.sha256,  # beside the program's own
            **self.contender.told,
        }


@dataclass(frozen=True)
class Trained:
    """What became of a cell."""

    cell: Cell
    best: float | None  # mean return of the best validation; None where it failed
    error: str | None = None  # in one line or a few
    seconds: float | None = None  # None: it was there already


def train(cell: Cell) -> Trained:
    """Train a cell unless it is there; what goes wrong in its program is an error that is told."""
    try:
        if cell.is_done:
            return Trained(cell, best_of(cell.curve))
        began = time.monotonic()
        status = _run(cell)
        if status:
            return Trained(cell, None, _told(cell, status))
        best = best_of(cell.curve)
        if not cell.checkpoint.is_file():
            raise SettingError(f"{cell.checkpoint}: the program did not write it: see its log.txt")
        check_policy(make_policy(str(cell.checkpoint)), scenario_from(cell.scenario))
        with replacing(cell.folder / DONE) as unfinished:
            unfinished.write_text(json.dumps(cell._done, indent=2) + "\n", encoding="utf-8")
    except (VmagentError, OSError) as error:
        return Trained(cell, None, str(error))
    return Trained(cell, best, None, time.monotonic() - began)


def best_of(curve: Path) -> float:
    """The highest mean return of a curve; raises `SettingError` for what is none."""
    try:
        with curve.open(encoding="utf-8", newline="") as lines:
            return max(float(row["mean_return"]) for row in csv.DictReader(lines))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingError(
            f"{curve}: no curve with columns step and mean_return ({error!r}): write one as "
            "train_offline does"
        ) from None


def _run(cell: Cell) -> int:
    """The exit status of the program; everything it says goes to its log."""
    environment = {**dict.fromkeys(THREADS, "1"), **os.environ}
    if cell.datasets is not None:
        environment["MINARI_DATASETS_PATH"] = cell.datasets
    guarded = [sys.executable, str(GUARD), str(os.getpid()), str(cell.contender.file)]
    cell.folder.mkdir(parents=True, exist_ok=True)
    with (cell.folder / LOG).open("wb") as log:
        done = subprocess.run(
            [*guarded, *cell.command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=cell.here,
            start_new_session=True,  # a Ctrl-C is answered by who began the comparison
            check=False,
        )
    return done.returncode


def _told(cell: Cell, status: int) -> str:
    """One error with the program's last lines."""
    text = (cell.folder / LOG).read_text(encoding="utf-8", errors="replace")
    lines = [line for line in text.splitlines() if line.strip()][-LAST:]
    ended = f"was killed by signal {-status}" if status < 0 else f"ended with {status}"
    if not lines:
        return f"{cell.contender.file.name} {ended} and had said nothing"
    said = "".join(f"\n    {line}" for line in lines)
    return f"{cell.contender.file.name} {ended}; the last that it said ({LOG} has all of it):{said}"


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
