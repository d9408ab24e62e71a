"""Figures of scores and training; each returns the path it wrote."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from vmagent_marl.episodes.collecting.intervals import Estimate
from vmagent_marl.errors import SettingError
from vmagent_marl.evaluation import Scores, title_of
from vmagent_marl.evaluation.statistics import interquartile_mean, stratified_interval
from vmagent_marl.view.curves import Curve, read_runs
from vmagent_marl.view.style import FAINT, PALETTE, drawing, short_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DRAWS = 2_000  # of runs, for the band at each step
LINE = 84  # characters of a title that fit beside each other
SKEWED = 20.0  # largest over median from which waits are drawn on a logarithmic axis

_SCORE_LABELS = {
    "profit share": "profit share (profit / possible revenue)",
    "wait_s": "waiting per episode (s)",
    "return": "return per episode",
}


def plot_scores(scores: Scores, path: str | Path) -> Path:
    """Each policy's score with its interval, the best on top, the single episodes behind.

    The bound, where one is known, is a dashed line. Of several policies a second panel has their
    differences from the baseline on the same episodes, with intervals.
    """
    ranked, several = scores.ranked, len(scores.ranked) > 1
    title = fill(title_of(scores), LINE, subsequent_indent="  ")
    high = 1.5 + 0.38 * len(ranked) + 0.17 * title.count("\n")
    with drawing(path, 9.2 if several else 6.4, high) as figure:
        panels = figure.subplots(
            1, 1 + several, sharey=True, squeeze=False, width_ratios=(3, 2)[: 1 + several]
        )[0]
        _draw_scores(panels[0], scores)
        if several:
            _draw_differences(panels[1], scores)
        panels[0].set_yticks(range(len(ranked)), ranked)
        panels[0].set_ylim(len(ranked) - 0.5, -0.5)
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=10)
        blocks = scores.block_count
        drawn = f"95 % interval over {blocks} blocks" if blocks > 1 else "too few for an interval"
        note = f"dots: single episodes; ring: their score, {drawn}; trace {scores.trace}"
        figure.supxlabel(note, x=0.01, ha="left", fontsize=7, color=FAINT)
    return Path(path)


def _draw_scores(axes: Axes, scores: Scores) -> None:
    jitter = np.random.default_rng(0)
    for place, policy in enumerate(scores.ranked):
        values = scores.values(policy)
        axes.scatter(
            values,
            place + jitter.uniform(-0.22, 0.22, values.size),
            s=10,
            color=PALETTE[5],
            alpha=0.55,
            linewidths=0,
            zorder=2,
            clip_on=False,
        )
        _draw_estimate(axes, place, scores.estimate(policy), PALETTE[0])
    if scores.bound is not None:
        # a queue that stands still for good may be left with less waiting than the bound
        stuck = scores.less_is_better and any(scores.gap(p) is None for p in scores.policies)
        label = scores.bound.name + (" of policies that start every VM" if stuck else "")
        axes.axvline(scores.bound.value, ls="--", lw=1.2, color=PALETTE[4], label=label)
        # outside: episodes may be anywhere inside
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0)
    axes.grid(axis="y", visible=False)
    _scale_waits(axes, scores)
    better = "less is better" if scores.less_is_better else "more is better"
    axes.set_xlabel(f"{_SCORE_LABELS[scores.score]}; {better}")


def _draw_differences(axes: Axes, scores: Scores) -> None:
    """Of the same episodes, so that they may be sure where the scores' intervals overlap."""
    axes.axvline(0, lw=1, color=FAINT)
    for place, policy in enumerate(scores.ranked):
        if policy == scores.baseline:
            continue
        gap = scores.difference(policy)
        _draw_estimate(axes, place, gap, FAINT if gap.holds_zero else PALETTE[0])
        beside = axes.get_yaxis_transform()  # what is too small to be seen is told
        told = ("+" if gap.value > 0 else "") + short_number(float(f"{gap.value:.3g}"), 0)
        axes.text(1.02, place, told, transform=beside, va="center", fontsize=8)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(short_number)
    axes.set_xlabel(f"difference from {scores.baseline} (grey: not sure)")


def _draw_estimate(axes: Axes, place: int, estimate: Estimate, colour: str) -> None:
    """A ring on its interval."""
    if not math.isnan(estimate.low):
        span = [estimate.low, estimate.high]
        axes.plot(span, [place, place], color=colour, linewidth=3.5, zorder=3)
    axes.plot(
        [estimate.value],
        [place],
        "o",
        color="white",
        markersize=6,
        zorder=4,
        markeredgecolor=colour,
        markeredgewidth=1.6,
    )


def plot_learning_curve(
    curves: Mapping[str, Curve],
    path: str | Path,
    *,
    x: str = "step",
    y: str = "score",
    title: str = "Learning curve",
    x_label: str | None = None,
    y_label: str | None = None,
    levels: Mapping[str, float] | None = None,
) -> Path:
    """Lines of a score over training, by label, and dashed `levels` to hold them against.

    A curve is a CSV file with columns `x` and `y` (rows without a value of `y` are passed over), a
    sequence of such files, one a seed, or arrays x (n,) and y (n,) or (runs, n). Several runs are
    drawn as their interquartile mean with a band, its 95 % bootstrap interval over the runs, at the
    steps that all of them have.
    """
    if not curves:
        raise SettingError("no learning curve to draw: give one or more by label")
    read = {label: read_runs(curve, x, y) for label, curve in curves.items()}
    several = max(len(runs) for _, runs in read.values())
    with drawing(path, 6.4, 3.8) as figure:
        axes = figure.add_subplot()
        for i, (label, (steps, runs)) in enumerate(read.items()):
            colour = PALETTE[i % len(PALETTE)]
            dashes = ("-", "--", ":", "-.")[i // len(PALETTE) % 4]
            mark = "o" if steps.size < 30 else ""
            middle = interquartile_mean(runs.T)
            axes.plot(steps, middle, dashes, marker=mark, markersize=3, color=colour, label=label)
            if len(runs) > 1:
                band = [stratified_interval(column, resamples=DRAWS) for column in runs.T]
                low, high = [e.low for e in band], [e.high for e in band]
                axes.fill_between(steps, low, high, color=colour, alpha=0.2, linewidth=0)
        for i, (label, level) in enumerate((levels or {}).items(), start=len(curves)):
            axes.axhline(level, ls="--", lw=1, color=PALETTE[i % len(PALETTE)], label=label)
        axes.set_title(title)
        axes.set_xlabel(x_label or _words(x))
        axes.set_ylabel(y_label or _words(y))
        axes.xaxis.set_major_formatter(short_number)
        axes.legend(loc="best")
        if several > 1:
            note = f"interquartile mean of up to {several} runs, 95 % bootstrap interval"
            figure.supxlabel(note, x=0.01, ha="left", fontsize=7, color=FAINT)
    return Path(path)


def _scale_waits(axes: Axes, scores: Scores) -> None:
    """Waits spread over orders of magnitude; a few long ones would hide all others."""
    if scores.score != "wait_s":
        return
    every = np.concatenate([scores.values(policy) for policy in scores.policies])
    if every.max() > SKEWED * max(float(np.median(every)), 1.0):
        decade = math.floor(math.log10(max(float(np.median(every)), 1.0))) - 1
        decade = max(decade, 0)  # below a tenth of the median the axis is linear, for the zeros
        axes.set_xscale("symlog", linthresh=10.0**decade)
        decades = range(decade, math.floor(math.log10(every.max())) + 1)
        axes.set_xticks([0.0, *(10.0**d for d in decades)])
        axes.minorticks_off()
    axes.set_xlim(left=0)


def _words(column: str) -> str:
    return column.replace("_", " ").replace("/", ", ")
