"""A learner's run as a recipe: what it saw while it learned, by the checkpoints that it left.

The episodes are split evenly over the checkpoints, in the order of training, and each checkpoint
plays as its learner did then: learners of values with that share of random answers, actor-critics
drawing by their probabilities. The log-probabilities of the answers are exact.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from vmagent_marl import settings
from vmagent_marl.episodes.collecting.recipe import Player, Recipe
from vmagent_marl.errors import SettingError
from vmagent_marl.policies.registry import CHECKPOINT

BEHAVIOUR = "replay"  # of a data set's id, unless it is given another name
PER = "stretch"


def replay_players(run: str | Path) -> tuple[Player, ...]:
    """A player for each checkpoint of a run, in the order of training.

    Raises `SettingError` where there is none, `PolicyError` for one that is broken.
    """
    from vmagent_marl.policies.checkpoint import CHECKPOINTS, load_policy
    from vmagent_marl.policies.network_policy import DRAWN

    files = sorted((Path(run) / CHECKPOINTS).glob(f"*{CHECKPOINT}"), key=_step_of)
    if not files:
        raise SettingError(
            f"{run}: holds no {CHECKPOINTS}/ of its validations: give the folder of a run of "
            "`vmagent-marl train`"
        )
    players = []
    for file in files:
        training = load_policy(file).training
        sampled = training.algorithm in DRAWN
        players.append(Player(str(file), epsilon=training.epsilon or 0.0, sampled=sampled))
    return tuple(players)


def replay_of(run: str | Path) -> dict[str, Any]:
    """What a run says in the place of a recipe: `policies`, `per` and a `description`."""
    players = replay_players(run)
    algorithm = config_of(run).get("algorithm", "a learner")
    last = _step_of(Path(players[-1].name))
    return {
        "policies": [dataclasses.asdict(player) for player in players],
        "per": PER,
        "description": f"What {algorithm} saw while it learned: {len(players)} checkpoints of "
        f"{last:,} steps, in the order of training.",
    }


def replay_recipe(
    run: str | Path,
    *,
    episodes: int,
    behaviour: str = BEHAVIOUR,
    window: str = "train",
    seed: int = 0,
) -> Recipe:
    """The recipe of a run on the scenario that it learned.

    Raises `SettingError` where that is another one by now.
    """
    said = config_of(run)
    try:
        played = said["played"]
        fields = settings.read_changes(said.get("set", ()))
        fields |= {} if said["servers"] is None else {"servers": said["servers"]}
        trace = None if said["trace"] is None else played["trace"]  # with its whole path
        values = {**replay_of(run), "scenario": said["scenario"], "trace": trace, "fields": fields}
    except KeyError as error:
        raise SettingError(
            f"{run}: its config.json says no {error}: give a run of `vmagent-marl train`"
        ) from None
    values |= {"behaviour": behaviour, "episodes": episodes, "window": window, "seed": seed}
    recipe = settings.build(Recipe, values, "recipe")
    now = json.loads(json.dumps(recipe.load_scenario().as_dict()))
    unlike = [key for key in now if key != "description" and now[key] != played.get(key)]
    if unlike:
        raise SettingError(
            f"{run}: learned scenario {said['scenario']!r} with another {unlike[0]} than it has "
            "now: write a recipe with `replay` and the `fields` of then"
        )
    return recipe


def config_of(run: str | Path) -> dict[str, Any]:
    """What decides a run's outcome, as its config.json says."""
    file = Path(run) / "config.json"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise SettingError(f"{file}: holds no settings of a run: give the folder of one")
    return found


def _step_of(checkpoint: Path) -> int:
    """Steps of the run after which it was kept, by the file's name; 0 for another name."""
    return int(checkpoint.stem) if checkpoint.stem.isdecimal() else 0
