"""Plotly figures, as plain dictionaries: titles, units, and colours that any eye tells apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.sim.rules import CPU, MEMORY, NODES, WAIT
from vmagent_marl.sim.state import HOPS, PLACED, WAITED
from vmagent_marl.view.dashboard import series
from vmagent_marl.view.dashboard.series import Axis
from vmagent_marl.view.heatmap import time_unit
from vmagent_marl.view.replay import Replay
from vmagent_marl.view.style import PALETTE

Figure = dict[str, Any]
DASHES = ("solid", "dot")  # of the first and the second recording
NAMES = ("A", "B")


def scale(replays: Sequence[Replay], axis: Axis) -> tuple[float, str]:
    """What positions are divided by, and what the axis is called."""
    if axis == "requests":
        return 1.0, "requests decided"
    unit, name = time_unit(max(float(replay.second[-1]) for replay in replays))
    return unit, f"simulated time ({name})"


def load_figure(replays: Sequence[Replay], axis: Axis) -> Figure:
    """Used share of cpu and memory over the episode."""
    lines = []
    for i, replay in enumerate(replays):
        for resource, name in ((CPU, "cpu"), (MEMORY, "memory")):
            colour = PALETTE[2 * i + (resource == MEMORY)] if len(replays) > 1 else None
            lines.append(
                _line(
                    replays,
                    i,
                    axis,
                    100 * series.load(replay, resource),
                    name,
                    colour or PALETTE[resource],
                )
            )
    return _figure(replays, axis, lines, "used share (%)", floor=0.0)


def reward_figure(replays: Sequence[Replay], axis: Axis) -> Figure:
    """Reward so far."""
    lines = [
        _line(replays, i, axis, series.reward_so_far(replay), "reward", PALETTE[i])
        for i, replay in enumerate(replays)
    ]
    return _figure(replays, axis, lines, "reward so far (team's mean)")


def difference_figure(one: Replay, two: Replay, axis: Axis) -> Figure:
    """Reward so far of A less B's."""
    at, apart = series.difference(one, two, axis)
    per, _ = scale([one, two], axis)
    line = {
        "type": "scatter",
        "mode": "lines",
        "x": plain(at / per),
        "y": plain(apart),
        "fill": "tozeroy",
        "fillcolor": "rgba(0,158,115,.18)",
        "line": {"color": PALETTE[2], "width": 2},
        "name": "A less B",
        "showlegend": False,
    }
    return _figure([one, two], axis, [line], "A's reward less B's")


def queue_figure(replays: Sequence[Replay], axis: Axis) -> Figure:
    """VMs that wait, where they do."""
    lines = [
        _line(replays, i, axis, replay.queue, "VMs waiting", PALETTE[i], step=True)
        for i, replay in enumerate(replays)
    ]
    return _figure(replays, axis, lines, "VMs in the queue", floor=0.0)


def wait_figure(replays: Sequence[Replay], axis: Axis) -> Figure:
    """How long each VM waited before it was placed."""
    lines = []
    for i, replay in enumerate(replays):
        waited = np.append(replay.outcome[:, WAITED], 0) / 60
        lines.append(_line(replays, i, axis, waited, "wait", PALETTE[i], points=3000))
    return _figure(replays, axis, lines, "wait of the VM placed (minutes)", floor=0.0)


def profit_figure(replays: Sequence[Replay], axis: Axis) -> Figure:
    """Profit so far of each cluster."""
    return _by_cluster(replays, axis, [r.profit for r in replays], "profit so far (price units)")


def power_figure(replays: Sequence[Replay], axis: Axis) -> Figure:
    """What the servers that are not empty burn."""
    values = [series.power_now(replay) for replay in replays]
    return _by_cluster(replays, axis, values, "price units / h")


def hops_figure(replays: Sequence[Replay], axis: Axis) -> Figure:
    """Mean hops up to each step, of the VMs placed by then."""
    lines = []
    for i, replay in enumerate(replays):
        counts = replay.counts.sum(axis=1)
        placed = np.maximum(counts[:, PLACED], 1)
        lines.append(_line(replays, i, axis, counts[:, HOPS] / placed, "hops", PALETTE[i]))
    return _figure(replays, axis, lines, "mean hops so far", floor=0.0)


def server_figure(replay: Replay, k: int, server: int, axis: Axis) -> Figure:
    """Used shares of one server's nodes over the episode."""
    steps, shares = replay.server(k, server)
    steps, shares = np.append(steps, len(replay)), np.concatenate([shares, shares[-1:]])
    kept = series.thinned(len(steps), 2000)
    per, _ = scale([replay], axis)
    x = plain(series.across(replay, axis)[steps[kept]] / per)
    lines = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": x,
            "y": plain(100 * shares[kept, resource, node]),
            "line": {
                "color": PALETTE[resource],
                "dash": DASHES[node],
                "width": 1.6,
                "shape": "hv",
            },
            "name": f"{name}, node {node}",
        }
        for resource, name in ((CPU, "cpu"), (MEMORY, "memory"))
        for node in range(NODES)
    ]
    return _figure([replay], axis, lines, "used share (%)", floor=0.0)


def waits(replays: Sequence[Replay]) -> bool:
    """Whether VMs wait in any of them."""
    return any(replay.rules.turned_away == WAIT for replay in replays)


def priced(replays: Sequence[Replay]) -> bool:
    """Whether clusters, or power, make profit worth a look."""
    return any(replay.clusters > 1 or replay.rules.power.any() for replay in replays)


def _by_cluster(
    replays: Sequence[Replay], axis: Axis, values: Sequence[NDArray[Any]], unit: str
) -> Figure:
    lines = []
    for i, replay in enumerate(replays):
        for k in range(replay.clusters):
            line = _line(replays, i, axis, values[i][:, k], f"cluster {k}", PALETTE[k % 6])
            line["line"] = {**line["line"], "dash": DASHES[i % 2]}
            lines.append(line)
    return _figure(replays, axis, lines, unit)


def _line(
    replays: Sequence[Replay],
    i: int,
    axis: Axis,
    values: NDArray[Any],
    name: str,
    colour: str,
    *,
    step: bool = False,
    points: int = series.POINTS,
) -> Figure:
    """A curve of recording i, which is named A or B beside another."""
    kept = series.thinned(len(values), points)
    per, _ = scale(replays, axis)
    who = f"{NAMES[i]} {name}" if len(replays) > 1 else name
    return {
        "type": "scatter",
        "mode": "lines",
        "x": plain(series.across(replays[i], axis)[kept] / per),
        "y": plain(values[kept]),
        "name": who,
        "line": {"color": colour, "width": 1.8, "shape": "hv" if step else "linear"},
    }


def _figure(
    replays: Sequence[Replay],
    axis: Axis,
    lines: Sequence[Figure],
    unit: str,
    floor: float | None = None,
) -> Figure:
    per, name = scale(replays, axis)
    made = layout(name, unit)
    end = max(float(series.across(replay, axis)[-1]) for replay in replays) / per
    made["xaxis"]["range"] = [0, max(end, 1e-9)]
    if floor is not None:
        made["yaxis"]["rangemode"] = "tozero"
    return {"data": list(lines), "layout": made}


def layout(x: str, y: str) -> Figure:
    """Of every chart, with its axes' titles; colours follow light and dark by the style sheet."""
    axis = {"automargin": True, "zeroline": False, "fixedrange": False, "ticks": "outside"}
    return {
        "autosize": True,
        "margin": {"l": 52, "r": 12, "t": 8, "b": 44},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 12},
        "hovermode": "x unified",
        "xaxis": {**axis, "title": {"text": x}},
        "yaxis": {**axis, "title": {"text": y, "standoff": 10}, "nticks": 6},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "uirevision": "kept",
    }


def plain(values: NDArray[Any]) -> list[float | None]:
    """Finite numbers of six digits: what a screen shows, and a third of the bytes."""
    return [float(f"{v:.6g}") if np.isfinite(v) else None for v in values.tolist()]
