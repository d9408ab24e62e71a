"""The servers of one environment as a picture or as text, for `render_mode` "rgb_array" and "ansi".

Both show each node's cpu and memory by cluster; a darker cell is fuller. Numpy alone, so that a
frame costs no more than some steps.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.sim import Simulator
from vmagent_marl.sim.rules import CPU, MEMORY, NODES
from vmagent_marl.sim.state import DOWN, HOME, NOW, ROW, RUNNING, STATUS
from vmagent_marl.trace.units import DAY

Image = NDArray[np.uint8]

COLUMNS = 80  # characters of a line
EMPTY, OUT = "·", "░"
BLOCKS = "▁▂▃▄▅▆▇█"

WIDTH = 640  # pixels that a row of servers takes, about
MARGIN, APART, GAP = 8, 3, 12  # pixels around all, between servers, between clusters
BAR = 6  # pixels of the bars that mark the home and show the request
MULTIPLE = 16  # of both sides, as video encoders want them

# ColorBrewer's YlGnBu: rising darkness, told apart by any eye and in grey print.
_ANCHORS = np.array(
    [
        (255, 255, 217), (237, 248, 177), (199, 233, 180), (127, 205, 187), (65, 182, 196),
        (29, 145, 192), (34, 94, 168), (37, 52, 148), (8, 29, 88),
    ],
    np.float64,
)  # fmt: skip
LEVELS = 201  # colours of a used share
GREY, HATCH, PAPER, ORANGE, RAIL = range(LEVELS, LEVELS + 5)  # places in the palette behind them


def taking(sim: Simulator, b: int = 0) -> NDArray[np.bool_]:
    """(K, S) servers that take VMs: in service, and of a cluster that is not held out of it."""
    up = sim.state.counts[b, :, DOWN] == 0
    takes: NDArray[np.bool_] = (sim.state.in_service[b] == 1) & up[:, None]
    return takes


def used_shares(sim: Simulator, b: int = 0) -> NDArray[np.float64]:
    """(K, resource, S, node) used share of each node; NaN on servers out of service.

    A server of a drained cluster counts as in use until its last VM has left.
    """
    clusters, servers = sim.state.in_service.shape[1:]
    free = sim.free[b].reshape(clusters, 2, servers, NODES)
    here = taking(sim, b) | (sim.state.vms_on[b] > 0)
    used = 1.0 - free / sim.rules.node[:, :, None, None]
    shares: NDArray[np.float64] = np.where(here[:, None, :, None], used, np.nan)
    return shares


def cells_of(sim: Simulator, b: int = 0) -> Image:
    """(K, resource, S, node) used share of each node in steps of 0.5 %; GREY: out of service."""
    return cells_from(used_shares(sim, b))


def cells_from(used: NDArray[np.float64]) -> Image:
    """The same from such shares, NaN where a server is out of service."""
    cells = np.clip(np.rint(np.nan_to_num(used) * (LEVELS - 1)), 0, LEVELS - 1).astype(np.uint8)
    return np.where(np.isnan(used), np.uint8(GREY), cells)


def occupancy_image(sim: Simulator, b: int = 0) -> Image:
    """(H, W, 3) the servers of environment b; the size depends on the scenario alone.

    Clusters from top to bottom, servers from left to right (and on in further rows), each a square
    of node 0 and 1 across, cpu above memory. Hatched grey is out of service. An orange rail marks
    the request's home, and two bars below show its cpu and memory as shares of a node there.
    """
    clock, most = sim.state.clock[b], tuple(sim.rules.most.tolist())
    if clock[STATUS] != RUNNING:
        return paint(cells_of(sim, b), most)
    home = int(clock[HOME])
    cpu, memory = (sim.feed.total[clock[ROW]] / sim.rules.node[home]).tolist()
    return paint(cells_of(sim, b), most, home, (cpu, memory))


def paint(
    cells: Image,
    most: tuple[int, ...],
    home: int | None = None,
    request: tuple[float, float] = (0.0, 0.0),
) -> Image:
    """(H, W, 3) what `cells_of` tells, clusters of `most` servers, and a request if it has a home.

    `request`: its cpu and memory as shares of a node there.
    """
    cells = np.ascontiguousarray(cells)
    hatched = np.where(cells == GREY, np.uint8(HATCH), cells).ravel()
    rails = np.full(len(most), RAIL, np.uint8)
    if home is not None:
        rails[home] = ORANGE
    values = np.concatenate([cells.ravel(), hatched, rails, np.array([PAPER], np.uint8)])
    places, bars = places_of(most, cells.shape[2])
    shown = np.take(values, places, mode="clip")
    if home is not None:
        for resource in (CPU, MEMORY):
            top, left, right = bars[resource]
            shown[top : top + BAR, left:right] = RAIL
            end = left + round((right - left) * min(1.0, request[resource]))
            shown[top : top + BAR, left : max(end, left + 1)] = ORANGE
    # One take of four bytes is several times faster than one of a row of three.
    pixels = np.take(_packed(), shown, mode="clip").view(np.uint8).reshape(*shown.shape, 4)
    return np.ascontiguousarray(pixels[:, :, :3])


def occupancy_text(sim: Simulator, b: int = 0) -> str:
    """The same in lines of at most 80 characters: two blocks a server, one for each node.

    A block is as high as the larger used share of the node's cpu and memory; the home is marked >.
    """
    clock, runs = sim.state.clock[b], sim.state.clock[b, STATUS] == RUNNING
    shares = used_shares(sim, b).max(axis=1)  # (K, S, node)
    lines = [_legend(sim, b)]
    for k in range(sim.clusters):
        servers = [_server(shares[k, s]) for s in range(int(sim.rules.most[k]))]
        mark = ">" if runs and clock[HOME] == k else " "
        head = f"{mark} cluster_{k:<{len(str(sim.clusters - 1))}} "
        per_line = (COLUMNS - len(head)) // (NODES + 1)
        for i in range(0, len(servers), per_line):
            line = head if i == 0 else " " * len(head)
            lines.append((line + " ".join(servers[i : i + per_line])).rstrip())
    heights = f"{BLOCKS[0]}..{BLOCKS[-1]}"
    lines.append(f"{EMPTY} empty  {heights} used share of a node  {OUT} out of service")
    return "\n".join(lines)


def _legend(sim: Simulator, b: int) -> str:
    """The request, its home, and the time of day."""
    clock = sim.state.clock[b]
    day, second = divmod(int(clock[NOW]) + 3600 * sim.feed.start_hour, DAY)
    time = f"day {day} {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    if clock[STATUS] != RUNNING:
        return f"no request, the episode has ended | {time}"
    row = int(clock[ROW])
    cpu, memory = sim.feed.total[row]
    halved = ", halved" if sim.feed.halved[row] else ""
    size = f"{cpu / 1000:g} vCPU, {memory / 1024:g} GB{halved}"
    return f"request {sim.number(b) + 1}: {size} | home cluster_{clock[HOME]} | {time}"


def _server(shares: NDArray[np.float64]) -> str:
    """Two characters for the used shares of a server's nodes."""
    if np.isnan(shares[0]):
        return OUT * NODES
    heights = np.ceil(shares * len(BLOCKS) - 1e-9).astype(int)
    return "".join(BLOCKS[h - 1] if h > 0 else EMPTY for h in heights)


def palette() -> NDArray[np.uint8]:
    """(LEVELS + 5, 3) red, green and blue: of used shares from 0 to 1, then of all else."""
    at = np.linspace(0, len(_ANCHORS) - 1, LEVELS)
    shares = np.stack([np.interp(at, range(len(_ANCHORS)), c) for c in _ANCHORS.T], axis=1)
    rest = [(217, 217, 217), (150, 150, 150), (255, 255, 255), (213, 94, 0), (190, 190, 190)]
    return np.concatenate([np.rint(shares), np.array(rest)]).astype(np.uint8)


@lru_cache(maxsize=1)
def _packed() -> NDArray[np.uint32]:
    """(LEVELS + 5,) the palette's colours, each as the bytes red, green, blue, 0."""
    colours = np.zeros((LEVELS + 5, 4), np.uint8)
    colours[:, :3] = palette()
    return colours.view(np.uint32)[:, 0]


_Bars = dict[int, tuple[int, int, int]]


@lru_cache(maxsize=8)
def places_of(most: tuple[int, ...], servers: int) -> tuple[NDArray[np.intp], _Bars]:
    """(H, W) what each pixel shows, and where the request's bars are (top, left, right).

    Cells come first, in the order (K, resource, S, node), then the same once more for the pixels of
    the hatching, then each cluster's rail, then paper.
    """
    clusters = len(most)
    count = clusters * 2 * servers * NODES
    cell = np.arange(count, dtype=np.intp).reshape(clusters, 2, servers, NODES)
    paper = 2 * count + clusters
    per_row = min(servers, 32 if servers <= 256 else 64)
    pixels = int(np.clip((WIDTH // per_row - APART - 1) // NODES, 3, 28))
    side = NODES * pixels + 1  # the nodes are one pixel apart
    lines = [-(-number // per_row) for number in most]
    left = MARGIN + 2 * BAR
    width = left + max(per_row, 4) * (side + APART) - APART + MARGIN
    heights = [n * (side + APART) - APART for n in lines]
    below = MARGIN + sum(heights) + GAP * clusters
    height = below + 2 * BAR + 2 + MARGIN
    picture = np.full(
        (-(-height // MULTIPLE) * MULTIPLE, -(-width // MULTIPLE) * MULTIPLE), paper, np.intp
    )
    rows, columns = np.indices((pixels, pixels))
    top = MARGIN
    for k, number in enumerate(most):
        picture[top : top + heights[k], MARGIN : MARGIN + BAR] = 2 * count + k
        for server in range(number):
            y0 = top + server // per_row * (side + APART)
            x0 = left + server % per_row * (side + APART)
            for resource in (CPU, MEMORY):
                for node in range(NODES):
                    y, x = y0 + resource * (pixels + 1), x0 + node * (pixels + 1)
                    is_line = (y + rows + x + columns) % 5 == 0
                    index = cell[k, resource, server, node] + count * is_line
                    picture[y : y + pixels, x : x + pixels] = index
        top += heights[k] + GAP
    right = left + max(per_row, 4) * (side + APART) - APART
    picture.flags.writeable = False  # the cache hands it out again
    return picture, {CPU: (below, left, right), MEMORY: (below + BAR + 2, left, right)}
