"""A small run, and what its card tells, for the tests of published policies."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from train.online.games import on_disk, small

from vmagent_marl.train.online.algorithms import settings_class, train_agent

SHORT: dict[str, Any] = {"batch": 8, "hidden": (8, 8), "validation_episodes": 2, "steps": 300}


def small_run(folder: Path) -> Path:
    """PPO on `small`, with another horizon."""
    settings = settings_class("ppo")(
        scenario=on_disk(small(), folder),
        segment=8,
        set=("horizon=15",),
        validate_every=100,
        **SHORT,
    )
    train_agent("ppo", settings, folder / "run", progress=False)
    return folder / "run"


def told(card: str, key: str) -> str:
    (value,) = re.findall(rf"^\| {key} \| (.*) \|$", card, re.MULTILINE)
    return str(value)
