"""Runs for every combination of several values, each in a folder of its own, and what they say."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from vmagent_marl.episodes.collecting.intervals import Estimate
from vmagent_marl.errors import SettingError, nearest
from vmagent_marl.evaluation.statistics import stratified_interval
from vmagent_marl.parallel import in_turn
from vmagent_marl.settings import build
from vmagent_marl.train.online.algorithms import check_clusters, train_agent
from vmagent_marl.train.online.learner import Settings
from vmagent_marl.train.online.run import scenario_of

Values = dict[str, list[Any]]  # of the settings that are swept, by name


@dataclass(frozen=True)
class Outcome:
    """What one run of a sweep came to."""

    folder: Path
    values: dict[str, Any]  # of what is swept
    steps: NDArray[np.int64]  # (n,) of its validations
    returns: NDArray[np.float64]  # (n,) mean returns of these

    @property
    def best(self) -> float:
        """The mean return of the best validation, whose policy is kept."""
        return float(self.returns.max())


@dataclass(frozen=True)
class Group:
    """All seeds of one setting."""

    name: str
    values: dict[str, Any]  # without the seed
    outcomes: list[Outcome]

    @property
    def mean(self) -> float:
        """Of the runs' best validations."""
        return float(np.mean([each.best for each in self.outcomes]))

    @property
    def interquartile(self) -> Estimate:
        """The interquartile mean of the same, with its bootstrap interval over the runs."""
        return stratified_interval([each.best for each in self.outcomes])

    @property
    def curve(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """(n,) steps of the shortest run and (runs, n) returns, between validations on a line."""
        steps = min((each.steps for each in self.outcomes), key=lambda each: int(each[-1]))
        return steps, np.array([np.interp(steps, o.steps, o.returns) for o in self.outcomes])


def with_numbers(kind: type[Settings], data: Mapping[str, Any]) -> dict[str, Any]:
    """The values, with what YAML takes for text where a number is due: `1e-3`, and `none`."""
    hints = typing.get_type_hints(kind)
    made = dict(data)
    for name, value in data.items():
        hint = hints.get(name)
        kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        if not isinstance(value, str) or str in kinds:
            continue
        if value.lower() == "none" and types.NoneType in kinds:
            made[name] = None
        elif float in kinds:
            try:
                made[name] = float(value)
            except ValueError:
                continue
    return made


def read_values(kind: type[Settings], sweep: Sequence[str]) -> Values:
    """Values by name from words such as `seed=0..4` and `learning_rate=1e-3,3e-4`.

    Raises `SettingError` for a name that is no setting, and for what is no value of it.
    """
    names = [field.name for field in dataclasses.fields(kind)]
    values: Values = {}
    for word in sweep:
        name, equals, text = word.partition("=")
        if not equals or not text:
            raise SettingError(f"--sweep {word}: is no list of values: write name=1,2 or seed=0..4")
        if name not in names:
            raise SettingError(f"--sweep {word}: unknown setting {name!r}: {nearest(name, names)}")
        if name in values:
            raise SettingError(f"--sweep {word}: {name} is swept already: give all values at once")
        try:
            listed = yaml.safe_load(f"[{_spelled(text)}]")
        except yaml.YAMLError:
            raise SettingError(
                f"--sweep {word}: {text!r} are no values in YAML: mend them"
            ) from None
        values[name] = [
            getattr(build(kind, with_numbers(kind, {name: value}), f"--sweep {word}"), name)
            for value in listed
        ]
        if len(set(values[name])) < len(values[name]):
            raise SettingError(f"--sweep {word}: names a value twice: leave one out")
    return values


def run_sweep(
    agent: str,
    settings: Settings,
    values: Values,
    out: Path,
    *,
    workers: int = 1,
    progress: bool = False,
) -> Iterator[Outcome]:
    """Train the product of the values, those in a row that are asked for, or ahead by processes.

    What a folder holds finished already is not trained again. All settings are checked before the
    first run begins.
    """
    work = {}
    chosen = [
        dict(zip(values, combination, strict=True))
        for combination in itertools.product(*values.values())
    ]
    for each in chosen:
        given = dataclasses.replace(settings, **each)
        given.check()
        check_clusters(agent, scenario_of(given))
        name = setting_name(each)
        if name in work:
            raise SettingError(f"{name}: two runs of the sweep would go to this folder: rename one")
        work[name] = partial(train_agent, agent, given, out / name, progress=progress)
    for each, file in zip(chosen, in_turn(work, workers=workers), strict=True):
        yield _outcome(file.parent, each)


def groups_of(outcomes: Sequence[Outcome]) -> list[Group]:
    """The runs by what they were told, whatever their seeds; the best mean first."""
    found: dict[str, list[Outcome]] = {}
    for each in outcomes:
        found.setdefault(setting_name(_seedless(each.values)) or "all", []).append(each)
    groups = [Group(name, _seedless(runs[0].values), runs) for name, runs in found.items()]
    return sorted(groups, key=lambda group: -group.mean)


def setting_name(values: Mapping[str, Any]) -> str:
    """A folder's name for values: `seed-0-learning_rate-0.001`."""
    return "-".join(f"{name}-{_worded(value)}" for name, value in values.items())


def _seedless(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "seed"}


def _spelled(text: str) -> str:
    """`0..4` as the whole numbers from 0 to 4."""

    def numbers(found: re.Match[str]) -> str:
        first, last = int(found[1]), int(found[2])
        if last < first:
            raise SettingError(f"--sweep {text}: {last} comes before {first}: give first..last")
        return ",".join(map(str, range(first, last + 1)))

    return re.sub(r"\b(\d+)\.\.(\d+)\b", numbers, text)


def _worded(value: Any) -> str:
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    text = "none" if value is None else str(value)
    return re.sub(r"[^\w.+-]", "_", text)


def _outcome(folder: Path, values: dict[str, Any]) -> Outcome:
    with (folder / "curve.csv").open(encoding="utf-8", newline="") as lines:
        rows = [(int(row["step"]), float(row["mean_return"])) for row in csv.DictReader(lines)]
    steps, returns = zip(*rows, strict=True)
    return Outcome(folder, values, np.array(steps), np.array(returns))
