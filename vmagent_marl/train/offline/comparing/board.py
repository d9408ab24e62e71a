"""How everybody did on one data set's test window, and what that says."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from vmagent_marl.episodes.collecting.intervals import Estimate, blocks_of
from vmagent_marl.episodes.collecting.reference import RANDOM
from vmagent_marl.evaluation.over_seeds import Resampling, Runs
from vmagent_marl.evaluation.scores import score_of
from vmagent_marl.scenario import Scenario
from vmagent_marl.train.offline.comparing.cells import Trained
from vmagent_marl.train.offline.comparing.plays import Columns, runs_of

BASELINE = "behaviour_cloning"  # the learner that others are held against
Kind = Literal["learner", "behaviour", "heuristic", "reference"]


@dataclass(frozen=True)
class Entrant:
    """Whoever played the test window: a learner by all of its seeds, or a rule once."""

    name: str
    kind: Kind  # `reference`: it sees what no cluster does
    test: list[Columns]  # of each run, on the same episodes
    validation: float  # mean return there: of a rule, or over a learner's seeds of the best ones
    chosen_by: float = math.nan  # of a rule: its score on validation
    is_rule: bool = False  # a heuristic without noise that clusters can follow by themselves
    setting: str = ""  # of a learner's options
    tried: int = 1  # settings, of which this one was the best on validation
    cells: tuple[Trained, ...] = ()  # of a learner, the failed ones too


@dataclass(frozen=True)
class Board:
    """Everybody who played the test window of one data set's scenario."""

    dataset: str
    scenario: Scenario
    rows: tuple[int, int]  # of the trace, which the test window is
    entrants: tuple[Entrant, ...]
    lost: tuple[str, ...] = field(default=())  # what could not be played, and why

    @property
    def score(self) -> str:
        """What is compared, see `Scores`."""
        return score_of(self.scenario)

    @property
    def sign(self) -> int:
        """1 where more is better."""
        return -1 if self.score == "wait_s" else 1

    @cached_property
    def runs(self) -> dict[str, Runs]:
        """Of each entrant."""
        return {each.name: runs_of(self.scenario, each.test) for each in self.entrants}

    @cached_property
    def resampling(self) -> Resampling:
        """Blocks of the trace by the longest that any policy played."""
        tables = [columns for each in self.entrants for columns in each.test]
        first = np.array(tables[0]["start"], np.int64)
        length = np.max([table["requests"] for table in tables], axis=0)
        return Resampling(blocks_of(first, first + np.maximum(length, 1)))

    @property
    def episodes(self) -> int:
        """Of the test window."""
        return len(self.entrants[0].test[0]["start"])

    @property
    def ranked(self) -> list[Entrant]:
        """The best score first."""
        return sorted(self.entrants, key=lambda each: -self.sign * self.runs[each.name].score)

    @property
    def reference(self) -> str | None:
        """The decentralised heuristic that was the best on validation: a normalised score of 1."""
        return self._best([each for each in self.entrants if each.is_rule])

    @property
    def behaviour(self) -> str | None:
        """Of the policies that made the data, the one that was the best on validation."""
        return self._best([each for each in self.entrants if each.kind == "behaviour"])

    def difference(self, name: str, other: str | None) -> Estimate | None:
        """Score less another's on the same episodes; None where the other did not play."""
        if other is None or other not in self.runs or other == name:
            return None
        return self.resampling.difference(self.runs[name], self.runs[other])

    def normalised(self, name: str) -> Estimate | None:
        """0 at random play, 1 at the reference; None where these are not surely apart."""
        if self.reference is None or RANDOM not in self.runs:
            return None
        zero, one = self.runs[RANDOM], self.runs[self.reference]
        return self.resampling.normalised(self.runs[name], zero, one)

    def normalised_seeds(self, name: str) -> list[float] | None:
        """The same of each run, for figures and means over data sets."""
        if self.normalised(name) is None or self.reference is None:
            return None
        zero, one = self.runs[RANDOM].score, self.runs[self.reference].score
        found: list[float] = ((self.runs[name].scores - zero) / (one - zero)).tolist()
        return found

    def row(self, each: Entrant) -> dict[str, Any]:
        """An entrant's line of the table, in plain values."""
        runs, held = self.runs[each.name], self.resampling
        return {
            "dataset": self.dataset,
            "algorithm": each.name,
            "kind": each.kind,
            "setting": each.setting,
            "settings_tried": each.tried,
            "seeds": len(runs.part),
            "failed": max(0, len(each.cells) - len(runs.part)),
            "validation_return": each.validation,
            "metric": self.score,
            **_spread("iqm", held.interquartile(runs)),
            **_spread("score", held.score(runs)),
            **_spread("normalised", self.normalised(each.name)),
            "behaviour": self.behaviour,
            **_spread("less_behaviour", self.difference(each.name, self.behaviour)),
            **_spread("less_cloning", self.difference(each.name, BASELINE)),
            "reference": self.reference,
        }

    def _best(self, among: list[Entrant]) -> str | None:
        found = max(among, key=lambda each: self.sign * each.chosen_by, default=None)
        return None if found is None else found.name


def _spread(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    value, low, high = (
        (None, None, None) if estimate is None else (estimate.value, estimate.low, estimate.high)
    )
    return {name: _finite(value), f"{name}_low": _finite(low), f"{name}_high": _finite(high)}


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
