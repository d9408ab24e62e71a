"""A film as moving pictures (GIF): what is asked for, the servers, and the load up to then."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from vmagent_marl.envs.frames import LEVELS, Image, paint, palette, places_of
from vmagent_marl.errors import SettingError
from vmagent_marl.files import replacing
from vmagent_marl.sim.rules import CPU, MEMORY, NODES
from vmagent_marl.sim.state import NOBODY
from vmagent_marl.trace.units import DAY, HOUR, MIB, MILLI
from vmagent_marl.view.film import Film
from vmagent_marl.view.style import FAINT, INK, PALETTE

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
