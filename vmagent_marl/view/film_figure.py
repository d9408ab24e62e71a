"""A film as one figure: load over time, the servers at four moments, and what it came to."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.envs.frames import GREY, LEVELS
from vmagent_marl.sim.rules import CPU, MEMORY
from vmagent_marl.view.film import Film
from vmagent_marl.view.film_page import cluster_names, told_metrics
from vmagent_marl.view.heatmap import time_unit
from vmagent_marl.view.style import FAINT, OUT, PALETTE, SHARES, drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOMENTS = (0.25, 0.5, 0.75, 1.0)  # of the requests, at which the figure shows the servers
PER_ROW, APART, LINE = 10, 0.4, 0.08  # servers in a row; between and in them, of a node


def plot_film(film: Film, path: str | Path) -> Path:
    """Load over time, the servers at four moments, and what the episode came to, as one figure."""
    from matplotlib.gridspec import GridSpec

    names = cluster_names(film)
    per_row = _per_row(film)
    lines = sum(-(-number // per_row) for number in film.servers)
    height = float(np.clip(0.24 * lines + 0.12 * len(names), 1.2, 4.5))
    with drawing(path, 9.6, 3.4 + height) as figure:
        figure.suptitle(film.title, x=0.01, ha="left", fontweight="bold", fontsize=10)
        grid = GridSpec(2, 4, figure, height_ratios=[2.2, height])
        _draw_load(figure.add_subplot(grid[0, :3]), film)
        _write_metrics(figure.add_subplot(grid[0, 3]), film)
        panels = [figure.add_subplot(grid[1, i]) for i in range(len(MOMENTS))]
        for panel, share in zip(panels, MOMENTS, strict=True):
            _draw_moment(panel, film, round(share * (len(film.second) - 1)), names)
            names = [""] * len(names)
        from matplotlib.cm import ScalarMappable

        bar = figure.colorbar(ScalarMappable(cmap=SHARES), ax=panels, pad=0.01, aspect=14)
        bar.set_label("used share of a node", fontsize=8)
    return Path(path)


def _draw_load(axes: Axes, film: Film) -> None:
    seconds, unit = time_unit(float(film.elapsed[-1]))
    time = film.elapsed / seconds
    for resource, name in ((CPU, "cpu"), (MEMORY, "memory")):
        axes.plot(time, film.used[:, resource], color=PALETTE[resource], label=name)
    away = time[1:][np.diff(film.turned_away) > 0]
    axes.vlines(away, -0.04, 0.0, color=PALETTE[3], lw=0.8, label="VMs turned away")
    for share in MOMENTS:
        at = time[round(share * (len(time) - 1))]
        axes.axvline(at, color=FAINT, lw=0.8, ls=":")
    axes.set_ylim(-0.05, 1.02)
    axes.set_xlim(0, max(float(time[-1]), 1e-9))
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.set_xlabel(f"simulated time ({unit}); dotted: the moments below")
    axes.set_ylabel("used share of the servers")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0, ncols=3)


def _write_metrics(axes: Axes, film: Film) -> None:
    axes.axis("off")
    rows = told_metrics(film)
    for i, (name, value) in enumerate(rows):
        y = 1.0 - i / max(len(rows), 12)
        axes.text(0.0, y, name, transform=axes.transAxes, va="top", fontsize=7.5)
        axes.text(1.0, y, value, transform=axes.transAxes, va="top", ha="right", fontsize=7.5)


def _draw_moment(axes: Axes, film: Film, t: int, names: list[str]) -> None:
    """Clusters from top to bottom, a server's nodes beside each other, cpu above memory."""
    from matplotlib import colormaps

    shades = colormaps[SHARES].with_extremes(bad="white", under=OUT, over="#cfcfc4")
    top, ticks, per_row = 0.0, [], _per_row(film)
    across = _edges(min(max(film.servers), per_row))
    for k, number in enumerate(film.servers):
        lines = -(-number // per_row)
        down = top + _edges(lines)
        picture = np.full((down.size - 1, across.size - 1), np.nan)
        for server in range(number):
            y, x = 4 * (server // per_row), 4 * (server % per_row)
            cells = film.cells[t, k, :, server].astype(np.float64)  # (resource, node)
            picture[y : y + 3, x : x + 3] = 2.0  # the lines between, and then the cells
            shares = np.where(cells == GREY, -1.0, cells / (LEVELS - 1))
            picture[y : y + 3 : 2, x : x + 3 : 2] = shares
        axes.pcolormesh(
            across, down, np.ma.masked_invalid(picture), cmap=shades, vmin=0, vmax=1, linewidth=0
        )
        ticks.append((top + float(down[-1])) / 2)
        top = float(down[-1]) + 2 * APART
    axes.set_xlim(-0.2, across[-1] + 0.2)
    axes.set_ylim(top - 2 * APART + 0.2, -0.2)
    axes.set_aspect("equal", anchor="N")
    axes.set_yticks(ticks, names)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_title(f"after {film.number[t]:,} requests", fontsize=8, fontweight="normal")


def _per_row(film: Film) -> int:
    """Servers beside each other: ten, or a square of them where there are many."""
    return max(PER_ROW, math.ceil(math.sqrt(max(film.servers))))


def _edges(servers: int) -> NDArray[np.float64]:
    """(4 x servers,) where nodes begin and end, with a line within and a gap between servers."""
    widths = np.tile([1.0, LINE, 1.0, APART], servers)[:-1]
    return np.concatenate([[0.0], widths.cumsum()])
