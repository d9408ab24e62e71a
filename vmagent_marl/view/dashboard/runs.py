"""Runs in folders: what trained them, their learning curves over seeds, and tables of scores."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.errors import SettingError
from vmagent_marl.view.curves import read_table

Floats = NDArray[np.float64]
MOST_BYTES = 64 << 20  # of a file that is read
RESAMPLES = 2000


@dataclass(frozen=True)
class Run:
    """The folder of one training."""

    folder: Path
    config: dict[str, Any]
    curve: dict[str, Floats]  # by the CSV's columns; `step` is one of them

    @property
    def name(self) -> str:
        """The folder's."""
        return self.folder.name

    @property
    def policy(self) -> Path | None:
        """Its best policy, if there is one yet."""
        file = self.folder / "policy.pt"
        return file if file.is_file() else None

    @property
    def alike(self) -> str:
        """What runs that differ in nothing but the seed have in common."""
        told = {key: value for key, value in self.config.items() if key != "seed"}
        return json.dumps(told, sort_keys=True)


@dataclass(frozen=True)
class Score:
    """A file of `evaluate --json`, or of the demo."""

    file: Path
    documents: list[dict[str, Any]]  # one a policy

    @property
    def scenario(self) -> str:
        """That was played."""
        return str(self.documents[0].get("scenario", ""))

    @property
    def reference(self) -> str | None:
        """The best heuristic, where the file tells one."""
        name = self.documents[0]["summary"].get("reference")
        return None if name is None else str(name)


@dataclass(frozen=True)
class Band:
    """A curve over seeds: its mean and a 95 % bootstrap interval, equal for a single run."""

    name: str
    seeds: int
    step: Floats
    mean: Floats
    low: Floats
    high: Floats


def read_run(folder: Path) -> Run | None:
    """The run in a folder, or None for a folder that holds none."""
    config, curve = folder / "config.json", folder / "curve.csv"
    told = _json(config)
    if not isinstance(told, dict) or not _small(curve):
        return None
    try:
        names, rows = read_table(curve)
    except SettingError:
        return None
    if not rows or "step" not in names:
        return None
    columns = {
        name: np.array([_number(row[name]) for row in rows.values()]) for name in names if name
    }
    _, order = np.unique(columns["step"], return_index=True)  # whatever wrote it, in order
    order = order[np.isfinite(columns["step"][order])]
    return Run(folder, told, {name: values[order] for name, values in columns.items()})


def read_score(file: Path) -> Score | None:
    """The scores in a JSON file, or None for another file."""
    told = _json(file)
    if not isinstance(told, dict):
        return None
    documents = told.get("results", [told])
    if not isinstance(documents, list) or not documents:
        return None
    whole = all(
        isinstance(each, dict) and isinstance(each.get("summary"), dict) and "policy" in each
        for each in documents
    )
    return Score(file, documents) if whole else None


def bands(runs: Sequence[Run], column: str) -> list[Band]:
    """One curve for all runs that differ in their seed alone, over the steps they all reached."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if column in run.curve:
            groups.setdefault(run.alike, []).append(run)
    made = []
    for group in groups.values():
        common = set(group[0].curve["step"].tolist())
        for run in group[1:]:
            common &= set(run.curve["step"].tolist())
        step = np.array(sorted(common))
        at = [np.searchsorted(run.curve["step"], step) for run in group]
        values = np.stack(
            [run.curve[column][places] for run, places in zip(group, at, strict=True)]
        )
        made.append(Band(_group_name(group), len(group), step, *_interval(values)))
    return made


def columns(runs: Sequence[Run]) -> list[str]:
    """What the curves of these runs tell, what is validated first."""
    names = dict.fromkeys(name for run in runs for name in run.curve if name != "step")
    return sorted(names, key=lambda name: name not in ("mean_return", "profit_share"))


def _interval(values: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean over the first axis, and the percentile bootstrap of it."""
    mean: Floats = values.mean(axis=0)
    if len(values) < 2:
        return mean, mean, mean
    drawn = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975], axis=0)
    return mean, low, high


def _group_name(group: Sequence[Run]) -> str:
    if len(group) == 1:
        return group[0].name
    algorithm = str(group[0].config.get("algorithm", group[0].name))
    return f"{algorithm} ({len(group)} seeds)"


def _json(file: Path) -> Any:
    if not _small(file):
        return None
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _small(file: Path) -> bool:
    try:
        return file.is_file() and file.stat().st_size <= MOST_BYTES
    except OSError:
        return False


def _number(cell: str) -> float:
    try:
        return float(cell) if cell else math.nan
    except ValueError:
        return math.nan
