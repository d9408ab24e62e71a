"""Learning curves of runs, with intervals where there are several seeds."""

from __future__ import annotations

from collections.abc import Sequence

from vmagent_marl.view.dashboard.charts import Figure, layout, plain
from vmagent_marl.view.dashboard.runs import Band
from vmagent_marl.view.style import PALETTE


def curve_figure(bands: Sequence[Band], column: str) -> Figure:
    """A learning curve with its interval over seeds."""
    lines: list[Figure] = []
    for i, band in enumerate(bands):
        colour = PALETTE[i % 6]
        x = plain(band.step)
        if band.seeds > 1:
            edge = {"width": 0, "color": colour}
            shared = {"type": "scatter", "mode": "lines", "x": x, "line": edge, "hoverinfo": "skip"}
            lines.append({**shared, "y": plain(band.low), "showlegend": False})
            fill = {"fill": "tonexty", "fillcolor": _faint(colour), "showlegend": False}
            lines.append({**shared, "y": plain(band.high), **fill})
        lines.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "x": x,
                "y": plain(band.mean),
                "name": band.name,
                "line": {"color": colour, "width": 2},
                "marker": {"size": 5},
            }
        )
    return {"data": lines, "layout": layout("training steps", column.replace("_", " "))}


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},.2)"
