"""Performance profiles: which share of the runs does better than a score, for every score.

Source: Agarwal et al. 2021, "Deep RL at the Edge of the Statistical Precipice", section 4.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vmagent_marl.episodes.collecting.intervals import LEVEL
from vmagent_marl.errors import SettingError
from vmagent_marl.evaluation import Scores
from vmagent_marl.view.style import FAINT, PALETTE, drawing, short_number

Floats = NDArray[np.float64]

POINTS = 201  # scores at which a profile is told
DRAWS = 2_000  # of the runs


def profile(scores: ArrayLike, at: Floats) -> Floats:
    """(n,) share of all runs of all tasks with a score above each of `at`; (runs, tasks)."""
    table = _table("scores", scores)
    above: Floats = (table[..., None] > at).mean(axis=(0, 1))
    return above


def profile_band(scores: ArrayLike, at: Floats, *, seed: int = 0) -> tuple[Floats, Floats]:
    """(n,) and (n,) the ends of its 95 % interval at each score, each task's runs drawn anew.

    NaN where there is but one run.
    """
    table = _table("scores", scores)
    runs, tasks = table.shape
    if runs < 2:
        unknown = np.full(at.shape, np.nan)
        return unknown, unknown
    above = (table[..., None] > at).astype(np.float64)  # (runs, tasks, n)
    drawn = np.random.default_rng(seed).multinomial(runs, np.full(runs, 1 / runs), (DRAWS, tasks))
    shares = np.einsum("dtr,rtn->dn", drawn.astype(np.float64), above, optimize=True)
    ends = np.quantile(shares / (runs * tasks), [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return ends[0], ends[1]


def plot_profiles(
    scores: Mapping[str, ArrayLike] | Scores,
    path: str | Path,
    *,
    x_label: str | None = None,
    title: str = "Performance profile",
) -> Path:
    """Profiles by label, each with its band; a curve above another everywhere is the better one.

    Of each label (runs, tasks) scores, normalised where tasks are unlike; or the `Scores` of an
    evaluation, whose runs are the episodes (bands then take episodes for independent).
    """
    if isinstance(scores, Scores):
        title = f"Episodes of {scores.scenario.name}: share above a score"
        x_label = x_label or scores.score.replace("wait_s", "waiting per episode (s)")
        scores = {policy: scores.values(policy) for policy in scores.ranked}
    tables = {label: _table(label, table) for label, table in scores.items()}
    if not tables:
        raise SettingError("no performance profile to draw: give scores of one or more by label")
    low = min(float(table.min()) for table in tables.values())
    high = max(float(table.max()) for table in tables.values())
    margin = 0.03 * (high - low) or 1.0
    at = np.linspace(low - margin, high + margin, POINTS)
    with drawing(path, 6.4, 3.8) as figure:
        axes = figure.add_subplot()
        for i, (label, table) in enumerate(tables.items()):
            colour = PALETTE[i % len(PALETTE)]
            dashes = ("-", "--", ":", "-.")[i // len(PALETTE) % 4]
            axes.plot(at, profile(table, at), dashes, color=colour, label=label)
            band = profile_band(table, at)
            axes.fill_between(at, *band, color=colour, alpha=0.18, linewidth=0)
        axes.set_title(title)
        axes.set_xlabel(f"score: {x_label}" if x_label else "score")
        axes.set_ylabel("share of runs with a higher score")
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlim(at[0], at[-1])
        axes.xaxis.set_major_formatter(short_number)
        axes.yaxis.set_major_formatter("{x:.0%}")
        axes.legend(loc="best")
        figure.supxlabel(_note(tables), x=0.01, ha="left", fontsize=7, color=FAINT)
    return Path(path)


def _note(tables: Mapping[str, Floats]) -> str:
    runs = sorted({table.shape[0] for table in tables.values()})
    tasks = sorted({table.shape[1] for table in tables.values()})
    told = f"{' to '.join(str(n) for n in {runs[0]: 0, runs[-1]: 0})} runs"
    if tasks[-1] > 1:
        told += f" of {' to '.join(str(n) for n in {tasks[0]: 0, tasks[-1]: 0})} tasks"
    return f"{told}; bands: pointwise 95 % stratified bootstrap intervals"


def _table(label: str, scores: ArrayLike) -> Floats:
    """(runs, tasks); one task, if there is but one axis."""
    table = np.asarray(scores, np.float64)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or not table.size or not np.isfinite(table).all():
        raise SettingError(
            f"{label}: scores of shape {np.shape(scores)}: give finite ones, (runs,) or "
            "(runs, tasks)"
        )
    return table
