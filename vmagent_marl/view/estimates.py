"""Estimates with their intervals, a panel for each thing that they are of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import shorten

import numpy as np

from vmagent_marl.episodes.collecting.intervals import Estimate
from vmagent_marl.errors import SettingError
from vmagent_marl.view.style import FAINT, PALETTE, drawing, short_number

ACROSS = 2  # panels
NAMED = 36  # characters of a title


@dataclass(frozen=True)
class Panel:
    """Estimates by label, in the order they are drawn, the first on top."""

    title: str
    estimates: Mapping[str, Estimate]
    values: Mapping[str, Sequence[float]] = field(default_factory=dict)  # of single runs, as dots
    levels: Mapping[str, float] = field(default_factory=dict)  # dashed lines
    x_label: str = "score"


def plot_estimates(panels: Sequence[Panel], path: str | Path, *, title: str = "Scores") -> Path:
    """Rings on their 95 % intervals, single runs as dots, and dashed lines to hold them against."""
    if not panels or not all(panel.estimates for panel in panels):
        raise SettingError("no estimate to draw: give one or more panels with one or more each")
    rows = math.ceil(len(panels) / ACROSS)
    columns = min(ACROSS, len(panels))
    most = max(len(panel.estimates) + len(panel.levels) for panel in panels)
    with drawing(path, 5.6 * columns, rows * (1.45 + 0.3 * most) + 0.3) as figure:
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, panel in zip(grid, panels, strict=False):
            names = list(panel.estimates)
            for place, name in enumerate(names):
                estimate = panel.estimates[name]
                dots = np.asarray(panel.values.get(name, ()), np.float64)
                axes.plot(
                    dots, np.full(dots.size, place), "o", color=PALETTE[1], markersize=3, zorder=5
                )
                if not math.isnan(estimate.low):
                    axes.plot([estimate.low, estimate.high], [place, place], color=PALETTE[0], lw=3)
                axes.plot(
                    [estimate.value],
                    [place],
                    "o",
                    color="white",
                    markersize=6,
                    markeredgecolor=PALETTE[0],
                    markeredgewidth=1.6,
                    zorder=4,
                )
            for i, (name, level) in enumerate(panel.levels.items()):
                colour = PALETTE[(2, 4, 3)[i % 3]]
                axes.axvline(level, ls="--", lw=1.1, color=colour, label=name, zorder=1)
            axes.set_yticks(range(len(names)), names)
            axes.set_ylim(len(names) - 0.5, -0.5)
            axes.grid(axis="y", visible=False)
            axes.set_title(shorten(panel.title, NAMED), pad=18)
            axes.set_xlabel(panel.x_label)
            axes.xaxis.set_major_formatter(short_number)
            if panel.levels:
                axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
        for axes in grid[len(panels) :]:
            axes.set_visible(False)
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=10)
        note = "dots: single seeds; ring: all of them, with its 95 % bootstrap interval"
        figure.supxlabel(note, x=0.01, ha="left", fontsize=7, color=FAINT)
    return Path(path)
