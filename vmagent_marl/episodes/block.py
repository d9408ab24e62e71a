"""Blocks of finished episodes on disk: one file each, whole or not there, read without pickle."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from vmagent_marl import sim
from vmagent_marl.episodes.episode import Episode
from vmagent_marl.episodes.staging import replacing_staged

HEADER = "episodes"


def write_block(file: Path, episodes: Sequence[Episode]) -> None:
    """Write the episodes into `file`, which is there when all of them are on disk."""
    header = [_described(episode) for episode in episodes]
    columns = {
        name: np.concatenate([episode.arrays[name] for episode in episodes])
        for name in episodes[0].arrays
    }
    columns[HEADER] = np.array(json.dumps(header))
    with replacing_staged(file) as unfinished, unfinished.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **columns)


def read_block(file: Path) -> Iterator[Episode]:
    """The episodes of a block, as they were written."""
    with np.load(file, allow_pickle=False) as block:
        header: list[dict[str, Any]] = json.loads(str(block[HEADER]))
        columns = {name: block[name] for name in block.files if name != HEADER}
    done = {name: 0 for name in columns}
    for described in header:
        length, arrays = described.pop("length"), {}
        for name, column in columns.items():
            rows = length + 1 if name in ("observations", "masks") else length
            arrays[name] = column[done[name] : done[name] + rows]
            done[name] += rows
        played, metrics = sim.Episode(**described.pop("played")), described.pop("metrics")
        yield Episode(**arrays, played=played, metrics=metrics_from(metrics), **described)


def metrics_from(values: dict[str, Any]) -> sim.Metrics:
    """Metrics from plain values, as `Metrics.as_dict` gives them."""
    return sim.Metrics(**{**values, "cluster_profit": tuple(values["cluster_profit"])})


def _described(episode: Episode) -> dict[str, Any]:
    """What an episode holds besides its arrays."""
    return {
        "length": len(episode),
        "component": episode.component,
        "terminated": episode.terminated,
        "truncated": episode.truncated,
        "played": asdict(episode.played),
        "metrics": episode.metrics.as_dict(),
    }
