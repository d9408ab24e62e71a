"""Learners. Their libraries are heavy and imported where they are used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal


def train_offline(
    algorithm: Literal["cql", "bc"],
    dataset: str | Sequence[str],
    out: str | Path,
    *,
    progress: bool = True,
    **settings: Any,
) -> Path:
    """See `vmagent_marl.train.offline.train_offline`, which this calls."""
    from vmagent_marl.train import offline

    return offline.train_offline(algorithm, dataset, out, progress=progress, **settings)
