"""The heat map of servers: where each node's cell lies, and the figure that a page fills."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vmagent_marl.sim.rules import NODES

GAP, HAIR, APART = 0.3, 0.05, 0.7  # of a cell: between servers, their nodes, and clusters
TOLD = 60  # servers up to which a share is written into each cell
MARKED = 300  # up to which what is empty or out of service is marked by more than its colour
# ColorBrewer's YlGnBu, as every figure of this package has it for used shares: fuller is darker.
# On dark paper viridis, where fuller is brighter.
_SHARES = {
    "light": (
        "#ffffd9", "#edf8b1", "#c7e9b4", "#7fcdbb", "#41b6c4", "#1d91c0", "#225ea8", "#253494",
        "#081d58",
    ),
    "dark": (
        "#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30",
        "#fde725",
    ),
}  # fmt: skip
# Of what is out of service, and of what is empty, on light and on dark paper.
_BARE = {"light": ("#a0a0a0", "#ececec"), "dark": ("#7d7d7d", "#2b323b")}
LOW, EMPTY_AT, OUT_AT = -40.0, -12.0, -32.0  # of z, which is used per cent from 0 on


@dataclass(frozen=True)
class ServerMap:
    """Cells of K clusters' servers: rows and columns of a grid with gaps in it."""

    x: list[float]  # edges of the columns
    y: list[float]  # edges of the rows
    row: list[int]  # of each cell, flat as `frame` has them
    column: list[int]
    owner: list[list[int]]  # cluster, server and node of each cell
    labels: list[tuple[float, str]]  # y of each cluster's middle, and its name
    per_row: int  # servers
    lines: int  # rows of servers


def server_map(most: Sequence[int], prices: Sequence[float]) -> ServerMap:
    """The grid of clusters with so many servers each; prices of power stand in their names."""
    total, largest = sum(most), max(most)
    per_row = min(largest, 10 if total <= TOLD else 25 if total <= MARKED else 50)
    x = [0.0]
    for _ in range(per_row):
        x += [x[-1] + 1, x[-1] + 1 + HAIR, x[-1] + 2 + HAIR, x[-1] + 2 + HAIR + GAP]
    y, lines = [0.0], 0
    row, column, owner, labels = [], [], [], []
    for k, number in enumerate(most):
        top = y[-1]
        for server in range(number):
            if server % per_row == 0:
                y += [y[-1] + 1, y[-1] + 1 + 0.14]
                lines += 1
            for node in range(NODES):
                row.append(len(y) - 3)
                column.append(4 * (server % per_row) + 2 * node)
                owner.append([k, server, node])
        priced = f"<br>power {prices[k]:g}" if any(prices) else ""
        labels.append(((top + y[-1]) / 2, f"cluster {k}{priced}"))
        y[-1] += APART - 0.14
    return ServerMap(x, y, row, column, owner, labels, per_row, lines)


def map_figure(shape: ServerMap) -> dict[str, Any]:
    """The map without a value in it; the page fills in what a frame tells."""
    rows, columns = len(shape.y) - 1, len(shape.x) - 1
    empty = np.full((rows, columns), None).tolist()
    blank = np.full((rows, columns), "").tolist()
    written = len(shape.owner) <= NODES * MARKED
    trace = {
        "type": "heatmap",
        "x": shape.x,
        "y": shape.y,
        "z": empty,
        "hovertext": blank,
        "hoverinfo": "text",
        "hoverongaps": False,
        "zmin": LOW,
        "zmax": 100,
        "colorscale": _colours("light"),
        "colorbar": {
            "orientation": "h",
            "y": -0.02,
            "yanchor": "top",
            "thickness": 10,
            "outlinewidth": 0,
            "tickvals": [OUT_AT, EMPTY_AT, 25, 50, 75, 100],
            "ticktext": ["out", "empty", "25", "50", "75", "100 %"],
            "tickangle": 0,
            "tickfont": {"size": 11},
        },
        **({"text": blank, "texttemplate": "%{text}"} if written else {}),
    }
    numbered = shape.lines == len(shape.labels) and shape.per_row <= 25
    middles = [shape.x[4 * i] + 1 + HAIR / 2 for i in range(shape.per_row)]
    tall = 70 if shape.lines <= 2 else 44 if shape.lines <= 4 else 30 if shape.lines <= 12 else 18
    return {
        "data": [trace],
        "layout": {
            "autosize": True,
            "height": int(shape.y[-1] * tall) + 96,
            "margin": {"l": 70, "r": 8, "t": 26 if numbered else 8, "b": 60},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": "system-ui, sans-serif", "size": 12},
            "xaxis": {
                "side": "top",
                "showgrid": False,
                "zeroline": False,
                "fixedrange": True,
                "range": [shape.x[0], shape.x[-2]],
                "tickvals": middles if numbered else [],
                "ticktext": [f"{i}" for i in range(shape.per_row)] if numbered else [],
                "ticks": "",
            },
            "yaxis": {
                "showgrid": False,
                "zeroline": False,
                "fixedrange": True,
                "range": [shape.y[-1] - APART, shape.y[0]],
                "tickvals": [at for at, _ in shape.labels],
                "ticktext": [name for _, name in shape.labels],
                "ticks": "",
            },
            "shapes": [],
            "hovermode": "closest",
            "uirevision": "kept",
        },
    }


def server_at(shape: ServerMap, x: float, y: float) -> tuple[int, int] | None:
    """Cluster and server of the cell at a place of the figure; None for a gap."""
    place = bisect_right(shape.y, y) - 1, bisect_right(shape.x, x) - 1
    for row, column, (k, server, _) in zip(shape.row, shape.column, shape.owner, strict=True):
        if (row, column) == place:
            return k, server
    return None


def for_page(shape: ServerMap) -> dict[str, Any]:
    """What a page needs to fill the figure."""
    cells = len(shape.owner)
    return {
        "x": shape.x,
        "y": shape.y,
        "row": shape.row,
        "column": shape.column,
        "told": cells <= NODES * TOLD,
        "marked": cells <= NODES * MARKED,
        "low": [OUT_AT, EMPTY_AT],
        "colours": {theme: _colours(theme) for theme in _BARE},
    }


def _colours(theme: str) -> list[list[Any]]:
    """Two flat colours for what holds no VM, then the shares."""
    out, empty = _BARE[theme]
    span = 100 - LOW
    middle, zero = (EMPTY_AT + OUT_AT) / 2 - LOW, -LOW - 4
    flat = [[0.0, out], [middle / span, out], [middle / span, empty], [zero / span, empty]]
    rest = [[(100 * i / 8 - LOW) / span, colour] for i, colour in enumerate(_SHARES[theme])]
    return flat + rest
