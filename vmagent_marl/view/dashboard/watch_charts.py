"""The charts and the table below the player, of one or two replays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vmagent_marl.view.dashboard import charts
from vmagent_marl.view.dashboard.parts import graph, number, panel, table
from vmagent_marl.view.dashboard.series import Axis
from vmagent_marl.view.metric_names import TOLD
from vmagent_marl.view.replay import Replay


def chart_figures(
    replays: Sequence[Replay], axis: Axis, same: bool
) -> dict[str, tuple[str, str, charts.Figure]]:
    """By name: title, what it shows, and the figure."""
    made = {
        "load": (
            "Load",
            "used share of cpu and memory of all servers in service",
            charts.load_figure(replays, axis),
        ),
        "reward": (
            "Reward",
            "sum of the team's rewards so far",
            charts.reward_figure(replays, axis),
        ),
    }
    if same:
        made["difference"] = (
            "Difference",
            "reward so far of A less that of B; above zero A is ahead",
            charts.difference_figure(replays[0], replays[1], axis),
        )
    if charts.waits(replays):
        made["queue"] = ("Queue", "VMs that wait", charts.queue_figure(replays, axis))
        made["wait"] = ("Wait", "minutes each VM waited", charts.wait_figure(replays, axis))
    if charts.priced(replays):
        made["profit"] = (
            "Profit",
            "revenue less power of each cluster so far",
            charts.profit_figure(replays, axis),
        )
        made["power"] = (
            "Power",
            "what servers in use burn, by cluster",
            charts.power_figure(replays, axis),
        )
        made["hops"] = (
            "Hops",
            "mean position in the offer chain at which VMs were taken",
            charts.hops_figure(replays, axis),
        )
    return made


def chart_panels(replays: Sequence[Replay], axis: Axis, same: bool) -> list[Any]:
    """Every chart in a titled box."""
    return [
        panel(
            title,
            graph({"type": "chart", "name": name}, figure, f"{title}: {about}."),
            about=f"{about[0].upper()}{about[1:]}.",
        )
        for name, (title, about, figure) in chart_figures(replays, axis, same).items()
    ]


def metrics_table(replays: Sequence[Replay]) -> Any:
    """Rows of metrics, a column each, and the difference of two."""
    returns = [float(replay.reward.sum()) for replay in replays]
    head = ["metric", "unit", *(replay.recording.policy for replay in replays)]
    two = len(replays) == 2
    rows: list[list[str]] = [["return", "reward", *(number(value) for value in returns)]]
    if two:
        head.append("A less B")
        rows[0].append(_signed(returns[0] - returns[1]))
    for field, told in TOLD.items():
        values: list[Any] = [getattr(replay.metrics, field) for replay in replays]
        row = [told.name, told.unit, *(number(value) for value in values)]
        rows.append([*row, _signed(values[0] - values[1])] if two else row)
    return table(head, rows)


def _signed(value: float) -> str:
    return f"+{number(value)}" if value > 0 else number(value)
