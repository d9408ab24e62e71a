"""A film as moving pictures (GIF), and as one figure: load, moments, and what it came to."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.envs.frames import GREY, LEVELS, Image, paint, palette, places_of
from vmagent_marl.errors import SettingError
from vmagent_marl.files import replacing
from vmagent_marl.sim.rules import CPU, MEMORY, NODES
from vmagent_marl.sim.state import NOBODY
from vmagent_marl.trace.units import DAY, HOUR, MIB, MILLI
from vmagent_marl.view.film import Film
from vmagent_marl.view.film_page import cluster_names, told_metrics
from vmagent_marl.view.heatmap import time_unit
from vmagent_marl.view.style import FAINT, INK, OUT, PALETTE, SHARES, drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOMENTS = (0.25, 0.5, 0.75, 1.0)  # of the requests, at which the figure shows the servers
PER_ROW, APART, LINE = 10, 0.4, 0.08  # servers beside each other; between them, and in them (nodes)
HEAD, CURVE, WIDE = 58, 64, 480  # pixels: of the text, of the curve, and at least of a frame
MARK = (213, 94, 0)
FRAMES_PER_SECOND = 10


def write_gif(
    film: Film, path: str | Path, *, frames_per_second: float = FRAMES_PER_SECOND
) -> Path:
    """Every moment of a film, over and over."""
    if not 0.0 < frames_per_second <= 50.0:  # a GIF counts hundredths of a second
        raise SettingError(f"{frames_per_second} frames a second: give more than 0, at most 50")
    from PIL import Image as Pictures

    colours = Pictures.new("P", (1, 1))
    colours.putpalette(_colours().ravel().tolist())
    frames = [
        Pictures.fromarray(frame_of(film, t)).quantize(palette=colours, dither=Pictures.Dither.NONE)
        for t in range(len(film.second))
    ]
    with replacing(path) as unfinished:
        frames[0].save(
            unfinished,
            format="GIF",
            save_all=True,
            append_images=frames[1:],
            duration=round(1000.0 / frames_per_second),
            loop=0,
        )
    return Path(path)


def frame_of(film: Film, t: int) -> Image:
    """(H, W, 3) moment t: what is asked for, the servers, and the load up to then."""
    from PIL import Image as Pictures
    from PIL import ImageDraw

    servers = Pictures.fromarray(_servers(film, t))
    wide = max(WIDE, servers.width)
    frame = Pictures.new("RGB", (wide, HEAD + servers.height + CURVE), "white")
    frame.paste(servers, (0, HEAD))
    pen = ImageDraw.Draw(frame)
    lines = (film.title, _told(film, t), _gauges(film, t))
    for line, bold, top in zip(lines, (True, False, False), (5, 22, 39), strict=True):
        pen.text((8, top), line, fill=INK, font=_font(bold))
    foot, top, left, right = frame.height - 8, frame.height - CURVE + 6, 8, wide - 8
    pen.rectangle((left, top, right, foot), outline="#e6e6e6")
    if t:
        across = film.elapsed / max(int(film.elapsed[-1]), 1)
        x = left + (right - left) * across[: t + 1]
        for resource in (MEMORY, CPU):
            y = foot - (foot - top) * film.used[: t + 1, resource]
            pen.line(np.stack([x, y], 1).ravel().tolist(), fill=PALETTE[resource], width=2)
        pen.line((x[-1], top, x[-1], foot), fill=FAINT)
    for resource, name in ((CPU, "cpu"), (MEMORY, "memory")):
        at = (left + 4 + 34 * resource, top + 2)
        pen.text(at, name, fill=PALETTE[resource], font=_font(False))
    return np.asarray(frame)


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


def _servers(film: Film, t: int) -> Image:
    """(H, W, 3) the heat map, with the request where there is one and a frame where it goes."""
    if t >= len(film.home):
        return paint(film.cells[t], film.servers)
    home, (taker, slot) = int(film.home[t]), film.taken[t].tolist()
    node = film.scenario.each("node_cpu")[home], film.scenario.each("node_memory")[home]
    cpu, memory, halved = film.request[t].tolist()
    picture = paint(
        film.cells[t], film.servers, home, (cpu / MILLI / node[0], memory / MIB / node[1])
    )
    if taker != NOBODY:
        picture = picture.copy()
        _mark(picture, film, taker, slot, bool(halved))
    return picture


def _mark(picture: Image, film: Film, taker: int, slot: int, halved: bool) -> None:
    """A frame around the slot that takes the request."""
    places, _ = places_of(film.servers, film.cells.shape[3])
    shape = film.cells.shape[1:]
    server, node = divmod(slot, NODES)
    nodes = range(NODES) if halved else [node]
    own = [
        int(np.ravel_multi_index((taker, r, server, n), shape))
        for r in (CPU, MEMORY)
        for n in nodes
    ]
    rows, columns = np.nonzero(np.isin(places, own))
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    for y in (slice(top - 2, top), slice(bottom, bottom + 2)):
        picture[y, left - 2 : right + 2] = MARK
    for x in (slice(left - 2, left), slice(right, right + 2)):
        picture[top - 2 : bottom + 2, x] = MARK


def _told(film: Film, t: int) -> str:
    """The request and what becomes of it, in a line."""
    day, second = divmod(int(film.second[t]) + film.start_hour * HOUR, DAY)
    time = f"day {day} {second // HOUR:02}:{second // 60 % 60:02}"
    if t >= len(film.home):
        return f"{time}: the episode has ended"
    cpu, memory, halved = film.request[t].tolist()
    size = f"{cpu / MILLI:g} vCPU, {memory / MIB:g} GB{', halved' if halved else ''}"
    taker = int(film.taken[t, 0])
    does = "turned away" if taker == NOBODY else f"goes to cluster_{taker}"
    return f"{time}  request {film.number[t]:,}: {size}; {does}"


def _gauges(film: Film, t: int) -> str:
    cpu, memory = film.used[t]
    return (
        f"cpu {cpu:.0%}  memory {memory:.0%}  placed {film.placed[t]:,}  "
        f"turned away {film.turned_away[t]:,}  {film.gained_name} {film.gained[t]:,.0f}"
    )


@lru_cache(maxsize=2)
def _font(bold: bool) -> Any:
    """Matplotlib's own, which is there on every machine."""
    from matplotlib import get_data_path
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / name), 11)


def _colours() -> Image:
    """(256, 3) of a GIF: every second shade, what else is drawn, and greys for the letters."""
    shades = palette()[:LEVELS:2]
    rest = palette()[LEVELS:]
    inks = np.array([[int(ink[i : i + 2], 16) for i in (1, 3, 5)] for ink in PALETTE[:2]])
    paler = np.concatenate([255 + (inks - 255) * share for share in (1.0, 0.75, 0.5, 0.25)])
    greys = np.linspace(0, 255, 256 - len(shades) - len(rest) - len(paler))[:, None].repeat(3, 1)
    return np.concatenate([shades, rest, paler.round(), greys.round()]).astype(np.uint8)
