"""Who plays the test window of a data set's scenario: the settings chosen on validation, and rules.

Nothing here was chosen by the test window: a program's setting, the behaviour that learners are
held against and the heuristic at which a normalised score is 1 are the best ones on validation.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from vmagent_marl.episodes.collecting.recipe import Player
from vmagent_marl.episodes.collecting.reference import RANDOM
from vmagent_marl.errors import VmagentError
from vmagent_marl.policies import make_policy, policy_names
from vmagent_marl.policies.registry import checkpoint_file
from vmagent_marl.scenario import Scenario, scenario_from
from vmagent_marl.train.offline.comparing.board import Board, Entrant, Kind
from vmagent_marl.train.offline.comparing.cells import Trained
from vmagent_marl.train.offline.comparing.plays import Columns, Play, runs_of
from vmagent_marl.windows import rows_of

TEST, VALIDATION = "test", "validation"
REFERENCES = "references"  # folder of what rules came to


@dataclass(frozen=True)
class Testing:
    """One data set's part of a comparison."""

    dataset: str
    own: Mapping[str, Any]  # what was written about it when it was recorded
    trained: Sequence[Trained]  # on it
    out: Path  # absolute
    episodes: int  # of the test window
    validated: int  # of a run's own validations

    @cached_property
    def scenario(self) -> Scenario:
        """That it was recorded on."""
        return scenario_from(self.own["scenario"], where=self.dataset)

    @property
    def behaviours(self) -> dict[str, Player]:
        """The policies that made it, by label; none of one from elsewhere."""
        told = self.own.get("recipe", {}).get("policies", [])
        players = [Player(**{**each, "weight": 1.0}) for each in told]  # here each plays alone
        return {player.label: player for player in players}

    @property
    def chosen(self) -> dict[str, list[Trained]]:
        """By program, the cells of its best setting: by mean of the seeds' best validations.

        A setting of which seeds failed comes behind those of which fewer did.
        """
        settings: dict[str, dict[str, list[Trained]]] = {}
        for each in self.trained:
            contender = each.cell.contender
            settings.setdefault(contender.program, {}).setdefault(contender.name, []).append(each)
        return {program: max(found.values(), key=_standing) for program, found in settings.items()}

    @cached_property
    def plays(self) -> list[Play]:
        """All that is to be played."""
        rules = [
            self._play(player, window)
            for player in self._rules.values()
            for window in (TEST, VALIDATION)
        ]
        chosen = [each for cells in self.chosen.values() for each in cells]
        return [*rules, *(self._of_cell(each) for each in chosen if each.best is not None)]

    def board(self, played: Mapping[str, Columns | str]) -> Board:
        """What it came to, by the files that hold it."""
        lost: list[str] = []
        entrants = [*self._learners(played, lost), *self._ruled(played, lost)]
        return Board(
            self.dataset,
            self.scenario,
            rows_of(self._trace, TEST),
            tuple(entrants),
            tuple(lost),
        )

    @property
    def _rules(self) -> dict[str, Player]:
        """The heuristics and the behaviours, by label."""
        return {name: Player(name) for name in policy_names(self.scenario)} | self.behaviours

    @cached_property
    def _trace(self) -> Any:
        return self.scenario.load_trace()

    def _play(self, player: Player, window: str) -> Play:
        """By a rule; kept once for all data sets of a scenario."""
        scenario = json.dumps(self.own["scenario"], sort_keys=True)
        folder = f"{self.scenario.name}-{hashlib.sha256(scenario.encode()).hexdigest()[:8]}"
        label = re.sub(r"[^\w.+-]", "_", player.label)
        file = self.out / REFERENCES / folder / window / f"{label}.json"
        return self._made(player, window, file)

    def _of_cell(self, each: Trained) -> Play:
        player = Player(str(each.cell.checkpoint))
        return self._made(player, TEST, each.cell.folder / f"{TEST}.json")

    def _made(self, player: Player, window: str, file: Path) -> Play:
        return Play(
            player,
            dict(self.own["scenario"]),
            self._trace.fingerprint,
            window,
            self.episodes if window == TEST else max(self.episodes, self.validated),
            file,
        )

    def _learners(self, played: Mapping[str, Columns | str], lost: list[str]) -> list[Entrant]:
        entrants = []
        for program, cells in self.chosen.items():
            done = []
            for each in cells:
                found = played.get(str(self._of_cell(each).file)) if each.best is not None else None
                if isinstance(found, str):
                    lost.append(found)
                elif found is not None:
                    done.append((each, found))
            if not done:
                continue
            contenders = {each.cell.contender for each in self.trained}
            entrants.append(
                Entrant(
                    program,
                    "learner",
                    [columns for _, columns in done],
                    float(np.mean([each.best for each, _ in done])),
                    setting=cells[0].cell.contender.setting,
                    tried=sum(each.program == program for each in contenders),
                    cells=tuple(cells),
                )
            )
        return entrants

    def _ruled(self, played: Mapping[str, Columns | str], lost: list[str]) -> list[Entrant]:
        entrants = []
        for label, player in self._rules.items():
            windows = (TEST, VALIDATION)
            found = [played[str(self._play(player, window).file)] for window in windows]
            test, validation = found
            if isinstance(test, str) or isinstance(validation, str):
                reason = next(each for each in found if isinstance(each, str))
                if label not in self.behaviours:
                    raise VmagentError(reason)
                lost.append(reason)  # a trained policy may be gone since it was recorded
                continue
            entrants.append(
                Entrant(
                    label,
                    self._kind(label, player.name),
                    [test],
                    float(np.mean(validation["return"][: self.validated])),
                    chosen_by=runs_of(self.scenario, [validation]).score,
                    is_rule=not player.is_noisy and _is_decentralised(player.name),
                )
            )
        return entrants

    def _kind(self, label: str, name: str) -> Kind:
        if label in self.behaviours:
            return "behaviour"
        return "heuristic" if _is_decentralised(name) or name == RANDOM else "reference"


def _is_decentralised(name: str) -> bool:
    """Whether it is a heuristic that clusters can follow by themselves."""
    return checkpoint_file(name) is None and make_policy(name).needs != "everything"


def _standing(cells: Sequence[Trained]) -> tuple[int, float]:
    """By which settings are ranked: seeds that came to something, then their mean."""
    best = [each.best for each in cells if each.best is not None]
    return len(best), float(np.mean(best)) if best else -np.inf
