"""The command that trains an online run again, from what the run's folder says of it."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vmagent_marl.train.online.algorithms import ALGORITHMS, settings_class


def train_words(config: Mapping[str, Any]) -> list[str] | None:
    """Options of `vmagent-marl train`, those that are not the defaults; None: not its run.

    A trace and a checkpoint are named by their files alone, wherever they lie.
    """
    agent = config.get("algorithm")
    if agent not in ALGORITHMS:
        return None
    words = ["--agent", agent, "--scenario", str(config["scenario"])]
    for field in dataclasses.fields(settings_class(agent)):
        value, default = config.get(field.name), json.loads(json.dumps(field.default))
        if field.name in ("scenario", "device") or field.name not in config or value == default:
            continue
        option = f"--{field.name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(option if value else f"--no-{option[2:]}")
        elif isinstance(value, list):
            words += [option, *map(str, value)]
        elif field.name in ("trace", "init") and value is not None:
            words += [option, Path(value).name]
        else:
            words += [option, "none" if value is None else str(value)]
    return words


def command_line(words: list[str]) -> str:
    """As it is typed."""
    return shlex.join(["vmagent-marl", "train", *words])
