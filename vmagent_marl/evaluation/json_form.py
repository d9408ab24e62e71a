"""Scores for programs: JSON with finite numbers only, in files that are whole or not there."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from vmagent_marl.episodes.collecting.intervals import Estimate
from vmagent_marl.evaluation import statistics
from vmagent_marl.evaluation.scores import Result, Scores
from vmagent_marl.files import replacing

NO_MEAN = ("start", "cluster_profit")  # of the metrics, those whose mean says nothing


def to_json(scores: Scores) -> dict[str, Any]:
    """Plain values: of one policy its episodes and summary, of several a list of such `results`.

    Every number is finite; what is unknown is None.
    """
    documents = [_document(scores, result) for result in scores.results]
    if len(documents) == 1:
        return documents[0]
    return {"scenario": scores.scenario.name, "results": documents}


def write_json(scores: Scores, path: str | Path) -> None:
    """`to_json` into a file, whole or not at all."""
    with replacing(path) as unfinished:
        text = json.dumps(to_json(scores), indent=2, allow_nan=False)
        unfinished.write_text(text + "\n", encoding="utf-8")


def _document(scores: Scores, result: Result) -> dict[str, Any]:
    bounds = [None] * len(result.played) if scores.bound is None else scores.bound.values
    episodes = [
        _plain(
            {
                **played.metrics.as_dict(),
                "profit_share": played.metrics.profit_share,
                "return": played.team_return,
                "own_returns": played.own_returns,
                "bound": bound,
            }
        )
        for played, bound in zip(result.played, bounds, strict=True)
    ]
    return {
        "scenario": scores.scenario.name,
        "policy": result.policy,
        "window": scores.window,
        "seed": scores.seed,
        "trace": scores.trace,
        "episodes": episodes,
        "summary": _plain(summary(scores, result.policy)),
    }


def summary(scores: Scores, policy: str) -> dict[str, Any]:
    """Everything about a policy's score; `mean` is the ratio of sums where it is a profit share."""
    estimate, values, result = scores.estimate(policy), scores.values(policy), scores.result(policy)
    fields = asdict(result.played[0].metrics)
    metrics = ["return", *(name for name in fields if name not in NO_MEAN)]
    return {
        "score": scores.score,
        "less_is_better": scores.less_is_better,
        "episodes": len(result.played),
        "blocks": scores.block_count,
        "mean": estimate.value,
        "interval": [estimate.low, estimate.high],
        "median": float(np.median(values)),
        "trimmed_mean": float(statistics.trimmed_mean(values)),
        "interquartile_mean": float(statistics.interquartile_mean(values)),
        "baseline": scores.baseline,
        "difference": asdict(scores.difference(policy)),
        "probability_of_improvement": asdict(scores.improvement(policy)),
        "reference": scores.reference,
        "normalised": _optional(scores.normalised(policy)),
        "bound": _bound(scores),
        "gap": _optional(scores.gap(policy)),
        "lost_cpu": scores.lost_cpu(policy),
        "least_lost_cpu": None if scores.lost_bound is None else scores.lost_bound.value,
        "means": {name: float(result.column(name).mean()) for name in metrics},
        "trace_sha256": scores.fingerprint,
    }


def _bound(scores: Scores) -> dict[str, Any] | None:
    """What no policy's score can better, and how that was found."""
    estimate = scores.bound_estimate
    if scores.bound is None or estimate is None:
        return None
    return {"kind": scores.bound.kind, **asdict(estimate)}


def _optional(estimate: Estimate | None) -> dict[str, float] | None:
    return None if estimate is None else asdict(estimate)


def _plain(value: Any) -> Any:
    """Finite JSON: numpy's numbers as Python's, tuples as lists, NaN and infinity as None."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
