"""Policies played once on the episodes of a window; what they came to is kept in a file."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vmagent_marl.episodes.collecting.recipe import Player, checkpoint_digest
from vmagent_marl.episodes.recording.play import Played, play
from vmagent_marl.errors import VmagentError
from vmagent_marl.evaluation.over_seeds import Runs
from vmagent_marl.evaluation.scores import score_of
from vmagent_marl.evaluation.starts import episodes_in
from vmagent_marl.files import replacing
from vmagent_marl.scenario import Scenario, scenario_from

Columns = Mapping[str, list[Any]]  # a value an episode


@dataclass(frozen=True)
class Play:
    """A policy, and the episodes that it is to play."""

    player: Player
    scenario: dict[str, Any]
    fingerprint: str  # of its trace
    window: str
    episodes: int
    file: Path  # where it is kept

    @property
    def key(self) -> dict[str, Any]:
        """What decides about it; a trained policy counts by what its file holds."""
        decides = {name: value for name, value in asdict(self).items() if name != "file"}
        decides["player"]["name"] = checkpoint_digest(self.player.name) or self.player.name
        found: dict[str, Any] = json.loads(json.dumps(decides))
        return found


def played(each: Play) -> Columns | str:
    """What the episodes came to, by column; or in words why they cannot be played."""
    try:
        key = each.key
        kept = _kept(each.file, key)
        if kept is not None:
            return kept
        scenario = scenario_from(each.scenario)
        policy = each.player.policy()
        trace = scenario.load_trace()
        drawn = episodes_in(scenario, trace, each.window, episodes=each.episodes, seed=0)
        columns = _columns(play(scenario, policy, drawn, trace=trace))
        with replacing(each.file) as unfinished:
            text = json.dumps({"key": key, "columns": columns}, allow_nan=False)
            unfinished.write_text(text + "\n", encoding="utf-8")
    except (VmagentError, OSError) as error:
        return f"{each.player.label}: {error}"
    return columns


def work_of(plays: Mapping[str, Play]) -> dict[str, Callable[[], Columns | str]]:
    """Calls for `in_turn`, by the same names."""
    from functools import partial

    return {name: partial(played, each) for name, each in plays.items()}


def runs_of(scenario: Scenario, columns: list[Columns]) -> Runs:
    """Runs on the same episodes, by what the scenario is scored by."""
    score = score_of(scenario)
    part, whole = (score, None) if score != "profit share" else ("profit", "possible_revenue")
    parts = np.array([each[part] for each in columns], np.float64)
    wholes = np.array([each[whole] for each in columns], np.float64) if whole else None
    return Runs(parts, np.ones_like(parts) if wholes is None else wholes)


def _columns(episodes: list[Played]) -> Columns:
    rows = [
        {**each.metrics.as_dict(), "return": each.team_return, "own_returns": each.own_returns}
        for each in episodes
    ]
    return {name: [_plain(row[name]) for row in rows] for name in rows[0]}


def _plain(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _kept(file: Path, key: dict[str, Any]) -> Columns | None:
    try:
        held = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(held, dict) or held.get("key") != key:
        return None
    columns: Columns = held["columns"]
    return columns
