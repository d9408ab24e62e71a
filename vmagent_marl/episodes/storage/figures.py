"""The figures of an episode as one record: an attribute in HDF5, a row in a block."""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache
from typing import Any, cast, get_type_hints

import numpy as np

from vmagent_marl.sim import Metrics

NAMES = tuple(field.name for field in fields(Metrics))


@lru_cache(maxsize=8)
def metrics_type(clusters: int) -> np.dtype[Any]:
    """A field for each metric: counts int64, amounts float64, those of each cluster (K,)."""
    hints = get_type_hints(Metrics)
    plain: dict[Any, Any] = {int: np.int64, float: np.float64}
    return np.dtype([(name, plain.get(hints[name], (np.float64, clusters))) for name in NAMES])


def as_record(metrics: Metrics) -> np.void:
    """One record of `metrics_type`: a field is read by its name, `record["placed"]`."""
    values = tuple(getattr(metrics, name) for name in NAMES)
    rows = np.array([values], metrics_type(len(metrics.cluster_profit)))
    return cast(np.void, rows[0])


def from_record(record: np.void) -> Metrics:
    """The metrics, as `as_record` was given them; raises `KeyError` for one that is missing."""
    if set(record.dtype.names or ()) != set(NAMES):
        raise KeyError("metrics")
    values = dict(zip(record.dtype.names or (), record.item(), strict=True))
    return Metrics(**{**values, "cluster_profit": tuple(values["cluster_profit"].tolist())})
